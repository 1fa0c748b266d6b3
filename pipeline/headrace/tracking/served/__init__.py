"""Code that is copied into served models: it runs where headrace is not installed."""
