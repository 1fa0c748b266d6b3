"""MLflow: runs, lineage, registry and the served model. The only importer of mlflow."""
