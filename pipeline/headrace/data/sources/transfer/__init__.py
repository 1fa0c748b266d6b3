"""Downloads by http and through fsspec, which resume where they stopped."""
