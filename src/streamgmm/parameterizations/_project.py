"""The nearest valid matrix: what the guard "project" puts in the place of an invalid one."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels._jit import loop

from ._theta import read_symmetric, write_symmetric

_LEAST = 1e-6


@loop
def clip_eigenvalues(scratch, j):
    """Raise the eigenvalues of the symmetric matrix scratch[j] to 1e-6 of the largest absolute one."""
    n_features = scratch.shape[1]
    finite = True
    for a in range(n_features):
        for b in range(a + 1):
            finite = finite and np.isfinite(scratch[j, a, b])
            scratch[j, b, a] = scratch[j, a, b]
    if not finite:
        return
    values, vectors = np.linalg.eigh(scratch[j])
    least = _LEAST * max(abs(values[0]), abs(values[-1]))
    for a in range(n_features):
        for b in range(a + 1):
            total = 0.0
            for c in range(n_features):
                total += max(values[c], least) * vectors[a, c] * vectors[b, c]
            scratch[j, a, b] = total


@loop
def project_matrix(factor, at, theta, scratch, j):
    """Raise the eigenvalues of factor times the symmetric matrix in theta[at:]."""
    read_symmetric(factor, theta, at, scratch, j)
    clip_eigenvalues(scratch, j)
    write_symmetric(1.0 / factor, scratch, j, theta, at)


@loop
def clip_values(scratch, j):
    """Raise the numbers in scratch[j] (n_features, 1) to 1e-6 of the largest absolute one."""
    largest = 0.0
    for a in range(scratch.shape[1]):
        largest = max(largest, abs(scratch[j, a, 0]))
    for a in range(scratch.shape[1]):
        scratch[j, a, 0] = max(scratch[j, a, 0], _LEAST * largest)


@loop
def project_values(factor, place, theta, scratch, j):
    """Raise factor times the variances' numbers in theta, one for each feature or one for all."""
    n_features = scratch.shape[1]
    at, step = place.at, place.stride
    for a in range(n_features):
        scratch[j, a, 0] = factor * theta[at + step * a]
    clip_values(scratch, j)
    for a in range(n_features):
        theta[at + step * a] = scratch[j, a, 0] / factor
