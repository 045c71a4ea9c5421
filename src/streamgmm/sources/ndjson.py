"""NDJSON: one JSON object per line, read by pyarrow.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from streamgmm._words import LONGEST, quoted

from . import arrow
from .lines import Lines
from .table import REMEDY
from .text import TextTable


class Ndjson(TextTable):
    """Lines that are JSON objects; the keys of the first are the names.

    Keys that are not wanted may be absent from some lines, be new in others, and hold anything.
    """

    def __init__(self, lines: Lines) -> None:
        self._json = arrow.load("json", "NDJSON")
        self._lib = arrow.load("lib", "NDJSON")
        super().__init__(lines)

    def read_names(self, line: bytes) -> tuple[str, ...]:
        return tuple(_record(line))

    def parse(self, data: bytes, wanted: Sequence[int]) -> list[Any]:
        # pyarrow 26 crashes on lines that are not objects but null.
        n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
        if not data.startswith(b"{") or data.count(b"\n{") != n_lines - 1:
            raise ValueError("every line must begin with {")
        float64 = self._lib.float64()
        table = self._json.read_json(
            self._lib.BufferReader(data),
            self._json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            self._json.ParseOptions(
                explicit_schema=self._lib.schema([(self.names[index], float64) for index in wanted]),
                unexpected_field_behavior="ignore",
            ),
        )
        return list(table.columns)

    def explain(self, line: bytes, wanted: Sequence[int]) -> str:
        try:
            record = _record(line)
        except ValueError as error:
            return str(error)
        for index in wanted:
            value = record.get(self.names[index])
            if value is not None and type(value) not in (int, float):
                got = json.dumps(value)[:LONGEST]
                return f"column {quoted(self.names[index])} must hold a number, got {got}; {REMEDY}"
        return "expected each key once and numbers that fit in float64"


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode(errors="replace"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"expected a JSON object, got an error at character {error.pos + 1}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise ValueError("expected a JSON object of numbers, got one that is nested too deep") from error
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, got {json.dumps(record)[:LONGEST]}")
    return record
