"""Image data: reading, cleaning, transforming, augmenting, preprocessing."""
