"""Components that own no volume: the likelihood has no bound there, and a search must not be drawn to them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from streamgmm import priors
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .climb import Climb
from .penalty import penalty_of
from .start.moments import FLOOR, feature_moments, robust_deviations

_AT_THE_FLOOR = 10.0  # times the least variance


class Judge:
    """What a climb is worth: its log-likelihood, or log posterior, without credit for components on a point.

    A component owns no volume if it has fewer than n_features + 1 effective rows, or is as thin as a feature's
    floor in some direction in which the rows are not. Its density there could be anything. It counts as if it
    had the covariance that mclust's weak prior makes of its moments: that gives no credit for a spike among
    other rows, and all credit for a component on a few rows that are far from all others.

    Parameters
    ----------
    X, weights : ndarray
        As in `Climb`.
    """

    def __init__(self, X: Array, weights: Array) -> None:
        self.X, self.weights = X, weights
        self.mean, self.covariance, self.deviations = feature_moments(X, weights)
        self.least = _AT_THE_FLOOR * FLOOR * np.square(robust_deviations(X, weights))

    @cached_property
    def _rows_are_thin(self) -> bool:
        """Whether all rows are as thin as the floor in some direction: then any component is."""
        return bool(np.linalg.eigvalsh(self.covariance / np.sqrt(np.outer(self.least, self.least)))[0] < 1.0)

    def without_volume(self, mixture: Mixture, nk: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which components with so many effective rows own no volume (n_components,)."""
        few = np.zeros(mixture.n_components, dtype=bool)
        if not mixture.kind.is_shared:
            few = nk < mixture.n_features + 1 - 1e-9
        if self._rows_are_thin:
            return few
        relative = mixture.covariance_matrices() / np.sqrt(np.outer(self.least, self.least))
        return few | (np.linalg.eigvalsh(relative)[:, 0] < 1.0)

    def value(self, climb: Climb) -> float:
        """Return the mean of a row before the last iteration, with credit as above."""
        mixture = climb.mixture
        if climb.options.flags.has_prior:
            return climb.bounds[-1] + penalty_of(climb.options)(mixture)[0] / climb.total
        if not self.without_volume(mixture, climb.nk).any():
            return climb.bounds[-1]
        prior = priors.weak_prior(self.mean, self.covariance, mixture.n_components)
        options = priors.options(mixture.kind, *mixture.means.shape, climb.options.floor, prior)
        return Climb(mixture, self.X, self.weights, options).run(2)
