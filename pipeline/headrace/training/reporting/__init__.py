"""Events of a running training, the progress line, and the metrics per epoch as a file."""
