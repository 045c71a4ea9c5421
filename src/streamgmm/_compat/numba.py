"""The private names of numba that the kernels need."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic


def jit_address(function: Any, signature: Any) -> int:
    """Return the address of a compiled function, as compiled code calls it."""
    return int(_get_jit_address(function, signature))


def function_reader(signature: Any) -> Any:
    """Return a function for compiled code that turns an address into a first-class function."""
    kind = types.FunctionType(signature)

    @intrinsic  # type: ignore[untyped-decorator]
    def read(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            function = cgutils.create_struct_proxy(kind)(context, builder)
            pointer = builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))
            nowhere = builder.inttoptr(context.get_constant(types.intp, 0), pointer.type)
            function.c_addr, function.jit_addr, function.py_addr = nowhere, pointer, nowhere
            return function._getvalue()

        return kind(types.intp), codegen

    return read
