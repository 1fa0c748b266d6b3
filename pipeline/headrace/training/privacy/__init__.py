"""Differentially private training: DP-SGD, its sampling, its noise, and the accounting of its cost."""
