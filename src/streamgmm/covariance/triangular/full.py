"""A covariance matrix of its own for each component."""

from __future__ import annotations

from .._base import Array
from .family import Triangular
from .roots import join


class Full(Triangular):
    """Covariances (n_components, n_features, n_features)."""

    name = "full"
    pooled = False

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        return factor.copy()

    def collapse(self, scale: Array) -> Array:
        return join(scale)

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        return degrees_of_freedom + len(scale) + 2, scale.ravel()
