"""The page: HTML, with the pictures and the library that draws them packed into it."""

from __future__ import annotations

import base64
import gzip
import html
import json
from importlib.resources import files
from string import Template

from streamgmm.plots._draw import clipped

from . import _tables
from ._figures import Figure, curve_figure, mixture_figure
from ._motion import motion_figure
from .record import Report

_NO_CURVE = (
    "There is no learning curve yet: the rows are fewer than the start of a stream keeps, and were fitted "
    "together by EM. A mini-batch is scored before it is learned only after the start."
)
_NO_MOTION = "There is nothing to play: the mixture was looked at once only, since the rows are so few."


def page(report: Report) -> str:
    """Return a report as HTML that needs neither network nor other files."""
    figures = {
        "mixture": mixture_figure(report),
        "curve": curve_figure(report),
        "motion": motion_figure(report),
    }
    specs = {name: figure.spec for name, figure in figures.items() if figure is not None}
    return Template(_asset("report.html")).substitute(
        title=html.escape(clipped(report.title, 200)),
        css=_asset("report.css"),
        js=_asset("report.js"),
        facts=_tables.facts(report),
        findings=_tables.findings(report),
        data=_tables.data(report),
        mixture_figure=_figure("mixture", figures["mixture"], ""),
        mixture=_tables.mixture(report),
        curve_figure=_figure("curve", figures["curve"], _NO_CURVE),
        motion_figure=_figure("motion", figures["motion"], _NO_MOTION),
        settings=_tables.settings(report),
        version=_version(),
        figures=_packed(json.dumps(specs, allow_nan=False, separators=(",", ":"))),
        library=_packed(_library()),
    )


def _figure(name: str, figure: Figure | None, otherwise: str) -> str:
    """Return the place of a picture with its sentence, or the sentence that says why there is none."""
    if figure is None:
        return f'<p class="note">{html.escape(otherwise)}</p>'
    controls = _asset("controls.html") if name == "motion" else ""
    return (
        f'<figure><div class="scroll"><div id="{name}" class="plot {figure.shape}" role="img" '
        f'aria-label="{html.escape(figure.label)}"></div></div>{controls}'
        f"<figcaption>{html.escape(figure.caption.strip())}</figcaption></figure>"
    )


def _packed(words: str) -> str:
    """Return text as letters that no HTML can be made of; the page unpacks it."""
    return base64.b64encode(gzip.compress(words.encode(), 9, mtime=0)).decode()


def _asset(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def _library() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _version() -> str:
    from streamgmm import __version__

    return __version__
