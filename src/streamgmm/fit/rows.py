"""Rows at hand, and rows that come in batches as often as they are asked for: one interface for both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import validate_data

from streamgmm._compat.functools import cached_property
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK, as_weights, require_sums, sum_rows, thread_count

from .batches import DTYPES, Batches, Files, batches_of, checked, names_of, require_names
from .checksum import checksum
from .focus import Focus, Measure
from .memory import NO_WEIGHTS, Memory
from .shuffle import Orders, Part, regrouped, shuffled, take

__all__ = ["DTYPES", "ArrayRows", "BatchRows", "Memory", "Rows", "RowsChangedError", "rows_of"]

WHOLE = 65536  # of so many rows all are looked at for a start
SAMPLE = 8192  # of more, so many: the start never costs more than the fit
_LARGEST_SUM = 1e300  # of squares; what is added and subtracted on the way is not much larger
_LIGHTEST, _HEAVIEST = 1e-280, 1e100  # sums of weights


class RowsChangedError(ValueError):
    """Rows that are read again are not what they were."""


class Rows(ABC):
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

    n_samples: int
    n_features: int
    dtype: Any
    names: tuple[str, ...] | None
    sample_size: int

    @cached_property
    def sample(self) -> Part:  # noqa: D102
        return self._seen[0]

    @cached_property
    def center(self) -> Array:  # noqa: D102
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[Part, Array]:
        """The sample and the center, found in one pass."""
        memory, total = Memory(self.sample_size, n_whole=WHOLE), 0.0
        center: Any = 0.0
        for X, weights in self.parts(CHUNK):
            for begin in range(0, len(X), CHUNK):
                x, w = X[begin : begin + CHUNK], weights[begin : begin + CHUNK]
                memory = memory.add(x, w)
                total += (weight := float(w.sum()) if len(w) else float(len(x)))
                near = np.asarray(x[0], dtype=np.float64)  # differences are exact, and 0 in constant columns
                mean = near + np.average(x - near, axis=0, weights=w if len(w) else None)
                center = center + (mean - center) * (weight / total)
        return (memory.sampled.rows, memory.sampled.weights), center

    def focused(self, mixture: Mixture, *, n_threads: int | None = None) -> ArrayRows:
        """Return a sample that keeps the few, after a fit to `sample`: one pass.

        Half of it are rows of all components alike, half are rows that the mixture explains poorly. Each has
        the weight of the rows that it stands for: the weight of any region is, in expectation, that of all
        rows there. Up to `WHOLE` rows it is all of them.
        """
        if self.n_samples <= WHOLE:
            return ArrayRows(*self.sample)
        measure = Measure.of(mixture, self.sample[0], n_threads=n_threads)
        focus, step = Focus(-(-self.sample_size // 2)), CHUNK * thread_count(n_threads)
        for X, weights in self.parts(CHUNK):
            for begin in range(0, len(X), step):
                x, w = X[begin : begin + step], weights[begin : begin + step]
                focus = focus.add(x, w, measure.sizes(x, w, n_threads=n_threads))
        return ArrayRows(*focus.sample())

    @abstractmethod
    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:
        """Return the statistics of all rows under a mixture: one pass."""

    @abstractmethod
    def parts(self, multiple: int = 1) -> Iterator[Part]:
        """Yield the rows and weights in order, a multiple in each part but the last: one pass."""

    @abstractmethod
    def shuffled(self, rng: np.random.RandomState, multiple: int = 1) -> Iterator[Part]:
        """Yield the rows and weights in random order, another one each time: one pass.

        What comes in batches goes through a bounded buffer (see `streamgmm.fit.shuffle`); up to 262 144 rows
        come in the same order as an array's. Of files without weights the pieces are shuffled before, where
        the format allows it.
        """


def rows_of(
    X: Any,
    sample_weight: Any = None,
    *,
    estimator: Any = None,
    reset: bool = False,
    at_least: int = 1,
    learns: bool = False,
    keeps_zeros: bool = False,
    sample_size: int = SAMPLE,
) -> Rows:
    """Return rows and their weights, checked: arrays and frames now, the rest in every pass.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), path, batches, or Rows
        An array or a frame; a path, a glob or a list of them, for `streamgmm.sources.open_source`; an object
        that yields arrays of rows each time it is iterated, or a function that returns an iterator. Rows are
        returned as they are.
    sample_weight : array-like of shape (n_samples,), optional
    estimator : optional
        Its columns are those that the rows must have.
    reset : bool, default=False
        Whether the rows may say what the estimator's columns are.
    at_least : int, default=1
        Rows that an array or a frame must have.
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
    if isinstance(X, Rows):
        if sample_weight is not None:
            raise ValueError("`sample_weight` must be None for Rows, which have their weights")
        return X
    settings: dict[str, Any] = {
        "sample_size": min(sample_size, WHOLE),
        "learns": learns,
        "keeps_zeros": keeps_zeros,
    }
    source = None if isinstance(X, np.ndarray) else batches_of(X)
    if source is not None:
        (rows, names), n_samples = source, np.size(sample_weight)
        known = None if reset else getattr(estimator, "feature_names_in_", None)
        expected = None if known is None else tuple(known)
        require_names(names, expected)
        names = names or expected
    else:
        check: Any = (
            checked if estimator is None else partial(validate_data, estimator, dtype=DTYPES, reset=reset)
        )
        rows = check(X, ensure_min_samples=at_least)
        names, n_samples = None if isinstance(X, np.ndarray) else names_of(X), len(rows)
    weights = as_weights(sample_weight, n_samples)
    if len(weights) and not weights.any():
        raise ValueError("`sample_weight` must hold a positive weight, got only zero")
    return (ArrayRows if source is None else BatchRows)(rows, weights, names, **settings)


