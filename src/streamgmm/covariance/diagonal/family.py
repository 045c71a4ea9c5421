"""What `diag` and `spherical` share: each component has standard deviations."""

from __future__ import annotations

from math import prod

import numpy as np

from .._base import Array, CovarianceType, log_normal
from .density import DiagonalForm


class Diagonal(CovarianceType):
    """Variances; the type says whether features share one."""

    in_sklearn = True
    form = DiagonalForm
    requirement = "positive"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return prod(self.shape(n_components, n_features))

    def rows_needed(self, n_features: int) -> int:
        return 2

    def factor(self, covariances: Array, name: str = "covariances") -> Array:
        bad = np.argwhere(~(covariances > 0))
        if len(bad):
            where = tuple(int(index) for index in bad[0])
            raise ValueError(f"`{name}` must be positive, got {covariances[where]} for component {where[0]}")
        return np.sqrt(covariances)

    def fault(self, factor: Array) -> str | None:
        if (factor > 0).all():
            return None
        return f"the diagonal of factor must be positive, got {factor.min():.6g}"

    def covariances(self, factor: Array) -> Array:
        return np.square(factor)

    def precisions_cholesky(self, factor: Array) -> Array:
        return 1.0 / factor

    def from_precisions_cholesky(self, root: Array) -> Array:
        return 1.0 / root

    def from_precisions(self, precisions: Array, name: str = "precisions") -> Array:
        return 1.0 / self.factor(precisions, name)

    def allows(self, precisions: Array) -> bool:
        return bool((precisions > 0).all())

    def from_root(self, root: Array, n_components: int) -> Array:
        deviations = np.hypot.reduce(root, axis=1)
        if self.pooled:
            return np.full(n_components, np.hypot.reduce(deviations) / np.sqrt(len(root)))
        return np.repeat(deviations[np.newaxis], n_components, axis=0)

    def random_factor(
        self, rng: np.random.Generator, n_components: int, n_features: int, low: float, high: float
    ) -> Array:
        return rng.uniform(low, high, self.shape(n_components, n_features))

    def information(self, factor: Array, weights: Array, n_features: int) -> Array:
        share = 2.0 * n_features * len(weights) / factor.size  # of features that have the parameter in common
        return np.repeat(share * weights, factor.size // len(weights))

    def is_singular(self, factor: Array) -> bool:
        return bool((factor < 1e-90).any())

    def roots(self, factor: Array, n_components: int, n_features: int) -> Array:
        return self.spread(factor, n_components, n_features) * np.eye(n_features)

    def dense(self, factor: Array, n_components: int, n_features: int) -> Array:
        return np.square(self.spread(factor, n_components, n_features)) * np.eye(n_features)

    def axis_lengths(self, factor: Array, n_components: int, n_features: int) -> Array:
        return self.standard_deviations(factor, n_components, n_features)

    def sample(self, factor: Array, k: int, z: Array) -> Array:
        return z * factor[k]

    def draw(
        self, rng: np.random.RandomState, covariances: Array, k: int, n_samples: int, n_features: int
    ) -> Array:
        return rng.standard_normal((n_samples, n_features)) * np.sqrt(covariances[k])

    def condition(
        self, factor: Array, means: Array, known: list[int], unknown: list[int], values: Array
    ) -> tuple[Array, Array, Array]:
        deviations = self.standard_deviations(factor, *means.shape)[:, known]
        log_prob = log_normal((values - means[:, known]) / deviations, deviations)
        return log_prob, means[:, unknown], self.marginal(factor, unknown)

    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

    def products(self, left: Array, right: Array) -> Array:
        return (left * right).sum(axis=-2)

    def squares(self, s2: Array) -> Array:
        return s2

    def from_squares(self, squares: Array) -> Array:
        return squares

    def traces(self, factor: Array, s2: Array) -> Array:
        return (s2 / np.square(self.standard_deviations(factor, *s2.shape))).sum(axis=1)

    def kernel_moments(self, s2: Array) -> Array:
        return np.array(s2[..., np.newaxis], dtype=np.float64, order="C")

    def public_moments(self, s2: Array) -> Array:
        return s2[..., 0]

    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        return 1.0 / np.square(self.spread(factor, n_components, n_features))

    def scatter(self, scale: Array) -> Array:
        return 1.0 / scale

    def log_det(self, scale: Array) -> Array:
        return -np.log(scale[:, :, 0]).sum(axis=1)

    def triangle(self, n_features: int) -> int:
        return 0
