"""Text: one column of a table, or a folder of text files per class."""
