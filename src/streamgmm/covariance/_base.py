"""What a covariance type must know: shapes, factors, moments, and its form inside the kernels."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from streamgmm.kernels.records import Batch

Array = np.ndarray[Any, np.dtype[np.float64]]
LOG_2PI = float(np.log(2 * np.pi))


class CovarianceType(Protocol):
    """One way of restricting the components' covariances.

    A type is a family, pooled or not: `tied` is the family of triangular factors pooled over components,
    `spherical` that of standard deviations pooled over features. Nothing outside this package asks which it
    is. Methods without a body are for families and types
    to give; mypy finds one that is missing.

    A ``factor`` has the covariances' shape, scikit-learn's; ``scale`` is the kernels' form of all components;
    moments are sums of products (n_components, n_features, n_features), or of squares (n_components,
    n_features), and need not be of the form's shape.

    Attributes
    ----------
    name : str
    pooled : bool
        Whether components or features share what is estimated.
    is_shared : bool
        Whether all components have the same covariance.
    is_round : bool
        Whether a covariance is the same in all directions, so that units matter.
    in_sklearn : bool
        Whether scikit-learn knows the type, too.
    requirement : str
        What covariances and precisions must be.
    form : type
        The record of parameters in the kernels' form, which chooses the family's compiled functions
        (`streamgmm.kernels.family`).
    """

    name: str
    pooled: bool
    is_shared: bool = False
    is_round: bool = False
    in_sklearn: bool = False
    requirement: str
    form: type

    # Sizes

    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the covariances, and of their factor: scikit-learn's."""

    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free parameters in the covariances."""

    def rows_needed(self, n_features: int) -> int:
        """Return the number of rows without which a covariance is singular."""

    def pool_size(self, n_components: int, n_features: int) -> int:
        """Return how many components or features share a parameter."""
        return 1

    # Factors, covariances and precisions

    def factor(self, covariances: Array, name: str = "covariances") -> Array:
        """Return the lower triangular factors or standard deviations; ValueError names a bad component."""

    def fault(self, factor: Array) -> str | None:
        """Say what keeps an array of the right shape from being a factor."""

    def covariances(self, factor: Array) -> Array:
        """Return the covariances of a factor."""

    def precisions(self, factor: Array) -> Array:
        """Return the precisions of a factor."""
        return self.covariances(self.precisions_cholesky(factor))

    def precisions_cholesky(self, factor: Array) -> Array:
        """Return scikit-learn's ``precisions_cholesky_``: U with precision U U' (upper triangular)."""

    def from_precisions_cholesky(self, root: Array) -> Array:
        """Return the factor that has these `precisions_cholesky`."""

    def from_precisions(self, precisions: Array, name: str = "precisions") -> Array:
        """Return the factor that has these precisions; ValueError names a bad component."""

    def allows(self, precisions: Array) -> bool:
        """Tell whether precisions are what `requirement` says, as far as scikit-learn asks."""

    def from_variances(self, variances: Array) -> Array:
        """Return the factor nearest to independent features with variances (n_components, n_features)."""

    def from_root(self, root: Array, n_components: int) -> Array:
        """Return the factor nearest to root root' for all components, for a regular matrix."""

    def random_factor(
        self, rng: np.random.Generator, n_components: int, n_features: int, low: float, high: float
    ) -> Array:
        """Return a factor in random directions, with standard deviations along them from low to high."""

    def free(self, values: Array) -> Array:
        """Return the free entries (n_parameters,) of covariances, precisions or factors."""
        return values.ravel()

    def information(self, factor: Array, weights: Array, n_features: int) -> Array:
        """Return about the Fisher information of a row about each of `free`, the diagonal in logarithms."""

    def is_singular(self, factor: Array) -> bool:
        """Tell whether a component's covariance is singular, as far as float64 can tell."""

    # Of each component

    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return a factor for each component (n_components, n_features, n_scales), newly allocated."""

    def roots(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return matrices F with S = F F' (n_components, n_features, n_features)."""

    def dense(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the covariance matrices (n_components, n_features, n_features)."""
        roots = self.roots(factor, n_components, n_features)
        return roots @ np.swapaxes(roots, 1, 2)

    def standard_deviations(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the standard deviation of each feature (n_components, n_features)."""
        return np.asarray(np.hypot.reduce(self.spread(factor, n_components, n_features), axis=2))

    def axis_lengths(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the standard deviations along the principal axes (n_components, n_features), unordered."""

    def sample(self, factor: Array, k: int, z: Array) -> Array:
        """Return rows of a component, less its mean, for standard normal z (n_samples, n_features)."""

    def draw(
        self, rng: np.random.RandomState, covariances: Array, k: int, n_samples: int, n_features: int
    ) -> Array:
        """Draw rows of a component, less its mean, as scikit-learn draws them."""

    # Mixtures from mixtures

    def select(self, factor: Array, components: Any) -> Array:
        """Return the factor of some components, in this order; of one for an integer."""
        return factor[components]

    def marginal(self, factor: Array, features: list[int]) -> Array:
        """Return the factor of some features, in this order."""

    def condition(
        self, factor: Array, means: Array, known: list[int], unknown: list[int], values: Array
    ) -> tuple[Array, Array, Array]:
        """Return log N(values) of each component, and means and factor of the unknown features given them."""

    def merge(self, factor: Array, i: int, j: int, share: Array, weight: float, shift: Array) -> Array:
        """Return the factor where component i has the covariance of i and j together, and j is gone.

        The two have these shares (2,) of a weight, and means that differ by ``shift`` (n_features,).
        """
        merged = factor.copy()
        roots = [np.sqrt(part) * factor[k] for part, k in zip(share, (i, j), strict=True)]
        merged[i] = self._sum(roots, np.sqrt(share[0] * share[1]) * shift)
        return np.delete(merged, j, axis=0)

    def split(self, factor: Array, k: int, parts: Array) -> Array:
        """Return the factor with the first of some parts in component k's place, the others at the end."""
        split = np.concatenate([factor, parts[1:]])
        split[k] = parts[0]
        return split

    def _sum(self, roots: list[Array], shift: Array) -> Array:
        """Return the factor of the sum of covariances with these factors, and of shift shift'."""

    def rescale(self, factor: Array, scale: Array) -> tuple[str, Array]:
        """Return the covariance type and the factor of rows times a positive scale (n_features,)."""

    # Second moments

    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of ``Statistics.s2``."""

    def products(self, left: Array, right: Array) -> Array:
        """Return the moments that are the sums over rows (..., n_samples, n_features) of left right'."""

    def outer(self, left: Array, right: Array) -> Array:
        """Return the moments left right' of each component (..., n_features)."""
        return self.products(left[..., np.newaxis, :], right[..., np.newaxis, :])

    def squares(self, s2: Array) -> Array:
        """Return each feature's sums of squares (..., n_features)."""

    def from_squares(self, squares: Array) -> Array:
        """Return the moments of independent features with these sums of squares (..., n_features)."""

    def traces(self, factor: Array, s2: Array) -> Array:
        """Return tr(S^-1 s2) of each component (n_components,)."""

    def kernel_moments(self, s2: Array) -> Array:
        """Return a copy of moments in the kernels' shape (n_components, n_features, n_moments)."""

    def public_moments(self, s2: Array) -> Array:
        """Return as ``Statistics.s2`` what a kernel has summed: it leaves out what symmetry gives."""

    # Inside the kernels

    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the kernels' form (n_components, n_features, n_scales), newly allocated."""

    def collapse(self, scale: Array) -> Array:
        """Return the factor whose `expand` is ``scale``."""

    def scatter(self, scale: Array) -> Array:
        """Return the covariances or variances of the kernels' form, in the shape of `kernel_moments`."""

    def log_det(self, scale: Array) -> Array:
        """Return log det S of each component, from the kernels' form."""

    def log_scale(self, scale: Array) -> Array:
        """Return (log det S + n_features log(2 pi)) / 2 for each component, from the kernels' form."""
        return np.asarray(0.5 * (self.log_det(scale) + scale.shape[1] * LOG_2PI))

    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        """Return the inverse-Wishart prior's row count and its scale, flat."""

    def pool_features(self, variances: Array) -> Array:
        """Return one variance per feature (n_features,) as this type can tell them apart."""
        return variances

    def triangle(self, n_features: int) -> int:
        """Return the size of the triangles that `free` entries come from, 0 if these are no triangles."""

    def empty_batch(self, n_components: int, n_features: int) -> Batch:
        """Return statistics of no rows, in the kernels' shapes."""
        s2 = self.kernel_moments(np.zeros(self.moments_shape(n_components, n_features)))
        return Batch(0.0, 0.0, np.zeros(n_components), np.zeros((n_components, n_features)), s2)

    def empty_form(self, n_components: int, n_features: int) -> Any:
        """Return zeros in the kernels' form."""
        factor = self.from_variances(np.ones((n_components, n_features)))
        scale = np.zeros_like(self.expand(factor, n_components, n_features))
        return self.form(np.zeros(n_components), np.zeros((n_components, n_features)), scale)


def log_normal(z: Array, scales: Array) -> Array:
    """Return log densities (...) of Gaussians at whitened points (..., n); factors have these diagonals."""
    return np.asarray(-0.5 * np.sum(np.square(z) + LOG_2PI, axis=-1) - np.log(scales).sum(axis=-1))
