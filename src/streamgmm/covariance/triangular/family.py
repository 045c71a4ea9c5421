"""What `full` and `tied` share: each component has a lower triangular factor."""

from __future__ import annotations

from math import prod

import numpy as np

from .._base import Array, CovarianceType, log_normal
from .density import TriangularForm
from .roots import cholesky, inverse_transposed, join, lower_root, solve_lower, split


class Triangular(CovarianceType):
    """Covariance matrices; the type says whether components share one."""

    in_sklearn = True
    form = TriangularForm
    requirement = "symmetric, positive-definite"

    def n_parameters(self, n_components: int, n_features: int) -> int:
        return prod(self.shape(n_components, n_features)[:-1]) * (n_features + 1) // 2

    def rows_needed(self, n_features: int) -> int:
        return n_features + 1

    def factor(self, covariances: Array, name: str = "covariances") -> Array:
        if covariances.ndim == 2:
            return cholesky(covariances, f"`{name}`")
        return np.stack([cholesky(matrix, f"`{name}[{k}]`") for k, matrix in enumerate(covariances)])

    def fault(self, factor: Array) -> str | None:
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        if np.triu(factor, 1).any():
            return "factor must be lower triangular"
        if not (diagonal > 0).all():
            return f"the diagonal of factor must be positive, got {diagonal.min():.6g}"
        return None

    def covariances(self, factor: Array) -> Array:
        return factor @ np.swapaxes(factor, -1, -2)

    def precisions_cholesky(self, factor: Array) -> Array:
        return inverse_transposed(factor)

    def from_precisions_cholesky(self, root: Array) -> Array:
        return np.ascontiguousarray(solve_lower(np.swapaxes(root, -1, -2), np.eye(root.shape[-1])))

    def from_precisions(self, precisions: Array, name: str = "precisions") -> Array:
        symmetric = 0.5 * (precisions + np.swapaxes(precisions, -1, -2))
        turned = self.factor(symmetric[..., ::-1, ::-1], name)
        return self.from_precisions_cholesky(turned[..., ::-1, ::-1])

    def allows(self, precisions: Array) -> bool:
        symmetric = np.allclose(precisions, np.swapaxes(precisions, -1, -2))
        return bool(symmetric and (np.linalg.eigvalsh(precisions) > 0).all())

    def from_variances(self, variances: Array) -> Array:
        mean = variances.mean(axis=0) if self.is_shared else variances
        return np.sqrt(mean)[..., np.newaxis] * np.eye(variances.shape[-1])

    def from_root(self, root: Array, n_components: int) -> Array:
        factor = lower_root(root)
        return factor if self.is_shared else np.repeat(factor[np.newaxis], n_components, axis=0)

    def random_factor(
        self, rng: np.random.Generator, n_components: int, n_features: int, low: float, high: float
    ) -> Array:
        shape = self.shape(n_components, n_features)
        directions = np.linalg.qr(rng.normal(size=shape))[0]
        return lower_root(directions * rng.uniform(low, high, shape[:-1])[..., np.newaxis, :])

    def free(self, values: Array) -> Array:
        return values[(..., *np.tril_indices(values.shape[-1]))].ravel()

    def information(self, factor: Array, weights: Array, n_features: int) -> Array:
        variances = np.square(factor).sum(axis=-1)[..., np.newaxis]
        entries = np.where(np.eye(n_features, dtype=bool), 2.0, 1.0 / variances)
        return self.free(entries if self.is_shared else weights[:, np.newaxis, np.newaxis] * entries)

    def is_singular(self, factor: Array) -> bool:
        pivots = np.square(np.diagonal(factor, axis1=-2, axis2=-1))
        return bool((pivots <= 1e-180).any() or (pivots <= 2e-15 * np.square(factor).sum(axis=-1)).any())

    def roots(self, factor: Array, n_components: int, n_features: int) -> Array:
        return self.spread(factor, n_components, n_features)

    def axis_lengths(self, factor: Array, n_components: int, n_features: int) -> Array:
        return np.asarray(np.linalg.svd(self.spread(factor, n_components, n_features), compute_uv=False))

    def sample(self, factor: Array, k: int, z: Array) -> Array:
        return z @ self.select(factor, k).T

    def draw(
        self, rng: np.random.RandomState, covariances: Array, k: int, n_samples: int, n_features: int
    ) -> Array:
        return rng.multivariate_normal(np.zeros(n_features), self.select(covariances, k), n_samples)

    def marginal(self, factor: Array, features: list[int]) -> Array:
        return lower_root(factor[..., features, :])

    def condition(
        self, factor: Array, means: Array, known: list[int], unknown: list[int], values: Array
    ) -> tuple[Array, Array, Array]:
        # With S = L L' and the features in this order, the conditional factor is the lower right block of L:
        # no covariance is subtracted from another.
        factor = lower_root(factor[..., known + unknown, :])
        n = len(known)
        z = solve_lower(factor[..., :n, :n], (values - means[:, known])[..., np.newaxis])
        moved = means[:, unknown] + (factor[..., n:, :n] @ z)[..., 0]
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)[..., :n]
        return log_normal(z[..., 0], diagonal), moved, factor[..., n:, n:]

    def _sum(self, roots: list[Array], shift: Array) -> Array:
        return lower_root(np.column_stack([*roots, shift]))

    def rescale(self, factor: Array, scale: Array) -> tuple[str, Array]:
        return self.name, scale[:, np.newaxis] * factor

    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def products(self, left: Array, right: Array) -> Array:
        return np.swapaxes(left, -1, -2) @ right

    def squares(self, s2: Array) -> Array:
        return np.diagonal(s2, axis1=-2, axis2=-1)

    def from_squares(self, squares: Array) -> Array:
        return squares[..., np.newaxis] * np.eye(squares.shape[-1])

    def traces(self, factor: Array, s2: Array) -> Array:
        half = solve_lower(factor, s2)
        return np.trace(solve_lower(factor, np.swapaxes(half, 1, 2)), axis1=1, axis2=2)

    def kernel_moments(self, s2: Array) -> Array:
        return np.array(s2, dtype=np.float64, order="C")

    def public_moments(self, s2: Array) -> Array:
        return np.tril(s2) + np.swapaxes(np.tril(s2, -1), 1, 2)

    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        return split(self.spread(factor, n_components, n_features))

    def scatter(self, scale: Array) -> Array:
        return np.ascontiguousarray(self.covariances(join(scale)))

    def log_det(self, scale: Array) -> Array:
        return -np.log(np.diagonal(scale, axis1=1, axis2=2)).sum(axis=1)

    def triangle(self, n_features: int) -> int:
        return n_features
