"""Transforms of a gradient: small pairs of functions, `init` and `update`, which are put in a chain.

Each turns a gradient into another vector and remembers what it must; what it does is written once, as
compiled code (`streamgmm.kernels.transforms`), and runs inside the loop over rows as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from streamgmm.kernels import transforms as kernels
from streamgmm.statistics import Array

from .schedules import Constant, PowerDecay

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

Rate = float | Constant | PowerDecay


def require_positive(name: str, value: Any) -> None:
    """Raise ValueError if a setting is not positive and finite."""
    if not (_is_number(value) and np.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be positive and finite, got {value}")


def _require_fraction(name: str, value: Any) -> None:
    if not (_is_number(value) and 0 <= value < 1):
        raise ValueError(f"`{name}` must be in [0, 1), got {value}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_))


class TransformState(NamedTuple):
    """What a transform carries from one gradient to the next.

    Attributes
    ----------
    updates : int
        Gradients so far.
    slots : ndarray
        Running moments of the gradients.
    n_weights, n_means : int
        How many entries of theta are weights, and how many after them are means.
    n_features : int
        The size of the triangles in which theta holds covariances; 0 where it holds variances alone.
    """

    updates: int
    slots: Array
    n_weights: int
    n_means: int
    n_features: int


@dataclass(frozen=True)
class Transform:
    """One link of a chain."""

    code: ClassVar[int]

    def init(self, theta: Array, n_weights: int = 0, n_means: int = 0, n_features: int = 0) -> TransformState:
        """Return the state before the first gradient; `GroupRates` needs the sizes of its groups."""
        slots = np.zeros(kernels.SLOTS[self.code] * len(theta))
        return TransformState(0, slots, n_weights, n_means, n_features)

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that the compiled transform takes."""
        return astuple(self)

    def update(self, gradient: Array, state: TransformState) -> tuple[Array, TransformState]:
        """Return the transformed gradient and the next state; nothing is changed in place.

        Raises
        ------
        ValueError
            If the gradient is no vector, or the state is not one of this transform for as many entries.
        """
        change = np.array(gradient, dtype=np.float64)
        size = kernels.SLOTS[self.code] * change.size
        if change.ndim != 1 or state.slots.shape != (size,):
            raise ValueError(
                f"`gradient` must be a vector and `state` from `init` with one of its size, got shape "
                f"{change.shape} and a state of {state.slots.size} numbers instead of {size}"
            )
        slots = state.slots.copy()
        groups = state.n_weights, state.n_means, state.n_features
        kernels.transform(chain([self]), state.updates + 1.0, *groups, change, slots)
        return change, TransformState(state.updates + 1, slots, *groups)


@dataclass(frozen=True)
class Clip(Transform):
    """Shorten a gradient that is longer than this.

    Parameters
    ----------
    norm : float, default=1.0
        The largest Euclidean norm of a mini-batch's mean gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> clip = transforms.Clip(1.0)
    >>> clip.update(np.array([3.0, 4.0]), clip.init(np.zeros(2)))[0]
    array([0.6, 0.8])
    """

    norm: float = 1.0
    code = kernels.CLIP

    def __post_init__(self) -> None:
        require_positive("norm", self.norm)


@dataclass(frozen=True)
class Momentum(Transform):
    """Follow a decaying sum of the gradients: v <- decay v + g (Polyak, 1964).

    The steps add up to 1 / (1 - decay) times the rate: divide the rate by as much.

    Parameters
    ----------
    decay : float, default=0.9
        In [0, 1).
    nesterov : bool, default=False
        Look ahead: follow g + decay v (Nesterov, 1983).

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> momentum = transforms.Momentum(0.5)
    >>> first, state = momentum.update(np.ones(1), momentum.init(np.zeros(1)))
    >>> momentum.update(np.ones(1), state)[0]
    array([1.5])
    """

    decay: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        _require_fraction("momentum", self.decay)

    @property
    def code(self) -> int:  # type: ignore[override]
        """Which compiled transform this is."""
        return kernels.NESTEROV if self.nesterov else kernels.MOMENTUM


