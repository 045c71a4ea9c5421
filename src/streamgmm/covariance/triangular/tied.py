"""One covariance matrix for all components."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import Array
from .family import Triangular
from .roots import join


class Tied(Triangular):
    """Covariance (n_features, n_features)."""

    name = "tied"
    pooled = True
    is_shared = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_features, n_features)

    def pool_size(self, n_components: int, n_features: int) -> int:
        return n_components

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        return np.repeat(factor[np.newaxis], n_components, axis=0)

    def select(self, factor: Array, components: Any) -> Array:
        return factor

    def merge(self, factor: Array, i: int, j: int, share: Array, weight: float, shift: Array) -> Array:
        return self._sum([factor], np.sqrt(weight * share[0] * share[1]) * shift)

    def split(self, factor: Array, k: int, parts: Array) -> Array:
        return factor

    def collapse(self, scale: Array) -> Array:
        return join(scale[:1])[0]

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        return degrees_of_freedom + len(scale) + 1 + n_components, scale.ravel()
