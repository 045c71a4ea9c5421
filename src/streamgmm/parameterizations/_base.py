"""The contract of a parameterization."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels import ascent
from streamgmm.kernels._jit import DIRECTION, PROJECT, RETRACT, WRITE_DIRECTION, pointer
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

Parts = tuple[Any, Any, Any]


class Parameterization(ABC):
    """A one-to-one map between mixtures and vectors, and the gradient of the log-likelihood by the vector.

    theta = [logits (n_components,), means' part (n_components * n_features,), covariances' part]. Of
    symmetric or triangular matrices theta holds the lower triangle, row by row, component by component;
    `tied` has one matrix. What theta means for a component is written once, as compiled code
    (`kernels.parameterizations`).

    Attributes
    ----------
    name : str
    covariance_types : tuple of str
        The covariance types that it fits.
    is_stable : bool
        Whether any finite vector is a valid mixture: no step can leave the positive definite matrices.
    """

    name: ClassVar[str]
    covariance_types: ClassVar[tuple[str, ...]] = ("full", "tied", "diag", "spherical")
    is_stable: ClassVar[bool] = False
    _kernels: ModuleType

    @abstractmethod
    def _pack_covariances(self, mixture: Mixture) -> Array:
        """Return the matrices (n, n_features, n_features), or the numbers, that theta holds."""

    def _pack_means(self, mixture: Mixture) -> Array:
        """Return what theta holds for the means (n_components, n_features)."""
        return mixture.means

    def diagonal_floor(self, floor: float) -> float:
        """Return the least diagonal entry of theta's matrices that keeps standard deviations over a floor.

        Raises
        ------
        ValueError
            If theta's diagonal entries are not those of standard deviations.
        """
        raise ValueError(
            f"`sd_floor` needs the parameterization 'standard-deviation' or 'cholesky', got {self.name!r}"
        )

    def require_fit(self, kind: CovarianceType) -> None:
        """Raise ValueError if the parameterization does not fit a covariance type."""
        if kind.name not in self.covariance_types:
            known = ", ".join(map(repr, self.covariance_types))
            raise ValueError(
                f"parameterization {self.name!r} fits `covariance_type` {known}, got {kind.name!r}"
            )

    def pack(self, mixture: Mixture) -> Array:
        """Return theta, a float64 vector; the logits are the logarithms of the weights.

        Raises
        ------
        ValueError
            If the parameterization does not fit the covariance type.
        """
        self.require_fit(mixture.kind)
        entries = self._pack_covariances(mixture)
        if mixture.kind.has_matrices:
            rows, columns = np.tril_indices(mixture.n_features)
            entries = entries.reshape(-1, mixture.n_features, mixture.n_features)[:, rows, columns]
        return np.concatenate([mixture.log_weights, self._pack_means(mixture).ravel(), entries.ravel()])

    def unpack(self, theta: Array, like: Mixture) -> Mixture:
        """Return the mixture of theta; ``like`` gives sizes and covariance type.

        Raises
        ------
        ValueError
            If the parameterization does not fit the covariance type, theta has another size, or theta is no
            valid mixture (then it is a numpy.linalg.LinAlgError).
        """
        self.require_fit(like.kind)
        n_components, n_features = like.means.shape
        theta = np.array(theta, dtype=np.float64)
        n_covariances = like.kind.n_parameters(n_components, n_features)
        size = n_components * (1 + n_features) + n_covariances
        if theta.shape != (size,):
            raise ValueError(f"`theta` must have shape ({size},), got {theta.shape}")
        logits = theta[:n_components]
        if np.isnan(logits).any() or not np.isfinite(logits.max()):
            raise np.linalg.LinAlgError(f"the logits in `theta` must be numbers, got {logits.tolist()}")
        _, retract, _ = self.parts(like.kind)
        means, scale, scratch = _room(like)
        shared = like.kind.has_matrices and like.kind.pooled
        block = 0 if shared else n_covariances // n_components
        for k in range(n_components):
            mean_at = n_components + k * n_features
            at = n_components * (1 + n_features) + k * block
            if not retract(k, mean_at, at, theta, means, scale, scratch, 0):
                raise np.linalg.LinAlgError(
                    f"`theta` must be a valid mixture in the parameterization {self.name!r}, got a matrix "
                    f"that is not positive definite, or a number that is not finite, for component {k}"
                )
        log_weights = logits - np.logaddexp.reduce(logits)
        return Mixture.from_factor(log_weights, means, like.kind.collapse(scale), like.covariance_type)

    def gradient(self, statistics: Statistics, mixture: Mixture) -> Array:
        """Return d log-likelihood / d theta at the mixture, whose means center the statistics."""
        return self._direction(statistics, mixture, precondition=False)

    def preconditioned(self, statistics: Statistics, mixture: Mixture) -> Array:
        """Return the gradient times the covariance: dmean = s1 and dS = s2 - N S, as theta sees them.

        To first order it is the same change of the mixture in every parameterization.
        """
        return self._direction(statistics, mixture, precondition=True)

    def _direction(self, statistics: Statistics, mixture: Mixture, *, precondition: bool) -> Array:
        if not np.array_equal(statistics.origin, mixture.means):
            raise ValueError("`statistics` must be centered at the means of `mixture`: call `recenter`")
        theta = self.pack(mixture)
        change = np.zeros(len(theta))
        _, means, scale = mixture.kernel_form()
        direction, _, _ = self.parts(mixture.kind)
        # through `pointer`, since numba compiles anew for each process what receives a dispatcher
        pointer(ascent.write_direction, WRITE_DIRECTION)(
            float(statistics.weight),
            statistics.nk.copy(),
            statistics.nk.copy(),
            False,
            statistics.s1.copy(),
            statistics.s2.reshape(scale.shape).copy(),
            mixture.weights,
            means,
            scale,
            theta,
            change,
            _room(mixture)[2],
            0,
            precondition,
            direction,
        )
        return change

    def parts(self, kind: CovarianceType) -> Parts:
        """Return the compiled direction, retraction and projection for a covariance type."""
        self.require_fit(kind)
        family = "triangular" if kind.has_matrices else "diagonal"
        project = getattr(self._kernels, f"project_{family}", ascent.no_projection)
        return (
            pointer(getattr(self._kernels, f"direction_{family}"), DIRECTION),
            pointer(getattr(self._kernels, f"retract_{family}"), RETRACT),
            pointer(project, PROJECT),
        )


def _room(mixture: Mixture) -> tuple[Array, Array, Array]:
    """Return arrays for means, factors and scratch."""
    shape = mixture.kernel_form()[2].shape
    return np.zeros(mixture.means.shape), np.zeros(shape), np.zeros((ascent.SCRATCH, *shape[1:]))
