"""Lines: a binary stream cut into blocks of complete lines that know their line numbers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from .table import SourceError

_BLOCK_BYTES = 1 << 20
_LONGEST_LINE = 1 << 22
_BLANK = b" \r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Text(NamedTuple):
    """Complete lines, the number of the first, and the bytes of the file read so far."""

    data: bytes
    first_line: int
    position: int

    def filled_lines(self) -> list[tuple[int, bytes]]:
        """Return the lines that are not blank, without blanks around them, and their numbers."""
        lines = enumerate(self.data.split(b"\n"), self.first_line)
        return [(number, filled) for number, line in lines if (filled := line.strip(_BLANK))]


class Lines:
    """Read a stream line by line at its head, and in blocks of about 1 MiB after it.

    Parameters
    ----------
    label : str
        The name of the stream in errors.
    stream : binary stream with `read1`
    file : binary file, optional
        Where the stream's bytes come from: tells the position (of a compressed file) and is closed with the
        stream. Without it the stream is live: its bytes are counted, and it is left open.
    """

    def __init__(self, label: str, stream: io.BufferedIOBase, file: BinaryIO | None = None) -> None:
        self.label = label
        self._stream = stream
        self._file = file
        self._taken = 0
        self._started = False
        self._pending = b""
        self._first_line = 1

    def peek(self) -> tuple[int, bytes]:
        """Return the first line that is not blank, and its number; b"" if there is none."""
        while True:
            self._skip_blank()
            line, newline, _ = self._pending.partition(b"\n")
            complete = newline or not self._fill(self._stream.read1)
            if complete and not self._started:
                self._started = True
                self._pending = self._pending.removeprefix(_BYTE_ORDER_MARK)
            elif complete:
                return self._first_line, line

    def skip(self) -> None:
        """Pass over the line that `peek` returned."""
        self._pending = self._pending.partition(b"\n")[2]
        self._first_line += 1

    def blocks(self, flush: bool) -> Iterator[Text]:
        """Yield the lines that are left; with `flush`, those that have come without waiting for more."""
        is_live = flush and self._file is None  # a file is all there: large reads are faster
        read = self._stream.read1 if is_live else self._stream.read
        while True:
            cut = self._pending.rfind(b"\n") + 1
            if cut:
                yield self._take(cut)
            if not self._fill(read):
                break
        if self._pending:
            yield self._take(len(self._pending))

    def close(self) -> None:
        """Close the file; a stream that was not opened from one stays open."""
        if self._file is not None:
            self._stream.close()
            self._file.close()

    def _skip_blank(self) -> None:
        rest = self._pending.lstrip(_BLANK)
        self._first_line += self._pending.count(b"\n", 0, len(self._pending) - len(rest))
        self._pending = rest

    def _fill(self, read: Callable[[int], bytes]) -> bool:
        """Append the next bytes to those pending, which hold no complete line; False at the end."""
        if len(self._pending) > _LONGEST_LINE:
            raise SourceError(
                f"{self.label}:{self._first_line}: a line must be shorter than {_LONGEST_LINE >> 20} MiB "
                f"and end in a line feed, got {len(self._pending) >> 20} MiB without one"
            )
        chunk = read(_BLOCK_BYTES)
        self._taken += len(chunk)
        self._pending += chunk
        return bool(chunk)

    def _take(self, cut: int) -> Text:
        position = self._taken if self._file is None else self._file.tell()
        text = Text(self._pending[:cut], self._first_line, position)
        self._pending = self._pending[cut:]
        self._first_line += text.data.count(b"\n")
        return text
