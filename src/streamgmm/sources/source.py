"""Source: several files, or standard input, as one sequence of batches."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgmm._words import quoted

from . import formats
from .table import MUST_BE_FINITE, Block, SourceError, Table

_STDIN = "-"
_SHOWN_NAMES = 20
_LONGEST_REASON = 300
_MOST_OPEN, _OPEN_COLUMNS = 64, 128  # pieces that are read side by side, and columns of all of them


class Batch(NamedTuple):
    """Rows that follow each other in the source.

    Attributes
    ----------
    rows : ndarray of shape (n, n_features)
        Finite, C-contiguous and the caller's own; float32 if all columns of all files are, else float64.
    bytes_read : int
        How much of the source has been read, in bytes of the files as they are stored: for a progress bar.

    Examples
    --------
    >>> import numpy as np
    >>> Batch(np.zeros((2, 3)), 96).rows.shape
    (2, 3)
    """

    rows: NDArray[Any]
    bytes_read: int


def open_source(
    paths: Sequence[str], *, columns: Sequence[str] | None = None, batch_rows: int = 65536
) -> Source:
    r"""Open files, or standard input, as one source of rows.

    The ending tells the format: .csv, .tsv, .ndjson and .jsonl, each also with .gz; .parquet; .arrow,
    .feather and .ipc (Arrow IPC, file or stream); .npy. Every file's columns are checked now, the rows when
    they are read. Text is read line by line: a quoted CSV field with a line break inside is an error.

    Parameters
    ----------
    paths : sequence of str
        Files, globs (expanded and sorted), folders of Parquet files, or "-" for standard input, which may
        hold CSV, TSV or NDJSON.
    columns : sequence of str, optional
        The names of the features, in this order; x0, x1, ... where a file has no names. By default all
        columns of the first file, which must then be the columns of the others too, in any order.
    batch_rows : int
        Rows per batch; only the last may have fewer.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        If a file cannot be read or its columns are not those asked for.
    ImportError
        If the format needs pyarrow and it is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "points.csv")
    ...     _ = path.write_text("id,x,y\na,1,2\nb,3,4.5\nc,5,6\n")
    ...     source = open_source([str(path)], columns=["y", "x"], batch_rows=2)
    ...     [batch.rows.tolist() for batch in source.batches()]
    [[[2.0, 1.0], [4.5, 3.0]], [[6.0, 5.0]]]
    """
    for name, value in (("paths", paths), ("columns", columns)):
        if isinstance(value, str) or (value is not None and len(value) == 0):
            raise SourceError(f"`{name}` must be a sequence of at least one string, got {value!r}")
    if columns is not None and len(set(columns)) < len(columns):
        raise SourceError(f"`columns` must not repeat a name, got {', '.join(columns)}")
    if batch_rows < 1:
        raise SourceError(f"`batch_rows` must be at least 1, got {batch_rows}")
    return Source(_expand(paths), columns, batch_rows)


class Source:
    r"""Rows of files or of standard input, in batches; made by `open_source`.

    Attributes
    ----------
    names : tuple of str
        The names of the features.
    n_features : int
    batch_rows : int
        Rows in a batch.
    rereadable : bool
        False if standard input is among the paths.
    total_bytes : int or None
        The sum of the files' sizes; None with standard input.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "points.csv")
    ...     _ = path.write_text("x,y\n1,2\n")
    ...     source = open_source([str(path)])
    >>> source.names, source.rereadable, source.total_bytes
    (('x', 'y'), True, 8)
    """

    names: tuple[str, ...]
    n_features: int
    batch_rows: int
    rereadable: bool
    total_bytes: int | None

    def __init__(self, paths: Sequence[str], columns: Sequence[str] | None, batch_rows: int) -> None:
        self._paths = paths
        self._by_name = columns is not None
        self.batch_rows = batch_rows
        self._stdin: Table | None = None
        self._consumed = False
        self.rereadable = _STDIN not in paths
        self._sizes = [0 if path == _STDIN else os.path.getsize(path) for path in paths]
        self.total_bytes = sum(self._sizes) if self.rereadable else None
        self.names = () if columns is None else tuple(columns)
        self._pieces_of: list[Sequence[int] | None] = []
        types = {self._inspect(path) for path in paths}
        self._dtype = types.pop() if len(types) == 1 else np.dtype(np.float64)
        self.n_features = len(self.names)

    def batches(self, flush: bool = False, *, order: np.random.Generator | None = None) -> Iterator[Batch]:
        r"""Read from the beginning.

        Parameters
        ----------
        flush : bool
            If False, every batch but the last has exactly `batch_rows` rows, however the rows are cut into
            files. If True, rows are given as soon as they have come, at most `batch_rows` at once: for what
            does not depend on how rows are grouped, such as scores of what is piped in.
        order : numpy.random.Generator, optional
            Read in a random order, drawn from this, as far as the formats allow: the files, the row groups of
            Parquet, the record batches of an Arrow file and slices of NPY arrays are shuffled, and up to
            64 of them read side by side. Within each, rows come in their order; batches have at most
            `batch_rows` rows. `streamgmm.fit.shuffle` goes on from there.

        Returns
        -------
        iterator of Batch

        Raises
        ------
        SourceError
            If a row is wrong, naming the file and the line; or at once, if standard input has been read
            already, or is to be read in a random order.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "points.csv")
        ...     _ = path.write_text("1,2\n3,4\n")
        ...     list(open_source([str(path)]).batches())
        [Batch(rows=array([[1., 2.],
               [3., 4.]]), bytes_read=8)]
        """
        if self._consumed and not self.rereadable:
            raise SourceError(
                f"{formats.STDIN_LABEL}: must be read only once, got a second pass; save it to a file first"
            )
        if order is not None and not self.rereadable:
            raise SourceError(f"{formats.STDIN_LABEL}: must be read in its order, got a random one")
        self._consumed = True
        if order is not None:
            return _split(self._mixed(order), self.batch_rows)
        pieces = self._pieces(flush)
        return _split(pieces, self.batch_rows) if flush else _regroup(pieces, self.batch_rows)

    def _inspect(self, path: str) -> np.dtype[Any]:
        """Check the columns of one file and return their type; the first file gives the names."""
        with _translated(path), closing(self._open(path)) as table:
            if not self.names:
                self.names = table.names
            self._pieces_of.append(table.piece_sizes)
            return table.dtype(self._select(table))

    def _open(self, path: str) -> Table:
        if path != _STDIN:
            return formats.open_file(path)
        if self._stdin is None:
            self._stdin = formats.open_stdin()
        return self._stdin

    def _select(self, table: Table) -> list[int]:
        """Return where the wanted columns are in a table."""
        if not table.names:
            raise SourceError(f"{table.label}: has no columns")
        counts = Counter(table.names)
        for name in self.names:
            if counts[name] == 0:
                raise SourceError(
                    f"{table.label}: has no column {quoted(name)}; it has {listed(table.names)}"
                )
            if counts[name] > 1:
                raise SourceError(
                    f"{table.label}: a wanted name must be unique, got {counts[name]} {quoted(name)}"
                )
        extra = sorted(counts.keys() - set(self.names))
        if extra and not self._by_name:
            raise SourceError(
                f"{table.label}: must have the columns of {self._paths[0]}, got also {listed(extra)}; "
                "choose columns with --columns"
            )
        positions = {name: index for index, name in enumerate(table.names)}
        return [positions[name] for name in self.names]

    def _pieces(self, flush: bool) -> Iterator[Batch]:
        """Yield checked rows as the files give them."""
        before = 0
        for path, size in zip(self._paths, self._sizes, strict=True):
            n_rows = 0
            for rows, position in self._checked(path, flush):
                n_rows += len(rows)
                yield Batch(rows, before + position)
            _require_rows(path, n_rows)
            before += size

    def _mixed(self, order: np.random.Generator) -> Iterator[Batch]:
        """Yield checked rows of pieces in random order, a block at a time of one of those that are open.

        It is drawn in proportion to what is left of each, so that they end together.
        """
        pieces = [
            (file, index, size)
            for file, sizes in enumerate(self._pieces_of)
            for index, size in enumerate([self._sizes[file]] if sizes is None else sizes)
        ]
        waiting = [pieces[index] for index in order.permutation(len(pieces))]
        n_rows, done = [0] * len(self._paths), 0
        n_open = max(1, min(_MOST_OPEN, _OPEN_COLUMNS // self.n_features))
        opened: list[tuple[int, Iterator[Batch], int]] = []
        left: list[int] = []
        while waiting or opened:
            while waiting and len(opened) < n_open:
                file, index, size = waiting.pop()
                opened.append((file, self._checked(self._paths[file], piece=index), size))
                left.append(size)
            ends = np.cumsum(np.maximum(left, 1))
            at = int(np.searchsorted(ends, order.integers(ends[-1]), side="right"))
            file, blocks, size = opened[at]
            block = next(blocks, None)
            if block is None:
                del opened[at], left[at]
                continue
            n_rows[file] += len(block.rows)
            done += block.bytes_read - (size - left[at])
            left[at] = size - block.bytes_read
            yield Batch(block.rows, done)
        for path, n in zip(self._paths, n_rows, strict=True):
            _require_rows(path, n)

    def _checked(self, path: str, flush: bool = False, piece: int | None = None) -> Iterator[Batch]:
        """Yield checked rows of one file, or of a piece of it, and the bytes of it that have been read."""
        with _translated(path), closing(self._open(path)) as table:
            wanted = self._select(table)
            blocks = table.blocks(wanted, flush) if piece is None else table.piece(piece, wanted)
            for block in blocks:
                self._require_finite(block)
                yield Batch(block.rows.astype(self._dtype, copy=False), block.position)

    def _require_finite(self, block: Block) -> None:
        finite = np.isfinite(block.rows)
        if finite.all():
            return
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        is_missing = block.missing is not None and block.missing[row, column]
        got = "missing" if is_missing else block.rows[row, column]
        raise SourceError(
            f"{block.place(row)} column {quoted(self.names[column])} is {got}; {MUST_BE_FINITE}"
        )


def _require_rows(path: str, n_rows: int) -> None:
    if n_rows == 0:
        raise SourceError(f"{formats.STDIN_LABEL if path == _STDIN else path}: has no rows")


def _expand(paths: Iterable[str]) -> list[str]:
    """Return the files that paths and globs stand for."""
    files: list[str] = []
    for path in map(os.fspath, paths):
        is_plain = path == _STDIN or os.path.lexists(path) or glob.escape(path) == path
        found = [path] if is_plain else sorted(glob.glob(path, recursive=True))
        if os.path.isdir(path):  # a Parquet dataset
            pattern = os.path.join(glob.escape(path), "**", "*.parquet")
            found = sorted(glob.glob(pattern, recursive=True)) or found
        if not found:
            raise SourceError(f"{path}: no file matches")
        files += found
    if files.count(_STDIN) > 1:
        raise SourceError(f"{formats.STDIN_LABEL}: must be given only once, got {files.count(_STDIN)} times")
    for file in files:
        _require_file(file)
    return files


def _require_file(path: str) -> None:
    if path == _STDIN or os.path.isfile(path):
        return
    if not os.path.exists(path):
        raise SourceError(f"{path}: there is no such file")
    if os.path.isdir(path):
        raise SourceError(f"{path}: must be a file, got a directory; name its files, as in {path}/*.csv")
    raise SourceError(f"{path}: must be a regular file; pipe anything else into standard input, -")


def listed(names: Sequence[str]) -> str:
    """Return the first names, quoted, and how many more there are."""
    shown = ", ".join(map(quoted, names[:_SHOWN_NAMES]))
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn what the readers raise about damaged files, which may be anything, into a SourceError."""
    label = formats.STDIN_LABEL if path == _STDIN else path
    try:
        yield
    except (SourceError, ImportError):
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST_REASON]
        raise SourceError(f"{label}: cannot be read, perhaps damaged or cut off: {reason}") from error


def _split(pieces: Iterable[Batch], batch_rows: int) -> Iterator[Batch]:
    for rows, bytes_read in pieces:
        for start in range(0, len(rows), batch_rows):
            yield Batch(rows[start : start + batch_rows], bytes_read)


def _regroup(pieces: Iterable[Batch], batch_rows: int) -> Iterator[Batch]:
    """Yield batches of exactly `batch_rows` rows, and what is left."""
    held: list[NDArray[Any]] = []
    n_held = bytes_read = 0
    for rows, bytes_read in pieces:
        start = 0
        while n_held + len(rows) - start >= batch_rows:
            stop = start + batch_rows - n_held
            yield Batch(np.concatenate([*held, rows[start:stop]]), bytes_read)
            held, n_held, start = [], 0, stop
        if start < len(rows):
            held.append(rows[start:])
            n_held += len(rows) - start
    if held:
        yield Batch(np.concatenate(held), bytes_read)
