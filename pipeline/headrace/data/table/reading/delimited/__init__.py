"""Reads CSV and other delimited text, and detects its delimiter, quoting and header."""
