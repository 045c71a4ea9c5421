"""A variance for each feature of each component."""

from __future__ import annotations

import numpy as np

from .._base import Array
from .family import Diagonal


class Diag(Diagonal):
    """Covariances (n_components, n_features), the variances."""

    name = "diag"
    pooled = False

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

    def from_variances(self, variances: Array) -> Array:
        return np.sqrt(variances)

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        return factor[:, :, np.newaxis].copy()

    def marginal(self, factor: Array, features: list[int]) -> Array:
        return factor[:, features]

    def _sum(self, roots: list[Array], shift: Array) -> Array:
        return np.asarray(np.hypot.reduce([*roots, shift]))

    def rescale(self, factor: Array, scale: Array) -> tuple[str, Array]:
        return self.name, scale * factor

    def collapse(self, scale: Array) -> Array:
        return 1.0 / np.sqrt(scale[:, :, 0])

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        return degrees_of_freedom + 3, np.diag(scale).copy()
