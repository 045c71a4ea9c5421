"""The one place where compilation is configured.

Every compiled function releases the GIL and is cached on disk. ``parallel=True`` is never used: threads come
from running these functions on spans of rows in a thread pool (see `streamgmm.sweep`).

A loop is written once, and compiled for each family of covariances and each rule that it meets: what they do
differently is a `generic` function, chosen by the type of a record when the loop is compiled. Functions that
users may bring, of which there may be many, are passed as addresses instead: a loop reads one back with the
function that `at_address` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import numba
from numba import types
from numba.extending import overload

from streamgmm._compat.numba import function_reader, jit_address, keep_on_disk

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


# Kernels may slice arrays but not make them. But for ``_nrt=False`` numba would count references to every
# slice with a locked instruction, which costs as much as the work on a short row.


def _compiled(function: F, **options: Any) -> F:
    made = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if CAN_KEEP and not numba.config.DISABLE_JIT:
        keep_on_disk(made)
    return made


def kernel(function: F) -> F:
    """Compile a function whose sums may be reordered (SIMD)."""
    return _compiled(function, fastmath=_FAST, _nrt=False)


def exact_kernel(function: F) -> F:
    """Compile a function whose order of operations carries its accuracy: x - mean comes first."""
    return _compiled(function, fastmath=_EXACT, _nrt=False)


def inlined(function: F) -> F:
    """Compile a small function into its callers: passing arrays to it would cost more than its work."""
    return _compiled(function, fastmath=_EXACT, _nrt=False, forceinline=True)


def spliced(function: F) -> F:
    """Copy a function that only calls others into its callers, before they are compiled.

    Each level of calls is optimized again with all that is below it: one level fewer is a second less.
    """
    return numba.njit(inline="always")(function)


def loop(function: F) -> F:
    """Compile a loop over rows, or another function that makes its own buffers."""
    # said aloud, since it would be inherited from a caller that counts no references
    return _compiled(function, fastmath=_EXACT, _nrt=True)


def generic(
    name: str, *, fast: bool = False, inline: bool = False, nrt: bool = False, optional: bool = False
) -> Callable[[F], Any]:
    """Make a function whose body is chosen by the type of the record that it gets as argument ``name``.

    The choice is made while a caller is compiled and costs nothing then. ``function.of(Record)`` registers
    the body for a type of records, a function with the same arguments, plain or, where others call it too,
    compiled; ``function.body(Record)`` is what was registered, for another type that does the same;
    ``function.types()`` are those that have one. The decorated function is the contract; an ``optional`` one
    is what happens for types that have none, else that is an error. ``fast`` and ``inline`` are what `kernel`
    and `inlined` stand for; with ``nrt`` bodies may make arrays.
    """

    def decorate(contract: F) -> Any:
        position = contract.__code__.co_varnames.index(name)
        bodies: dict[type, Any] = {}
        default = contract if optional else None

        @wraps(contract)
        def call(*arguments: Any) -> Any:
            kind = type(arguments[position])
            body = bodies.get(kind, default)
            if body is None:
                raise NotImplementedError(f"{contract.__name__} has no body for {kind.__name__}")
            return body(*arguments)

        def of(record: type) -> Callable[[F], Any]:
            def register(body: F) -> Any:
                bodies[record] = getattr(body, "py_func", body)
                return call

            return register

        def choose(*arguments: Any) -> Any:
            return bodies.get(arguments[position].instance_class, default)

        call.of = of  # type: ignore[attr-defined]
        call.body = bodies.__getitem__  # type: ignore[attr-defined]
        call.types = lambda: tuple(bodies)  # type: ignore[attr-defined]
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": nrt}
        options |= {"fastmath": _FAST if fast else _EXACT, "forceinline": inline}
        overload(call, jit_options=options, strict=False)(choose)
        return call

    return decorate


@cache
def address(function: Any, signature: Any) -> Any:
    """Compile a kernel for one signature when it is first needed; return where it is, for `at_address`."""
    return function if numba.config.DISABLE_JIT else jit_address(function, signature)


def at_address(signature: Any) -> Any:
    """Return a function for compiled code: from the address of a function with this signature to it."""
    if numba.config.DISABLE_JIT:
        return lambda function: function
    return function_reader(signature)
