"""Gates: what a model must reach on validation rows for the pipeline to continue."""
