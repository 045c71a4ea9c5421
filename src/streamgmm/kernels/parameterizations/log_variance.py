"""The logarithms of variances: twice those of standard deviations."""

from __future__ import annotations

from streamgmm.kernels._jit import exact_kernel

from ._flat import add_logarithms, read_logarithms


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """Add that by log v."""
    add_logarithms(1.0, k, mean_at, at, precondition, n, s1, s2, means, scale, theta, change)


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Exponentiate."""
    return read_logarithms(1.0, k, mean_at, at, theta, means, scale)
