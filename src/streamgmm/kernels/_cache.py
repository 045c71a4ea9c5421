"""Whether compiled functions can be kept on disk: not in a container where nothing can be written."""

from __future__ import annotations

import warnings

import numba


def _can_keep() -> bool:
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:  # numba's "no locator available"
        warnings.warn(
            "compiled code cannot be kept: neither the package's folder nor the user's cache can be written; "
            "each process compiles what it uses, which takes seconds. Set the environment variable "
            "NUMBA_CACHE_DIR to a folder that can be written",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return True


def _nothing() -> None:
    pass


CAN_KEEP = _can_keep()
