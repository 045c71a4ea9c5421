"""What messages quote: short, and without characters that a terminal would obey."""

from __future__ import annotations

import reprlib
import unicodedata

LONGEST = 80

_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = LONGEST


def printable(text: str) -> str:
    r"""Return text with escapes for what is no letter, sign or space: control characters above all.

    Examples
    --------
    >>> print(printable("größe\x1b[31m\n"))
    größe\x1b[31m\n
    """
    return "".join(
        letter if letter.isprintable() or unicodedata.category(letter) == "Zs" else repr(letter)[1:-1]
        for letter in text
    )


def quoted(value: str | bytes) -> str:
    """Return the value in quotes, with the middle left out where it is long.

    Examples
    --------
    >>> quoted("height"), len(quoted("1" * 30_000))
    ("'height'", 80)
    """
    return _quoting.repr(value)