class ArrayRows(Rows):
    """Rows at hand, memory-mapped or not, and checked but for their size.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    names : tuple of str, optional
    sample_size, learns, keeps_zeros
        As in `rows_of`.
    """

    def __init__(
        self,
        X: Any,
        weights: Array = NO_WEIGHTS,
        names: tuple[str, ...] | None = None,
        *,
        sample_size: int = SAMPLE,
        learns: bool = False,
        keeps_zeros: bool = False,
    ) -> None:
        if len(weights) and not keeps_zeros and not weights.all():
            X, weights = X[weights > 0], weights[weights > 0]
        self.X, self.weights, self.names, self.sample_size = X, weights, names, sample_size
        self.n_samples, self.n_features = X.shape
        self.dtype = X.dtype
        if self.n_samples <= WHOLE:
            self.sample = X, weights
        if not learns:
            return
        with np.errstate(over="ignore"):
            total = float(weights.sum()) if len(weights) else float(len(X))
        if total > _HEAVIEST or 0.0 < total < _LIGHTEST:
            between = f"between {_LIGHTEST:g} and {_HEAVIEST:g}"
            raise ValueError(f"`sample_weight` must have a sum {between}, got {total:g}: rescale")
        size = max(float(X.max()), -float(X.min())) if len(X) else 0.0
        if size * size * total > _LARGEST_SUM:
            row, column = (int(index) for index in np.unravel_index(np.argmax(np.abs(X)), X.shape))
            raise ValueError(
                f"`X` must hold numbers whose squares can be summed up, got {X[row, column]:g} in row {row}, "
                f"column {column}: too large to be squared; rescale"
            )

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        return require_sums(sum_rows(mixture, self.X, self.weights, n_threads=n_threads), self.X)

    def parts(self, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        yield self.X, self.weights

    def shuffled(self, rng: np.random.RandomState, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        order = Orders.draw(rng).rows.permutation(self.n_samples)
        step = multiple * -(-CHUNK // multiple)
        for begin in range(0, len(order), step):
            yield self.take(order[begin : begin + step])

    def take(self, index: Any) -> Part:
        """Return some of the rows, and their weights."""
        return take(self.X, self.weights, index)


class _Pass(NamedTuple):
    """What a pass over batches found, to be compared with the next."""

    n_samples: int
    n_features: int
    dtype: Any
    checksum: int


class BatchRows(Rows):
    """Rows that are read again for every pass, in memory for one batch.

    The first pass counts them; a later one must find the same rows, in any order if they have no weights.

    Parameters
    ----------
    batches : callable
        Returns an iterable of arrays (n, n_features), the same rows every time.
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    names : tuple of str, optional
    sample_size, learns, keeps_zeros
        As in `rows_of`.
    """

    def __init__(
        self,
        batches: Batches,
        weights: Array = NO_WEIGHTS,
        names: tuple[str, ...] | None = None,
        *,
        sample_size: int = SAMPLE,
        **checks: bool,
    ) -> None:
        self.batches, self.weights, self.names, self.sample_size = batches, weights, names, sample_size
        self._checks: dict[str, Any] = checks
        self._first: _Pass | None = None

    @cached_property
    def n_samples(self) -> int:  # type: ignore[override]  # noqa: D102
        n_samples = self._counted().n_samples
        is_less = len(self.weights) and not self._checks.get("keeps_zeros")
        return int(np.count_nonzero(self.weights)) if is_less else n_samples

    @cached_property
    def n_features(self) -> int:  # type: ignore[override]  # noqa: D102
        return self._counted().n_features

    @cached_property
    def dtype(self) -> Any:  # noqa: D102
        return self._counted().dtype

    def e_step(self, mixture: Mixture, *, n_threads: int | None = None) -> Statistics:  # noqa: D102
        total = None
        for part in self.parts():
            added = ArrayRows(*part).e_step(mixture, n_threads=n_threads)
            total = added if total is None else total + added
        assert total is not None  # there is at least one row
        return total

    def parts(self, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        return (
            self._pass(self.batches()) if multiple == 1 else regrouped(self._pass(self.batches()), multiple)
        )

    def shuffled(self, rng: np.random.RandomState, multiple: int = 1) -> Iterator[Part]:  # noqa: D102
        orders = Orders.draw(rng)
        batches: Iterable[Any]
        if isinstance(self.batches, Files) and not len(self.weights):  # weights are those of rows in order
            batches = self.batches.mixed(orders.pieces)
        else:
            batches = self.batches()
        return regrouped(shuffled(self._pass(batches), orders.rows), multiple)

    def _counted(self) -> _Pass:
        if self._first is None:
            self._seen  # noqa: B018 a pass that finds more than the number
        assert self._first is not None
        return self._first

    def _pass(self, batches: Iterable[Any]) -> Iterator[Part]:
        """Yield the checked batches, and compare what they were at the end."""
        end, total, seen = 0, 0, self._first
        dtype = np.dtype(np.float32)
        n_features = seen.n_features if seen else 0
        for batch in batches:
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
            rows = ArrayRows(X, weights, **self._checks)
            if rows.n_samples:
                yield rows.X, rows.weights
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
