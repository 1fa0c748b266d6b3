"""Checks of image rows: quality, near-duplicates, features for label checks, thumbnails for the report."""
