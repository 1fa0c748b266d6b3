"""Predictions for new rows by a registered model: in a program, or of whole files and folders."""
