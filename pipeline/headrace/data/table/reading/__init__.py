"""Reads delimited text, JSON lines, Parquet and scikit-learn's tables, and infers columns, target and task."""
