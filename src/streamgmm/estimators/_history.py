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
    records: Array = field(default_factory=lambda: np.empty((3, 0)))
    n_batches: int = 0

    def extend(self, log_likelihood: Array, weight: Array, n_rows: Any) -> History:
        """Return the history with these mini-batches added."""
        history, new = self, np.stack([log_likelihood, weight, n_rows])
        while new.shape[1]:
            every, room = history.every, MAX_RECORDS * history.every - history.n_batches
            n_batches = history.n_batches + min(room, new.shape[1])
            records = np.zeros((3, -(-n_batches // every)))
            records[:, : history.records.shape[1]] = history.records
            index = np.arange(history.n_batches, n_batches) // every
            np.add.at(records.T, index, new[:, :room].T)
            if n_batches == MAX_RECORDS * every:
                every, records = 2 * every, records[:, 0::2] + records[:, 1::2]
            history, new = History(every, records, n_batches), new[:, room:]
        return history

    @property
    def log_likelihood(self) -> Array:
        """Sum of the rows' log-likelihoods in each record."""
        return self.records[0]

    @property
    def weight(self) -> Array:
        """Weight of the rows in each record."""
        return self.records[1]

    @property
    def n_rows(self) -> Array:
        """Rows in each record."""
        return self.records[2]

    @property
    def per_row(self) -> Array:
        """Mean log-likelihood of a row in each record."""
        positive = self.weight > 0
        return np.divide(
            self.log_likelihood, self.weight, out=np.full(len(self.weight), np.nan), where=positive
        )
