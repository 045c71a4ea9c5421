"""The one place where compilation is configured.

Every compiled function releases the GIL and is cached on disk. ``parallel=True`` is never used: threads come
from running these functions on spans of rows in a thread pool (see `streamgmm.sweep`).

The loops over rows take the few functions that differ between covariance types and rules as first-class
functions (`pointer`): numba caches those, while a loop that received a dispatcher would be compiled again by
every process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

# `reassoc` lets sums over rows use SIMD lanes. `nnan` and `ninf` stay out: NaN must travel to the result.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_EXACT = {"contract"}

real = types.float64
integer = types.int64
vector = types.float64[::1]
matrix = types.float64[:, ::1]

# (x, n, log_weights, means, scale, log_scale, scratch, out)
LOG_JOINT = types.void(matrix, integer, vector, matrix, matrix, vector, vector, matrix)
# (x, n, resp, means, scratch, nk, s1, s2)
ACCUMULATE = types.void(matrix, integer, matrix, matrix, vector, vector, matrix, matrix)
# (weight, log_likelihood, step, nk, s1, s2, log_weights, means, scale, log_scale, state, options)
UPDATE = types.void(
    real, real, real, vector, matrix, matrix, vector, matrix, matrix, vector, vector, vector
)


def kernel(function: F) -> F:
    """Compile a loop whose sums may be reordered (SIMD)."""
    return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)(function)


def exact_kernel(function: F) -> F:
    """Compile a function whose order of operations carries its accuracy."""
    return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_EXACT)(function)


_POINTERS: dict[Any, Any] = {}


def pointer(function: Any, signature: Any) -> Any:
    """Compile ``function`` for one signature, once, when it is first needed, as a first-class function."""
    if function not in _POINTERS:
        if numba.config.DISABLE_JIT:
            _POINTERS[function] = function
        else:
            options = {key: function.targetoptions[key] for key in ("nogil", "error_model", "fastmath")}
            _POINTERS[function] = numba.njit(signature, cache=True, **options)(function.py_func)
    return _POINTERS[function]
