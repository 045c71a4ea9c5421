"""The strokes that several displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._colors import ROWS, TOTAL, look
from ._geometry import ellipses, parts

_GRID = 400
_TAILS = 4.0  # standard deviations
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
    """Draw rows of one feature as a histogram, the components' shares of the density, and their sum.

    Parameters
    ----------
    ax : matplotlib Axes
    mixture : Mixture
        Of one feature.
    X : ndarray of shape (n_samples,) or None
    upright : bool, default=False
        Whether the feature runs upward.

    Returns
    -------
    list of Line2D
        One for each component, then the sum.
    """
    deviations = mixture.kernel_factor()[:, 0, 0]
    low, high = mixture.means[:, 0] - _TAILS * deviations, mixture.means[:, 0] + _TAILS * deviations
    used = mixture.weights > 1e-4 if (mixture.weights > 1e-4).any() else mixture.weights >= 0
    low, high = low[used].min(), high[used].max()
    if X is not None and len(X):
        ax.hist(
            X,
            bins=int(np.clip(2 * len(X) ** (1 / 3), 10, 60)),
            density=True,
            color="0.88",
            orientation="horizontal" if upright else "vertical",
            zorder=0,
        )
        low, high = min(low, X.min()), max(high, X.max())
    around = np.linspace(-_TAILS, _TAILS, 81)
    grid = np.unique(  # fine where a narrow component is
        np.concatenate(
            [
                np.linspace(low, high, _GRID),
                (mixture.means[used] + deviations[used, np.newaxis] * around).ravel(),
            ]
        )
    )
    heights = parts(mixture, grid)
    lines = []
    for k in range(mixture.n_components + 1):
        last = k == mixture.n_components
        y = heights.sum(axis=1) if last else heights[:, k]
        style: dict[str, Any] = {"color": TOTAL, "linewidth": 0.9, "zorder": 2}
        if not last:
            style = {"color": look(k).color, "linestyle": look(k).dash, "linewidth": 1.6, "zorder": 3}
        lines += ax.plot(*((y, grid) if upright else (grid, y)), **style)
    ax.set_xlim(0, None) if upright else ax.set_ylim(0, None)
    return lines
