"""Metrics as formulas over NumPy arrays, by task."""
