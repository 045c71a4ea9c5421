"""Softmax weights and the augmented second-moment matrices of Hosseini and Sra."""

from __future__ import annotations

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization, Parts
from ._project import clip_eigenvalues, clip_values
from ._theta import (
    add_difference,
    add_vector,
    is_scale,
    read_mean,
    read_symmetric,
    write_symmetric,
)


@exact_kernel
def _direction_triangular(
    k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """With G = dl/dS: G by the square block, P s1 - 2 G mean by the mean.

    Preconditioned by T, it is sum r (y y' - T) with y = [x; 1]: a convex combination of T and y y'.
    """
    at = place.at
    n_features = means.shape[1]
    if precondition:
        add_vector(s1, k, change, place.mean_at)
        read_symmetric(n, theta, at, scratch, j)
        for a in range(n_features):
            for b in range(a + 1):
                cross = s1[k, a] * means[k, b] + means[k, a] * s1[k, b]
                scratch[j, a, b] -= cross + n * (means[k, a] * means[k, b])
        add_difference(1.0, s2, k, scratch, j, change, at, 1.0)
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    for a in range(n_features):
        total = scratch[j + 3, 0, a] - scratch[j, a, a] * means[k, a]
        for b in range(a):
            change[at] += scratch[j, a, b]  # half of it, twice
            total -= scratch[j, a, b] * means[k, b]
            change[place.mean_at + b] -= scratch[j, a, b] * means[k, a]
            at += 1
        change[at] += 0.5 * scratch[j, a, a]
        change[place.mean_at + a] += total
        at += 1


@exact_kernel
def _retract_triangular(k, place, theta, means, scale, scratch, j):
    """Factor S, what T leaves over the mean."""
    at = place.at
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] = theta[at] - means[k, a] * means[k, b]
            at += 1
    if not valid:
        return False
    return linear.factor(scratch, j, scale, k)


@loop
def _project_triangular(place, theta, scratch, j):
    """Raise the eigenvalues of S, what T leaves over the mean."""
    read_symmetric(1.0, theta, place.at, scratch, j)
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] -= theta[place.mean_at + a] * theta[place.mean_at + b]
    clip_eigenvalues(scratch, j)
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] += theta[place.mean_at + a] * theta[place.mean_at + b]
    write_symmetric(1.0, scratch, j, theta, place.at)


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Do the same for a T of two rows for each feature."""
    for a in range(means.shape[1]):
        inverse = scale[k, a, 0]
        if precondition:
            change[place.mean_at + a] += s1[k, a]
            change[place.at + a] += s2[k, a, 0] + 2.0 * means[k, a] * s1[k, a] - n / inverse
        else:
            twice = inverse * (s2[k, a, 0] * inverse - n)
            change[place.mean_at + a] += s1[k, a] * inverse - twice * means[k, a]
            change[place.at + a] += 0.5 * twice


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Subtract the squares of the means."""
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        variance = theta[place.at + a] - means[k, a] * means[k, a]
        scale[k, a, 0] = 1.0 / variance
        valid = valid and is_scale(variance)
    return valid


@loop
def _project_diagonal(place, theta, scratch, j):
    """Raise the variances."""
    for a in range(scratch.shape[1]):
        scratch[j, a, 0] = theta[place.at + a] - theta[place.mean_at + a] * theta[place.mean_at + a]
    clip_values(scratch, j)
    for a in range(scratch.shape[1]):
        theta[place.at + a] = scratch[j, a, 0] + theta[place.mean_at + a] * theta[place.mean_at + a]


def _pack(mixture: Mixture) -> Array:
    return mixture.covariances + mixture.kind.outer(mixture.means, mixture.means)


class Augmented(Parameterization):
    """theta = [logits, means, entries of S + mean mean'], for `full` and `diag`.

    With y = [x; 1] each component is one zero-mean Gaussian of covariance T = [[S + mean mean', mean],
    [mean', 1]]. The last entry of T is 1 at every maximum of the likelihood; here it is 1 throughout, which
    makes the map one to one. Preconditioned, a step is T + eta r (y y' - T), which stays positive definite.
    For `diag`, each feature has a T of two rows.

    References
    ----------
    Hosseini and Sra (2015), Matrix manifold optimization for Gaussian mixtures, NIPS.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> augmented = parameterizations.get("augmented")
    >>> augmented.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([0.  , 2.  , 3.  , 8.  , 9.25])
    """

    name = "augmented"
    covariance_types = ("full", "diag")
    _parts = (
        Parts(TriangularForm, _pack, _direction_triangular, _retract_triangular, _project_triangular),
        Parts(
            DiagonalForm,
            _pack,
            _direction_diagonal,
            _retract_diagonal,
            _project_diagonal,
        ),
    )
