"""Fingerprints of code: hashes of syntax trees, so that a stage runs again if its code changed, not its comments."""
