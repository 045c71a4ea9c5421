"""Compiled loops over rows, and nothing else."""
