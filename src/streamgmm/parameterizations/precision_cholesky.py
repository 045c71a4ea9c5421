"""Softmax weights, means, and the triangular root of the precision with a logarithmic diagonal."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel
from streamgmm.mixture import Mixture
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
from .cholesky import with_log_diagonal


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dA = tril(n A^-T - A s2); preconditioned, minus half of (A s2 A' - n I) times A.

    "Half" of a symmetric matrix is its lower triangle with half of the diagonal.
    """
    at = place.at
    n_features = means.shape[1]
    linear.solve(s1, scale, k, scratch, j + 2, j + 3)
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        linear.whiten(rank_one, n, s2, scale, k, scratch, j, j + 2)
        first = at
        for a in range(n_features):  # the rows of M = L^-1, from those of A
            root = np.sqrt(scale[k, a, a])
            scratch[j + 3, 0, a] = root
            for b in range(a):
                scratch[j + 1, a, b] = theta[first + b] / root
            scratch[j + 1, a, a] = 1.0
            first += a + 1
        for a in range(n_features):
            excess = 0.5 * (scratch[j, a, a] * scale[k, a, a] - n)
            for b in range(a):
                total = excess * scratch[j + 1, a, b]
                for c in range(b, a):
                    total += scratch[j, a, c] * scale[k, c, c] * scratch[j + 1, c, b]
                change[at] -= scratch[j + 3, 0, a] * total
                at += 1
            change[at] -= excess
            at += 1
        return
    add_vector(scratch[j + 3], 0, change, place.mean_at)
    if not rank_one:
        linear.half_whiten(s2, scale, k, scratch, j)
    for a in range(n_features):
        root = np.sqrt(scale[k, a, a])
        value = scratch[j + 2, 0, a] / n if rank_one else 0.0
        for b in range(a):
            change[at] -= root * (value * s1[k, b] if rank_one else scratch[j, a, b])
            at += 1
        last = value * s1[k, a] if rank_one else scratch[j, a, a]
        change[at] += n - scale[k, a, a] * last  # times A_aa, for its logarithm
        at += 1


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Divide the rows of A by its diagonal, and invert."""
    at = place.at
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        diagonal = np.exp(theta[at + a])
        for b in range(a):
            scratch[j, a, b] = theta[at] / diagonal
            at += 1
        scale[k, a, a] = diagonal * diagonal
        valid = valid and is_scale(scale[k, a, a])
        at += 1
    linear.invert(scratch, j, scale, k)
    for a in range(means.shape[1]):
        for b in range(a):
            valid = valid and is_slope(scale[k, a, b])
    return valid


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Add that by log(1 / sigma) = -log v / 2."""
    add_logarithms(-0.5, k, place, precondition, n, s1, s2, means, scale, change)


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Exponentiate."""
    return read_logarithms(-0.5, k, place, theta, means, scale)


def _pack_triangular(mixture: Mixture) -> Array:
    root = mixture.kind.precisions_cholesky(mixture.factor)
    return with_log_diagonal(np.swapaxes(root, -1, -2))


class PrecisionCholesky(Parameterization):
    """theta = [logits, means, roots].

    Roots are the lower triangles A of P = A' A, row by row, with log A_ii on the diagonal, or, for `diag` and
    `spherical`, minus the logarithms of the standard deviations. A is the inverse of the Cholesky factor of
    S. Any vector is a valid mixture.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> root = parameterizations.get("precision-cholesky")
    >>> root.pack(Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]]))
    array([ 0. ,  2. ,  3. ,  0. , -0.5,  0. ])
    """

    name = "precision-cholesky"
    is_stable = True
    _parts = (
        Parts(TriangularForm, _pack_triangular, _direction_triangular, _retract_triangular),
        Parts(DiagonalForm, lambda mixture: -np.log(mixture.factor), _direction_diagonal, _retract_diagonal),
    )
