"""Diagnosis of a tested model: where it fails, under which changes, and what it does not recognize."""
