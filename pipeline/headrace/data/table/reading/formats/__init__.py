"""Opens the files of a table, one module per format; delimited text has a folder of its own."""
