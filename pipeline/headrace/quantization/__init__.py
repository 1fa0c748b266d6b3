"""From the trained network to the smallest graph that is measured right: export, candidates, measuring."""
