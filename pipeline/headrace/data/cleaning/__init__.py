"""Cleaning: what must be known of all rows at once (repeats, wrong labels, classes too small), and the report."""
