"""Arrow IPC files (Feather) and streams: mapped into memory and read by pyarrow.ipc."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import arrow
from .table import PIECE_ROWS, Block, Table, block_rows, row_place

_FILE_MAGIC = b"ARROW1"


class IpcTable(Table):
    """The `Table` of an Arrow IPC file or stream, told apart by the first bytes.

    A record batch of any size is read block by block from the mapped file, and the pages are given back after
    each block. Only a compressed record batch must be held whole.
    """

    def __init__(self, path: str) -> None:
        self._ipc = arrow.load("ipc", "Arrow IPC")
        self._lib = arrow.load("lib", "Arrow IPC")
        self.label = path
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._is_file = self._map[: len(_FILE_MAGIC)] == _FILE_MAGIC
        reader = self._reader()
        self._schema = reader.schema
        if self._is_file:
            n_pieces = reader.num_record_batches
            self.piece_sizes = [len(self._map) // n_pieces] * n_pieces if n_pieces else []
        self.names = tuple(self._schema.names)

    def dtype(self, wanted: Sequence[int]) -> np.dtype[Any]:
        return arrow.row_type(self.label, (self._schema.field(index) for index in wanted))

    def blocks(self, wanted: Sequence[int], flush: bool) -> Iterator[Block]:
        start = 0
        for batch, before, after in self._record_batches():
            for rows, share, first, missing in self._slices(wanted, batch, block_rows(len(wanted))):
                position = int(before + (after - before) * share)
                yield Block(rows, position, row_place(self.label, start + first), missing)
            start += batch.num_rows

    def piece(self, index: int, wanted: Sequence[int]) -> Iterator[Block]:
        if not self._is_file:
            yield from self.blocks(wanted, flush=False)
            return
        reader = self._reader()

        def before() -> int:
            return sum(reader.get_batch(earlier).num_rows for earlier in range(index))

        size = len(self._map) / reader.num_record_batches
        n_rows = min(PIECE_ROWS, block_rows(len(wanted)))
        for rows, share, first, missing in self._slices(wanted, reader.get_batch(index), n_rows):
            yield Block(rows, int(size * share), row_place(self.label, first, before), missing)

    def _slices(
        self, wanted: Sequence[int], batch: Any, n_rows: int
    ) -> Iterator[tuple[Any, float, int, Any]]:
        """Yield rows of a record batch, its share up to their end, the first one's index, what is missing."""
        dtype = self.dtype(wanted)
        for first in range(0, batch.num_rows, n_rows):
            part = batch.slice(first, n_rows)
            rows, missing = arrow.to_rows([part.column(index) for index in wanted], dtype)
            yield rows, (first + len(rows)) / batch.num_rows, first, missing
            self._give_back_pages()

    def _reader(self) -> Any:
        # All columns: those not wanted are never touched, but pyarrow copies chosen ones out of the map.
        options = self._ipc.IpcReadOptions(use_threads=False)
        self._input = self._lib.BufferReader(self._lib.py_buffer(self._map))
        opener = self._ipc.open_file if self._is_file else self._ipc.open_stream
        return opener(self._input, options=options)

    def _record_batches(self) -> Iterator[tuple[Any, float, float]]:
        """Yield record batches with the positions in the file where each begins and ends, about."""
        reader = self._reader()
        if self._is_file:
            size = len(self._map) / max(1, reader.num_record_batches)
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index), index * size, (index + 1) * size
        else:
            before = self._input.tell()
            for batch in reader:
                yield batch, before, self._input.tell()
                before = self._input.tell()

    def _give_back_pages(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
