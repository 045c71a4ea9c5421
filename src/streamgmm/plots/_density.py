"""A mixture along one feature: where pictures of it end, and what they show, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

Ends = tuple[float, float]

_REACH = 2.5  # standard deviations, to which a component is shown: as far as its outer ellipse
_TAIL = 4.5  # standard deviations, to which its density is drawn
_NEGLIGIBLE = 1e-3  # weight of components for which no room is made
_BINS = (10, 50)
_SPIKE = 3.0  # times the highest bar: how much of a spike is shown


def reach(values: Array | None, mixture: Mixture, trim: float = 0.0) -> Ends:
    """Return the ends of an axis for rows and for a mixture of one feature.

    It holds the components that have any weight to speak of, and the rows, but for a share ``trim`` of them
    on each side that would stretch it to more than twice the width without them.

    Examples
    --------
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> [round(end, 2) for end in reach(np.append(np.linspace(-1, 1, 999), 1e6), mixture, trim=0.005)]
    [-2.75, 2.75]
    """
    shown = mixture.means + mixture.standard_deviations * np.array([-_REACH, _REACH])
    sound = np.isfinite(shown).all(axis=1)
    used = sound & (mixture.weights >= min(_NEGLIGIBLE, mixture.weights.max()))
    lows, highs = list(shown[used, 0]), list(shown[used, 1])
    if values is not None:
        low, high = float(values.min()), float(values.max())
        inner = np.quantile(values, [trim, 1 - trim])
        if high - low > 2 * (inner[1] - inner[0]) > 0:
            low, high = inner
        lows, highs = [*lows, low], [*highs, high]
    low, high = (float(min(lows)), float(max(highs))) if lows else (0.0, 1.0)
    digits = 1e-9 * max(abs(low), abs(high))  # else float64 could not tell the ticks apart
    margin = max(0.05 * (high - low), digits) or 0.5
    return low - margin, high + margin


def bars(values: Array, ends: Ends) -> tuple[Array, Array]:
    """Return the edges and heights of a histogram that is a density, of the rows between the ends.

    Examples
    --------
    >>> edges, heights = bars(np.array([0.0, 1.0, 1.0, 3.0]), (0.0, 4.0))
    >>> len(heights), float((heights * np.diff(edges)).sum())
    (10, 1.0)
    """
    inside = values[(values >= ends[0]) & (values <= ends[1])]
    counts, edges = np.histogram(inside, int(np.clip(np.sqrt(len(values)), *_BINS)), ends)
    return edges, counts / (len(values) * np.diff(edges))


def parts(mixture: Mixture, x: Array) -> Array:
    """Return each component's part of the density of one feature: (n_points, n_components) at points x.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([0.25, 0.75], [[0.0], [100.0]], [1.0, 4.0], "spherical")
    >>> parts(mixture, np.array([0.0, 100.0])).round(3)
    array([[0.1 , 0.  ],
           [0.  , 0.15]])
    """
    rows = x[:, np.newaxis]
    return np.array(mixture.responsibilities(rows) * np.exp(mixture.log_prob(rows))[:, np.newaxis])


def peaks(mixture: Mixture) -> Array:
    """Return how high each component of one feature is at its mean (n_components,)."""
    return np.diag(parts(mixture, mixture.means[:, 0]))


def grid(mixture: Mixture, ends: Ends, components: Sequence[int] | None = None, n_points: int = 241) -> Array:
    """Return where a density of one feature is drawn: evenly, and closer around each mean."""
    shown = range(mixture.n_components) if components is None else components
    close = np.linspace(-_TAIL, _TAIL, 55)
    around = mixture.means[list(shown)] + mixture.standard_deviations[list(shown)] * close
    points = np.unique(np.concatenate([np.linspace(*ends, n_points), around[np.isfinite(around)]]))
    return points[(points >= ends[0]) & (points <= ends[1])]


def height_of(mixture: Mixture, ends: Ends, highest: float) -> float:
    """Return how high an axis of densities is: neither bars nor a spike dwarf the other."""
    density = parts(mixture, grid(mixture, ends)).sum(axis=1)
    top = float(density.max()) if np.isfinite(density).all() else highest
    if highest == 0.0:
        return 1.12 * top
    return 1.12 * max(min(highest, _SPIKE * top), min(top, _SPIKE * highest))
