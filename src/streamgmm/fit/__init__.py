"""Drivers: a start from a few rows, EM to convergence, one pass over a stream."""
