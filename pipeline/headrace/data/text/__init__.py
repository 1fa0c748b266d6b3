"""Text: a column of a table, or a folder of files by class."""
