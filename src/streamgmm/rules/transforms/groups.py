"""Rates of their own for weights, means, covariances and correlations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeGuard

import numpy as np

from streamgmm.kernels._jit import exact_kernel, inlined

from ..schedules import Constant, PowerDecay
from ._base import Transform, is_number

Rate = float | Constant | PowerDecay


@inlined
def _multiply(factor, change, start, stop):
    for i in range(start, stop):
        change[i] *= factor


@inlined
def _rate(settings, group, time):
    """Return a group's rate: scale * max(updates before + offset, 1)^-exponent."""
    scale, offset, exponent = settings[3 * group], settings[3 * group + 1], settings[3 * group + 2]
    return scale if exponent == 0.0 else scale * max(time - 1.0 + offset, 1.0) ** -exponent


@exact_kernel
def _multiply_groups(settings, time, n_weights, n_means, n_features, change, memory):
    """Multiply weights, means, covariances and, off the diagonals of triangles, correlations."""
    n = change.size
    at = n_weights + n_means
    _multiply(_rate(settings, 0, time), change, 0, n_weights)
    _multiply(_rate(settings, 1, time), change, n_weights, at)
    diagonal = _rate(settings, 2, time)
    if n_features < 2:
        _multiply(diagonal, change, at, n)
        return
    off_diagonal = _rate(settings, 3, time)
    while at < n:
        for a in range(n_features):
            _multiply(off_diagonal, change, at, at + a)
            change[at + a] *= diagonal
            at += a + 1


@dataclass(frozen=True)
class GroupRates(Transform):
    """Multiply each group of parameters by a number of its own.

    Parameters
    ----------
    weights, means, covariances : float or schedule, default=1.0
        0 holds a group fixed. A schedule is a `Constant` or a `PowerDecay`, whose time counts updates of any
        size, so that it takes no ``rows``: max(updates before + offset, 1)^-exponent, with an offset of 1 by
        default.
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
    compiled = _multiply_groups

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "correlations":
                continue
            if is_schedule(f"the rate of {field.name!r}", value, "updates"):
                continue
            if not (is_number(value) and np.isfinite(value) and value >= 0):
                raise ValueError(
                    f"the rate of {field.name!r} must be finite and not negative, or a `Constant` or "
                    f"`PowerDecay`, got {value}"
                )

    def parameters(self) -> tuple[float, ...]:
        """Return scale, offset and exponent of each group."""
        correlations = self.covariances if self.correlations is None else self.correlations
        rates = (self.weights, self.means, self.covariances, correlations)
        return tuple(number for rate in rates for number in _power(rate))


def is_schedule(name: str, rate: object, unit: str) -> TypeGuard[Constant | PowerDecay]:
    """Tell whether a rate is a schedule that a group can follow; ValueError if it is to count rows."""
    if isinstance(rate, PowerDecay) and rate.rows != PowerDecay.rows:
        raise ValueError(
            f"{name} must be a `PowerDecay` without `rows`, since its time counts {unit}, "
            f"got rows={rate.rows}"
        )
    return isinstance(rate, (Constant, PowerDecay))


def _power(rate: Rate) -> tuple[float, float, float]:
    """Return a rate as scale * (time + offset)^-exponent."""
    if isinstance(rate, Constant):
        return rate.value, 1.0, 0.0
    if isinstance(rate, PowerDecay):
        return rate.scale, 1.0 if rate.offset is None else rate.offset, rate.exponent
    return float(rate), 1.0, 0.0
