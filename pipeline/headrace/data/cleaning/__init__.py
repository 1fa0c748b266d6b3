"""Cleaning: the checks that compare rows (duplicates, wrong labels, rare classes), the decision, and its report."""
