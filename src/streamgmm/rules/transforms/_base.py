"""The contract of a transform, and how a chain of them is handed to compiled code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba import config

from streamgmm.kernels._jit import address
from streamgmm.kernels.transform import TRANSFORM, run_chain
from streamgmm.statistics import Array


class TransformState(NamedTuple):
    """What a transform carries from one gradient to the next.

    Attributes
    ----------
    updates : int
        Gradients so far.
    slots : mapping of str to ndarray of shape (n_theta,)
        Running moments of the gradients, under the names in `Transform.slots`.
    n_weights, n_means : int
        How many entries of theta are weights, and how many after them are means.
    n_features : int
        The size of the triangles in which theta holds covariances; 0 where it holds variances alone.
    """

    updates: int
    slots: Mapping[str, Array]
    n_weights: int
    n_means: int
    n_features: int


@dataclass(frozen=True)
class Transform:
    """One link of a chain. A new one is a frozen dataclass of numbers, in any file.

    Attributes
    ----------
    slots : tuple of str
        What it remembers for each entry of theta, zero before the first gradient.
    compiled : numba function of (settings, time, n_weights, n_means, n_features, change, memory)
        Changes ``change`` (n_theta,) in place. ``settings`` are the transform's `parameters`, ``time`` counts
        gradients from 1, ``memory`` (n_slots, n_theta) are the slots, in their order; the others are as in
        `TransformState`.
    is_adaptive : bool
        Whether it divides the gradient by its own size.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numba
    >>> import numpy as np
    >>> from streamgmm import rules
    >>> from streamgmm.rules import transforms
    >>> @numba.njit
    ... def sign(settings, time, n_weights, n_means, n_features, change, memory):
    ...     change[:] = settings[0] * np.sign(change)
    >>> @dataclass(frozen=True)
    ... class Sign(transforms.Transform):
    ...     size: float = 1.0
    ...     compiled = sign
    >>> Sign(0.5).update(np.array([3.0, -4.0]), Sign().init(np.zeros(2)))[0]
    array([ 0.5, -0.5])
    >>> rule = rules.GradientAscent(optimizer=Sign())
    """

    slots: ClassVar[tuple[str, ...]] = ()
    compiled: ClassVar[Any]
    is_adaptive: ClassVar[bool] = False

    def init(self, theta: Array, n_weights: int = 0, n_means: int = 0, n_features: int = 0) -> TransformState:
        """Return the state before the first gradient; `GroupRates` needs the sizes of its groups."""
        slots = {name: np.zeros(len(theta)) for name in self.slots}
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
        shapes = {name: slot.shape for name, slot in state.slots.items()}
        if change.ndim != 1 or shapes != dict.fromkeys(self.slots, change.shape):
            raise ValueError(
                f"`gradient` must be a vector and `state` from `init` with one of its size, got shape "
                f"{change.shape} and a state of the shapes {shapes}"
            )
        memory = np.array([state.slots[name] for name in self.slots]).reshape(-1, change.size)
        groups = state.n_weights, state.n_means, state.n_features
        run_chain(*chain([self]), state.updates + 1.0, *groups, change, memory)
        slots = dict(zip(self.slots, memory, strict=True))
        return change, TransformState(state.updates + 1, slots, *groups)


def chain(transforms: Sequence[Transform]) -> tuple[Any, Array, Array]:
    """Return what compiled code needs to run a chain: see `streamgmm.kernels.transform.run_chain`.

    Returns
    -------
    addresses : ndarray of int, or without compilation a tuple of functions
    settings : (n_transforms, most settings)
    ends : (n_transforms + 1,)
        Transform i remembers slots ends[i] ... ends[i + 1].
    """
    found = tuple(address(type(transform).compiled, TRANSFORM) for transform in transforms)
    addresses = found if config.DISABLE_JIT else np.array(found, dtype=np.int64)
    parameters = [transform.parameters() for transform in transforms]
    settings = np.zeros((len(transforms), max(map(len, parameters), default=0)))
    for row, numbers in zip(settings, parameters, strict=True):
        row[: len(numbers)] = numbers
    ends = np.cumsum([0, *(len(transform.slots) for transform in transforms)])
    return addresses, settings, ends


def require_positive(name: str, value: Any) -> None:
    """Raise ValueError if a setting is not positive and finite."""
    if not (is_number(value) and np.isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be positive and finite, got {value}")


def require_fraction(name: str, value: Any) -> None:
    """Raise ValueError if a setting is not in [0, 1)."""
    if not (is_number(value) and 0 <= value < 1):
        raise ValueError(f"`{name}` must be in [0, 1), got {value}")


def is_number(value: Any) -> bool:
    """Tell whether a setting is a number, and not True or False."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_))
