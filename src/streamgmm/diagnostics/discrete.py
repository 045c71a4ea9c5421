"""Values and rows that come again and again: a component can sit on one of them, without a volume."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import sweep
from streamgmm.statistics import Array

from .finding import Finding

_COARSE = 0.5  # gap between values, in standard deviations
_ENOUGH_ROWS = 10  # for each that a component needs at least
_STANDS_OUT = 5.0  # how much oftener a value comes than those around it
_REMEDIES = ('prior="weak"', "a larger reg_covar")


def discrete(X: Any) -> list[Finding]:
    """Name features with few values, and rows that come again and again.

    Where ``n_features + 1`` rows share a value of one feature, a component of these rows has no width along
    it, and a likelihood without bound. That is so of all rounded numbers; a fit is drawn there if no
    component of a sensible width takes in the values around as well. Looked for are

    - constant columns, with one value;
    - few values: on average as many rows share a value, and typical gaps between values are half a standard
      deviation or more, so that components would be hardly wider than the gaps;
    - a frequent value: ten times as many rows have it, enough for a component not to be short of rows, and
      5 times as many as have one of the values around it, on average: of the same number of other rows, those
      that are nearest;
    - duplicate rows: of several features, at most half of the rows are distinct, or one comes ``n_features
      + 1`` times and 5 times as often as distinct rows do on average; and some feature tells at least half as
      many rows apart, so that it is not the features' rounding that makes them equal.

    None of this depends on the features' units.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    list of Finding
        Of the kinds "constant-columns", "few-values", "frequent-value" and "duplicate-rows".

    Raises
    ------
    ValueError
        For rows that are not finite numbers.

    Examples
    --------
    >>> from streamgmm import datasets
    >>> from streamgmm.diagnostics import discrete
    >>> discrete(datasets.load_faithful().data)  # whole minutes, but many
    []
    >>> print(discrete([[0.0], [1.0], [1.0], [0.0]])[0])
    feature 0 has only 2 distinct values in 4 rows: a component can sit on one of them, such as 0, which 2 \
rows have. Remedy: prior="weak", a larger reg_covar, drop it, or add noise as wide as the gaps.
    """
    X = np.asarray(X)
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"`X` must have shape (n_samples, n_features), got {X.shape}")
    X = sweep.as_rows(X, X.shape[1])
    sweep.require_finite(X)
    n_samples, n_features = X.shape
    if n_samples < 2:
        return []
    constant = np.flatnonzero((X[0] == X).all(axis=0))
    found = []
    if len(constant):
        found.append(constant_columns(constant, n_samples, "{rows} rows: {columns}", ("drop them",)))
    for a in np.setdiff1d(np.arange(n_features), constant):
        found.extend(_repeated(np.asarray(X[:, a], dtype=np.float64), int(a), n_features + 1))
    rest = np.delete(X, constant, axis=1)
    if rest.shape[1] > 1:
        rows, counts = np.unique(rest, axis=0, return_counts=True)
        most = int(counts.max())
        finest = max(len(np.unique(column)) for column in rest.T)
        often = 2 * len(rows) <= n_samples or most >= max(n_features + 1, _STANDS_OUT * counts.mean())
        if often and 2 * finest >= len(rows):
            row = X[(rest == rows[counts.argmax()]).all(axis=1)][0]
            found.append(duplicate_rows(row, most, len(rows), n_samples, "the {rows}", _REMEDIES))
    return found


def constant_columns(features: Any, n_rows: int, where: str, remedies: tuple[str, ...] = ()) -> Finding:
    """Return the finding that features have one value; ``where`` ends the sentence."""
    end = "." if remedies else ""
    columns = tuple(int(a) for a in features)
    return Finding(
        "constant-columns", f"constant columns in {where}{end}", {"rows": n_rows}, remedies, (), columns
    )


def duplicate_rows(
    row: Array, times: int, n_distinct: int, n_rows: int, of: str, remedies: tuple[str, ...] = ()
) -> Finding:
    """Return the finding that rows come again and again, and which comes most often."""
    end = "." if remedies else ""
    message = (
        f"duplicate rows: only {{distinct}} of {of} rows are distinct; {{row}} occurs {{times}} times{end}"
    )
    values = {"row": row.tolist(), "times": times, "distinct": n_distinct, "rows": n_rows}
    return Finding("duplicate-rows", message, values, remedies)


def _repeated(x: Array, feature: int, least: int) -> list[Finding]:
    """Judge the values (n_samples,) of one feature."""
    values, counts = np.unique(x, return_counts=True)
    if counts.max() < least:
        return []
    most = int(counts.argmax())
    told = {"value": float(values[most]), "times": int(counts[most]), "distinct": len(values), "rows": len(x)}
    scale = max(float(np.abs(values).max()), 1e-300)
    gap = float(np.median(np.diff(values / scale)))
    if len(x) >= least * len(values) and gap >= _COARSE * float(np.std(x / scale)):
        message = (
            "{features} has only {distinct} distinct values in {rows} rows: a component can sit on one of "
            "them, such as {value}, which {times} rows have."
        )
        remedies: tuple[str, ...] = (*_REMEDIES, "drop it", "add noise as wide as the gaps")
        return [Finding("few-values", message, told, remedies, features=(feature,))]
    for at in np.argsort(-counts, kind="stable"):
        times = int(counts[at])
        if times < _ENOUGH_ROWS * least:
            break
        if times >= _STANDS_OUT * _around(values, counts, int(at)):
            message = "{features} is {value} in {times} of {rows} rows: a component can sit on that value."
            told |= {"value": float(values[at]), "times": times}
            remedies = (*_REMEDIES, "model these rows apart")
            return [Finding("frequent-value", message, told, remedies, features=(feature,))]
    return []


def _around(values: Array, counts: Any, at: int) -> float:
    """Return how many rows share a value, on average, among as many rows nearest to one of the values."""
    n_wanted, begin, end, total = int(counts[at]), at, at + 1, 0
    while total < n_wanted and end - begin < len(values):
        below = values[at] - values[begin - 1] if begin > 0 else np.inf
        above = values[end] - values[at] if end < len(values) else np.inf
        if below <= above:
            begin -= 1
            total += int(counts[begin])
        else:
            total += int(counts[end])
            end += 1
    return total / (end - begin - 1)
