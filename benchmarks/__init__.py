"""Benchmarks: what populace costs beside the training, measured against what was demanded of it."""
