"""One covariance matrix for all components."""

from __future__ import annotations

import numpy as np

from ._base import Array, Triangular, cholesky, join


class Tied(Triangular):
    """Covariance (n_features, n_features)."""

    name = "tied"
    pooled = True

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_features, n_features)

    def factor(self, covariances: Array) -> Array:
        return cholesky(covariances, "`covariances`")

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        return np.repeat(factor[np.newaxis], n_components, axis=0)

    def collapse(self, scale: Array) -> Array:
        return join(scale[:1])[0]

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return n_features * (n_features + 1) // 2

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        return degrees_of_freedom + len(scale) + 1 + n_components, scale.ravel()
