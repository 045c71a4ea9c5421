"""What all pictures share: colors, axes, how far they reach, and how many digits they need."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.plots._colors import ROWS, TOTAL, look
from streamgmm.plots._draw import clipped

COVERAGES = (0.95, 0.5)
MOST_DRAWN = 50  # components; more are an inkblot
INK = "#1a1a1a"
GRAY = "#" + 3 * f"{round(255 * float(ROWS)):02x}"
BLACK = TOTAL
EVENT = "#a03030"  # of lines that mark when something happened
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_DASHES = {"solid": "solid", "dashed": "dash", "dotted": "dot", "dashdot": "dashdot"}
TRIM = 0.005  # of the rows on each side may lie beyond an axis if they would stretch it
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


def drawn(mixture: Mixture) -> list[int]:
    """Return the components that pictures show: the 50 heaviest, in their order."""
    heaviest = np.argsort(-mixture.weights, kind="stable")[:MOST_DRAWN]
    return sorted(int(k) for k in heaviest)


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
