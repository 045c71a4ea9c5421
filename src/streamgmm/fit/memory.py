"""A memory of rows that went by: bounded, and in the proportions in which they came, or came lately."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from streamgmm._compat.functools import cached_property
from streamgmm.statistics import Array

NO_WEIGHTS = np.empty(0)
_SEED = (0x73747265, 0x616D676D, 0x6D)
_LEAST_ROOM = 1024
_AT_ONCE = 131_072  # rows: room for so many is asked for at once, and taken up as it is written
_CLAIM = threading.Lock()

Places = np.ndarray[Any, np.dtype[np.int64]]


class Room:
    """Arrays that fill up from the front: what was written is never changed, so that many may look at it."""

    def __init__(self, rows: Any, weights: Array, ranks: Array, places: Places) -> None:
        self.filled, self.arrays = len(rows), (rows, weights, ranks, places)

    def claim(self, begin: int, end: int) -> bool:
        """Take the entries from ``begin`` on, to write there, if there is room and nobody has."""
        with _CLAIM:  # copies of a memory may go on in several threads
            is_free = self.filled == begin and end <= len(self.arrays[0])
            self.filled = end if is_free else self.filled
        return is_free

    def __reduce__(self) -> tuple[type[Room], tuple[Any, Array, Array, Places]]:
        return Room, self.view(self.filled)  # what lies behind was never written

    def takes(self, rows: Any) -> bool:
        """Tell whether rows keep all their digits here."""
        dtype = self.arrays[0].dtype
        return bool(dtype == np.result_type(dtype, rows.dtype))

    def view(self, n: int) -> tuple[Any, Array, Array, Places]:
        """Return the first n entries."""
        rows, weights, ranks, places = self.arrays
        return rows[:n], weights[:n], ranks[:n], places[:n]


class Sampled(NamedTuple):
    """Rows (n_kept, n_features) in their order, what each stands for (empty for ones), and their places."""

    rows: Any
    weights: Array
    places: Places


@dataclass(frozen=True, eq=False)
class Memory:
    r"""At most ``bound`` rows of all that came by, and what each of them stands for.

    Row i of weight w draws a number e from the exponential distribution, always the same for the same place,
    and the rows with the smallest e / w are kept (Efraimidis and Spirakis, 2006): in proportion to their
    weights, however they came in calls. With a half-life the weight of a row is halved after so many rows,
    for all alike, so that a rank, log(e / w) less time, never changes. If L is the smallest rank that is not
    kept, a row was kept with probability p = 1 - exp(-w L), and stands for w / p rows: in expectation the
    weight of any region is that of all rows there (Cohen and Kaplan, 2007).

    The seed is one that nobody draws data with: the same numbers may have chosen the rows' components.

    Parameters
    ----------
    bound : int
        At least 1. Up to twice as many are held between two looks at which are to be kept.
    half_life : float, optional
        In rows; None weighs all rows alike, however old.
    n_whole : int, default=0
        As long as no more rows than this have come by, all are kept.
    n_seen : int
        Rows that came by, those of weight 0 included.
    n_held : int
        Entries of ``room`` that are this memory's: at least those that are kept.
    room : Room, optional
    limit : float
        Rows with a larger rank are not kept, as was seen before.

    References
    ----------
    Efraimidis and Spirakis (2006), Weighted random sampling with a reservoir, Information Processing Letters
    97, 181-185. Cohen and Kaplan (2007), Summarizing data using bottom-k sketches, PODC, 225-234.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.fit.memory import Memory
    >>> X = np.arange(10.0).reshape(10, 1)
    >>> whole, parts = Memory(3).add(X), Memory(3).add(X[:4]).add(X[4:])
    >>> len(whole.rows), np.array_equal(whole.rows, parts.rows)
    (3, True)
    """

    bound: int
    half_life: float | None = None
    n_whole: int = 0
    n_seen: int = 0
    n_held: int = 0
    room: Room | None = None
    limit: float = np.inf
    is_weighted: bool = field(default=False)

    def add(self, X: Any, weights: Array = NO_WEIGHTS) -> Memory:
        """Return the memory after more rows (n_samples, n_features)."""
        memory, step = self, max(self.bound, _LEAST_ROOM)
        for begin in range(0, len(X), step):
            memory = memory._add(X[begin : begin + step], weights[begin : begin + step])
        return memory

    def _add(self, X: Any, weights: Array) -> Memory:
        n_seen = self.n_seen + len(X)
        places = np.arange(self.n_seen, n_seen)
        with np.errstate(divide="ignore"):
            ranks = np.log(-np.log1p(-draws_of(_SEED, self.n_seen, len(X)))) - self._decay * places
            if len(weights):
                ranks -= np.log(weights)
        chosen, rows = np.flatnonzero(ranks < self.limit), np.asarray(X)
        memory = replace(self, n_seen=n_seen, is_weighted=self.is_weighted or len(weights) > 0)
        if not len(chosen) and self.room is not None and self.room.takes(rows):
            return memory
        w = weights[chosen] if len(weights) else np.ones(len(chosen))
        return memory._append(rows[chosen], w, ranks[chosen], places[chosen])

    @property
    def _decay(self) -> float:
        return np.log(2.0) / self.half_life if self.half_life is not None else 0.0

    def _append(self, rows: Any, weights: Array, ranks: Array, places: Places) -> Memory:
        """Write entries behind those held, in a larger room if it is full or others have written there."""
        memory, n, room = self, self.n_held + len(rows), self.room
        if room is None or not room.takes(rows) or not room.claim(self.n_held, n):
            memory = memory._trimmed()
            room, n = memory.room, memory.n_held + len(rows)
            size = max(_LEAST_ROOM, 2 * n)
            if n_most := self._most:
                size = max(n, min(max(size, _AT_ONCE), 2 * n_most))
            room = _enlarged(room, memory.n_held, size, rows)
            room.filled = n
        for array, new in zip(room.arrays, (rows, weights, ranks, places), strict=True):
            array[memory.n_held : n] = new
        return replace(memory, n_held=n, room=room)

    @property
    def _most(self) -> int:
        """How many rows are kept at most, 0 as long as all are."""
        return 0 if self.n_seen <= self.n_whole else self.bound

    def _trimmed(self) -> Memory:
        """Return the memory with those entries only that are kept, and the next, which says where to stop."""
        if self.room is None or not self._most or self.n_held <= self.bound:
            return self
        rows, weights, ranks, places = self.room.view(self.n_held)
        kept = np.sort(np.argpartition(ranks, self.bound)[: self.bound + 1])
        room = Room(rows[kept], weights[kept], ranks[kept], places[kept])
        return replace(self, n_held=len(kept), room=room, limit=float(ranks[kept].max()))

    @cached_property
    def sampled(self) -> Sampled:
        """The rows that are kept, and what they stand for."""
        if self.room is None:
            raise ValueError("a memory has rows once rows have come")
        rows, weights, ranks, places = self.room.view(self.n_held)
        used = ranks < np.inf
        if self._most and np.count_nonzero(used) > self._most:
            order = np.argpartition(ranks, self._most)
            limit, kept = float(ranks[order[self._most]]), np.sort(order[: self._most])
        else:
            limit, kept = self.limit, np.flatnonzero(used & (ranks < self.limit))
        rows, weights, places = rows[kept], weights[kept], places[kept]
        if self.is_weighted or self.half_life is not None:
            log_weights = np.log(weights)
            p = -np.expm1(-np.exp(np.minimum(limit + self._decay * places + log_weights, 700.0)))
            weights = np.exp(log_weights - self._decay * (self.n_seen - places)) / p
        else:
            weights = NO_WEIGHTS
        return Sampled(rows, weights, places)

    def since(self, place: int) -> Memory:
        """Return the memory without the rows before a place; those after it are what they were."""
        memory = self._trimmed()  # what is held beyond what is kept depends on how the rows came in calls
        if memory.room is None:
            return memory
        rows, weights, ranks, places = memory.room.view(memory.n_held)
        kept = places >= place
        room = Room(rows[kept], weights[kept], ranks[kept], places[kept])
        return replace(memory, n_held=room.filled, room=room)

    @property
    def rows(self) -> Any:
        """The rows that are kept (n_kept, n_features), in their order."""
        return self.sampled.rows

    @property
    def is_whole(self) -> bool:
        """Whether no row has been left out."""
        return self.n_seen <= max(self.bound, self.n_whole)

    def to_record(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return settings, which JSON can hold, and named arrays."""
        counts = {name: int(getattr(self, name)) for name in ("bound", "n_whole", "n_seen")}
        half_life = None if self.half_life is None else float(self.half_life)
        settings = {**counts, "half_life": half_life, "is_weighted": bool(self.is_weighted)}
        memory = self._trimmed()
        settings["limit"] = memory.limit if np.isfinite(memory.limit) else None
        if memory.room is None:
            return settings, {}
        return settings, dict(zip(_ARRAYS, memory.room.view(memory.n_held), strict=True))

    @classmethod
    def from_record(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Memory:
        """Return the memory that `to_record` wrote."""
        limit = np.inf if settings["limit"] is None else settings["limit"]
        memory = cls(**{**settings, "limit": limit})
        if not arrays:
            return memory
        rows, weights, ranks = (np.array(arrays[name]) for name in _ARRAYS[:3])
        room = Room(rows, weights, ranks, np.array(arrays["places"], dtype=np.int64))
        return replace(memory, n_held=len(rows), room=room)


_ARRAYS = ("rows", "weights", "ranks", "places")


def _enlarged(room: Room | None, n: int, size: int, like: Any) -> Room:
    """Return a room of this size that begins with the first n entries of another."""
    dtype = like.dtype if room is None else np.result_type(room.arrays[0].dtype, like.dtype)
    rows = np.empty((size, like.shape[1]), dtype=dtype)
    larger = Room(rows, np.empty(size), np.empty(size), np.empty(size, dtype=np.int64))
    if room is not None:
        for new, old in zip(larger.arrays, room.arrays, strict=True):
            new[:n] = old[:n]
    return larger


def draws_of(seed: tuple[int, ...], first: int, n_samples: int) -> Array:
    """Return the numbers (n_samples,) between 0 and 1 of the rows from ``first`` on, however they are cut."""
    return np.random.Generator(np.random.PCG64(seed).advance(first)).random(n_samples)
