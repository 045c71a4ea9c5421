"""Softmax weights, means, and the entries of the precisions."""

from __future__ import annotations

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
    read_mean,
    read_symmetric,
)


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = P s1, dl/dP = (n S - s2) / 2; preconditioned, s1 and n P - P s2 P."""
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        read_symmetric(n, theta, place.at, scratch, j)
        linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
        add_symmetric(-1.0, scratch, j, change, place.at, 1.0)
        return
    linear.solve(s1, scale, k, scratch, j + 2, j + 3)
    add_vector(scratch[j + 3], 0, change, place.mean_at)
    linear.write_covariance(n, scale, k, scratch, j)
    add_difference(-0.5, s2, k, scratch, j, change, place.at, 2.0)


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Factor the inverse of P."""
    read_symmetric(1.0, theta, place.at, scratch, j)
    return read_mean(theta, place.mean_at, means, k) and linear.factor_inverse(scratch, j, k, scale)


@loop
def _project_triangular(place, theta, scratch, j):
    """Raise the eigenvalues of P."""
    project_matrix(1.0, place.at, theta, scratch, j)


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """dl/dmean = s1 p, dl/dp = (n / p - s2) / 2; preconditioned, s1 and p (n - s2 p)."""
    n_features = means.shape[1]
    step = place.stride
    for a in range(n_features):
        inverse = scale[k, a, 0]
        if precondition:
            share = 1.0 if step else 1.0 / n_features
            change[place.mean_at + a] += s1[k, a]
            change[place.at + step * a] += share * inverse * (n - s2[k, a, 0] * inverse)
        else:
            change[place.mean_at + a] += s1[k, a] * inverse
            change[place.at + step * a] += 0.5 * (n / inverse - s2[k, a, 0])


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Read the reciprocals of the variances."""
    step = place.stride
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        scale[k, a, 0] = theta[place.at + step * a]
        valid = valid and is_scale(scale[k, a, 0])
    return valid


@loop
def _project_diagonal(place, theta, scratch, j):
    """Raise the reciprocals of the variances."""
    project_values(1.0, place, theta, scratch, j)


def precisions(mixture: Mixture) -> Array:
    """Return the inverse covariances, in the shape of the covariance type."""
    return mixture.kind.precisions(mixture.factor)


class Precision(Parameterization):
    """theta = [logits, means, entries of P], where P is the inverse of the covariance.

    The gradient is (N S - s2) / 2, with the entries off the diagonal counted twice. Its size goes as S: too
    large where the covariance is large. A step can leave the positive definite matrices.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> precision = parameterizations.get("precision")
    >>> precision.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([0.  , 2.  , 3.  , 0.25, 4.  ])
    """

    name = "precision"
    _parts = (
        Parts(
            TriangularForm,
            precisions,
            _direction_triangular,
            _retract_triangular,
            _project_triangular,
        ),
        Parts(DiagonalForm, precisions, _direction_diagonal, _retract_diagonal, _project_diagonal),
    )
