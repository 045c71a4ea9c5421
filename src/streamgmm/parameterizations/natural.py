"""Softmax weights and the natural parameters of the Gaussians."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization, Parts
from ._project import project_matrix, project_values
from ._theta import (
    add_difference,
    add_symmetric,
    add_vector,
    is_scale,
    read_symmetric,
    subtract_product,
)
from .precision import precisions


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """Add dl = s1 and s2 + s1 mean' + mean s1' - n S; preconditioned, P s1 + dP mean and -dP / 2."""
    n_features = means.shape[1]
    if precondition:
        read_symmetric(-2.0 * n, theta, place.at, scratch, j)
        linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)  # minus dP
        add_vector(scratch[j + 3], 0, change, place.mean_at)
        if place.block > 0:
            subtract_product(scratch, j, means, k, change, place.mean_at)
        else:  # all share P, so that dP moves all P mean
            for component in range(means.shape[0]):
                subtract_product(
                    scratch, j, means, component, change, means.shape[0] + component * n_features
                )
        add_symmetric(0.5, scratch, j, change, place.at, 1.0)
        return
    add_vector(s1, k, change, place.mean_at)
    linear.write_covariance(n, scale, k, scratch, j)
    for a in range(n_features):
        for b in range(a + 1):
            scratch[j, a, b] -= s1[k, a] * means[k, b] + means[k, a] * s1[k, b]
    add_difference(1.0, s2, k, scratch, j, change, place.at, 2.0)


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Factor the inverse of P; mean = L D L' (P mean)."""
    n_features = means.shape[1]
    read_symmetric(-2.0, theta, place.at, scratch, j)
    if not linear.factor_inverse(scratch, j, k, scale):
        return False
    valid = True
    for a in range(n_features):
        total = theta[place.mean_at + a]
        for b in range(a + 1, n_features):
            total += scale[k, b, a] * theta[place.mean_at + b]
        scratch[j, 0, a] = total / scale[k, a, a]
    for a in range(n_features):
        total = scratch[j, 0, a]
        for b in range(a):
            total += scale[k, a, b] * scratch[j, 0, b]
        means[k, a] = total
        valid = valid and np.isfinite(total)
    return valid


@loop
def _project_triangular(place, theta, scratch, j):
    """Raise the eigenvalues of P."""
    project_matrix(-2.0, place.at, theta, scratch, j)


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Add dl = s1 and s2 + 2 s1 mean - n v; preconditioned, p s1 + dp mean and -dp / 2."""
    n_features = means.shape[1]
    step = place.stride
    if precondition:
        pooled = 0.0
        for a in range(n_features):
            pooled += scale[k, a, 0] * (n - s2[k, a, 0] * scale[k, a, 0]) / n_features
        for a in range(n_features):
            own = scale[k, a, 0] * (n - s2[k, a, 0] * scale[k, a, 0])
            change[place.mean_at + a] += scale[k, a, 0] * s1[k, a] + (own if step else pooled) * means[k, a]
            change[place.at + step * a] -= 0.5 * (own if step else pooled / n_features)
        return
    for a in range(n_features):
        change[place.mean_at + a] += s1[k, a]
        change[place.at + step * a] += s2[k, a, 0] + 2.0 * s1[k, a] * means[k, a] - n / scale[k, a, 0]


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Divide."""
    step = place.stride
    valid = True
    for a in range(means.shape[1]):
        scale[k, a, 0] = -2.0 * theta[place.at + step * a]
        means[k, a] = theta[place.mean_at + a] / scale[k, a, 0]
        valid = valid and is_scale(scale[k, a, 0]) and np.isfinite(means[k, a])
    return valid


@loop
def _project_diagonal(place, theta, scratch, j):
    """Raise the reciprocals of the variances."""
    project_values(-2.0, place, theta, scratch, j)


def _means_triangular(mixture: Mixture) -> Array:
    return (precisions(mixture) @ mixture.means[:, :, np.newaxis])[:, :, 0]


def _means_diagonal(mixture: Mixture) -> Array:
    return mixture.means * precisions(mixture).reshape(mixture.n_components, -1)


class Natural(Parameterization):
    """theta = [logits, P mean, entries of -P / 2], the natural parameters of the exponential family.

    The gradient is the rows' sufficient statistics minus their expectation, sum r (x, xx') - N (mean,
    S + mean mean'), with the entries off the diagonal counted twice. A step can leave the positive definite
    matrices.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> natural = parameterizations.get("natural")
    >>> natural.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([ 0.   ,  0.5  , 12.   , -0.125, -2.   ])
    """

    name = "natural"
    _parts = (
        Parts(
            TriangularForm,
            lambda mixture: -0.5 * precisions(mixture),
            _direction_triangular,
            _retract_triangular,
            _project_triangular,
            _means_triangular,
        ),
        Parts(
            DiagonalForm,
            lambda mixture: -0.5 * precisions(mixture),
            _direction_diagonal,
            _retract_diagonal,
            _project_diagonal,
            _means_diagonal,
        ),
    )
