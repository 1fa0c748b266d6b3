"""Readers of image sources, and the loading of images that a table names."""
