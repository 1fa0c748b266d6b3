"""Where a registered model comes from, and whether its training gives the same model again."""
