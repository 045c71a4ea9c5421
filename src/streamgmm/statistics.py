"""Statistics: the additive summary that a kernel makes of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import covariance

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sufficient statistics of rows under a mixture, centered at the mixture's means.

    Everything a rule needs to know of the rows. Statistics of two parts of the data add up to the statistics
    of the whole, wherever the parts were read.

    Parameters
    ----------
    weight : float
        Sum of the row weights.
    log_likelihood : float
        Sum of weight times log density over the rows, in nats.
    nk : ndarray of shape (n_components,)
        Sum of weight times responsibility.
    s1 : ndarray of shape (n_components, n_features)
        Sum of weight times responsibility times (x - origin).
    s2 : ndarray of shape (n_components, n_features, n_features) or (n_components, n_features)
        Sum of weight times responsibility times (x - origin)(x - origin)'; the diagonal alone for the
        covariance types `diag` and `spherical`.
    origin : ndarray of shape (n_components, n_features)
        The points that the moments are centered at: the mixture's means.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, e_step
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> whole = e_step(mixture, np.array([[1.0], [2.0], [3.0]]))
    >>> parts = e_step(mixture, np.array([[1.0]])) + e_step(mixture, np.array([[2.0], [3.0]]))
    >>> whole.nk, parts.s1, parts.s2.ravel()
    (array([3.]), array([[6.]]), array([14.]))
    """

    weight: float
    log_likelihood: float
    nk: Array
    s1: Array
    s2: Array
    origin: Array

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both sets of rows; the origins must be the same."""
        if not isinstance(other, Statistics):
            return NotImplemented
        if not np.array_equal(self.origin, other.origin):
            raise ValueError("only statistics with the same `origin` add up: call `recenter` first")
        if self.s2.shape != other.s2.shape:
            raise ValueError(f"`s2` must have the same shape, got {self.s2.shape} and {other.s2.shape}")
        return Statistics(
            self.weight + other.weight,
            self.log_likelihood + other.log_likelihood,
            self.nk + other.nk,
            self.s1 + other.s1,
            self.s2 + other.s2,
            self.origin,
        )

    @property
    def squares(self) -> Array:
        """Sum of weight times responsibility times (x - origin)^2 (n_components, n_features)."""
        return covariance.of_moments(self.s1, self.s2).squares(self.s2)

    def recenter(self, origin: Array) -> Statistics:
        """Return the same moments about other points; exact, no row is read again.

        Parameters
        ----------
        origin : array-like of shape (n_components, n_features)
            The new points.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        origin = np.array(origin, dtype=np.float64)
        if origin.shape != self.origin.shape:
            raise ValueError(f"`origin` must have shape {self.origin.shape}, got {origin.shape}")
        shift = self.origin - origin
        nk = self.nk[:, np.newaxis]
        s1 = self.s1 + nk * shift
        kind = covariance.of_moments(self.s1, self.s2)
        half = self.s1 + 0.5 * nk * shift
        s2 = self.s2 + (kind.outer(half, shift) + kind.outer(shift, half))
        return replace(self, s1=s1, s2=s2, origin=origin)

    def scale(self, factor: float) -> Statistics:
        """Return the statistics of the same rows with every weight multiplied by ``factor`` >= 0."""
        if not (np.isfinite(factor) and factor >= 0):
            raise ValueError(f"`factor` must be finite and not negative, got {factor}")
        return Statistics(
            self.weight * factor,
            self.log_likelihood * factor,
            self.nk * factor,
            self.s1 * factor,
            self.s2 * factor,
            self.origin,
        )
