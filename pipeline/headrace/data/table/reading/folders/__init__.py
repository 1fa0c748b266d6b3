"""Folders in which names of files and folders, logs or annotations say what the rows and columns of a table are."""
