"""Evaluation of trained models: metrics with confidence intervals, calibration, slices, robustness and gates."""
