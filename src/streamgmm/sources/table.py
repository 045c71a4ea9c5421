"""What every format gives: named columns, and their rows in blocks of a few megabytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgmm._words import printable

REMEDY = "choose numeric columns with --columns"
MUST_BE_FINITE = "every value must be finite"
_BLOCK_VALUES = 1 << 19
PIECE_ROWS = 2048  # in a block that is read out of order: the fewer, the better they mix


class SourceError(ValueError):
    """A file, or what was asked of it, is wrong; the message begins with the file's name.

    Control characters in names are shown as escapes.

    Examples
    --------
    >>> from streamgmm.sources import open_source
    >>> open_source(["nowhere.csv"])
    Traceback (most recent call last):
    ...
    streamgmm.sources.table.SourceError: nowhere.csv: there is no such file
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class Block(NamedTuple):
    """Rows as a file gives them, not yet checked and of any number.

    Attributes
    ----------
    rows : ndarray of shape (n, n_wanted)
    position : int
        Bytes of the file that have been read, about.
    place : callable
        From the index of a row to the words that begin an error about it, "points.csv:17:".
    missing : ndarray of bool, same shape as the rows, or None
        Where nothing is stored (`rows` has NaN there); None if nothing is missing.
    """

    rows: NDArray[Any]
    position: int
    place: Callable[[int], str]
    missing: NDArray[np.bool_] | None = None


class Table(ABC):
    """One open file: `names` of all its columns, and the rows of those that are wanted.

    `wanted` are indices into `names`, and the columns come in that order. `label` is the file's name.
    `piece_sizes` are the bytes, about, of parts that can be read each on its own; None if the whole is one.
    """

    label: str
    names: tuple[str, ...]
    piece_sizes: Sequence[int] | None = None

    @abstractmethod
    def dtype(self, wanted: Sequence[int]) -> np.dtype[Any]:
        """Return float32 if all these columns are, else float64; raise if one is not numeric."""

    @abstractmethod
    def blocks(self, wanted: Sequence[int], flush: bool) -> Iterator[Block]:
        """Yield the rows, once; with `flush`, as soon as they have come."""

    def piece(self, index: int, wanted: Sequence[int]) -> Iterator[Block]:
        """Yield the rows of one piece; positions are the bytes of the piece that have been read."""
        return self.blocks(wanted, flush=False)

    def close(self) -> None:
        """Let go of the file; a map of one ends with the last view of it."""
        return


def generated_names(n: int) -> tuple[str, ...]:
    """Return x0, x1, ...: the names of columns that have none.

    Examples
    --------
    >>> generated_names(2)
    ('x0', 'x1')
    """
    return tuple(f"x{index}" for index in range(n))


def block_rows(n_wanted: int) -> int:
    """Return how many rows of a binary file make a block of at most 4 MiB."""
    return max(1, _BLOCK_VALUES // n_wanted)


def row_place(label: str, start: int, before: Callable[[], int] = int) -> Callable[[int], str]:
    """Return the place of rows counted from 1, in a block before which `start` rows came.

    If these were not the file's first, `before` counts those before them, when a place is asked for.
    """
    return lambda index: f"{label}: row {before() + start + index + 1}"
