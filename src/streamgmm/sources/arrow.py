"""pyarrow: imported when it is needed, its columns checked and turned into rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgmm._words import LONGEST, quoted

from .table import REMEDY, SourceError


def load(module: str, what: str) -> Any:
    """Import a module of pyarrow ("csv", "parquet", ...), or say how to install it."""
    try:
        return import_module(f"pyarrow.{module}")
    except ModuleNotFoundError as error:
        raise ImportError(f"reading {what} needs pyarrow: pip install 'streamgmm[cli]'") from error


def row_type(label: str, fields: Iterable[Any]) -> np.dtype[Any]:
    """Return float32 if all these fields are, else float64; raise if one is not numeric."""
    types = load("types", "Arrow data")
    fields = list(fields)
    for field in fields:
        kind = field.type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            name, got = quoted(field.name), str(kind)[:LONGEST]
            raise SourceError(f"{label}: column {name} must be numeric, got {got}; {REMEDY}")
    return np.dtype(np.float32 if all(types.is_float32(field.type) for field in fields) else np.float64)


def to_rows(columns: Sequence[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the rows of numeric columns, and where they are null (None: nowhere)."""
    types = load("types", "Arrow data")
    rows = np.empty((len(columns[0]), len(columns)), dtype)
    for index, column in enumerate(columns):
        numbers = column.cast("float64") if types.is_decimal(column.type) else column
        rows[:, index] = numbers.to_numpy(zero_copy_only=False)
    if not any(column.null_count for column in columns):
        return rows, None
    return rows, np.column_stack([column.is_null().to_numpy(zero_copy_only=False) for column in columns])
