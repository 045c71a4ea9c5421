"""Rows at hand, and rows that come in batches as often as they are asked for: one interface for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK, as_rows, e_step, require_finite

_NO_WEIGHTS = np.empty(0)
_SEED = (0x73747265, 0x616D676D, 0x6D)


class Rows(Protocol):
    """What a solver may ask of rows.

    Attributes
    ----------
    n_samples, n_features : int
    """

    @property
    def n_samples(self) -> int: ...  # noqa: D102

    @property
    def n_features(self) -> int: ...  # noqa: D102

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:
        """Return the statistics of all rows under a mixture: one pass."""

    def sample(self, bound: int) -> tuple[Any, Array]:
        """Return all rows in their order, or ``bound`` at random if there are more; and weights or none."""

    def shuffled(self, rng: np.random.RandomState) -> Iterator[tuple[Any, Array]]:
        """Yield the rows and their weights in parts, in random order as far as memory allows."""


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows at hand, memory-mapped or not.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    """

    X: Any
    weights: Array

    @property
    def n_samples(self) -> int:  # noqa: D102
        return len(self.X)

    @property
    def n_features(self) -> int:  # noqa: D102
        return int(self.X.shape[1])

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        return e_step(mixture, self.X, self.weights if len(self.weights) else None, n_threads=n_threads)

    def sample(self, bound: int) -> tuple[Any, Array]:  # noqa: D102
        if self.n_samples <= bound:
            return self.X, self.weights
        return _reservoir(_parts(self.X, self.weights), bound)

    def shuffled(self, rng: np.random.RandomState) -> Iterator[tuple[Any, Array]]:  # noqa: D102
        order = rng.permutation(self.n_samples)
        for begin in range(0, len(order), CHUNK):
            rows = order[begin : begin + CHUNK]
            yield self.X[rows], self.weights[rows] if len(self.weights) else _NO_WEIGHTS


@dataclass(frozen=True, eq=False)
class BatchRows:
    """Rows that are read again for every pass, in memory for one batch.

    Parameters
    ----------
    batches : callable
        Returns an iterable of arrays (n, n_features), the same rows every time.
    n_samples, n_features : int
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    """

    batches: Callable[[], Iterable[Any]]
    n_samples: int
    n_features: int
    weights: Array

    @classmethod
    def count(cls, batches: Callable[[], Iterable[Any]], weights: Array) -> BatchRows:
        """Return the rows after a first pass, which counts and checks them.

        Raises
        ------
        ValueError
            If there are no rows, numbers of columns differ, a number is not finite, or there is another
            number of weights.
        """
        n_samples = n_features = 0
        for batch in batches():
            array = np.asarray(batch)
            if array.ndim != 2 or (n_features and array.shape[1] != n_features) or not array.shape[1]:
                raise ValueError(
                    f"batches of `X` must have shape (n, {n_features or 'n_features'}), got {array.shape}"
                )
            n_features = array.shape[1]
            require_finite(as_rows(array, n_features))
            n_samples += len(array)
        if not n_samples:
            raise ValueError("`X` must hold at least one row, got no batches")
        if len(weights) not in (0, n_samples):
            raise ValueError(f"`sample_weight` must have shape ({n_samples},), got ({len(weights)},)")
        return cls(batches, n_samples, n_features, weights)

    def _parts(self) -> Iterator[tuple[Any, Array]]:
        begin = 0
        for batch in self.batches():
            X = np.asarray(batch)
            end = begin + len(X)
            if end > self.n_samples:
                break
            yield X, self.weights[begin:end] if len(self.weights) else _NO_WEIGHTS
            begin = end
        if begin != self.n_samples:
            raise ValueError(
                f"`X` must give the same rows every time: {self.n_samples} at first, then another number"
            )

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        total = None
        for X, weights in self._parts():
            if len(X):
                part = e_step(mixture, X, weights if len(weights) else None, n_threads=n_threads)
                total = part if total is None else total + part
        assert total is not None  # there is at least one row
        return total

    def sample(self, bound: int) -> tuple[Any, Array]:  # noqa: D102
        return _reservoir(self._parts(), bound)

    def shuffled(self, rng: np.random.RandomState) -> Iterator[tuple[Any, Array]]:  # noqa: D102
        for X, weights in self._parts():
            order = rng.permutation(len(X))
            yield X[order], weights[order] if len(weights) else _NO_WEIGHTS


def _parts(X: Any, weights: Array) -> Iterator[tuple[Any, Array]]:
    for begin in range(0, len(X), CHUNK):
        rows = slice(begin, begin + CHUNK)
        yield X[rows], weights[rows] if len(weights) else _NO_WEIGHTS


@dataclass(frozen=True, eq=False)
class Reservoir:
    """At most ``bound`` rows of positive weight, each equally likely, in their order, of all that came by.

    Every row draws a number, always the same for the same place, and the smallest are kept. The seed is one
    that nobody draws data with: the same numbers may have chosen the rows' components.

    Parameters
    ----------
    bound : int
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
    n_seen: int = 0
    rows: Any = None
    weights: Array = field(default_factory=lambda: _NO_WEIGHTS)
    draws: Array = field(default_factory=lambda: _NO_WEIGHTS)

    def add(self, X: Any, weights: Array = _NO_WEIGHTS) -> Reservoir:
        """Return the reservoir after more rows."""
        n_seen = self.n_seen + len(X)
        draws = np.random.Generator(np.random.PCG64(_SEED).advance(self.n_seen)).random(len(X))
        if len(weights):
            used = weights > 0
            X, weights, draws = X[used], weights[used], draws[used]
        rows = np.array(X) if self.rows is None else np.concatenate([self.rows, X])
        draws = np.concatenate([self.draws, draws])
        weights = np.concatenate([self.weights, weights])
        if len(draws) > self.bound:
            kept = np.sort(np.argpartition(draws, self.bound)[: self.bound])
            rows, draws = rows[kept], draws[kept]
            weights = weights[kept] if len(weights) else weights
        return Reservoir(self.bound, n_seen, rows, weights, draws)


def _reservoir(parts: Iterable[tuple[Any, Array]], bound: int) -> tuple[Any, Array]:
    reservoir = Reservoir(bound)
    for X, weights in parts:
        reservoir = reservoir.add(X, weights)
    return reservoir.rows, reservoir.weights
