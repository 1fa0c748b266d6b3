"""What there is: the state of a project's results, and whether this machine can run it."""
