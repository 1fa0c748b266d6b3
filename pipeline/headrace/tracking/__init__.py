"""MLflow: runs, lineage, the registry and the served model. The only importer of mlflow."""
