"""What is kept of rows that go by: their moments, their extremes and a sample, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamgmm.diagnostics.findings import spread
from streamgmm.fit.rows import Memory
from streamgmm.statistics import Array, Statistics

SAMPLE = 2000


@dataclass(frozen=True, eq=False)
class Summary:
    """What a report says of the rows themselves. It begins empty; `add` returns the next one.

    Parameters
    ----------
    moments : Statistics, optional
        Of all rows as of one component without correlations, about the mean of the first ones.
    low, high : ndarray of shape (n_features,)
        The smallest and the largest number of each feature.
    memory : Memory
        The sample: at most 2000 rows, each row equally likely.

    Examples
    --------
    >>> from streamgmm.report import Summary
    >>> summary = Summary().add([[1.0, 5.0], [3.0, 5.0]]).add([[5.0, 5.0]])
    >>> summary.n_rows, summary.mean, summary.sd.round(2), summary.high
    (3, array([3., 5.]), array([1.63, 0.  ]), array([5., 5.]))
    """

    moments: Statistics | None = None
    low: Array = field(default_factory=lambda: np.empty(0))
    high: Array = field(default_factory=lambda: np.empty(0))
    memory: Memory = field(default_factory=lambda: Memory(SAMPLE))

    def add(self, X: Any) -> Summary:
        """Return the summary after more rows (n_samples, n_features)."""
        X = np.asarray(X, dtype=np.float64)
        if not len(X):
            return self
        low, high = X.min(axis=0), X.max(axis=0)
        memory = self.memory.add(X)
        if self.moments is None:
            center = low + (X - low).mean(axis=0)
            return Summary(_moments(X, center), low, high, memory)
        with np.errstate(over="ignore"):
            moments = self.moments + _moments(X, self.moments.origin[0])
        return Summary(moments, np.minimum(self.low, low), np.maximum(self.high, high), memory)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.memory.n_seen

    @property
    def mean(self) -> Array:
        """Mean of each feature (n_features,)."""
        moments = self._require_rows()
        return moments.origin[0] + moments.s1[0] / moments.nk[0]

    @property
    def sd(self) -> Array:
        """Standard deviation of each feature (n_features,): the root of the mean square."""
        with np.errstate(all="ignore"):  # rows near the largest number have none in float64
            return spread(self._require_rows())

    @property
    def sample(self) -> Array:
        """At most 2000 of the rows, in their order."""
        self._require_rows()
        rows: Array = self.memory.rows
        return rows

    def _require_rows(self) -> Statistics:
        if self.moments is None:
            raise ValueError("a summary must hold at least one row, got none")
        return self.moments


def _moments(X: Array, origin: Array) -> Statistics:
    """Return the rows' moments about a point; squares may overflow to infinity, which is then told."""
    shifted = X - origin
    with np.errstate(over="ignore"):
        squares = np.square(shifted).sum(axis=0)
    n_rows = float(len(X))
    return Statistics(n_rows, 0.0, np.array([n_rows]), shifted.sum(axis=0)[None], squares[None], origin[None])
