"""Ray: sessions for single stages, and jobs for the whole pipeline. The only importer of ray."""
