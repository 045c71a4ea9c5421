"""Softmax weights, means, and the entries of the covariances."""

from __future__ import annotations

from operator import attrgetter

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop

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
    """dl/dmean = P s1, dl/dS = (P s2 P - n P) / 2; preconditioned, s1 and s2 - n S."""
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        read_symmetric(n, theta, place.at, scratch, j)
        add_difference(1.0, s2, k, scratch, j, change, place.at, 1.0)
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    add_vector(scratch[j + 3], 0, change, place.mean_at)
    add_symmetric(0.5, scratch, j, change, place.at, 2.0)


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Factor S."""
    read_symmetric(1.0, theta, place.at, scratch, j)
    return read_mean(theta, place.mean_at, means, k) and linear.factor(scratch, j, scale, k)


@loop
def _project_triangular(place, theta, scratch, j):
    """Raise the eigenvalues of S."""
    project_matrix(1.0, place.at, theta, scratch, j)


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """dl/dmean = s1 / v, dl/dv = (s2 / v - n) / (2 v); preconditioned, s1 and s2 - n v."""
    n_features = means.shape[1]
    step = place.stride
    for a in range(n_features):
        inverse = scale[k, a, 0]
        if precondition:
            share = 1.0 if step else 1.0 / n_features
            change[place.mean_at + a] += s1[k, a]
            change[place.at + step * a] += share * (s2[k, a, 0] - n / inverse)
        else:
            change[place.mean_at + a] += s1[k, a] * inverse
            change[place.at + step * a] += 0.5 * inverse * (s2[k, a, 0] * inverse - n)


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Invert the variances."""
    step = place.stride
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        variance = theta[place.at + step * a]
        scale[k, a, 0] = 1.0 / variance
        valid = valid and is_scale(variance)
    return valid


@loop
def _project_diagonal(place, theta, scratch, j):
    """Raise the variances."""
    project_values(1.0, place, theta, scratch, j)


class Covariance(Parameterization):
    """theta = [logits, means, entries of S].

    The textbook's gradient, (S^-1 s2 S^-1 - N S^-1) / 2, with the entries off the diagonal counted twice. Its
    size goes as 1 / S^2: it crawls where S is large and explodes where S is small, and a step can leave the
    positive definite matrices. Precondition it, or take another parameterization.

    References
    ----------
    Petersen and Pedersen (2008), The Matrix Cookbook, section 8.3.

    Examples
    --------
    >>> from streamgmm import Mixture, e_step, parameterizations
    >>> covariance = parameterizations.get("covariance")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]])
    >>> covariance.pack(mixture)
    array([0.  , 2.  , 3.  , 1.  , 0.5 , 1.25])
    """

    name = "covariance"
    _parts = (
        Parts(
            TriangularForm,
            attrgetter("covariances"),
            _direction_triangular,
            _retract_triangular,
            _project_triangular,
        ),
        Parts(
            DiagonalForm,
            attrgetter("covariances"),
            _direction_diagonal,
            _retract_diagonal,
            _project_diagonal,
        ),
    )
