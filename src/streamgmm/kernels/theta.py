"""Where a mixture's numbers stand in theta, and the signatures of what a parameterization makes of them.

theta = [weights (n_components,), means' part (n_components * n_features,), covariances' part]: for a family
with matrices a lower triangle, row by row, for each component, or one for all (`tied`); for variances a number
for each feature of each component, or one a component (`spherical`).
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
    return Place(
        n_components + k * n_features, n_components * (1 + n_features) + k * block, block, stride
    )


@exact_kernel
def no_projection(place, theta, scratch, j):
    """Stand in for a projection where there is none."""
