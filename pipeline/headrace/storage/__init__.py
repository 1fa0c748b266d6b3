"""Files of a project: atomic writes, Parquet, memory-mapped arrays, and model bundles."""
