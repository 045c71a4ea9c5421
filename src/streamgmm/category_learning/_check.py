"""Checks of what a user passes, each with one message."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.rules.transforms import Rate, is_schedule
from streamgmm.statistics import Array


def positive(name: str, value: Any, n_cues: int | None = None) -> Array:
    """Return positive numbers, one or ``n_cues`` of them."""
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"`{name}` must be positive and finite, got {value}")
    if array.ndim and (array.ndim > 1 or n_cues not in (None, len(array))):
        raise ValueError(f"`{name}` must be a number or have shape ({n_cues},), got {array.shape}")
    return array


def integer(name: str, value: Any, least: int = 1) -> int:
    """Return an integer that is at least this."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (is_number and float(value).is_integer() and value >= least):
        raise ValueError(f"`{name}` must be an integer of at least {least}, got {value!r}")
    return int(value)


def rate(name: str, value: Any) -> Rate:
    """Return a rate: a number that is not negative, or a schedule that the compiled step can follow."""
    if is_schedule(f"`{name}`", value, "tokens"):
        return value
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not (is_number and np.isfinite(value) and value >= 0):
        raise ValueError(
            f"`{name}` must be a finite number that is not negative, a `Constant` or a `PowerDecay`, "
            f"got {value!r}"
        )
    return float(value)


def fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1)."""
    if not (isinstance(value, (int, float, np.number)) and 0 <= value < 1):
        raise ValueError(f"`{name}` must be in [0, 1), got {value!r}")
    return float(value)


def tokens(X: Any, n_cues: int | None, name: str = "X") -> Array:
    """Return finite tokens (n_tokens, n_cues); of one cue they may have shape (n_tokens,)."""
    X = np.asarray(X)
    if n_cues == 1 and X.ndim < 2:
        X = X.reshape(-1, 1)
    elif n_cues is not None and X.shape == (n_cues,):
        X = X.reshape(1, n_cues)
    if X.dtype.kind not in "fiub" or X.ndim != 2 or X.shape[1] != (X.shape[1] if n_cues is None else n_cues):
        wanted = "n_cues" if n_cues is None else n_cues
        raise ValueError(
            f"`{name}` must hold numbers of shape (n_tokens, {wanted}), got {X.dtype} of shape {X.shape}"
        )
    if X.shape[1] == 0:
        raise ValueError(f"`{name}` must have at least one cue, got shape {X.shape}")
    bad = np.argwhere(~np.isfinite(X))
    if len(bad):
        row, column = (int(index) for index in bad[0])
        raise ValueError(f"`{name}` must be finite, got {X[row, column]} in row {row}, column {column}")
    return np.ascontiguousarray(X, dtype=np.float64)
