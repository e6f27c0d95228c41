"""From a list and a text to results: plan, preview, journal, sending, results. `run` puts the wings together."""
