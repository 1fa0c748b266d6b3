"""Decides settings that are `auto`: batch size, learning rate, threads, precision and memory format."""
