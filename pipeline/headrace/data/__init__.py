"""Data by modality. One registry per stage, so that a stage depends on the code for its own step only."""
