"""What all pictures share: colors, axes, how far they reach, and how many digits they need."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.plots._colors import ROWS, TOTAL, look
from streamgmm.statistics import Array

COVERAGES = (0.95, 0.5)
MOST_DRAWN = 50  # components; more are an inkblot
INK = "#1a1a1a"
GRAY = "#" + 3 * f"{round(255 * float(ROWS)):02x}"
BLACK = TOTAL
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_DASHES = {"solid": "solid", "dashed": "dash", "dotted": "dot", "dashdot": "dashdot"}
_TAIL = 0.005  # of the rows on each side may lie beyond an axis if they would stretch it
_ELLIPSE = 2.5  # standard deviations, to which the outer ellipse reaches
_STEPS = 2000  # of an axis: what a screen shows


def line(k: int, width: float = 1.8) -> dict[str, Any]:
    """Return how the line of component k is drawn."""
    color, dash = look(k)
    return {"color": color, "dash": _DASHES[dash], "width": width}


def tint(k: int) -> str:
    """Return the color that fills component k."""
    red, green, blue = (int(look(k).color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.07)"


def text(name: str, longest: int = 40) -> str:
    """Return a name as plotly's text takes it, which reads some HTML.

    Examples
    --------
    >>> text("<b>bold</b>"), text("a" * 50)
    ('&lt;b&gt;bold&lt;/b&gt;', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...')
    """
    return html.escape(clipped(name, longest), quote=False)


def clipped(name: str, longest: int) -> str:
    """Return a text that is not longer than this."""
    return name if len(name) <= longest else name[: longest - 3] + "..."


def drawn(mixture: Mixture) -> list[int]:
    """Return the components that pictures show: the 50 heaviest, in their order."""
    heaviest = np.argsort(-mixture.weights, kind="stable")[:MOST_DRAWN]
    return sorted(int(k) for k in heaviest)


def reach(values: Array, mixture: Mixture) -> tuple[float, float]:
    """Return the ends of an axis for rows and for a mixture of one feature.

    It holds the ellipses of the components, and the rows, but for a few that would stretch it to more than
    twice the width without them.

    Examples
    --------
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> [round(end, 2) for end in reach(np.append(np.linspace(-1, 1, 999), 1e6), mixture)]
    [-2.75, 2.75]
    """
    low, high = float(values.min()), float(values.max())
    inner = np.quantile(values, [_TAIL, 1 - _TAIL])
    if high - low > 2 * (inner[1] - inner[0]) > 0:
        low, high = inner
    sds = mixture.standard_deviations[:, 0]
    ends = mixture.means[:, :1] + np.outer(sds, [-_ELLIPSE, _ELLIPSE])
    ends = ends[np.isfinite(ends).all(axis=1) & (mixture.weights >= 1e-3)]
    low, high = float(min([low, *ends[:, 0]])), float(max([high, *ends[:, 1]]))
    digits = 1e-9 * max(abs(low), abs(high))  # else float64 could not tell the ticks apart
    margin = max(0.05 * (high - low), digits) or 0.5
    return low - margin, high + margin


def numbers(values: Any, span: float) -> Any:
    """Return numbers as JSON holds them: as many digits as an axis of this span needs, null for no number.

    Examples
    --------
    >>> numbers([0.123456789, float("nan")], 10.0)
    [0.123, None]
    """
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(all="ignore"):
        decimals = int(np.clip(np.ceil(np.log10(_STEPS / span)), -300, 300)) if span > 0 else 12
        rounded = np.round(values, decimals) if decimals < 300 else values
    rounded = rounded.astype(object)
    rounded[~np.isfinite(values)] = None
    return rounded.tolist()


def axis(title: str | None = None, **options: Any) -> dict[str, Any]:
    """Return an axis: a line with ticks outside, no grid."""
    look: dict[str, Any] = {
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": "#777",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "#777",
        "automargin": True,
    }
    if title is not None:
        look["title"] = {"text": title, "standoff": 10}
    return look | options


def layout(**options: Any) -> dict[str, Any]:
    """Return a white page with legible letters."""
    return {
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff",
        "margin": {"l": 56, "r": 14, "t": 12, "b": 48},
        "showlegend": False,
        "hovermode": "closest",
        **options,
    }
