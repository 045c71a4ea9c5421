"""A mixture over its rows, in one feature or in two: as traces for plotly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.plots._density import Ends, bars, grid, parts, peaks
from streamgmm.plots._geometry import outlines
from streamgmm.statistics import Array

from ._drawing import BLACK, COVERAGES, GRAY, INK, drawn, line, numbers, tint

Trace = dict[str, Any]


def scatter(rows: Array, ends: tuple[Ends, Ends], size: float = 4.0) -> Trace:
    """Return rows (n_samples, 2) as gray points."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(rows[:, 0], width(ends[0])),
        "y": numbers(rows[:, 1], width(ends[1])),
        "marker": {"color": GRAY, "size": size, "opacity": 0.55},
        "hoverinfo": "skip",
    }


def ellipses(mixture: Mixture, ends: tuple[Ends, Ends], thickness: float = 1.8) -> list[Trace]:
    """Return a trace for each component: its ellipses, with a gap between them."""
    lines = [outlines(mixture, coverage) for coverage in COVERAGES]
    gap = np.full((1, 2), np.nan)
    traces = []
    for k in drawn(mixture):
        points = np.concatenate([lines[0][k], gap, lines[1][k]])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": numbers(points[:, 0], width(ends[0])),
                "y": numbers(points[:, 1], width(ends[1])),
                "line": line(k, thickness),
                "fill": "toself",
                "fillcolor": tint(k),
                "hoverinfo": "skip",
            }
        )
    return traces


def badges(mixture: Mixture, x: Any, y: Any, size: float = 19.0, gone: Sequence[int] = ()) -> Trace:
    """Return the components' numbers in circles at points, for each of those that are drawn.

    Those of components that are ``gone`` have no point until one is given.
    """
    there = drawn(mixture)
    shown, nowhere = [*there, *gone], [None] * len(gone)
    size = size if len(shown) <= 12 else 0.8 * size
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [*x, *nowhere],
        "y": [*y, *nowhere],
        "text": [str(k) for k in shown],
        "textfont": {"size": 0.65 * size, "color": INK},
        "marker": {
            "size": size,
            "color": "rgba(255,255,255,0.9)",
            "line": {"color": [line(k)["color"] for k in shown], "width": 2},
        },
        "hovertext": [
            *(f"component {k}: weight {mixture.weights[k]:.3g}" for k in there),
            *(f"component {k}, which is no more" for k in gone),
        ],
        "hoverinfo": "text",
        "cliponaxis": True,
    }


def plane(
    mixture: Mixture,
    rows: Array,
    ends: tuple[Ends, Ends],
    small: bool = False,
    gone: Sequence[int] = (),
) -> list[Trace]:
    """Return rows and a mixture of two features: points, ellipses, and numbers at the means.

    There is a trace, too, for each component that is ``gone``.
    """
    means = mixture.means[drawn(mixture)]
    x, y = (numbers(means[:, a], width(ends[a])) for a in range(2))
    thickness = 1.3 if small else 1.8
    return [
        scatter(rows, ends, 2.5 if small else 4.0),
        *ellipses(mixture, ends, thickness),
        *absent(gone, True, thickness),
        badges(mixture, x, y, 14.0 if small else 19.0, gone),
    ]


def absent(gone: Sequence[int], fill: bool, thickness: float) -> list[Trace]:
    """Return traces without points, for components that the last mixture does not have."""
    look = {"type": "scatter", "mode": "lines", "x": [], "y": [], "hoverinfo": "skip"}
    tints = ({"fill": "toself", "fillcolor": tint(k)} if fill else {} for k in gone)
    return [look | {"line": line(k, thickness)} | tinted for k, tinted in zip(gone, tints, strict=True)]


def histogram(values: Array, ends: Ends) -> tuple[Trace, float]:
    """Return a histogram of one feature as a density, and the height of its highest bar."""
    edges, heights = bars(values, ends)
    trace = {
        "type": "bar",
        "x": numbers((edges[:-1] + edges[1:]) / 2, width(ends)),
        "y": numbers(heights, heights.max()),
        "width": (edges[1] - edges[0]),
        "marker": {"color": "#dcdcdc", "line": {"width": 0}},
        "hoverinfo": "skip",
    }
    return trace, float(heights.max())


def curves(
    mixture: Mixture, ends: Ends, height: float, small: bool = False, gone: Sequence[int] = ()
) -> list[Trace]:
    """Return the sum and the density of each component of one feature, times its weight, and the numbers.

    Where a spike goes through an axis of this height, the number is at its end. There is a trace, too, for
    each component that is ``gone``.
    """
    shown = drawn(mixture)
    x = grid(mixture, ends, shown)
    means, sds = mixture.means[:, 0], mixture.standard_deviations[:, 0]
    heights = parts(mixture, x).T
    tops = np.minimum(peaks(mixture), 0.95 * height)
    traces = []
    if mixture.n_components + len(gone) > 1:
        traces.append(_curve(x, heights.sum(axis=0), ends, height, {"color": BLACK, "width": 1.2}))
    for k in shown:
        near = np.abs(x - means[k]) <= 4.5 * sds[k]
        traces.append(_curve(x[near], heights[k, near], ends, height, line(k, 1.5 if small else 2.0)))
    at, up = numbers(means[shown], width(ends)), numbers(tops[shown], height)
    traces += absent(gone, False, 1.5 if small else 2.0)
    return [*traces, badges(mixture, at, up, 14.0 if small else 19.0, gone)]


def width(ends: Ends) -> float:
    """Return how long an axis is."""
    return ends[1] - ends[0]


def _curve(x: Array, y: Array, ends: Ends, height: float, look: dict[str, Any]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x, width(ends)),
        "y": numbers(y, height),
        "line": look,
        "hoverinfo": "skip",
    }
