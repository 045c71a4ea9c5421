"""NPY: arrays that NumPy saved, mapped into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from streamgmm._words import LONGEST

from .table import PIECE_ROWS, Block, SourceError, Table, block_rows, generated_names, row_place


class NpyTable(Table):
    """The `Table` of an NPY file with one row per first index; a one-dimensional array is one column.

    Objects are refused, never unpickled.
    """

    def __init__(self, path: str) -> None:
        self.label = path
        self._n_bytes = os.path.getsize(path)
        array = open_memmap(path, mode="r")
        if array.ndim not in (1, 2):
            raise SourceError(f"{path}: the array must have one or two dimensions, got shape {array.shape}")
        if array.dtype.kind not in "iuf":
            raise SourceError(f"{path}: the array must hold numbers, got {str(array.dtype)[:LONGEST]}")
        self._n_rows = len(array)
        n_pieces = -(-self._n_rows // PIECE_ROWS)
        self.piece_sizes = [self._n_bytes * PIECE_ROWS // max(1, self._n_rows)] * n_pieces
        self._dtype = np.dtype(
            np.float32 if array.dtype.newbyteorder("=") == np.dtype(np.float32) else np.float64
        )
        self.names = generated_names(1 if array.ndim == 1 else array.shape[1])

    def dtype(self, wanted: Sequence[int]) -> np.dtype[Any]:
        return self._dtype

    def blocks(self, wanted: Sequence[int], flush: bool) -> Iterator[Block]:
        return self._read(wanted, 0, self._n_rows)

    def piece(self, index: int, wanted: Sequence[int]) -> Iterator[Block]:
        first = index * PIECE_ROWS
        return self._read(wanted, first, min(first + PIECE_ROWS, self._n_rows))

    def _read(self, wanted: Sequence[int], first: int, last: int) -> Iterator[Block]:
        """Yield the rows from the first to before the last."""
        size = block_rows(len(wanted))
        for start in range(first, last, size):
            stop = min(start + size, last)
            rows = self._mapped()[start:stop, list(wanted)].astype(self._dtype, order="C")
            position = self._n_bytes * (stop - first) // self._n_rows
            yield Block(rows, position, row_place(self.label, start))

    def _mapped(self) -> NDArray[Any]:
        """Return the array, mapped anew: so that the pages read before do not pile up in memory."""
        array = np.asarray(open_memmap(self.label, mode="r"))
        return array[:, np.newaxis] if array.ndim == 1 else array
