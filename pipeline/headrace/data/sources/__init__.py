"""Fetches sources: downloads, unpacks, and lists the files of class folders."""
