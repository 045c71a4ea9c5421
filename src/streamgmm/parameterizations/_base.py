"""The contract of a parameterization."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import numpy as np

from streamgmm import covariance
from streamgmm.covariance import CovarianceType
from streamgmm.kernels._jit import address
from streamgmm.kernels.theta import (
    DIRECTION,
    PROJECT,
    RETRACT,
    SCRATCH,
    no_projection,
    retract_all,
    write_direction,
)
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics


class Parts(NamedTuple):
    """A parameterization of one family of covariances: two plain functions and three compiled ones.

    Attributes
    ----------
    form : type
        The record of the family (see `kernels.family`).
    pack : callable
        From a mixture to numbers in the shape of its covariances, of which theta holds the `free` ones.
    direction : compiled function with the signature `kernels.theta.DIRECTION`
        Adds a component's direction to ``change``. ``s1`` and ``s2`` are the component's moments about its
        mean, ``n`` its count of rows; ``rank_one`` says that s2 = s1 s1' / n. With ``precondition`` the
        direction is that of dmean = s1, dS = s2 - n S, seen from theta; without, the gradient, where entries
        off the diagonal of a symmetric matrix count twice.
    retract : compiled function with the signature `kernels.theta.RETRACT`
        Turns theta into a component's mean and factor, and tells whether they are valid.
    project : compiled function with the signature `kernels.theta.PROJECT`, optional
        Moves theta to the nearest valid mixture.
    pack_means : callable, optional
        From a mixture to the means' part of theta, by default the means.
    """

    form: type
    pack: Callable[[Mixture], Array]
    direction: Any
    retract: Any
    project: Any = no_projection
    pack_means: Callable[[Mixture], Array] = attrgetter("means")


class Parameterization(ABC):
    """A one-to-one map between mixtures and vectors, and the gradient of the log-likelihood by the vector.

    theta = [logits (n_components,), means' part (n_components * n_features,), covariances' part]. Of
    symmetric or triangular matrices theta holds the lower triangle, row by row, component by component;
    `tied` has one matrix. What theta means for a component is written once, as compiled code, for each
    family of covariances (`Parts`).

    Attributes
    ----------
    name : str
    is_stable : bool
        Whether any finite vector is a valid mixture: no step can leave the positive definite matrices.
    """

    name: ClassVar[str]
    is_stable: ClassVar[bool] = False
    _parts: ClassVar[tuple[Parts, ...]]

    @property
    def covariance_types(self) -> tuple[str, ...]:
        """The covariance types that it fits: those of the families that it has parts for."""
        forms = [parts.form for parts in self._parts]
        return tuple(name for name in covariance.names() if covariance.get(name).form in forms)

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

    def _parts_of(self, kind: CovarianceType) -> Parts:
        self.require_fit(kind)
        return next(parts for parts in self._parts if parts.form is kind.form)

    def layout(self, kind: CovarianceType, n_components: int, n_features: int) -> tuple[int, int]:
        """Return block and stride of the covariances in theta, see `streamgmm.kernels.theta.Place`."""
        before, after = (kind.n_parameters(n, n_features) for n in (n_components, n_components + 1))
        block = after - before
        return block, int(block != 1)

    def size(self, kind: CovarianceType, n_components: int, n_features: int) -> int:
        """Return how many numbers theta has."""
        return n_components * (1 + n_features) + kind.n_parameters(n_components, n_features)

    def components(self, kind: CovarianceType, n_components: int, n_features: int) -> Array:
        """Return which entries of theta are each component's (n_components, n_entries).

        A covariance that all share is everyone's.
        """
        block, _ = self.layout(kind, n_components, n_features)
        at = n_components * (1 + n_features)
        width = block or self.size(kind, n_components, n_features) - at
        k = np.arange(n_components)[:, np.newaxis]
        means = n_components + k * n_features + np.arange(n_features)
        return np.hstack([k, means, at + k * block + np.arange(width)])

    def parts(self, kind: CovarianceType) -> tuple[Any, Any, Any]:
        """Return the addresses of direction, retraction and projection for a covariance type.

        Raises
        ------
        ValueError
            If the parameterization does not fit the covariance type.
        """
        parts = self._parts_of(kind)
        return (
            address(parts.direction, DIRECTION),
            address(parts.retract, RETRACT),
            address(parts.project, PROJECT),
        )

    def pack(self, mixture: Mixture) -> Array:
        """Return theta, a float64 vector; the logits are the logarithms of the weights.

        Raises
        ------
        ValueError
            If the parameterization does not fit the covariance type.
        """
        parts = self._parts_of(mixture.kind)
        return np.concatenate(
            [mixture.log_weights, parts.pack_means(mixture).ravel(), mixture.kind.free(parts.pack(mixture))]
        )

    def unpack(self, theta: Array, like: Mixture) -> Mixture:
        """Return the mixture of theta; ``like`` gives sizes and covariance type.

        Raises
        ------
        ValueError
            If the parameterization does not fit the covariance type, theta has another size, or theta is no
            valid mixture (then it is a numpy.linalg.LinAlgError).
        """
        _, retract, _ = self.parts(like.kind)
        n_components, n_features = like.means.shape
        theta = np.array(theta, dtype=np.float64)
        size = self.size(like.kind, n_components, n_features)
        if theta.shape != (size,):
            raise ValueError(f"`theta` must have shape ({size},), got {theta.shape}")
        logits = theta[:n_components]
        if np.isnan(logits).any() or not np.isfinite(logits.max()):
            raise np.linalg.LinAlgError(f"the logits in `theta` must be numbers, got {logits.tolist()}")
        means, scale, scratch = _room(like)
        bad = retract_all(theta, means, scale, scratch, retract, *self.layout(like.kind, *means.shape))
        if bad >= 0:
            raise np.linalg.LinAlgError(
                f"`theta` must be a valid mixture in the parameterization {self.name!r}, got a matrix that "
                f"is not positive definite, or a number that is not finite, for component {bad}"
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
        change = np.empty(len(theta))
        _, means, scale = mixture.kernel_form()
        direction, _, _ = self.parts(mixture.kind)
        write_direction(
            float(statistics.weight),
            statistics.nk.copy(),
            statistics.nk.copy(),
            False,
            statistics.s1.copy(),
            mixture.kind.kernel_moments(statistics.s2),
            mixture.weights,
            means,
            scale,
            theta,
            change,
            _room(mixture)[2],
            0,
            precondition,
            direction,
            *self.layout(mixture.kind, *means.shape),
        )
        return change


def _room(mixture: Mixture) -> tuple[Array, Array, Array]:
    """Return arrays for means, factors and scratch."""
    shape = mixture.kernel_form().scale.shape
    return np.zeros(mixture.means.shape), np.zeros(shape), np.zeros((SCRATCH, *shape[1:]))
