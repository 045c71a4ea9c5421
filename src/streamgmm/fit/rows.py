"""Rows at hand, and rows that come in batches as often as they are asked for: one interface for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK, as_rows, as_weights, require_learnable, require_sums, sum_rows

from .batches import DTYPES, Batches, batches_of, checked, names_of, require_names
from .checksum import checksum
from .reservoir import NO_WEIGHTS, Reservoir

__all__ = ["DTYPES", "ArrayRows", "BatchRows", "Reservoir", "Rows", "RowsChangedError", "rows_of"]

WHOLE = 65536  # of so many rows all are looked at for a start
SAMPLE = 8192  # of more, so many: the start never costs more than the fit

Part = tuple[Any, Array]


class RowsChangedError(ValueError):
    """Rows that are read again are not what they were."""


class Rows(Protocol):
    """What an estimator or a solver may ask of rows; made by `rows_of`.

    Attributes
    ----------
    n_samples, n_features : int
    dtype : dtype
        float32 if all rows are, else float64.
    names : tuple of str or None
        Of the columns, if they have any.
    sample : tuple of two ndarray
        All rows in their order and their weights, up to `WHOLE`; of more, some at random.
    center : ndarray of shape (n_features,)
        The weighted mean of all rows.
    """

    @property
    def n_samples(self) -> int: ...  # noqa: D102

    @property
    def n_features(self) -> int: ...  # noqa: D102

    @property
    def dtype(self) -> Any: ...  # noqa: D102

    @property
    def names(self) -> tuple[str, ...] | None: ...  # noqa: D102

    @property
    def sample(self) -> Part: ...  # noqa: D102

    @property
    def center(self) -> Array: ...  # noqa: D102

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:
        """Return the statistics of all rows under a mixture: one pass."""

    def parts(self, multiple: int = 1) -> Iterator[Part]:
        """Yield the rows and weights in order, a multiple in each part but the last: one pass."""

    def shuffled(self, rng: np.random.RandomState) -> Iterator[Part]:
        """Yield the rows and their weights in parts, in random order as far as memory allows."""


def rows_of(
    X: Any,
    sample_weight: Any = None,
    *,
    check: Callable[[Any], Any] | None = None,
    expected: tuple[str, ...] | None = None,
    learns: bool = False,
    keeps_zeros: bool = False,
    sample_size: int = SAMPLE,
) -> Rows:
    """Return rows and their weights, checked: arrays and frames now, the rest in every pass.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), path, or batches
        An array or a frame; a path, a glob or a list of them, for `streamgmm.sources.open_source`; an object
        that yields arrays of rows each time it is iterated, or a function that returns an iterator.
    sample_weight : array-like of shape (n_samples,), optional
    check : callable, optional
        Returns an array or a frame as an array of finite float32 or float64; scikit-learn's by default.
    expected : tuple of str, optional
        The names that columns must have, if they have names.
    learns : bool, default=False
        Whether squares of the rows will be summed up, and must not overflow.
    keeps_zeros : bool, default=False
        Whether rows of weight 0 stay among them.
    sample_size : int, default=8192
        Rows in `Rows.sample` if there are more than `WHOLE`.

    Raises
    ------
    ValueError
        For an iterator, which could be read only once, or for bad rows or weights; for files that cannot be
        read, a SourceError.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.fit.rows import rows_of
    >>> X = np.array([[1.0, 2.0], [3.0, 5.0], [5.0, 2.0]])
    >>> whole, batches = rows_of(X), rows_of(lambda: [X[:2], X[2:]])
    >>> batches.n_samples, batches.center, bool((batches.sample[0] == whole.sample[0]).all())
    (3, array([3., 3.]), True)
    """
    size = min(sample_size, WHOLE)
    source = None if isinstance(X, np.ndarray) else batches_of(X)
    if source is None:
        rows = (check or checked)(X)
        weights = _weights_of(sample_weight, len(rows))
        if len(weights) and not keeps_zeros and not weights.all():
            rows, weights = rows[weights > 0], weights[weights > 0]
        if learns:
            require_learnable(rows, weights)
        return ArrayRows(rows, weights, None if isinstance(X, np.ndarray) else names_of(X), size)
    batches, names = source
    require_names(names, expected)
    weights = _weights_of(sample_weight, np.size(sample_weight))
    return BatchRows(batches, weights, names or expected, learns, keeps_zeros, size)


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows at hand, memory-mapped or not.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    names : tuple of str, optional
    sample_size : int, default=8192
    """

    X: Any
    weights: Array = field(default_factory=lambda: NO_WEIGHTS)
    names: tuple[str, ...] | None = None
    sample_size: int = SAMPLE

    @property
    def n_samples(self) -> int:  # noqa: D102
        return len(self.X)

    @property
    def n_features(self) -> int:  # noqa: D102
        return int(self.X.shape[1])

    @property
    def dtype(self) -> Any:  # noqa: D102
        return self.X.dtype

    @property
    def sample(self) -> Part:  # noqa: D102
        return (self.X, self.weights) if self.n_samples <= WHOLE else self._seen[0]

    @property
    def center(self) -> Array:  # noqa: D102
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[Part, Array]:
        pieces = (self.take(slice(begin, begin + CHUNK)) for begin in range(0, self.n_samples, CHUNK))
        return _seen(pieces, self.sample_size)

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        X = as_rows(self.X, mixture.n_features)
        return require_sums(sum_rows(mixture, X, self.weights, n_threads=n_threads), X)

    def parts(self, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        yield self.X, self.weights

    def shuffled(self, rng: np.random.RandomState) -> Iterator[Part]:  # noqa: D102
        order = rng.permutation(self.n_samples)
        for begin in range(0, len(order), CHUNK):
            yield self.take(order[begin : begin + CHUNK])

    def take(self, index: Any) -> Part:
        """Return some of the rows, and their weights."""
        return self.X[index], self.weights[index] if len(self.weights) else NO_WEIGHTS


class _Pass(NamedTuple):
    """What a pass over batches found, to be compared with the next."""

    n_samples: int
    n_features: int
    dtype: Any
    checksum: int


@dataclass(eq=False)
class BatchRows:
    """Rows that are read again for every pass, in memory for one batch.

    The first pass counts them; a later one must find the same rows, in any order if they have no weights.

    Parameters
    ----------
    batches : callable
        Returns an iterable of arrays (n, n_features), the same rows every time.
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    names : tuple of str, optional
    learns, keeps_zeros, sample_size
        As in `rows_of`.
    """

    batches: Batches
    weights: Array = field(default_factory=lambda: NO_WEIGHTS)
    names: tuple[str, ...] | None = None
    learns: bool = False
    keeps_zeros: bool = False
    sample_size: int = SAMPLE
    _first: _Pass | None = field(default=None, init=False)

    @property
    def n_samples(self) -> int:  # noqa: D102
        n_samples = self._counted().n_samples
        is_less = len(self.weights) and not self.keeps_zeros
        return int(np.count_nonzero(self.weights)) if is_less else n_samples

    @property
    def n_features(self) -> int:  # noqa: D102
        return self._counted().n_features

    @property
    def dtype(self) -> Any:  # noqa: D102
        return self._counted().dtype

    @property
    def sample(self) -> Part:  # noqa: D102
        return self._seen[0]

    @property
    def center(self) -> Array:  # noqa: D102
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[Part, Array]:
        return _seen(self.parts(CHUNK), self.sample_size)

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        total = None
        for X, weights in self.parts():
            X = as_rows(X, mixture.n_features)
            part = require_sums(sum_rows(mixture, X, weights, n_threads=n_threads), X)
            total = part if total is None else total + part
        assert total is not None  # there is at least one row
        return total

    def parts(self, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        return self._pass() if multiple == 1 else _regrouped(self._pass(), multiple)

    def shuffled(self, rng: np.random.RandomState) -> Iterator[Part]:  # noqa: D102
        for X, weights in self.parts():
            order = rng.permutation(len(X))
            yield X[order], weights[order] if len(weights) else NO_WEIGHTS

    def _counted(self) -> _Pass:
        if self._first is None:
            self._seen  # noqa: B018 a pass that finds more than the number
        assert self._first is not None
        return self._first

    def _pass(self) -> Iterator[Part]:
        """Yield the checked batches, and compare what they were at the end."""
        end, total, seen = 0, 0, self._first
        dtype = np.dtype(np.float32)
        n_features = seen.n_features if seen else 0
        for batch in self.batches():
            X, names = checked(batch), None if isinstance(batch, np.ndarray) else names_of(batch)
            require_names(names, self.names)
            self.names = self.names or names
            if n_features and X.shape[1] != n_features:
                raise ValueError(f"batches of `X` must have shape (n, {n_features}), got {X.shape}")
            begin, end, n_features = end, end + len(X), X.shape[1]
            if seen and end > seen.n_samples:
                raise _changed(seen.n_samples, "more")
            self._require_weights(end, at_end=False)
            weights = self.weights[begin:end]
            total += checksum(X, weights)
            dtype = np.promote_types(dtype, X.dtype)
            if len(weights) and not self.keeps_zeros:
                X, weights = X[weights > 0], weights[weights > 0]
            if self.learns:
                require_learnable(X, weights)
            if len(X):
                yield X, weights
        if not end:
            raise ValueError("`X` must hold at least one row, got no batches")
        self._require_weights(end, at_end=True)
        found = _Pass(end, n_features, dtype, total % 2**64)
        if seen and found != seen:
            raise _changed(seen.n_samples, f"{end}" if end != seen.n_samples else "others")
        self._first = found

    def _require_weights(self, n_samples: int, *, at_end: bool) -> None:
        n_weights = len(self.weights)
        if n_weights and (n_samples > n_weights or (at_end and n_samples < n_weights)):
            least = "" if at_end else "at least "
            raise ValueError(
                f"`sample_weight` must have as many numbers as `X` has rows, {least}{n_samples}, "
                f"got {n_weights}"
            )


def _changed(n_samples: int, got: str) -> RowsChangedError:
    return RowsChangedError(
        f"`X` must give the same rows every time, got {n_samples} rows at first and then {got}"
    )


def _seen(parts: Iterable[Part], size: int) -> tuple[Part, Array]:
    """Return a sample and the weighted mean, in one pass over the rows."""
    reservoir, total = Reservoir(size, WHOLE), 0.0
    center: Any = 0.0
    for X, weights in parts:
        reservoir = reservoir.add(X, weights)
        total += (weight := float(weights.sum()) if len(weights) else float(len(X)))
        near = np.asarray(X[0], dtype=np.float64)  # differences lose nothing, and are 0 in constant columns
        mean = near + np.average(X - near, axis=0, weights=weights if len(weights) else None)
        center = center + (mean - center) * (weight / total)
    return (reservoir.rows, reservoir.weights), center


def _regrouped(parts: Iterable[Part], multiple: int) -> Iterator[Part]:
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


def _weights_of(sample_weight: Any, n_samples: int) -> Array:
    weights = as_weights(sample_weight, n_samples)
    if len(weights) and not weights.any():
        raise ValueError("`sample_weight` must hold a positive weight, got only zero")
    return weights
