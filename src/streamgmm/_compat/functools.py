"""functools.cached_property without the lock that it had until Python 3.12.

That lock is one for all objects of a class. Work that is done a piece at a time (`streamgmm._pieces`) would
hold it from one piece to the next, and every other object would wait.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

__all__ = ["cached_property"]

_T = TypeVar("_T")

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property(Generic[_T]):
        """A property that is computed once, and kept in the object's ``__dict__``."""

        def __init__(self, function: Callable[[Any], _T]) -> None:
            self.function, self.__doc__ = function, function.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            if self.name not in instance.__dict__:
                instance.__dict__[self.name] = self.function(instance)
            return instance.__dict__[self.name]
