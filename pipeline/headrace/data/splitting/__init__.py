"""Which rows are for training, validation and test: by hash, group or time, or as the source has it; and folds."""
