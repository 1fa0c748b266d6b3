"""Augmentation of train images: transforms of single rows, and mixtures of two."""
