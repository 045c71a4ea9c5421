"""Where a mixture's numbers stand in theta, and the signatures of what a parameterization makes of them.

theta = [weights (n_components,), means' part (n_components * n_features,), covariances' part]: for a family
with matrices a lower triangle, row by row, for each component, or one for all (`tied`); for variances a
number for each feature of each component, or one a component (`spherical`).
"""

from __future__ import annotations

from typing import NamedTuple

from numba import types

from ._jit import at_address, boolean, cube, exact_kernel, integer, matrix, real, vector


class Place(NamedTuple):
    """Where a component stands in theta.

    Attributes
    ----------
    mean_at, at : int
        Where its mean begins, and its covariance.
    block : int
        How many numbers a component's covariance has; 0 if all share one.
    stride : int
        1 if each feature has a variance of its own, 0 if they share one.
    """

    mean_at: int
    at: int
    block: int
    stride: int


_NEGLIGIBLE = 1e-16
SCRATCH = 5  # matrices that directions and retractions may work in, from scratch[j] on
PLACE = types.NamedUniTuple(integer, len(Place._fields), Place)

# (k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j)
DIRECTION = types.void(
    *(integer, PLACE, boolean, boolean, real, matrix, cube, matrix, cube, vector, vector, cube, integer)
)
# (k, place, theta, means, scale, scratch, j) -> whether theta is a valid mixture there
RETRACT = types.boolean(integer, PLACE, vector, matrix, cube, cube, integer)
# (place, theta, scratch, j)
PROJECT = types.void(PLACE, vector, cube, integer)

direction_at = at_address(DIRECTION)
retraction_at = at_address(RETRACT)
projection_at = at_address(PROJECT)


@exact_kernel
def place_of(k, n_components, n_features, block, stride):
    """Return where component k stands."""
    return Place(n_components + k * n_features, n_components * (1 + n_features) + k * block, block, stride)


@exact_kernel
def no_projection(place, theta, scratch, j):
    """Stand in for a projection where there is none."""


@exact_kernel
def write_direction(
    weight, nk, counts, rank_one, s1, s2, weights, means, scale, theta, change, scratch, j,
    precondition, direction_address, block, stride,
):  # fmt: skip
    """Write the direction of all of theta: d log-likelihood / d theta, or the preconditioned one.

    By the softmax's logits it is N - W pi. ``counts`` are the components' counts of rows for the covariance.
    """
    direction = direction_at(direction_address)
    n_components, n_features = means.shape
    for i in range(change.size):
        change[i] = 0.0
    for k in range(n_components):
        change[k] = nk[k] - weight * weights[k]
        if counts[k] > _NEGLIGIBLE * weight:
            place = place_of(k, n_components, n_features, block, stride)
            direction(
                k, place, precondition, rank_one, counts[k], s1, s2, means, scale, theta, change, scratch, j
            )


@exact_kernel
def retract_all(theta, means, scale, scratch, retract_address, block, stride):
    """Turn theta into means and factors; return the first component that is not valid, or -1."""
    retract = retraction_at(retract_address)
    n_components, n_features = means.shape
    for k in range(n_components):
        place = place_of(k, n_components, n_features, block, stride)
        if not retract(k, place, theta, means, scale, scratch, 0):
            return k
    return -1
