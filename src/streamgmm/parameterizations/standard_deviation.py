"""Softmax weights, means, standard deviations and correlations."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, inlined, loop
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization, Parts
from ._project import clip_eigenvalues, project_values
from ._theta import add_vector, is_scale, read_mean


@inlined
def _diagonal(at, a):
    """Return where theta holds the standard deviation of feature a."""
    return at + a * (a + 3) // 2


@inlined
def _read(factor, theta, at, scratch, j):
    """Write factor times the lower triangle of S to scratch[j]."""
    entry = at
    for a in range(scratch.shape[1]):
        s_a = factor * theta[_diagonal(at, a)]
        for b in range(a):
            scratch[j, a, b] = s_a * theta[_diagonal(at, b)] * theta[entry]
            entry += 1
        scratch[j, a, a] = s_a * theta[entry]
        entry += 1


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dc_ab = s_a s_b Q_ab and dl/ds_a = sum_b Q_ab s_b c_ab with Q = P s2 P - n P.

    Preconditioned, with E = s2 - n S: ds_a = E_aa / (2 s_a) and
    dc_ab = E_ab / (s_a s_b) - c_ab (ds_a / s_a + ds_b / s_b).
    """
    n_features = means.shape[1]
    at = entry = place.at
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        _read(n, theta, at, scratch, j)
        for a in range(n_features):
            s_a = theta[_diagonal(at, a)]
            scratch[j + 1, 0, a] = 0.5 * (s2[k, a, a] - scratch[j, a, a]) / (s_a * s_a)
            for b in range(a):
                excess = (s2[k, a, b] - scratch[j, a, b]) / (s_a * theta[_diagonal(at, b)])
                change[entry] += excess - theta[entry] * (scratch[j + 1, 0, a] + scratch[j + 1, 0, b])
                entry += 1
            change[entry] += scratch[j + 1, 0, a] * s_a
            entry += 1
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    add_vector(scratch[j + 3], 0, change, place.mean_at)
    for a in range(n_features):
        s_a = theta[_diagonal(at, a)]
        for b in range(a):
            s_b = theta[_diagonal(at, b)]
            change[entry] += s_a * s_b * scratch[j, a, b]
            change[_diagonal(at, a)] += scratch[j, a, b] * s_b * theta[entry]
            change[_diagonal(at, b)] += scratch[j, a, b] * s_a * theta[entry]
            entry += 1
        change[entry] += scratch[j, a, a] * s_a
        entry += 1


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Factor S; its standard deviations must be positive."""
    at = place.at
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        valid = valid and theta[_diagonal(at, a)] > 0.0
    _read(1.0, theta, at, scratch, j)
    return valid and linear.factor(scratch, j, scale, k)


@loop
def _project_triangular(place, theta, scratch, j):
    """Raise the standard deviations, then the eigenvalues of S."""
    at = place.at
    n_features = scratch.shape[1]
    largest = 0.0
    for a in range(n_features):
        largest = max(largest, abs(theta[_diagonal(at, a)]))
    for a in range(n_features):
        theta[_diagonal(at, a)] = max(theta[_diagonal(at, a)], 1e-6 * largest)
    _read(1.0, theta, at, scratch, j)
    clip_eigenvalues(scratch, j)
    for a in range(n_features):
        theta[_diagonal(at, a)] = np.sqrt(scratch[j, a, a])
    entry = at
    for a in range(n_features):
        for b in range(a):
            theta[entry] = scratch[j, a, b] / (theta[_diagonal(at, a)] * theta[_diagonal(at, b)])
            entry += 1
        entry += 1


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """dl/dmean = s1 / v, dl/ds = (s2 / v - n) / s; preconditioned, s1 and (s2 - n v) / (2 s)."""
    n_features = means.shape[1]
    step = place.stride
    share = 0.5 if step else 0.5 / n_features
    for a in range(n_features):
        inverse = scale[k, a, 0]
        s = theta[place.at + step * a]
        excess = s2[k, a, 0] * inverse - n
        change[place.mean_at + a] += s1[k, a] * (1.0 if precondition else inverse)
        change[place.at + step * a] += share * s * excess if precondition else excess / s


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Square and invert the standard deviations, which must be positive."""
    step = place.stride
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        s = theta[place.at + step * a]
        scale[k, a, 0] = 1.0 / (s * s)
        valid = valid and s > 0.0 and is_scale(s * s)
    return valid


@loop
def _project_diagonal(place, theta, scratch, j):
    """Raise the standard deviations."""
    project_values(1.0, place, theta, scratch, j)


def _pack_triangular(mixture: Mixture) -> Array:
    factor = mixture.factor
    deviations = np.sqrt(np.sum(factor**2, axis=-1))
    unit = factor / deviations[..., np.newaxis]
    entries = unit @ np.swapaxes(unit, -1, -2)
    index = np.arange(mixture.n_features)
    entries[..., index, index] = deviations
    return entries


class StandardDeviation(Parameterization):
    """theta = [logits, means, standard deviations and correlations].

    S_ab = s_a s_b c_ab: of a matrix theta holds the lower triangle, row by row, with s_a on its diagonal and
    c_ab below. In one and two dimensions its gradient is that of the models of how speech categories are
    learned: dl/ds = r ((x - mean)^2 / s^3 - 1 / s). A step can make a standard deviation negative, or the
    correlations no correlations.

    References
    ----------
    Toscano and McMurray (2010), Cue integration with categories, Cognitive Science 34, 434-464.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> deviation = parameterizations.get("standard-deviation")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 4.0]]])
    >>> deviation.pack(mixture)
    array([0.  , 2.  , 3.  , 1.  , 0.25, 2.  ])
    """

    name = "standard-deviation"
    _parts = (
        Parts(
            TriangularForm, _pack_triangular, _direction_triangular, _retract_triangular, _project_triangular
        ),
        Parts(
            DiagonalForm,
            lambda mixture: mixture.factor,
            _direction_diagonal,
            _retract_diagonal,
            _project_diagonal,
        ),
    )

    def diagonal_floor(self, floor: float) -> float:
        """Return the least diagonal entry of theta's matrices: the least standard deviation itself."""
        return floor
