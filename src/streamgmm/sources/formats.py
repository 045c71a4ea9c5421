"""Formats: the registry of file endings, and what standard input holds."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from .delimited import Delimited
from .ipc import IpcTable
from .lines import Lines
from .ndjson import Ndjson
from .npy import NpyTable
from .parquet import ParquetTable
from .table import SourceError, Table
from .text import TextTable

STDIN_LABEL = "<stdin>"

TEXT: dict[str, Callable[[Lines], TextTable]] = {
    ".csv": partial(Delimited, delimiter=","),
    ".tsv": partial(Delimited, delimiter="\t"),
    ".ndjson": Ndjson,
    ".jsonl": Ndjson,
}
BINARY: dict[str, Callable[[str], Table]] = {
    ".parquet": ParquetTable,
    ".arrow": IpcTable,
    ".feather": IpcTable,
    ".ipc": IpcTable,
    ".npy": NpyTable,
}
_GZIP = ".gz"


def open_file(path: str) -> Table:
    """Open the file as the table that its ending stands for."""
    stem, ending = os.path.splitext(path.lower())
    if ending in BINARY:
        return BINARY[ending](path)
    is_compressed = ending == _GZIP
    if is_compressed:
        ending = os.path.splitext(stem)[1]
    if ending not in TEXT:
        text = ", ".join(f"{known}[{_GZIP}]" for known in TEXT)
        raise SourceError(f"{path}: the ending must be one of {text}, {', '.join(BINARY)}, got {ending!r}")
    with ExitStack() as opened:
        file = opened.enter_context(open(path, "rb"))
        stream = gzip.GzipFile(fileobj=file) if is_compressed else file
        table = TEXT[ending](Lines(path, stream, file))
        opened.pop_all()  # the table closes the file
    return table


def open_stdin() -> Table:
    """Open standard input: NDJSON if it begins with a brace, else CSV, or TSV if line 1 has tabs only."""
    stream: Any = sys.stdin.buffer
    lines = Lines(STDIN_LABEL, stream)
    _, first = lines.peek()
    if first.startswith(b"{"):
        return Ndjson(lines)
    return Delimited(lines, "\t" if b"\t" in first and b"," not in first else ",")
