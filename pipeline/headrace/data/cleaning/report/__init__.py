"""The report of the clean stage: what was found, with charts and example rows."""
