"""Commands about other machines: jobs on a cluster, and what MLflow still lacks."""