@dataclass(frozen=True)
class AdaGrad(Transform):
    """Divide by the root of the sum of squared gradients (Duchi, Hazan and Singer, 2011).

    Parameters
    ----------
    epsilon : float, default=1e-8
        Added to the root.
    """

    epsilon: float = 1e-8
    code = kernels.ADAGRAD

    def __post_init__(self) -> None:
        require_positive("epsilon", self.epsilon)


@dataclass(frozen=True)
class RMSProp(Transform):
    """Divide by the root of a running mean of squared gradients (Hinton, 2012).

    Parameters
    ----------
    decay : float, default=0.9
        In [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    """

    decay: float = 0.9
    epsilon: float = 1e-8
    code = kernels.RMSPROP

    def __post_init__(self) -> None:
        _require_fraction("decay", self.decay)
        require_positive("epsilon", self.epsilon)


@dataclass(frozen=True)
class Adam(Transform):
    """Divide a running mean of gradients by the root of that of their squares (Kingma and Ba, 2015).

    Parameters
    ----------
    first, second : float, default=0.9 and 0.999
        Decays of the two running means, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> adam = transforms.Adam()
    >>> adam.update(np.array([1e-3, -1e3]), adam.init(np.zeros(2)))[0].round(4)
    array([ 1., -1.])
    """

    first: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-8
    code = kernels.ADAM

    def __post_init__(self) -> None:
        _require_fraction("first", self.first)
        _require_fraction("second", self.second)
        require_positive("epsilon", self.epsilon)


@dataclass(frozen=True)
class GroupRates(Transform):
    """Multiply each group of parameters by a number of its own.

    Parameters
    ----------
    weights, means, covariances : float or schedule, default=1.0
        0 holds a group fixed. A schedule is a `Constant` or a `PowerDecay`, whose time counts the updates.
    correlations : float or schedule, optional
        Of the entries off the diagonals of the covariances' matrices; by default as ``covariances``.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> rates = transforms.GroupRates(covariances=0.1)
    >>> rates.update(np.ones(3), rates.init(np.zeros(3), n_weights=1, n_means=1))[0]
    array([1. , 1. , 0.1])
    """

    weights: Rate = 1.0
    means: Rate = 1.0
    covariances: Rate = 1.0
    correlations: Rate | None = None
    code = kernels.GROUPS

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (Constant, PowerDecay)) or (value is None and field.name == "correlations"):
                continue
            is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not (is_number and np.isfinite(value) and value >= 0):
                raise ValueError(
                    f"the rate of {field.name!r} must be finite and not negative, or a `Constant` or "
                    f"`PowerDecay`, got {value}"
                )

    def parameters(self) -> tuple[float, ...]:
        """Return scale, offset and exponent of each group."""
        correlations = self.covariances if self.correlations is None else self.correlations
        rates = (self.weights, self.means, self.covariances, correlations)
        return tuple(number for rate in rates for number in _power(rate))


def _power(rate: Rate) -> tuple[float, float, float]:
    """Return a rate as scale * (time + offset)^-exponent."""
    if isinstance(rate, Constant):
        return rate.value, 1.0, 0.0
    if isinstance(rate, PowerDecay):
        return rate.scale, 1.0 if rate.offset is None else rate.offset, rate.exponent
    return float(rate), 1.0, 0.0


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
    return any(isinstance(transform, (AdaGrad, RMSProp, Adam)) for transform in transforms)


def chain(transforms: Sequence[Transform]) -> Array:
    """Return the transforms as the flat array that the compiled code takes."""
    flat = np.zeros((len(transforms), kernels.WIDTH))
    for row, transform in zip(flat, transforms, strict=True):
        parameters = transform.parameters()
        row[0] = transform.code
        row[1 : 1 + len(parameters)] = parameters
    return flat.ravel()


def n_slots(transforms: Sequence[Transform]) -> int:
    """Return how many numbers the transforms remember for each entry of theta."""
    return sum(kernels.SLOTS[transform.code] for transform in transforms)
