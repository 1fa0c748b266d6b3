"""Folders whose names or logs say which files and columns a table has."""
