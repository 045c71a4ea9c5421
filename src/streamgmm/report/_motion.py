"""The mixture as rows arrived: one picture, and the numbers from which the page draws all the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.plots._density import height_of, parts, peaks, reach
from streamgmm.plots._geometry import outlines
from streamgmm.statistics import Array

from . import _panels
from ._drawing import COVERAGES, TRIM, axis, drawn, layout, numbers, text
from ._figures import ELLIPSES, Figure, ends_of, named
from .record import Report, separating

_MOST_FRAMES = 120
_BELL = 4.5  # standard deviations, to which it is drawn


def motion_figure(report: Report) -> Figure | None:
    """Draw the last mixture of the trail, and keep all of them; None if there is only one."""
    if len(report.trail.rows) < 2:
        return None
    return _densities(report) if report.mixture.n_features == 1 else _ellipses(report)


def _ellipses(report: Report) -> Figure:
    features = separating(report.mixture, 2)
    ends = ends_of(report, features)
    rows, mixtures = _frames(report)
    planes = [mixture.marginal(features) for mixture in mixtures]
    spans = np.array([_panels.width(end) for end in ends])
    spec = {
        "data": _panels.plane(planes[-1], report.summary.sample[:, features], (ends[0], ends[1])),
        "layout": layout(
            xaxis=axis(text(report.feature_names[features[0]]), range=ends[0], autorange=False),
            yaxis=axis(text(report.feature_names[features[1]]), range=ends[1], autorange=False),
        ),
        "motion": {
            "kind": "ellipses",
            "first": 1,
            "rows": rows,
            "scales": [1.0, float(np.sqrt(np.log1p(-COVERAGES[1]) / np.log1p(-COVERAGES[0])))],
            "frames": [_axes(plane, spans, drawn(report.mixture)) for plane in planes],
        },
    }
    names = [named(report, feature) for feature in features]
    why = f" Components differ most along {names[0]} and {names[1]}." if report.mixture.n_features > 2 else ""
    caption = f"The mixture as rows arrived, rows in gray. {ELLIPSES}{why}"
    return Figure("wide", spec, caption, "Ellipses of the components, moving as rows arrive")


def _axes(plane: Mixture, spans: Array, shown: list[int]) -> list[Any]:
    """Return center and two conjugate half axes of each outer ellipse: [x, y, ux, uy, vx, vy]."""
    points = outlines(plane, COVERAGES[0], n_points=5)[shown]
    center = plane.means[shown]
    flat = np.stack([center, points[:, 0] - center, points[:, 1] - center], axis=1)
    columns = [numbers(flat[:, :, a], spans[a]) for a in range(2)]
    return [
        [number for pair in zip(x, y, strict=True) for number in pair] for x, y in zip(*columns, strict=True)
    ]


def _densities(report: Report) -> Figure:
    values, mixture = report.summary.sample[:, 0], report.mixture
    ends = reach(values, mixture, TRIM)
    bars, highest = _panels.histogram(values, ends)
    height = height_of(mixture, ends, highest)
    rows, mixtures = _frames(report)
    shown = drawn(mixture)
    spec = {
        "data": [bars, *_panels.curves(mixture, ends, height)],
        "layout": layout(
            xaxis=axis(text(report.feature_names[0]), range=ends, autorange=False),
            yaxis=axis("density", range=(0.0, height), autorange=False),
        ),
        "motion": {
            "kind": "densities",
            "first": 1,
            "rows": rows,
            "height": height,
            "ends": ends,
            "bell": _bell(),
            "frames": [_bells(one, ends, height, shown) for one in mixtures],
        },
    }
    caption = "The densities of the components, each times its weight, and their sum, as rows arrived."
    return Figure("wide", spec, caption, "Densities of the components, moving as rows arrive")


def _bell() -> dict[str, Any]:
    """Return the shape that the page moves and stretches: a Gaussian of height 1, sd by sd."""
    z = np.linspace(-_BELL, _BELL, 181)
    one = Mixture([1.0], [[0.0]], [1.0], "spherical")
    heights = parts(one, z)[:, 0] / peaks(one)
    return {"ends": [-_BELL, _BELL], "heights": numbers(heights, 1.0)}


def _bells(mixture: Mixture, ends: tuple[float, float], height: float, shown: list[int]) -> list[Any]:
    """Return mean, standard deviation and height of each component."""
    span = _panels.width(ends)
    columns = (
        numbers(mixture.means[shown, 0], span),
        numbers(mixture.standard_deviations[shown, 0], span / 100),
        numbers(peaks(mixture)[shown], height),
    )
    return [list(row) for row in zip(*columns, strict=True)]


def _frames(report: Report) -> tuple[list[int], list[Mixture]]:
    """Return rows seen and mixtures of the snapshots, or of some of them, the last included."""
    rows, mixtures = report.trail.rows, report.trail.mixtures
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_FRAMES)).round().astype(int))
    return [int(rows[i]) for i in chosen], [mixtures[i] for i in chosen]
