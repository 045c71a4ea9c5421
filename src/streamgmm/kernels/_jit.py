"""The one place where compilation is configured.

Every compiled function releases the GIL and is cached on disk. ``parallel=True`` is never used: threads come
from running these functions on spans of rows in a thread pool (see `streamgmm.sweep`).

The loop that learns takes a rule's update as a first-class function (`pointer`): numba caches that, while a
loop that received a dispatcher would be compiled again by every process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import numba
from numba import types
from numba.core.typing import Signature

from ._cache import CAN_KEEP

F = TypeVar("F", bound=Callable[..., Any])

# `reassoc` lets sums over rows use SIMD lanes. `nnan` and `ninf` stay out: NaN must travel to the result.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_EXACT = {"contract"}

real = types.float64
integer = types.int64
boolean = types.boolean
vector = types.float64[::1]
matrix = types.float64[:, ::1]

cube = types.float64[:, :, ::1]

# What a parameterization gives to gradient ascent (see `kernels.ascent`):
# (k, mean_at, covariance_at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j)
DIRECTION = types.void(
    *(integer, integer, integer, boolean, boolean, real, matrix, cube, matrix, cube),
    *(vector, vector, cube, integer),
)
# (weight, nk, counts, rank_one, s1, s2, weights, means, scale, theta, change, scratch, j, precondition,
#  direction)
WRITE_DIRECTION = types.void(
    *(real, vector, vector, boolean, matrix, cube, vector, matrix, cube, vector, vector, cube, integer),
    *(boolean, types.FunctionType(DIRECTION)),
)
# (k, mean_at, covariance_at, theta, means, scale, scratch, j) -> whether theta is a valid mixture there
RETRACT = types.boolean(integer, integer, integer, vector, matrix, cube, cube, integer)
# (mean_at, covariance_at, block, theta, scratch, j)
PROJECT = types.void(integer, integer, integer, vector, cube, integer)

# (X, begin, end, weights, means, nk, s1, s2, memory, memory_2, memory_3)
CONTROL = types.void(
    *(matrix, integer, integer, vector, matrix, vector, matrix, cube, vector, matrix, cube),
)

# (weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
#  direction, retract, project)
UPDATE = types.void(
    *(real, real, real, vector, matrix, cube, vector, matrix, cube, vector, matrix, cube, vector),
    *(types.FunctionType(part) for part in (DIRECTION, RETRACT, PROJECT)),
)


# Kernels may slice arrays but not make them. But for ``_nrt=False`` numba would count references to every
# slice with a locked instruction, which costs as much as the work on a short row.


def kernel(function: F) -> F:
    """Compile a function whose sums may be reordered (SIMD)."""
    return numba.njit(nogil=True, cache=CAN_KEEP, error_model="numpy", fastmath=_FAST, _nrt=False)(function)


def exact_kernel(function: F) -> F:
    """Compile a function whose order of operations carries its accuracy: x - mean comes first."""
    return numba.njit(nogil=True, cache=CAN_KEEP, error_model="numpy", fastmath=_EXACT, _nrt=False)(function)


def inlined(function: F) -> F:
    """Compile a small function into its callers: passing arrays to it would cost more than its work."""
    return numba.njit(nogil=True, cache=CAN_KEEP, error_model="numpy", fastmath=_EXACT, forceinline=True)(
        function
    )


def spliced(function: F) -> F:
    """Copy a function that only calls others into its callers, before they are compiled.

    Each level of calls is optimized again with all that is below it: one level fewer is a second less.
    """
    return numba.njit(inline="always")(function)


def loop(function: F) -> F:
    """Compile a loop over rows, which makes its own buffers."""
    return numba.njit(nogil=True, cache=CAN_KEEP, error_model="numpy", fastmath=_EXACT)(function)


@cache
def pointer(function: Any, signature: Any) -> Any:
    """Compile a kernel for one signature when it is first needed, to be passed as a first-class function."""
    if numba.config.DISABLE_JIT:
        return function
    known = function.targetoptions
    options = {key: known[key] for key in ("nogil", "error_model", "fastmath", "_nrt") if key in known}
    return numba.njit(signature, cache=CAN_KEEP, **options)(function.py_func)


def row_loop(*following: Any) -> Callable[[F], F]:
    """Compile a loop over float64 rows that receives first-class functions, when it is first called.

    ``following`` are the types of its other arguments. The signature is explicit because only then numba
    caches such a loop.
    """
    arguments = [types.FunctionType(a) if isinstance(a, Signature) else a for a in following]
    signature = types.void(matrix, *arguments)

    def decorate(function: Any) -> Any:
        @wraps(function)
        def call(*rest: Any) -> Any:
            return pointer(compiled, signature)(*rest)

        compiled = loop(function)
        return call

    return decorate
