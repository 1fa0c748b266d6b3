"""Simple models that every network is compared with, on the same rows: fitted once, cached, bounded in time."""
