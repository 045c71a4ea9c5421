"""What a covariance type must know: shapes, factors, and its form inside the kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from streamgmm.kernels import diagonal, m_step, triangular
from streamgmm.kernels._jit import ACCUMULATE, LOG_JOINT, UPDATE, pointer

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
    def expand(self, factor: Array, n_components: int, n_features: int) -> Array:
        """Return the kernels' form (n_components, n_moments), newly allocated."""

    @abstractmethod
    def collapse(self, scale: Array, n_features: int) -> Array:
        """Return the factor whose `expand` is ``scale``."""

    @abstractmethod
    def n_parameters(self, n_components: int, n_features: int) -> int:
        """Return the number of free parameters in the covariances."""

    @abstractmethod
    def n_moments(self, n_features: int) -> int:
        """Return the second moments kept for each component."""

    @abstractmethod
    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of `Statistics.s2`."""

    @abstractmethod
    def log_scale(self, scale: Array, n_features: int) -> Array:
        """Return log det L + n_features / 2 log(2 pi) for each component, from the kernels' form."""

    @abstractmethod
    def scatter(self, scale: Array, n_features: int) -> Array:
        """Return the covariances (or variances) in the kernels' form (n_components, n_moments)."""

    @abstractmethod
    def prior_terms(self, n_components: int, degrees_of_freedom: float, scale: Array) -> tuple[float, Array]:
        """Return the inverse-Wishart prior's row count and its scale in the kernels' form (n_moments,)."""

    def pool_features(self, variances: Array) -> Array:
        """Return one variance per feature (n_features,) as this type can tell them apart."""
        return variances

    @abstractmethod
    def log_joint(self) -> Any:
        """Return the compiled function that fills in log joint densities."""

    @abstractmethod
    def accumulate(self) -> Any:
        """Return the compiled function that adds up moments."""

    @abstractmethod
    def em_update(self) -> Any:
        """Return the compiled M-step that EM and online EM share."""


class Triangular(CovarianceType):
    """What `full` and `tied` share: each component has a lower triangular factor."""

    has_matrices = True

    def n_moments(self, n_features: int) -> int:
        return n_features * n_features

    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features, n_features)

    def covariances(self, factor: Array) -> Array:
        return factor @ np.swapaxes(factor, -1, -2)

    def precisions_cholesky(self, factor: Array) -> Array:
        return np.swapaxes(np.linalg.inv(factor), -1, -2)

    def log_scale(self, scale: Array, n_features: int) -> Array:
        diagonals = scale[:, :: n_features + 1]
        return np.log(diagonals).sum(axis=1) + 0.5 * n_features * np.log(2 * np.pi)

    def scatter(self, scale: Array, n_features: int) -> Array:
        factors = scale.reshape(-1, n_features, n_features)
        return np.ascontiguousarray((factors @ np.swapaxes(factors, 1, 2)).reshape(len(scale), -1))

    def log_joint(self) -> Any:
        return pointer(triangular.log_joint, LOG_JOINT)

    def accumulate(self) -> Any:
        return pointer(triangular.accumulate, ACCUMULATE)

    def em_update(self) -> Any:
        return pointer(m_step.update_triangular, UPDATE)


class Diagonal(CovarianceType):
    """What `diag` and `spherical` share: each component has standard deviations."""

    has_matrices = False

    def n_moments(self, n_features: int) -> int:
        return n_features

    def moments_shape(self, n_components: int, n_features: int) -> tuple[int, ...]:
        return (n_components, n_features)

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

    def log_scale(self, scale: Array, n_features: int) -> Array:
        return np.log(scale).sum(axis=1) + 0.5 * n_features * np.log(2 * np.pi)

    def scatter(self, scale: Array, n_features: int) -> Array:
        return np.square(scale)

    def log_joint(self) -> Any:
        return pointer(diagonal.log_joint, LOG_JOINT)

    def accumulate(self) -> Any:
        return pointer(diagonal.accumulate, ACCUMULATE)

    def em_update(self) -> Any:
        return pointer(m_step.update_diagonal, UPDATE)


def cholesky(matrix: Array, what: str) -> Array:
    """Return the lower Cholesky factor; ValueError if not symmetric positive definite."""
    if not np.allclose(matrix, matrix.T, rtol=1e-7, atol=1e-7 * np.sqrt(np.abs(np.outer(*[np.diag(matrix)] * 2)))):
        raise ValueError(f"{what} must be symmetric, got {matrix.tolist()}")
    try:
        factor: Array = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{what} must be positive definite, got smallest eigenvalue {np.linalg.eigvalsh(matrix)[0]:.3g}"
        ) from None
    return factor
