"""What a run and a version show in MLflow: a name, parameters, metrics, tags and data."""
