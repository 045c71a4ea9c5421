"""The prequential log-likelihood of a stream, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamgmm.statistics import Array

MAX_RECORDS = 8192


@dataclass(frozen=True)
class History:
    """Log-likelihood, weight and rows of successive mini-batches.

    Each record covers ``every`` mini-batches. When there are `MAX_RECORDS` of them, neighbors are merged, so
    that the history of an endless stream stays small; how the stream was cut into calls leaves no trace.
    """

    every: int = 1
    log_likelihood: Array = field(default_factory=lambda: np.empty(0))
    weight: Array = field(default_factory=lambda: np.empty(0))
    n_rows: Array = field(default_factory=lambda: np.empty(0))
    n_batches: int = 0

    def extend(self, log_likelihood: Array, weight: Array, n_rows: Any) -> History:
        """Return the history with these mini-batches added."""
        history = self
        new = np.stack([log_likelihood, weight, n_rows.astype(np.float64)])
        while new.shape[1]:
            room = MAX_RECORDS * history.every - history.n_batches
            history = history._append(new[:, :room])
            new = new[:, room:]
            if history.n_batches == MAX_RECORDS * history.every:
                history = history._halve()
        return history

    def _append(self, new: Array) -> History:
        records = np.stack([self.log_likelihood, self.weight, self.n_rows])
        n_batches = self.n_batches + new.shape[1]
        size = -(-n_batches // self.every)
        grown = np.zeros((3, size))
        grown[:, : records.shape[1]] = records
        index = np.arange(self.n_batches, n_batches) // self.every
        for row in range(3):
            np.add.at(grown[row], index, new[row])
        return History(self.every, grown[0], grown[1], grown[2], n_batches)

    def _halve(self) -> History:
        records = np.stack([self.log_likelihood, self.weight, self.n_rows])
        merged = records[:, 0::2] + records[:, 1::2]
        return History(2 * self.every, merged[0], merged[1], merged[2], self.n_batches)

    @property
    def per_row(self) -> Array:
        """Mean log-likelihood of a row in each record."""
        positive = self.weight > 0
        return np.divide(
            self.log_likelihood, self.weight, out=np.full(len(self.weight), np.nan), where=positive
        )
