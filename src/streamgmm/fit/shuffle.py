"""Random order of rows that come in parts: all of them if they are few, else through a bounded buffer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from streamgmm.statistics import Array
from streamgmm.sweep import CHUNK

from .memory import NO_WEIGHTS

Part = tuple[Any, Array]

BUFFER_ROWS = 4 * CHUNK
_BUFFER_VALUES = 1 << 25  # 256 MiB of float64
_SHARE = 16  # of the buffer is given at a time


class Orders(NamedTuple):
    """What the order of one pass is drawn from.

    Attributes
    ----------
    pieces, rows : numpy.random.Generator
        Of the pieces that files are read in, and of the rows.
    """

    pieces: np.random.Generator
    rows: np.random.Generator

    @classmethod
    def draw(cls, rng: np.random.RandomState) -> Orders:
        """Return those of the next pass; one number is drawn, and spread, since the start draws it too."""
        pieces, rows = np.random.SeedSequence(rng.randint(2**31 - 1)).spawn(2)
        return cls(np.random.default_rng(pieces), np.random.default_rng(rows))


def shuffled(parts: Iterable[Part], order: np.random.Generator, bound: int | None = None) -> Iterator[Part]:
    """Yield the rows and their weights in random order, holding a bounded number of them.

    While no more than ``bound`` rows come, each order is as likely as any other. Of more, rows drawn from the
    full buffer make room for those that come: a row waits for as many others, on average, as the buffer
    holds. How the rows are cut into parts does not matter.

    Parameters
    ----------
    parts : iterable of rows (n, n_features) and weights (n,) or (0,)
        Let go as soon as they are in the buffer.
    order : numpy.random.Generator
    bound : int, optional
        By default 262 144 rows, or fewer that take 256 MiB in float64.

    Examples
    --------
    >>> import numpy as np
    >>> X, none = np.arange(6.0).reshape(6, 1), np.empty(0)
    >>> parts = [(X[:2], none), (X[2:], none)]
    >>> sorted(row for rows, _ in shuffled(parts, np.random.default_rng(0)) for row in rows.ravel().tolist())
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    held: Any = None
    weights, n_held = NO_WEIGHTS, 0
    for X, w in parts:
        if not len(X):
            continue
        if held is None:
            bound = bound or min(BUFFER_ROWS, max(1, _BUFFER_VALUES // X.shape[1]))
            held = np.empty((bound, X.shape[1]), X.dtype)
            weights = np.empty(bound if len(w) else 0)
        held = held.astype(np.promote_types(held.dtype, X.dtype), copy=False)
        begin = 0
        while begin < len(X):
            if n_held == len(held):
                given = order.choice(n_held, -(-n_held // _SHARE), replace=False)
                yield take(held, weights, given)
                n_held = _close_ranks(held, weights, given)
            end = min(len(X), begin + len(held) - n_held)
            held[n_held : n_held + end - begin] = X[begin:end]
            weights[n_held : n_held + end - begin] = w[begin:end]
            n_held, begin = n_held + end - begin, end
    rest = order.permutation(n_held)
    for begin in range(0, n_held, CHUNK):
        yield take(held, weights, rest[begin : begin + CHUNK])


def take(X: Any, weights: Array, index: Any) -> Part:
    """Return some of the rows, and their weights."""
    return np.take(X, index, axis=0), weights[index] if len(weights) else NO_WEIGHTS


def regrouped(parts: Iterable[Part], multiple: int) -> Iterator[Part]:
    """Yield the same rows in parts of a multiple of so many rows, and what is left."""
    held: list[Part] = []
    n_held = 0
    for X, weights in parts:
        held.append((X, weights))
        n_held += len(X)
        if n_held < multiple:
            continue
        X, weights = _joined(held)
        end = n_held // multiple * multiple
        yield X[:end], weights[:end]
        held, n_held = ([(X[end:], weights[end:])], n_held - end) if end < n_held else ([], 0)
    if held:
        yield _joined(held)


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _close_ranks(held: Any, weights: Array, given: Any) -> int:
    """Move the last rows to the places of those that were given; return how many are left."""
    is_free = np.zeros(len(held), dtype=bool)
    is_free[given] = True
    n_left = len(held) - len(given)
    to, begin = np.flatnonzero(is_free[:n_left]), n_left + np.flatnonzero(~is_free[n_left:])
    held[to] = held[begin]
    if len(weights):
        weights[to] = weights[begin]
    return n_left
