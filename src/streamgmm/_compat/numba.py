"""The private names of numba that the kernels need."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.core.sigutils import normalize_signature
from numba.experimental.function_type import _get_jit_address
from numba.extending import intrinsic


class _OwnCache(FunctionCache):  # type: ignore[misc]
    """Keeps on disk only what was compiled for this package's types.

    Those of a user's module would be read by every process that compiles the same function: one that cannot
    import that module fails, and one that can would not see that the module was changed.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        return None if _is_foreign(sig) else super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        if not _is_foreign(sig):
            super().save_overload(sig, data)


def _is_foreign(sig: Any) -> bool:
    return any(map(_has_foreign_class, normalize_signature(sig)[0]))


def _has_foreign_class(kind: Any) -> bool:
    owner = getattr(kind, "instance_class", None)
    if owner is not None and owner.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return True
    return isinstance(kind, types.BaseTuple) and any(map(_has_foreign_class, kind))


def keep_on_disk(dispatcher: Any) -> None:
    """Let a compiled function be kept on disk, for this package's types."""
    dispatcher._cache = _OwnCache(dispatcher.py_func)


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
