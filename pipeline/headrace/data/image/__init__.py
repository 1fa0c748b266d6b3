"""Images: read, clean, transform, augment, preprocess."""
