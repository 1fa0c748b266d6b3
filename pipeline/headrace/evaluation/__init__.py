"""What a model is worth, and how sure that is: figures with intervals, calibration, slices, noise, gates."""
