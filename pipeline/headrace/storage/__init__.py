"""Files: atomic, columnar, memory-mapped; and the bundles that models are kept in."""
