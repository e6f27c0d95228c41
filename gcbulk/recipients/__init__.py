"""Files and frames of recipients: read, number column found, numbers judged, opt-outs and duplicates marked."""
