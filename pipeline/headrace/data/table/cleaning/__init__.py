"""Cleaning of tables: the profile of a table, checks of its columns and cells, and typed repair."""
