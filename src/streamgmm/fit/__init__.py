"""Drivers: a start from a few rows, EM or L-BFGS to convergence, one pass over a stream."""
