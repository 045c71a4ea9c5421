"""Softmax weights, means, and the matrix logarithm of the covariance."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization, Parts
from ._theta import add_symmetric, add_vector, read_mean, read_symmetric


@exact_kernel
def _slope(first, second):
    """Return the divided difference (e^first - e^second) / (first - second)."""
    half = 0.5 * (first - second)
    ratio = np.sinh(half) / half if abs(half) > 1e-4 else 1.0 + half * half / 6.0
    return np.exp(0.5 * (first + second)) * ratio


@exact_kernel
def _sandwich(left, middle, right, scratch, j, k):
    """Write left' middle right to scratch[k], all square; scratch[j] is working space."""
    n_features = middle.shape[0]
    for a in range(n_features):
        for b in range(n_features):
            total = 0.0
            for c in range(n_features):
                total += middle[a, c] * right[c, b]
            scratch[j, a, b] = total
    for a in range(n_features):
        for b in range(n_features):
            total = 0.0
            for c in range(n_features):
                total += left[c, a] * scratch[j, c, b]
            scratch[k, a, b] = total


@exact_kernel
def _mirror(source, j, target, k):
    for a in range(source.shape[1]):
        for b in range(a + 1):
            target[k, a, b] = source[j, a, b]
            target[k, b, a] = source[j, a, b]


@loop
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """In the eigenbasis of log S, with C that of s2 and eigenvalues e: divided differences F of exp.

    dl/dlog S = F (C_ab / (e_a e_b) - n I / e) / 2; preconditioned, (C - n e I) / F.
    """
    n_features = means.shape[1]
    read_symmetric(1.0, theta, place.at, scratch, j)
    _mirror(scratch, j, scratch, j + 1)
    logs, vectors = np.linalg.eigh(scratch[j + 1])
    _mirror(s2, k, scratch, j + 1)
    _sandwich(vectors, scratch[j + 1], vectors, scratch, j + 2, j)
    for a in range(n_features):
        for b in range(n_features):
            own = n * np.exp(logs[a]) if a == b else 0.0
            slope = _slope(logs[a], logs[b])
            if precondition:
                scratch[j, a, b] = (scratch[j, a, b] - own) / slope
            else:
                scratch[j, a, b] = 0.5 * slope * (scratch[j, a, b] - own) * np.exp(-logs[a] - logs[b])
    back = vectors.T.copy()
    _sandwich(back, scratch[j], back, scratch, j + 2, j + 1)
    add_symmetric(1.0, scratch, j + 1, change, place.at, 1.0 if precondition else 2.0)
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        return
    linear.solve(s1, scale, k, scratch, j + 2, j + 3)
    add_vector(scratch[j + 3], 0, change, place.mean_at)


@loop
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Exponentiate and factor."""
    n_features = means.shape[1]
    read_symmetric(1.0, theta, place.at, scratch, j)
    _mirror(scratch, j, scratch, j + 1)
    total = 0.0
    for a in range(n_features):
        for b in range(a + 1):
            total += scratch[j, a, b] * scratch[j, a, b]
    if not (read_mean(theta, place.mean_at, means, k) and total < 1e5):  # eigenvalues within exp(+-316)
        return False
    logs, vectors = np.linalg.eigh(scratch[j + 1])
    for a in range(n_features):
        for b in range(a + 1):
            total = 0.0
            for c in range(n_features):
                total += np.exp(logs[c]) * vectors[a, c] * vectors[b, c]
            scratch[j, a, b] = total
    return linear.factor(scratch, j, scale, k)


def _pack(mixture: Mixture) -> Array:
    vectors, singular, _ = np.linalg.svd(mixture.factor)
    return (vectors * (2 * np.log(singular))[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2)


class LogCovariance(Parameterization):
    """theta = [logits, means, entries of log S], the matrix logarithm.

    Any vector is a valid mixture, and inverting S changes the sign of log S: the scale of the data matters
    least here. Each step needs an eigendecomposition for each component. For `diag` and `spherical` it is
    "log-variance".

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> logarithm = parameterizations.get("log-covariance")
    >>> logarithm.pack(Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.0], [0.0, 1.0]]]))
    array([0., 2., 3., 0., 0., 0.])
    """

    name = "log-covariance"
    is_stable = True
    _parts = (Parts(TriangularForm, _pack, _direction_triangular, _retract_triangular),)
