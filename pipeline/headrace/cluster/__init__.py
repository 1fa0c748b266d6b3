"""The only importer of Ray: a session for one stage, and jobs that run the whole pipeline on a cluster."""
