"""Which rows are for training, validation and test: by hash, by group, by time, as the source has it; and folds."""
