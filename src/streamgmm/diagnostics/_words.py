"""Numbers and lists as a sentence needs them, and the checks that the diagnostics share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

MOSTLY = 0.75  # of a unit vector's squared length


def number(value: float) -> str:
    """Return the value with three digits: 0.0125, 1.25e+07, but 20000 in full."""
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}" if not 1e3 <= abs(value) < 1e6 else f"{value:.0f}"


def listed(names: Sequence[Any], last: str = " and ") -> str:
    """Return "0, 1 and 2"."""
    words = [str(name) for name in names]
    return last.join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def along(direction: Array) -> tuple[str, tuple[int, ...]]:
    """Say along which features a unit vector points, and name them; nothing where there is only one."""
    if len(direction) == 1:
        return "", ()
    order = np.argsort(-np.square(direction))
    if direction[order[0]] ** 2 >= MOSTLY:
        return " mostly along {features}", (int(order[0]),)
    return " along a combination of {features}", tuple(sorted(int(a) for a in order[:2]))


def require_mixture(mixture: object) -> Mixture:
    """Return the value if it is a mixture; ValueError if not."""
    if not isinstance(mixture, Mixture):
        raise ValueError(f"`mixture` must be a Mixture, got {type(mixture).__name__}")
    return mixture
