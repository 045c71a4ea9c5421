"""What stands between a gradient and a step: small transforms in a chain.

Each turns a gradient into another vector and remembers what it must; what it does is written once, as
compiled code, and runs inside the loop over rows as well. A new one needs no line here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._base import Transform, TransformState
from ._base import chain as chain
from ._base import require_positive as require_positive
from .adaptive import AdaGrad, Adam, RMSProp
from .clip import Clip
from .groups import GroupRates
from .groups import Rate as Rate
from .groups import is_schedule as is_schedule
from .momentum import Momentum

__all__ = [
    "AdaGrad",
    "Adam",
    "Clip",
    "GroupRates",
    "Momentum",
    "RMSProp",
    "Transform",
    "TransformState",
    "get",
]

_OPTIMIZERS: dict[str, tuple[Transform, ...]] = {
    "sgd": (),
    "adagrad": (AdaGrad(),),
    "rmsprop": (RMSProp(),),
    "adam": (Adam(),),
}


def get(optimizer: str | Transform | Sequence[Transform]) -> tuple[Transform, ...]:
    """Return the chain of this name, or the transforms as a chain.

    Raises
    ------
    ValueError
        If there is no such optimizer.
    """
    if isinstance(optimizer, Transform) and type(optimizer) is not Transform:
        return (optimizer,)
    if isinstance(optimizer, str) and optimizer in _OPTIMIZERS:
        return _OPTIMIZERS[optimizer]
    if isinstance(optimizer, (tuple, list)) and all(isinstance(item, Transform) for item in optimizer):
        return tuple(optimizer)
    known = ", ".join(map(repr, _OPTIMIZERS))
    raise ValueError(f"`optimizer` must be one of {known} or transforms, got {optimizer!r}")


def is_adaptive(transforms: Sequence[Transform]) -> bool:
    """Tell whether a chain divides the gradient by its own size."""
    return any(transform.is_adaptive for transform in transforms)


def n_slots(transforms: Sequence[Transform]) -> int:
    """Return how many numbers the transforms remember for each entry of theta."""
    return sum(len(transform.slots) for transform in transforms)
