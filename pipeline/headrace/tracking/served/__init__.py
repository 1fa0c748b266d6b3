"""Served models: the code that is copied into them and runs without headrace, and the download of their files."""
