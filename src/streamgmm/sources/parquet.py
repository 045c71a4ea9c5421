"""Parquet: read by pyarrow.parquet, page by page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import arrow
from .table import PIECE_ROWS, Block, Table, block_rows, row_place

# Without a buffer pyarrow holds the column chunks of a whole row group.
_BUFFER_BYTES = 1 << 16


class ParquetTable(Table):
    """The `Table` of a Parquet file; of its row groups no more is held than a few pages per column."""

    def __init__(self, path: str) -> None:
        parquet = arrow.load("parquet", "Parquet")
        self.label = path
        self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        self._n_bytes = os.path.getsize(path)
        self.names = tuple(self._file.schema_arrow.names)
        metadata = self._file.metadata
        groups = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self.piece_sizes = [self._n_bytes * n // max(1, metadata.num_rows) for n in groups]

    def dtype(self, wanted: Sequence[int]) -> np.dtype[Any]:
        return arrow.row_type(self.label, (self._file.schema_arrow.field(index) for index in wanted))

    def blocks(self, wanted: Sequence[int], flush: bool) -> Iterator[Block]:
        return self._read(wanted, range(self._file.num_row_groups), block_rows(len(wanted)))

    def piece(self, index: int, wanted: Sequence[int]) -> Iterator[Block]:
        def before() -> int:
            return sum(self._file.metadata.row_group(group).num_rows for group in range(index))

        return self._read(wanted, [index], min(PIECE_ROWS, block_rows(len(wanted))), before)

    def _read(
        self, wanted: Sequence[int], groups: Sequence[int], size: int, before: Callable[[], int] = int
    ) -> Iterator[Block]:
        """Yield the rows of row groups in blocks of so many rows; see `row_place` for `before`."""
        names = [self.names[index] for index in wanted]
        dtype = self.dtype(wanted)
        n_rows = max(1, self._file.metadata.num_rows)
        done = 0
        for batch in self._file.iter_batches(size, row_groups=groups, columns=names, use_threads=False):
            rows, missing = arrow.to_rows([batch.column(name) for name in names], dtype)
            position = self._n_bytes * (done + len(rows)) // n_rows
            yield Block(rows, position, row_place(self.label, done, before), missing)
            done += len(rows)

    def close(self) -> None:
        self._file.close()
