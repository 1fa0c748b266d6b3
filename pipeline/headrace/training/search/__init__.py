"""The search over the settings of `train`: its space, and the records of its trials."""
