"""Components that own no volume, where the likelihood has no bound: no search may be drawn to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from streamgmm import priors
from streamgmm._compat.functools import cached_property
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .climb import Climb
from .penalty import log_prior
from .start.clusters import Sample
from .start.moments import FLOOR

_DIGITS = 7  # of what is compared: two ways to one optimum differ by rounding
_AT_THE_FLOOR = 10.0  # times the least variance


class Judge:
    """What a climb is worth: its log-likelihood, or log posterior, without credit for components on a point.

    A component owns no volume if it has fewer than n_features + 1 effective rows, or if in some direction it
    is as thin as the features' floor, and the rows are not. Its density there could be anything. A mixture
    with one counts as it is after an M-step with mclust's weak prior, on all components: no credit for a
    spike among other rows, and all credit for a component on a few rows that are far from all others.
    """

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    @cached_property
    def _least(self) -> Array:
        """The features' deviations below which a component is at the floor (n_features, 1)."""
        return np.sqrt(_AT_THE_FLOOR * FLOOR) * self.sample.robust_deviations[:, np.newaxis]

    @cached_property
    def _rows_are_thin(self) -> bool:
        """Whether the rows are at the floor themselves: then any component is."""
        ratio = self.sample.deviations / self._least[:, 0]
        values = np.linalg.eigvalsh(self.sample.correlation * ratio * ratio[:, np.newaxis])
        return bool(values[0] < 1.0)

    def without_volume(self, mixture: Mixture, nk: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which components with so many effective rows own no volume (n_components,)."""
        few = np.zeros(mixture.n_components, dtype=bool)
        if not mixture.kind.is_shared:
            few = nk < mixture.n_features + 1 - 1e-9
        if self._rows_are_thin:
            return few
        roots = mixture.kind.roots(mixture.factor, mixture.n_components, mixture.n_features)
        return few | (np.linalg.svd(roots / self._least, compute_uv=False)[:, -1] < 1.0)

    def best(self, climbs: Iterable[Climb], n: int) -> list[Climb]:
        """Return the n climbs that are worth most, the best first; of equal ones the earlier."""
        ordered = sorted(climbs, key=lambda climb: -round(climb.bounds[-1], _DIGITS))
        found: list[tuple[float, Climb]] = []
        for climb in ordered:  # the likelihood is the most that one can be worth without a prior
            has_prior = climb.options.flags.has_prior
            if len(found) >= n and not has_prior and climb.bounds[-1] <= found[n - 1][0]:
                break
            found.append((self.value(climb), climb))
            found.sort(key=lambda pair: -round(pair[0], _DIGITS))
        return [climb for _, climb in found[:n]]

    def value(self, climb: Climb) -> float:
        """Return the mean of a row: the posterior now, or the likelihood before the last iteration."""
        mixture = climb.mixture
        if climb.options.flags.has_prior:
            likelihood = Climb(mixture, self.sample.X, self.sample.weights, climb.options).run(1)
            return likelihood + log_prior(climb.options, mixture) / climb.total
        if not self.without_volume(mixture, climb.nk).any():
            return climb.bounds[-1]
        prior = priors.weak_prior(self.sample.mean, self.sample.covariance, mixture.n_components)
        options = priors.options(
            mixture.kind, mixture.n_components, mixture.n_features, climb.options.floor, prior
        )
        regular = Climb(mixture, self.sample.X, self.sample.weights, options).run(2)
        return min(regular, climb.bounds[-1])
