"""What an estimator takes as X beside arrays: files, and batches that can be read again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from streamgmm.sweep import CHUNK

_BATCH_ROWS = 4 * CHUNK

Batches = Callable[[], Iterable[Any]]


def batches_of(X: Any) -> tuple[Batches, tuple[str, ...] | None] | None:
    """Return a function that reads X in batches, and column names; None if X is rows at hand.

    Rows at hand are arrays, frames, and sequences of rows. A path, a glob or a list of them is read by
    `streamgmm.sources.open_source`. Anything else that can be iterated again and again (not a generator), or
    a function without arguments that returns an iterable, gives batches of rows.

    Raises
    ------
    ValueError
        For an iterator, which could be read only once; for files that cannot be read, a SourceError.
    """
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


def _files(paths: list[str]) -> tuple[Batches, tuple[str, ...] | None]:
    from streamgmm.sources import open_source

    source = open_source(paths, batch_rows=_BATCH_ROWS)
    if not source.rereadable:
        raise ValueError("`X` must be files that can be read again for every pass, got standard input")
    has_names = source.names != tuple(f"x{i}" for i in range(source.n_features))

    def batches() -> Iterator[Any]:
        for batch in source.batches():
            yield batch.rows

    return batches, source.names if has_names else None
