"""One variance for each component."""

from __future__ import annotations

import numpy as np

from .._base import Array
from .family import Diagonal


class Spherical(Diagonal):
    """Covariances (n_components,), the variances."""

    name = "spherical"
    pooled = True
    is_round = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components,)

    def pool_size(self, n_components: int, n_features: int) -> int:
        return n_features

    def from_variances(self, variances: Array) -> Array:
        return np.sqrt(variances.mean(axis=1))

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        return np.repeat(factor, n_features).reshape(n_components, n_features, 1)

    def marginal(self, factor: Array, features: list[int]) -> Array:
        return factor

    def _sum(self, roots: list[Array], shift: Array) -> Array:
        return np.asarray(np.hypot.reduce([*roots, np.hypot.reduce(shift) / np.sqrt(len(shift))]))

    def rescale(self, factor: Array, scale: Array) -> tuple[str, Array]:
        return "diag", factor[:, np.newaxis] * scale

    def collapse(self, scale: Array) -> Array:
        return 1.0 / np.sqrt(scale[:, 0, 0])

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        n_features = len(scale)
        return degrees_of_freedom + n_features + 2, np.full(n_features, np.trace(scale) / n_features**2)

    def pool_features(self, variances: Array) -> Array:
        return np.full(len(variances), variances.mean())
