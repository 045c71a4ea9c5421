"""The pictures of a report as plotly's JSON, each with the sentence that belongs under it."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamgmm.plots._density import height_of, reach
from streamgmm.plots._draw import clipped
from streamgmm.statistics import Array

from . import _panels
from ._drawing import BLACK, EVENT, GRAY, MOST_DRAWN, TRIM, axis, layout, numbers, text
from .record import Report, separating

PAIRS = 5  # features in a matrix of pairs
_PAIR_ROWS = 500
_CURVE_POINTS = 1000
_TOUCHED, _MOST_WORDS = 24, 400  # points of an event's line that answer to a pointer; letters of its answer


class Figure(NamedTuple):
    """A picture.

    Attributes
    ----------
    shape : str
        The class that says how high it is: "wide", "square" or "matrix".
    spec : dict
        Data and layout for plotly.
    caption : str
        Plain text.
    label : str
        What it shows, for those who cannot see it.
    """

    shape: str
    spec: dict[str, Any]
    caption: str
    label: str


def mixture_figure(report: Report) -> Figure:
    """Draw the rows and the mixture: a histogram, a plane, or a matrix of pairs."""
    n_features = report.mixture.n_features
    if n_features == 1:
        return _histogram(report)
    return _plane(report) if n_features == 2 else _matrix(report)


def _histogram(report: Report) -> Figure:
    rows, mixture = report.summary.sample[:, 0], report.mixture
    ends = reach(rows, mixture, TRIM)
    bars, highest = _panels.histogram(rows, ends)
    height = height_of(mixture, ends, highest)
    spec = {
        "data": [bars, *_panels.curves(mixture, ends, height)],
        "layout": layout(
            xaxis=axis(text(report.feature_names[0]), range=ends),
            yaxis=axis("density", range=(0.0, height)),
        ),
    }
    lines = "colored lines: the components, each times its weight; black: their sum. "
    caption = f"Bars: {_rows_shown(report, rows)}; {lines}{_beyond(rows[:, None], [ends])}{_left_out(report)}"
    return Figure("wide", spec, caption, "Histogram of the rows with the density of each component")


def _plane(report: Report) -> Figure:
    rows, mixture = report.summary.sample, report.mixture
    ends = ends_of(report, [0, 1])
    spec = {
        "data": _panels.plane(mixture, rows, (ends[0], ends[1])),
        "layout": layout(
            xaxis=axis(text(report.feature_names[0]), range=ends[0]),
            yaxis=axis(text(report.feature_names[1]), range=ends[1]),
        ),
    }
    caption = f"Points: {_rows_shown(report, rows)}. {ELLIPSES}{_beyond(rows, ends)}{_left_out(report)}"
    return Figure("wide", spec, caption, "Rows and the ellipses of the components")


ELLIPSES = "Ellipses hold 50 % and 95 % of the rows of a component; its number is at its mean. "


def _matrix(report: Report) -> Figure:
    """Draw each pair of features, and each feature alone on the diagonal."""
    mixture, features = report.mixture, separating(report.mixture, PAIRS)
    rows = report.summary.sample
    few = rows[:: -(-len(rows) // _PAIR_ROWS)]
    ends, n = ends_of(report, features), len(features)
    data: list[dict[str, Any]] = []
    panes = layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    for i, j in zip(*(index.tolist() for index in np.tril_indices(n)), strict=True):
        name = str(i * n + j + 1)
        where = {"xaxis": f"x{name}", "yaxis": f"y{name}"}
        x, y = _pane_axes(report.feature_names, features, i, j)
        y["domain"], x["domain"] = _domain(n - 1 - i, n), _domain(j, n)
        x |= {"range": ends[j], "anchor": f"y{name}"}
        y |= {"range": ends[i], "anchor": f"x{name}"}
        if i == j:
            bars, highest = _panels.histogram(rows[:, features[i]], ends[i])
            one = mixture.marginal(features[i])
            height = height_of(one, ends[i], highest)
            traces = [bars, *_panels.curves(one, ends[i], height, small=True)]
            y |= {"range": (0.0, height)}
        else:
            pair = [features[j], features[i]]
            traces = _panels.plane(mixture.marginal(pair), few[:, pair], (ends[j], ends[i]), small=True)
        data += [trace | where for trace in traces]
        panes |= {f"xaxis{name}": x, f"yaxis{name}": y}
    caption = (
        f"Each pair of features, and each alone on the diagonal. Points: {_rows_shown(report, few)}. "
        f"{ELLIPSES}{_beyond(rows[:, features], ends)}{_left_out(report)}"
    )
    if n < mixture.n_features:
        caption += f"Of {mixture.n_features} features, the {n} are shown along which components differ most. "
    return Figure("matrix", {"data": data, "layout": panes}, caption, "Rows and components, in pairs")


def _pane_axes(
    names: tuple[str, ...], features: list[int], i: int, j: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the axes of the pane in row i, column j: named and numbered at the matrix' edges alone."""
    n = len(features)
    small = {"tickfont": {"size": 11}, "nticks": 6, "tickangle": 0}
    x = axis(text(names[features[j]], 24) if i == n - 1 else None, **small, showticklabels=i == n - 1)
    y = axis(text(names[features[i]], 24) if j == 0 and i else None, **small, showticklabels=j == 0 and i > 0)
    if i == j:
        y |= {"ticks": "", "showline": False}
    return x, y


def _domain(place: int, n: int) -> tuple[float, float]:
    gap = 0.025
    side = (1 - gap * (n - 1)) / n
    begin = place * (side + gap)
    return round(begin, 4), round(min(begin + side, 1.0), 4)


