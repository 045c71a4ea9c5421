"""The parts of a report that need no picture: facts, findings and tables, as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from streamgmm.plots._draw import clipped

from ._drawing import line
from .record import Report

MOST_FEATURES, MOST_CELLS = 100, 6000  # in tables
_MOST_SENTENCES = 10
_MOST_WORDS = 1000  # letters of a sentence or a setting
_STROKES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}


def facts(report: Report) -> str:
    """Return what a reader wants to know first."""
    mixture = report.mixture
    known = report.log_likelihood == report.log_likelihood
    read = f"{report.n_rows:,}"
    if report.n_rows != report.summary.n_rows:
        read += f" ({report.summary.n_rows:,}, read {report.n_rows / report.summary.n_rows:.3g} times)"
    pairs = (
        ("rows seen", read),
        ("features", f"{mixture.n_features}"),
        ("components", f"{mixture.n_components} ({mixture.covariance_type} covariances)"),
        ("log-likelihood", f"{report.log_likelihood:.6g} nats a row" if known else "not known yet"),
    )
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f"<dl>{items}</dl>"


def findings(report: Report) -> str:
    """Return what was found, and what was said while learning; that nothing was, if so."""
    found = report.findings
    parts = [_list(found) if found else "<p>Nothing: the diagnostics find no fault with mixture or run.</p>"]
    best = report.optimality
    if best is not None and not best.is_improvable:
        parts.append(f"<p>{_escaped(best.finding.text(report.feature_names))}</p>")
    events = [str(event) for event in report.events]
    if events:
        parts.append(f"<h3>What happened while learning</h3>{_list(events)}")
    if others := [warning for warning in report.warnings if warning not in events]:
        parts.append(f"<h3>Warnings while learning</h3>{_list(others)}")
    return "".join(parts)


def data(report: Report) -> str:
    """Return mean, standard deviation, least and greatest number of each feature."""
    summary = report.summary
    names = report.feature_names[:MOST_FEATURES]
    columns = zip(names, summary.mean, summary.sd, summary.low, summary.high, strict=False)
    rows = (
        _row(_name(name), f"{summary.n_rows:,}", number(mean, sd), number(sd, sd), *map(shortest, ends))
        for name, mean, sd, *ends in columns
    )
    heads = ("feature", "rows", "mean", "standard deviation", "minimum", "maximum")
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    rest = _rest(len(names), len(report.feature_names), "features")
    return _scrolling("Data", f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>") + rest


def mixture(report: Report) -> str:
    """Return weight, means and standard deviations of each component."""
    mixture, sds = report.mixture, report.mixture.standard_deviations
    names = report.feature_names[:MOST_FEATURES]
    scales = np.maximum(sds.min(axis=0), 1e-3 * report.summary.sd)  # decimals alike in a column
    n_components = min(mixture.n_components, max(1, MOST_CELLS // len(names)))
    groups = "".join(f'<th scope="colgroup" colspan="2">{_name(name)}</th>' for name in names)
    pairs = '<th scope="col">mean</th><th scope="col">sd</th>' * len(names)
    rows = []
    for k in range(n_components):
        cells = (
            number(value, scales[a]) for a in range(len(names)) for value in (mixture.means[k, a], sds[k, a])
        )
        rows.append(_row(f"{swatch(k)}{k}", f"{mixture.weights[k]:.4f}", *cells))
    head = (
        '<tr><th scope="col" rowspan="2">component</th><th scope="col" rowspan="2">weight</th>'
        f"{groups}</tr><tr>{pairs}</tr>"
    )
    rest = _rest(n_components, mixture.n_components, "components")
    rest += _rest(len(names), len(report.feature_names), "features")
    return _scrolling("Mixture", f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody>") + rest


def settings(report: Report) -> str:
    """Return what the mixture was learned with."""
    words = {"True": "yes", "False": "no"}
    rows = (
        _row(html.escape(name.replace("_", " ")), _escaped(words.get(str(value), str(value))))
        for name, value in report.settings.items()
    )
    return f'<table class="words"><tbody>{"".join(rows)}</tbody></table>'


def number(value: float, sd: float) -> str:
    """Return a number with as many decimals as a standard deviation needs.

    Examples
    --------
    >>> number(1234.5678, 20.5), number(0.000102, 1.5), number(1e8 + 0.125, 1.0), number(3.25e-12, 1e-13)
    ('1234.57', '0.000', '100000000.125', '3.25e-12')
    """
    if not (math.isfinite(value) and 1e-6 < sd < 1e9 and abs(value) < 1e12):
        return shortest(value)
    return f"{value:.{max(0, 3 - math.floor(math.log10(sd)))}f}"


def shortest(value: float) -> str:
    """Return a number that rows hold.

    Examples
    --------
    >>> shortest(43.0), shortest(0.1), shortest(1 / 3), shortest(123456789.0)
    ('43', '0.1', '0.33333333', '1.2345679e+08')
    """
    return f"{value:.8g}"


def swatch(k: int) -> str:
    """Return a piece of the line of component k."""
    look = line(k)
    return (
        '<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true"><line x1="1" y1="5" x2="25" y2="5" '
        f'stroke="{look["color"]}" stroke-width="3" stroke-dasharray="{_STROKES[look["dash"]]}"/></svg>'
    )


def _escaped(words: str) -> str:
    return html.escape(clipped(words, _MOST_WORDS))


def _name(name: str) -> str:
    return html.escape(clipped(name, 80)) or "(no name)"


def _list(sentences: Sequence[str]) -> str:
    items = [f"<li>{_escaped(sentence)}</li>" for sentence in sentences]
    words = f"<ul>{''.join(items[:_MOST_SENTENCES])}</ul>"
    if len(items) <= _MOST_SENTENCES:
        return words
    rest = items[_MOST_SENTENCES:]
    return f"{words}<details><summary>{len(rest)} more</summary><ul>{''.join(rest)}</ul></details>"


def _row(head: str, *cells: str) -> str:
    return f'<tr><th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _scrolling(name: str, table: str) -> str:
    region = f'class="scroll table" tabindex="0" role="region" aria-label="{name}"'
    return f"<div {region}><table>{table}</table></div>"


def _rest(shown: int, whole: int, what: str) -> str:
    return f'<p class="note">The first {shown} of {whole:,} {what} are listed.</p>' if shown < whole else ""
