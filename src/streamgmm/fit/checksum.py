"""A number that tells whether rows that are read again are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.statistics import Array
from streamgmm.sweep import CHUNK

_ODD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: its multiples spread


def checksum(X: Any, weights: Array) -> int:
    """Return the sum of a hash of each row and its weight: the order does not matter, nor how rows are cut.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.fit.checksum import checksum
    >>> X, none = np.arange(6.0).reshape(3, 2), np.empty(0)
    >>> checksum(X, none) == checksum(X[::-1], none), checksum(X, none) == checksum(X.T.reshape(3, 2), none)
    (True, False)
    """
    total = 0
    for begin in range(0, len(X), CHUNK):
        rows = np.ascontiguousarray(X[begin : begin + CHUNK], dtype=np.float64).view(np.uint64)
        factors = np.random.PCG64(_ODD).random_raw(rows.shape[1] + 1) | np.uint64(1)
        hashes = rows @ factors[:-1]
        if len(weights):
            hashes += np.ascontiguousarray(weights[begin : begin + CHUNK]).view(np.uint64) * factors[-1]
        hashes ^= hashes >> np.uint64(32)
        hashes *= np.uint64(_ODD)
        hashes ^= hashes >> np.uint64(29)
        total += int(hashes.sum())
    return total