def curve_figure(report: Report) -> Figure | None:
    """Draw the log-likelihood of each mini-batch before it was learned; None if there is none yet."""
    known = np.isfinite(report.history)
    rows, values = report.history_rows[known], report.history[known]
    if not len(values):
        return None
    window = max(10, len(values) // 20)
    mean = _running_mean(values, window)
    low, high = np.quantile(values, [0.01, 0.99])
    low, high = min(low, mean[len(mean) // 2 :].min()), max(high, mean.max())
    margin = 0.06 * (high - low) or 0.5
    ends = low - margin, high + margin
    every = -(-len(values) // _CURVE_POINTS)
    some = np.unique(np.append(np.arange(0, len(values), every), len(values) - 1))
    each, start = _rows_each(report.history_rows)
    traces = _curve_traces(rows[some], values[some], mean[some], ends) + _event_lines(report, ends)
    spec = {
        "data": traces,
        "layout": layout(
            xaxis=axis("rows seen", rangemode="tozero", separatethousands=True),
            yaxis=axis("log-likelihood, nats a row", range=ends),
            shapes=[_band(start)] if start > 0 else [],
        ),
    }
    thinned = f" (one point in {every} is shown)" if every > 1 else ""
    caption = (
        f"How well rows were foreseen: each point is the mean of {_count(each, 'row')}, scored before they "
        f"were learned{thinned}; the line is the mean of the last {window} points. Higher is better. "
    )
    if start > 0:
        caption += f"Shaded: the first {_count(start, 'row')}, from which the start was made. "
    if report.events:
        caption += "Vertical lines: what happened, in the words of the findings. "
    outside = int(((values < ends[0]) | (values > ends[1])).sum())
    if outside:
        caption += f"{_count(outside, 'point')} beyond the axis. "
    return Figure("low", spec, caption, "Log-likelihood a row against rows seen")


def _curve_traces(
    rows: NDArray[Any], values: Array, mean: Array, ends: tuple[float, float]
) -> list[dict[str, Any]]:
    """Return the entries of the history as pale points, and their running mean as a line."""
    span, size = ends[1] - ends[0], 4 if len(values) > 100 else 7
    shared = {"type": "scatter", "x": rows.tolist()}
    points = shared | {
        "mode": "markers",
        "y": numbers(values, span),
        "marker": {"color": GRAY, "size": size, "opacity": 0.5},
        "hovertemplate": "%{x:,} rows: %{y} nats<extra></extra>",
    }
    line = shared | {
        "mode": "lines",
        "y": numbers(mean, span),
        "line": {"color": BLACK, "width": 2},
        "hovertemplate": "%{x:,} rows: running mean %{y} nats<extra></extra>",
    }
    return [points, line]


def _event_lines(report: Report, ends: tuple[float, float]) -> list[dict[str, Any]]:
    """Return a thin line for each event, which says what happened wherever it is touched."""
    heights = numbers(np.linspace(*ends, _TOUCHED), ends[1] - ends[0])
    words = (textwrap.wrap(text(str(event), _MOST_WORDS), 60) for event in report.events)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [event.row] * _TOUCHED,
            "y": heights,
            "line": {"color": EVENT, "width": 1, "dash": "dot"},
            "text": "<br>".join(lines),
            "hovertemplate": "%{text}<extra></extra>",
        }
        for event, lines in zip(report.events, words, strict=True)
    ]


def _rows_each(rows: NDArray[Any]) -> tuple[int, int]:
    """Return the rows for which an entry of the history stands, and how many came before the first."""
    each = int(np.diff(rows, prepend=0)[-len(rows) // 2 :].max()) if len(rows) > 1 else int(rows[0])
    return each, int(rows[0]) - each


def _band(end: int) -> dict[str, Any]:
    """Return a shade from the first row on."""
    shade = {"type": "rect", "layer": "below", "fillcolor": "#f0f0f0", "line": {"width": 0}}
    return shade | {"x0": 0, "x1": end, "yref": "paper", "y0": 0, "y1": 1}


def _running_mean(values: Array, window: int) -> Array:
    """Return the mean of up to ``window`` values that end at each one."""
    center = values.mean()
    sums = np.concatenate([[0.0], np.cumsum(values - center)])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(end - window, 0)
    means: Array = center + (sums[end] - sums[begin]) / (end - begin)
    return means


def ends_of(report: Report, features: list[int]) -> list[tuple[float, float]]:
    """Return the ends of the axes of some features."""
    sample, mixture = report.summary.sample, report.mixture
    return [reach(sample[:, feature], mixture.marginal(feature), TRIM) for feature in features]


def named(report: Report, feature: int) -> str:
    """Return a feature's name for a caption."""
    return clipped(report.feature_names[feature], 60)


def _rows_shown(report: Report, rows: Array) -> str:
    n_rows = report.summary.n_rows
    if len(rows) == n_rows:
        return f"all {n_rows:,} rows"
    return f"{len(rows):,} of the {n_rows:,} rows, chosen at random"


def _beyond(rows: Array, ends: list[tuple[float, float]]) -> str:
    """Say how many of the sampled rows no axis reaches."""
    low, high = np.transpose(ends)
    n = int(((rows < low) | (rows > high)).any(axis=1).sum())
    return f"{_count(n, 'row')} of the sample beyond the axes. " if n else ""


def _left_out(report: Report) -> str:
    n = report.mixture.n_components
    return f"Of {n} components, the {MOST_DRAWN} heaviest are drawn. " if n > MOST_DRAWN else ""


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
