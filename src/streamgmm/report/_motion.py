"""The mixture as rows arrived: one picture, and the numbers from which the page draws all the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.estimators.follow import Places, Trail
from streamgmm.mixture import Mixture
from streamgmm.plots._density import height_of, parts, peaks, reach
from streamgmm.plots._draw import clipped
from streamgmm.plots._geometry import outlines
from streamgmm.statistics import Array

from . import _panels
from ._drawing import COVERAGES, MOST_DRAWN, TRIM, axis, drawn, layout, numbers, text
from ._figures import ELLIPSES, Figure, ends_of, named
from .record import Report, separating

_MOST_FRAMES = 120
_MOST_WORDS = 400  # letters of what happened
_BELL = 4.5  # standard deviations, to which it is drawn


def motion_figure(report: Report) -> Figure | None:
    """Draw the last mixture of the trail, and keep all of them; None if there is only one."""
    if len(report.trail.rows) < 2:
        return None
    return _densities(report) if report.mixture.n_features == 1 else _ellipses(report)


def _ellipses(report: Report) -> Figure:
    features = separating(report.mixture, 2)
    ends = ends_of(report, features)
    trail = _frames(report.trail)
    planes = [mixture.marginal(features) for mixture in trail.mixtures]
    spans = np.array([_panels.width(end) for end in ends])
    shown, gone = _shown(trail)
    sample = report.summary.sample[:, features]
    spec = {
        "data": _panels.plane(planes[-1], sample, (ends[0], ends[1]), gone=gone),
        "layout": layout(
            xaxis=axis(text(report.feature_names[features[0]]), range=ends[0], autorange=False),
            yaxis=axis(text(report.feature_names[features[1]]), range=ends[1], autorange=False),
        ),
        "motion": {
            "kind": "ellipses",
            "first": 1,
            "rows": trail.rows.astype(int).tolist(),
            "events": _events(report),
            "scales": [1.0, float(np.sqrt(np.log1p(-COVERAGES[1]) / np.log1p(-COVERAGES[0])))],
            "frames": [
                _at_places(_axes(plane, spans), places, [*shown, *gone])
                for plane, places in zip(planes, trail.places, strict=True)
            ],
        },
    }
    names = [named(report, feature) for feature in features]
    why = f" Components differ most along {names[0]} and {names[1]}." if report.mixture.n_features > 2 else ""
    caption = f"The mixture as rows arrived, rows in gray. {ELLIPSES}{why}"
    return Figure("wide", spec, caption, "Ellipses of the components, moving as rows arrive")


def _axes(plane: Mixture, spans: Array) -> list[Any]:
    """Return center and two conjugate half axes of each outer ellipse: [x, y, ux, uy, vx, vy]."""
    points, center = outlines(plane, COVERAGES[0], n_points=5), plane.means
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
    trail = _frames(report.trail)
    shown, gone = _shown(trail)
    spec = {
        "data": [bars, *_panels.curves(mixture, ends, height, gone=gone)],
        "layout": layout(
            xaxis=axis(text(report.feature_names[0]), range=ends, autorange=False),
            yaxis=axis("density", range=(0.0, height), autorange=False),
        ),
        "motion": {
            "kind": "densities",
            "first": 1,
            "rows": trail.rows.astype(int).tolist(),
            "events": _events(report),
            "height": height,
            "ends": ends,
            "bell": _bell(),
            "frames": [
                _at_places(_bells(one, ends, height), places, [*shown, *gone])
                for one, places in zip(trail.mixtures, trail.places, strict=True)
            ],
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


def _bells(mixture: Mixture, ends: tuple[float, float], height: float) -> list[Any]:
    """Return mean, standard deviation and height of each component."""
    span = _panels.width(ends)
    columns = (
        numbers(mixture.means[:, 0], span),
        numbers(mixture.standard_deviations[:, 0], span / 100),
        numbers(peaks(mixture), height),
    )
    return [list(row) for row in zip(*columns, strict=True)]


def _frames(trail: Trail) -> Trail:
    """Return the trail, or some of its snapshots, the last included."""
    n = len(trail.rows)
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MOST_FRAMES)).round().astype(int))
    some = (tuple(values[i] for i in chosen) for values in (trail.mixtures, trail.places))
    return Trail(trail.rows[chosen], *some)


def _shown(trail: Trail) -> tuple[list[int], list[int]]:
    """Return the components of the last mixture that are drawn, and earlier ones while there is room."""
    last, shown = trail.mixtures[-1], drawn(trail.mixtures[-1])
    gone = range(last.n_components, trail.n_places)
    return shown, list(gone)[: MOST_DRAWN - len(shown)]


def _at_places(values: list[Any], places: Places, shown: list[int]) -> list[Any]:
    """Return what is shown of each component, None for one that there is not."""
    found = dict(zip(places.tolist(), values, strict=True))
    return [found.get(place) for place in shown]


def _events(report: Report) -> list[Any]:
    """Return the rows of the events, and what happened there."""
    return [[event.row, clipped(str(event), _MOST_WORDS)] for event in report.events]
