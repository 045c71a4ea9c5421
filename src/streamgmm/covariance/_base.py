"""What a covariance type must know: shapes, factors, and its form inside the kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from streamgmm.kernels import m_step
from streamgmm.kernels._jit import UPDATE, pointer

Array = np.ndarray[Any, np.dtype[np.float64]]


class CovarianceType(ABC):
    """One way of restricting the components' covariances.

    The kernels know two families, triangular factors and standard deviations; a type is a family, pooled or
    not: `tied` is the triangular family pooled over components, `spherical` the diagonal one pooled over
    features.
    """

    name: str
    pooled: bool
    has_matrices: bool

    @abstractmethod
    def shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of the covariances, and of their factor: scikit-learn's."""

    @abstractmethod
    def factor(self, covariances: Array) -> Array:
        """Return the lower triangular factors or standard deviations; ValueError names a bad component."""

    @abstractmethod
    def covariances(self, factor: Array) -> Array:
        """Return the covariances of a factor."""

    @abstractmethod
    def precisions_cholesky(self, factor: Array) -> Array:
        """Return scikit-learn's ``precisions_cholesky_``: U with precision U U' (upper triangular)."""

    @abstractmethod
    def spread(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return a factor for each component (n_components, n_features, n_features or 1), newly allocated."""

    @abstractmethod
    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the kernels' form (n_components, n_features, n_features or 1), newly allocated."""

    @abstractmethod
    def collapse(self, scale: Array) -> Array:
        """Return the factor whose `expand` is ``scale``."""

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free parameters in the covariances."""

    @abstractmethod
    def scatter(self, scale: Array) -> Array:
        """Return the covariances or variances, shaped like the kernels' form."""

    def log_scale(self, scale: Array) -> Array:
        """Return (log det S + n_features log(2 pi)) / 2 for each component, from the kernels' form."""
        inverse = scale[:, :, 0] if scale.shape[2] == 1 else np.diagonal(scale, axis1=1, axis2=2)
        return 0.5 * (scale.shape[1] * np.log(2 * np.pi) - np.log(inverse).sum(axis=1))

    @abstractmethod
    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        """Return the inverse-Wishart prior's row count and its scale, flat."""

    def pool_features(self, variances: Array) -> Array:
        """Return one variance per feature (n_features,) as this type can tell them apart."""
        return variances

    @abstractmethod
    def em_update(self, has_prior: bool) -> Any:
        """Return the compiled M-step that EM and online EM share."""


class Triangular(CovarianceType):
    """What `full` and `tied` share: each component has a lower triangular factor."""

    has_matrices = True

    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        return split(self.spread(factor, n_components, n_features))

    def covariances(self, factor: Array) -> Array:
        return factor @ np.swapaxes(factor, -1, -2)

    def precisions_cholesky(self, factor: Array) -> Array:
        return np.swapaxes(np.linalg.inv(factor), -1, -2)

    def scatter(self, scale: Array) -> Array:
        factors = join(scale)
        return np.ascontiguousarray(factors @ np.swapaxes(factors, 1, 2))

    def em_update(self, has_prior: bool) -> Any:
        apart = not (has_prior or self.pooled)
        return pointer(m_step.update_full if apart else m_step.update_triangular, UPDATE)


class Diagonal(CovarianceType):
    """What `diag` and `spherical` share: each component has standard deviations."""

    has_matrices = False

    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        return 1.0 / np.square(self.spread(factor, n_components, n_features))

    def factor(self, covariances: Array) -> Array:
        bad = np.argwhere(~(covariances > 0))
        if len(bad):
            where = tuple(int(index) for index in bad[0])
            raise ValueError(
                f"`covariances` must be positive, got {covariances[where]} for component {where[0]}"
            )
        return np.sqrt(covariances)

    def covariances(self, factor: Array) -> Array:
        return np.square(factor)

    def precisions_cholesky(self, factor: Array) -> Array:
        return 1.0 / factor

    def scatter(self, scale: Array) -> Array:
        return 1.0 / scale

    def em_update(self, has_prior: bool) -> Any:
        return pointer(m_step.update_diagonal, UPDATE)


def split(factor: Array) -> Array:
    """Return the kernels' form of Cholesky factors (n, n_features, n_features), see `kernels.triangular`."""
    diagonal = np.diagonal(factor, axis1=1, axis2=2)
    scale = np.array(factor / diagonal[:, np.newaxis, :], dtype=np.float64)
    index = np.arange(factor.shape[1])
    scale[:, index, index] = 1.0 / np.square(diagonal)
    return scale


def join(scale: Array) -> Array:
    """Return the Cholesky factors that `split` takes apart."""
    index = np.arange(scale.shape[1])
    root = 1.0 / np.sqrt(scale[:, index, index])
    factor = np.tril(scale, -1) * root[:, np.newaxis, :]
    factor[:, index, index] = root
    return factor


def cholesky(matrix: Array, what: str) -> Array:
    """Return the lower Cholesky factor; ValueError if not symmetric positive definite."""
    if not np.allclose(
        matrix, matrix.T, rtol=1e-7, atol=1e-7 * np.sqrt(np.abs(np.outer(*[np.diag(matrix)] * 2)))
    ):
        raise ValueError(f"{what} must be symmetric, got {matrix.tolist()}")
    try:
        return np.array(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{what} must be positive definite, got smallest eigenvalue {np.linalg.eigvalsh(matrix)[0]:.3g}"
        ) from None
