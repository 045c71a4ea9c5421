"""Softmax weights, means, and the Cholesky factor with a logarithmic diagonal."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel
from streamgmm.statistics import Array

from ._base import Parameterization, Parts
from ._theta import (
    add_logarithms,
    add_vector,
    is_scale,
    is_slope,
    read_logarithms,
    read_mean,
)


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dL = tril(L^-T (L^-1 s2 L^-T - n I)); preconditioned, L times half of the bracket.

    "Half" of a symmetric matrix is its lower triangle with half of the diagonal. In the terms of
    S = L D L' with a unit L: Y = L^-1 s2 L^-T, and the bracket is D^-1/2 Y D^-1/2 - n I.
    """
    at = place.at
    n_features = means.shape[1]
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        if rank_one:
            linear.solve(s1, scale, k, scratch, j + 2, j + 3)
        linear.whiten(rank_one, n, s2, scale, k, scratch, j, j + 2)
        for b in range(n_features):
            scratch[j + 3, 0, b] = np.sqrt(scale[k, b, b])
        for a in range(n_features):
            for b in range(a):
                excess = scratch[j, b, b] - n / scale[k, b, b]
                total = 0.5 * scale[k, a, b] * excess + scratch[j, a, b]
                for c in range(b + 1, a):
                    total += scale[k, a, c] * scratch[j, c, b]
                change[at] += total * scratch[j + 3, 0, b]
                at += 1
            change[at] += 0.5 * (scratch[j, a, a] * scale[k, a, a] - n)
            at += 1
        return
    linear.solve(s1, scale, k, scratch, j + 2, j + 3)
    add_vector(scratch[j + 3], 0, change, place.mean_at)
    if rank_one:
        for a in range(n_features):
            scratch[j + 1, 0, a] = scratch[j + 2, 0, a] * np.sqrt(scale[k, a, a]) / n
        for a in range(n_features):
            for b in range(a):
                change[at] += scratch[j + 3, 0, a] * scratch[j + 1, 0, b]
                at += 1
            change[at] += scratch[j + 3, 0, a] * scratch[j + 2, 0, a] / n - n
            at += 1
        return
    linear.whiten(rank_one, n, s2, scale, k, scratch, j, j + 2)
    for a in range(n_features):
        for b in range(a):
            scratch[j, b, a] = scratch[j, a, b] * scale[k, b, b]
            scratch[j, a, b] *= scale[k, a, a]
        scratch[j, a, a] *= scale[k, a, a]
    for a in range(n_features - 1, -1, -1):  # L^-T D^-1 Y, from the last row up
        for b in range(a + 1):
            for c in range(a + 1, n_features):
                scratch[j, a, b] -= scale[k, c, a] * scratch[j, c, b]
    for a in range(n_features):
        for b in range(a):
            change[at] += scratch[j, a, b] * np.sqrt(scale[k, b, b])
            at += 1
        change[at] += scratch[j, a, a] - n
        at += 1


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Divide the columns of L by its diagonal."""
    at = place.at
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        for b in range(a):
            scale[k, a, b] = theta[at] * scratch[j, 0, b]
            valid = valid and is_slope(scale[k, a, b])
            at += 1
        inverse = np.exp(-theta[at])
        scratch[j, 0, a] = inverse
        scale[k, a, a] = inverse * inverse
        valid = valid and is_scale(scale[k, a, a])
        at += 1
    return valid


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Add that by log sigma = log v / 2."""
    add_logarithms(0.5, k, place, precondition, n, s1, s2, means, scale, change)


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Exponentiate."""
    return read_logarithms(0.5, k, place, theta, means, scale)


def with_log_diagonal(factor: Array) -> Array:
    """Return triangular matrices with the logarithms of their diagonals."""
    factor = factor.copy()
    index = np.arange(factor.shape[-1])
    factor[..., index, index] = np.log(factor[..., index, index])
    return factor


class Cholesky(Parameterization):
    """theta = [logits, means, factors].

    Factors are the lower triangles of S = L L', row by row, with log L_ii on the diagonal, or, for `diag`
    and `spherical`, the logarithms of the standard deviations. Any vector is a valid mixture: without the
    logarithm diagonal entries cross zero, and the density is singular on the way.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> cholesky = parameterizations.get("cholesky")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]])
    >>> cholesky.pack(mixture)
    array([0. , 2. , 3. , 0. , 0.5, 0. ])
    """

    name = "cholesky"
    is_stable = True
    _parts = (
        Parts(
            TriangularForm,
            lambda mixture: with_log_diagonal(mixture.factor),
            _direction_triangular,
            _retract_triangular,
        ),
        Parts(DiagonalForm, lambda mixture: np.log(mixture.factor), _direction_diagonal, _retract_diagonal),
    )

    def diagonal_floor(self, floor: float) -> float:
        """Return the least diagonal entry of theta's matrices, a logarithm.

        A standard deviation is at least L_aa, the one given the features before it.
        """
        return float(np.log(floor))
