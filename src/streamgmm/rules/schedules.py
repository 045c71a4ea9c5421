"""Schedules: the size of each step.

They are given times in mini-batches of ``batch_size`` rows, those behind the starting mixture included: a
call with half a mini-batch advances them by one half. `PowerDecay` and `HalfLife` mean rows, and convert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from streamgmm.statistics import Array

__all__ = ["Constant", "HalfLife", "PowerDecay", "Schedule"]


@runtime_checkable
class Schedule(Protocol):
    """Anything that gives the step size of each mini-batch, from its time in mini-batches.

    One that forgets says how fast by another method, ``half_life(batch_size)``, in rows: then the stream is
    taken as one that changes. Without it, all rows are taken as coming from the same mixture.
    """

    def steps(self, t: Array, *, start: float, batch_size: int) -> Array:
        """Return the step sizes of full mini-batches at times ``t``; learning began at ``start``."""


@dataclass(frozen=True)
class Constant:
    """The same step each time: forgets with a window of about 1 / value mini-batches.

    Parameters
    ----------
    value : float
        Positive.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules.schedules import Constant
    >>> Constant(0.05).steps(np.arange(3.0), start=0.0, batch_size=1)
    array([0.05, 0.05, 0.05])
    """

    value: float

    def __post_init__(self) -> None:
        _require(np.isfinite(self.value) and self.value > 0, "value", "positive and finite", self.value)

    def half_life(self, batch_size: int) -> float:
        """Return after how many rows what was learned counts half, to first order in the step."""
        return float(np.log(2.0) * batch_size / self.value)

    def steps(self, t: Array, *, start: float, batch_size: int) -> Array:
        """Return the step sizes at times ``t``."""
        return np.full(t.shape, float(self.value))


@dataclass(frozen=True)
class PowerDecay:
    """Steps of g = (t + offset)^-exponent for each 256 rows, the Robbins-Monro schedule of stepwise EM.

    Time t counts rows, in units of ``rows``, so that what is remembered does not depend on the size of
    mini-batches: one of n rows takes the step scale * (1 - (1 - g)^(n / rows)). At one g, and a scale of 1,
    mini-batches that divide the rows keep together what one of ``rows`` rows keeps of the past, 1 - g.

    Parameters
    ----------
    exponent : float, default=0.6
        In (0.5, 1]; the smaller, the sooner the start is forgotten (Cappe and Moulines, 2009).
    offset : float, optional
        In units of ``rows``; where t + offset is below 1, g is 1. By default such that ``rows`` rows at the
        first g weigh as much against those behind the starting mixture as in an average of all rows.
    scale : float, default=1.0
        Multiplies the steps.
    rows : int, default=256
        How many rows g is for, and the unit of t. As many as ``batch_size`` let time count mini-batches, with
        steps scale * g.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules.schedules import PowerDecay
    >>> PowerDecay(1.0, offset=1.0).steps(np.arange(4.0), start=0.0, batch_size=256)
    array([1.        , 0.5       , 0.33333333, 0.25      ])
    >>> single = PowerDecay(1.0, offset=1.0).steps(np.array([256.0]), start=0.0, batch_size=1)
    >>> 1 - (1 - single) ** 256
    array([0.5])
    """

    exponent: float = 0.6
    offset: float | None = None
    scale: float = 1.0
    rows: int = 256

    def __post_init__(self) -> None:
        _require(np.isfinite(self.scale) and self.scale > 0, "scale", "positive and finite", self.scale)
        _require(0.5 < self.exponent <= 1, "exponent", "in (0.5, 1]", self.exponent)
        if self.offset is not None:
            valid = np.isfinite(self.offset) and self.offset >= 0
            _require(bool(valid), "offset", "finite and not negative", self.offset)
        is_integer = isinstance(self.rows, (int, np.integer)) and not isinstance(self.rows, bool)
        _require(is_integer and self.rows >= 1, "rows", "a positive integer", self.rows)

    def steps(self, t: Array, *, start: float, batch_size: int) -> Array:
        """Return the step sizes at times ``t``."""
        units = batch_size / self.rows  # in a mini-batch
        offset = self.offset
        if offset is None:
            offset = (units * start + 1.0) ** (1.0 / self.exponent) - units * start
        gains = np.maximum(units * t + offset, 1.0) ** -self.exponent
        return self.scale * shared(gains, np.full(gains.shape, units))


@dataclass(frozen=True)
class HalfLife:
    """Forget at a fixed rate: what was learned counts half after this many rows.

    Parameters
    ----------
    rows : float
        Positive.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules.schedules import HalfLife
    >>> HalfLife(256).steps(np.arange(2.0), start=0.0, batch_size=256)
    array([0.5, 0.5])
    """

    rows: float

    def __post_init__(self) -> None:
        _require(np.isfinite(self.rows) and self.rows > 0, "rows", "positive and finite", self.rows)

    def half_life(self, batch_size: int) -> float:
        """Return the rows after which what was learned counts half."""
        return float(self.rows)

    def steps(self, t: Array, *, start: float, batch_size: int) -> Array:
        """Return the step sizes at times ``t``."""
        return np.full(t.shape, -np.expm1(-np.log(2.0) * batch_size / self.rows))


def shared(gains: Array, fraction: Array) -> Array:
    """Return the gains of parts of mini-batches: a fraction f gets 1 - (1 - g)^f, and none none."""
    if (fraction == 1.0).all():
        return np.minimum(gains, 1.0)
    gains = np.minimum(gains, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fraction > 0, -np.expm1(fraction * np.log1p(-gains)), 0.0)


def half_life(schedule: Schedule, batch_size: int) -> float | None:
    """Return the schedule's half-life in rows; None if it does not forget."""
    own = getattr(schedule, "half_life", None)
    return None if own is None else float(own(batch_size))


def needs_average(schedule: Schedule) -> bool:
    """Tell whether what steps of this size lead to wanders: with steps of 1 / t it is an average itself."""
    return not (isinstance(schedule, PowerDecay) and schedule.exponent == 1.0)


def require_schedule(name: str, value: object) -> Schedule:
    """Return the value if it is a schedule; ValueError if not."""
    if isinstance(value, type) or not isinstance(value, Schedule):
        raise ValueError(f"`{name}` must be a schedule (see `streamgmm.rules.schedules`), got {value!r}")
    return value


def _require(valid: bool, name: str, requirement: str, received: object) -> None:
    if not valid:
        raise ValueError(f"`{name}` must be {requirement}, got {received}")
