"""What is read in batches, and what is checked of each: files, iterables and functions; numbers and names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from streamgmm.sweep import CHUNK

if TYPE_CHECKING:
    from streamgmm.sources import Source

DTYPES = (np.float64, np.float32)
_BATCH_ROWS = 4 * CHUNK

Batches = Callable[[], Iterable[Any]]

checked = partial(check_array, dtype=DTYPES, input_name="X", ensure_min_samples=0)


def batches_of(X: Any) -> tuple[Batches, tuple[str, ...] | None] | None:
    """Return a function that reads X in batches, and column names; None if X is rows at hand."""
    if isinstance(X, str | os.PathLike):
        return _files([os.fspath(X)])
    is_sequence = isinstance(X, Sequence)
    if is_sequence and len(X) and all(isinstance(path, str | os.PathLike) for path in X):
        return _files([os.fspath(path) for path in X])
    if isinstance(X, Iterator):
        raise ValueError(
            "`X` must be rows, or batches that can be read again for every pass: got an iterator; give a "
            "function that returns one"
        )
    if callable(X) and not hasattr(X, "__array__"):
        return X, None
    is_array = any(hasattr(X, name) for name in ("__array__", "__dataframe__", "shape"))
    return None if is_sequence or is_array or not isinstance(X, Iterable) else (X.__iter__, None)


class Files:
    """The rows of files: called, in their order; or mixed, as far as the files' formats allow.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __call__(self) -> Iterator[Any]:
        """Yield batches in the order of the files."""
        return (batch.rows for batch in self._source.batches())

    def mixed(self, order: np.random.Generator) -> Iterator[Any]:
        """Yield batches in an order drawn from this."""
        return (batch.rows for batch in self._source.batches(order=order))


def _files(paths: list[str]) -> tuple[Batches, tuple[str, ...] | None]:
    from streamgmm.sources import open_source

    source = open_source(paths, batch_rows=_BATCH_ROWS)
    if not source.rereadable:
        raise ValueError("`X` must be files that can be read again for every pass, got standard input")
    has_names = source.names != tuple(f"x{i}" for i in range(source.n_features))
    return Files(source), source.names if has_names else None


def names_of(X: Any) -> tuple[str, ...] | None:
    """Return the names of a frame's columns."""
    probe = BaseEstimator()
    validate_data(probe, X, skip_check_array=True)
    names = getattr(probe, "feature_names_in_", None)
    return None if names is None else tuple(names)


def require_names(names: tuple[str, ...] | None, expected: tuple[str, ...] | None) -> None:
    """Raise ValueError if columns have names, and other ones than they must have."""
    if names is not None and expected is not None and names != expected:
        raise ValueError(f"`X` must have the columns {list(expected)}, got {list(names)}")
