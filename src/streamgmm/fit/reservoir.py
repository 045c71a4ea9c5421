"""A sample of rows that go by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streamgmm.statistics import Array

NO_WEIGHTS = np.empty(0)
_SEED = (0x73747265, 0x616D676D, 0x6D)


@dataclass(frozen=True, eq=False)
class Reservoir:
    """At most ``bound`` rows of positive weight, each equally likely, in their order, of all that came by.

    Every row draws a number, always the same for the same place, and the smallest are kept. The seed is one
    that nobody draws data with: the same numbers may have chosen the rows' components.

    Parameters
    ----------
    bound : int
    n_whole : int, default=0
        As long as no more rows than this have come by, all are kept.
    n_seen : int
        Rows that came by, those of weight 0 included.
    rows : ndarray of shape (n_kept, n_features) or None
        None until rows come.
    weights : ndarray of shape (n_kept,) or (0,)
        Empty for ones.
    draws : ndarray of shape (n_kept,)
        The numbers of the rows that are kept.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(10.0).reshape(10, 1)
    >>> whole, parts = Reservoir(3).add(X), Reservoir(3).add(X[:4]).add(X[4:])
    >>> len(whole.rows), np.array_equal(whole.rows, parts.rows)
    (3, True)
    """

    bound: int
    n_whole: int = 0
    n_seen: int = 0
    rows: Any = None
    weights: Array = field(default_factory=lambda: NO_WEIGHTS)
    draws: Array = field(default_factory=lambda: NO_WEIGHTS)

    def add(self, X: Any, weights: Array = NO_WEIGHTS) -> Reservoir:
        """Return the reservoir after more rows."""
        n_seen = self.n_seen + len(X)
        draws = draws_of(_SEED, self.n_seen, len(X))
        if len(weights):
            used = weights > 0
            X, weights, draws = X[used], weights[used], draws[used]
        rows = np.array(X) if self.rows is None else np.concatenate([self.rows, X])
        draws = np.concatenate([self.draws, draws])
        weights = np.concatenate([self.weights, weights])
        if len(draws) > self.bound and n_seen > self.n_whole:
            kept = np.sort(np.argpartition(draws, self.bound)[: self.bound])
            rows, draws = rows[kept], draws[kept]
            weights = weights[kept] if len(weights) else weights
        return replace(self, n_seen=n_seen, rows=rows, weights=weights, draws=draws)


def draws_of(seed: tuple[int, ...], first: int, n_samples: int) -> Array:
    """Return the numbers (n_samples,) between 0 and 1 of the rows from ``first`` on, however they are cut."""
    return np.random.Generator(np.random.PCG64(seed).advance(first)).random(n_samples)
