"""Rows for a model: which columns of the files are its features, and how far reading has come."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._output import warn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgmm.persistence import ModelFile
    from streamgmm.sources import Batch, Source

STDIN = "-"


def open_for_model(model: ModelFile, files: Sequence[str], columns: Sequence[str] | None) -> Source:
    """Open files as rows of the model's features.

    These are the columns asked for; or those with the model's names; or, if none of them is there, all
    columns, when there are as many.
    """
    from streamgmm.sources import open_source

    n_features = model.mixture.n_features
    if columns is not None:
        if len(columns) != n_features:
            raise ValueError(f"--columns: the model has {n_features} features, got {len(columns)} columns")
        return open_source(files, columns=columns)
    stdin = Rewindable(sys.stdin.buffer) if STDIN in files else None
    try:
        return _by_name_or_position(model, files, stdin)
    finally:
        if stdin is not None:
            stdin.let_go()


def _by_name_or_position(model: ModelFile, files: Sequence[str], stdin: Rewindable | None) -> Source:
    from streamgmm.sources import SourceError
    from streamgmm.sources.source import listed
    from streamgmm.sources.table import generated_names

    n_features = model.mixture.n_features
    names = model.metadata["feature_names"]
    missing: SourceError | None = None
    if names is not None:
        try:
            return _opened(files, names, stdin)
        except SourceError as error:
            missing = error
    try:
        source = _opened(files, None, stdin)
    except SourceError as error:
        raise (missing or error) from error
    if missing is not None and set(names) & set(source.names):
        raise missing
    if source.n_features != n_features:
        told = "" if names is None else f" {listed(names)}"
        raise ValueError(
            f"{files[0]}: has {source.n_features} columns {listed(source.names)}, but the model has "
            f"{n_features} features{told}; choose columns with --columns"
        )
    if missing is not None and generated_names(n_features) not in (tuple(names), source.names):
        warn(f"the columns {listed(source.names)} are taken, in this order, for {listed(names)}")
    return source


@contextmanager
def progress(
    source: Source, *, n_passes: int = 1, prints_rows: bool = False
) -> Iterator[Callable[[Iterator[Batch]], Iterator[NDArray[Any]]]]:
    """Give a function that takes batches' rows, and shows a bar meanwhile if standard error is a terminal.

    No bar is shown to somebody who reads rows (``prints_rows``) on a terminal.
    """
    watches = sys.stderr is not None and sys.stderr.isatty()
    if not watches or (prints_rows and sys.stdout is not None and sys.stdout.isatty()):
        yield lambda batches: (batch.rows for batch in batches)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    total = None if source.total_bytes is None else source.total_bytes * n_passes
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total, rows=0)
        done = n_rows = 0

        def watched(batches: Iterator[Batch]) -> Iterator[NDArray[Any]]:
            nonlocal done, n_rows
            read = 0
            for batch in batches:
                yield batch.rows
                n_rows += len(batch.rows)
                read = batch.bytes_read
                bar.update(task, completed=done + read, rows=n_rows)
            done += read

        yield watched


class Rewindable(io.RawIOBase):
    """Standard input that keeps what is read of it until it is let go, to be read once more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._kept = b""
        self._at = 0
        self._keeps = True

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what was kept, then what has come."""
        chunk = self._kept[self._at : self._at + len(buffer)]
        if not chunk:
            chunk = self._stream.read1(len(buffer))
            if self._keeps:
                self._kept += chunk
        self._at += len(chunk)
        if not self._keeps and self._at >= len(self._kept):
            self._kept, self._at = b"", 0
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def rewind(self) -> None:
        """Go back to the beginning."""
        self._at = 0

    def let_go(self) -> None:
        """Keep no more than is still to be read again."""
        self._keeps = False

    def close(self) -> None:
        """Do nothing: a reader that is given up does not close standard input."""


def _opened(files: Sequence[str], names: Sequence[str] | None, stdin: Rewindable | None) -> Source:
    """Open files; standard input from its beginning, even if it was opened before."""
    from streamgmm.sources import open_source

    if stdin is None:
        return open_source(files, columns=names)
    original = sys.stdin
    stdin.rewind()
    replayed = io.TextIOWrapper(io.BufferedReader(stdin))
    sys.stdin = replayed
    try:
        return open_source(files, columns=names)
    finally:
        sys.stdin = original
        replayed.detach()  # else it would close what the source goes on reading
