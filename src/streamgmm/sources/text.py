"""Text tables: one row per line, in a grammar that can parse many lines and explain what is wrong in one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import arrow
from .lines import Lines
from .table import Block, SourceError, Table

Numbered = list[tuple[int, bytes]]


class TextTable(Table):
    """The `Table` of lines in a grammar, which a subclass knows, read in blocks of complete lines.

    A block is parsed as it is. Only if that fails, or gives another number of rows than it has lines, it is
    parsed without blank lines, and, if that is not enough, the first wrong line is searched by halving.
    """

    def __init__(self, lines: Lines) -> None:
        self.label = lines.label
        self._lines = lines
        number, line = lines.peek()
        if not line:
            raise SourceError(f"{lines.label}: has no rows")
        try:
            self.names = self.read_names(line)
        except ValueError as error:
            raise SourceError(f"{lines.label}:{number}: {error}") from error

    @abstractmethod
    def read_names(self, line: bytes) -> tuple[str, ...]:
        """Return the names of the columns from the first line, or raise ValueError."""

    @abstractmethod
    def parse(self, data: bytes, wanted: Sequence[int]) -> list[Any]:
        """Return the wanted columns of these lines as Arrow columns of float64, or raise ValueError."""

    @abstractmethod
    def explain(self, line: bytes, wanted: Sequence[int]) -> str:
        """Say what is wrong in a line that `parse` refuses."""

    def dtype(self, wanted: Sequence[int]) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def blocks(self, wanted: Sequence[int], flush: bool) -> Iterator[Block]:
        for text in self._lines.blocks(flush):
            columns = self._columns(text.data, wanted)
            if columns is not None:
                yield self._block(
                    columns, text.position, range(text.first_line, text.first_line + len(columns[0]))
                )
                continue
            lines = text.filled_lines()
            if not lines:
                continue
            columns = self._columns(_join(lines), wanted)
            if columns is None:
                number, line = self._first_wrong(lines, wanted)
                raise SourceError(f"{self.label}:{number}: {self.explain(line, wanted)}")
            yield self._block(columns, text.position, [number for number, _ in lines])

    def close(self) -> None:
        self._lines.close()

    def _block(self, columns: list[Any], position: int, numbers: Sequence[int]) -> Block:
        rows, missing = arrow.to_rows(columns, np.dtype(np.float64))
        return Block(rows, position, lambda index: f"{self.label}:{numbers[index]}:", missing)

    def _columns(self, data: bytes, wanted: Sequence[int]) -> list[Any] | None:
        """Return the columns of these lines, or None if they are not exactly one row each."""
        try:
            columns = self.parse(data, wanted)
        except ValueError:
            return None
        n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
        return columns if len(columns[0]) == n_lines else None

    def _first_wrong(self, lines: Numbered, wanted: Sequence[int]) -> tuple[int, bytes]:
        while len(lines) > 1:
            half = len(lines) // 2
            wrong_above = self._columns(_join(lines[:half]), wanted) is None
            lines = lines[:half] if wrong_above else lines[half:]
        return lines[0]


def _join(lines: Numbered) -> bytes:
    return b"\n".join(line for _, line in lines)
