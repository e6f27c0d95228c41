"""How a preview is shown: the facts that it tells, in a terminal, in a notebook."""
