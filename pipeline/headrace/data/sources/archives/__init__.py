"""Decompression and safe unpacking of archives."""
