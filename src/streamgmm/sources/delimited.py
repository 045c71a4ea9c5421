"""CSV and TSV: lines of fields, read by pyarrow.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from streamgmm._words import quoted

from . import arrow
from .lines import Lines
from .table import MUST_BE_FINITE, REMEDY, generated_names
from .text import TextTable


class Delimited(TextTable):
    """Comma- or tab-separated lines.

    The first line is a row, and the names are x0, x1, ..., if it has a number and all its fields are numbers
    or empty; else it is the header. A quoted field must end on its line: line breaks inside quotes are an
    error.
    """

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._csv = arrow.load("csv", "CSV")
        self._buffer_reader = arrow.load("lib", "CSV").BufferReader
        self._float64 = arrow.load("lib", "CSV").float64()
        self._delimiter = delimiter
        super().__init__(lines)
        # Positions, not names: a name that is not wanted may occur twice.
        self._positions = [str(index) for index in range(len(self.names))]

    def read_names(self, line: bytes) -> tuple[str, ...]:
        try:
            fields = self._fields(line.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"the header must be UTF-8, got {quoted(line)}") from error
        if _is_row(fields):
            return generated_names(len(fields))
        self._lines.skip()
        return tuple(field.strip() for field in fields)

    def parse(self, data: bytes, wanted: Sequence[int]) -> list[Any]:
        if b'"' in data and any(map(_has_open_quote, data.split(b"\n"))):
            raise ValueError("a quoted field must end on its line")
        columns = [self._positions[index] for index in wanted]
        table = self._csv.read_csv(
            self._buffer_reader(data),
            self._csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._positions),
            self._csv.ParseOptions(delimiter=self._delimiter),
            self._csv.ConvertOptions(
                column_types=dict.fromkeys(columns, self._float64), null_values=[""], include_columns=columns
            ),
        )
        return list(table.columns)

    def explain(self, line: bytes, wanted: Sequence[int]) -> str:
        try:
            fields = self._fields(line.decode(errors="replace"))
        except ValueError as error:
            return str(error)
        if len(fields) != len(self.names):
            return f"expected {len(self.names)} columns, got {len(fields)}"
        for index in wanted:
            try:
                self.parse(line, [index])
            except ValueError:
                column, value = quoted(self.names[index]), fields[index].strip()
                if not value:
                    return f"column {column} is missing; {MUST_BE_FINITE}"
                return f"column {column} must hold a number, got {quoted(value)}; {REMEDY}"
        return f"expected one row, got {quoted(line)}"

    def _fields(self, line: str) -> list[str]:
        if _has_open_quote(line.encode()):
            raise ValueError("a quoted field must end on its line, got an odd number of quotes")
        try:
            return next(csv.reader([line.removesuffix("\r")], delimiter=self._delimiter))
        except csv.Error as error:
            raise ValueError(f"expected one row, got {quoted(line)} ({error})") from error


def _has_open_quote(line: bytes) -> bool:
    return line.count(b'"') % 2 == 1


def _is_row(fields: Sequence[str]) -> bool:
    """Return whether a first line is a row, perhaps with missing values, not the header."""
    filled = [field for field in fields if field.strip()]
    return bool(filled) and all(map(_is_number, filled))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
