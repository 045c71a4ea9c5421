"""The strokes that several displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._colors import ROWS, TOTAL, look
from ._density import bars, grid, height_of, parts, reach
from ._geometry import ellipses

_LOGARITHMIC = 50.0


def rows_seen(ax: Any, counts: Array) -> None:
    """Name the axis of rows seen; it is logarithmic if they grow more than fiftyfold."""
    positive = counts[counts > 0]
    if len(positive) and positive.max() > _LOGARITHMIC * positive.min():
        ax.set_xscale("log")
    ax.set_xlabel("rows seen")


def rows(ax: Any, X: Array) -> Any:
    """Draw rows of two features as small gray points; the fewer, the larger."""
    size = float(np.clip(4000 / max(len(X), 1), 3, 14))
    return ax.scatter(X[:, 0], X[:, 1], s=size, color=ROWS, alpha=0.5, linewidths=0, zorder=1)


def component_ellipses(ax: Any, mixture: Mixture, coverage: Sequence[float]) -> list[list[Any]]:
    """Draw an ellipse for each component and coverage; return them as [component][coverage]."""
    from matplotlib.patches import Ellipse

    drawn: list[list[Any]] = [[] for _ in range(mixture.n_components)]
    for share in coverage:
        for k, one in enumerate(ellipses(mixture, share)):
            color, dash = look(k)
            patch = Ellipse(
                (float(one.center[0]), float(one.center[1])), one.width, one.height, angle=one.angle
            )
            patch.set(facecolor=(color, 0.08), edgecolor=color, linestyle=dash, linewidth=1.3, zorder=2)
            ax.add_patch(patch)
            drawn[k].append(patch)
    return drawn


def label(ax: Any, x: float, y: float, k: int) -> Any:
    """Write the number of a component in its color, legible on everything."""
    from matplotlib.patheffects import withStroke

    return ax.text(
        x,
        y,
        str(k),
        color=look(k).color,
        weight="bold",
        ha="center",
        va="center",
        zorder=4,
        clip_on=True,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def densities(ax: Any, mixture: Mixture, X: Array | None, *, upright: bool = False) -> list[Any]:
    """Draw rows of one feature as a histogram, the components' parts of the density, and their sum."""
    ends, highest = reach(X, mixture), 0.0
    if X is not None:
        edges, tops = bars(X, ends)
        orientation = "horizontal" if upright else "vertical"
        ax.stairs(tops, edges, fill=True, color="0.88", orientation=orientation, zorder=0)
        highest = float(tops.max())
    x = grid(mixture, ends)
    heights = parts(mixture, x)
    lines = []
    for k in range(mixture.n_components + 1):
        last = k == mixture.n_components
        y = heights.sum(axis=1) if last else heights[:, k]
        style: dict[str, Any] = {"color": TOTAL, "linewidth": 0.9, "zorder": 2}
        if not last:
            style = {"color": look(k).color, "linestyle": look(k).dash, "linewidth": 1.6, "zorder": 3}
        lines += ax.plot(*((y, x) if upright else (x, y)), **style)
    top = height_of(mixture, ends, highest)
    ax.set(xlim=(0, top) if upright else ends, ylim=ends if upright else (0, top))
    return lines


def name_axes(ax: Any, x: str | None = None, y: str | None = None) -> None:
    """Name axes by features, whose names are words even where they look like formulas.

    A long name is cut, so that it does not run into its neighbor's.
    """
    for label, name in ((ax.xaxis.label, x), (ax.yaxis.label, y)):
        if name is not None:
            label.set(text=clipped(name), parse_math=False)


def clipped(name: str, longest: int = 32) -> str:
    """Return a text that is not longer than this.

    Examples
    --------
    >>> clipped("voice onset time", 10)
    'voice o...'
    """
    return name if len(name) <= longest else name[: longest - 3] + "..."
