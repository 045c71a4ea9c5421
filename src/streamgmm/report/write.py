"""Writing a report: from a fit at hand, or from an estimator and rows that it has not seen."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from sklearn.base import clone

from streamgmm._compat.sklearn import num_samples, safe_indexing
from streamgmm.diagnostics.finding import told
from streamgmm.estimators import OnlineGaussianMixture
from streamgmm.fit.shuffle import Orders
from streamgmm.persistence import require_replaceable, write_whole
from streamgmm.plots._inputs import names_of

from .record import Report
from .watch import Watch


def require_report(path: str | os.PathLike[str]) -> None:
    """Raise before any work is done if a report cannot be drawn, or cannot be written to this file.

    Raises
    ------
    ImportError
        If plotly is missing.
    ModelFileError
        If the file cannot be written, or is there and is not HTML.

    Examples
    --------
    >>> from streamgmm.report import require_report
    >>> require_report("nowhere/report.html")
    Traceback (most recent call last):
    ...
    streamgmm.persistence.ModelFileError: nowhere/report.html: cannot be written: its folder does not exist
    """
    if find_spec("plotly") is None:
        raise ImportError("a report needs plotly: pip install 'streamgmm[plot]'")
    require_replaceable(path, _is_html, "an HTML file", by="a report")


def _is_html(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def write(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as one HTML file that needs no network; all of it, or nothing.

    Parameters
    ----------
    report : Report
    path : path-like
        An HTML file that is there is replaced.

    Raises
    ------
    ImportError
        If plotly is missing.
    ModelFileError
        If the file cannot be written, or is there and is not HTML.

    Examples
    --------
    >>> from streamgmm.report import write
    >>> write(None, "nowhere/report.html")
    Traceback (most recent call last):
    ...
    streamgmm.persistence.ModelFileError: nowhere/report.html: cannot be written: its folder does not exist
    """
    require_report(path)
    from ._page import page

    write_whole(path, page(report).encode(errors="replace"))  # a file's name may be no text


def write_report(
    path: str | os.PathLike[str],
    estimator: OnlineGaussianMixture,
    X: Any,
    *,
    feature_names: Sequence[str] | None = None,
    title: str | None = None,
) -> OnlineGaussianMixture:
    """Learn rows with a clone of an estimator, and report how it went as one HTML file.

    Parameters
    ----------
    path : path-like
        An HTML file that is there is replaced.
    estimator : OnlineGaussianMixture
        It stays as it is. Its rule must be one for streams.
    X : array-like of shape (n_samples, n_features)
    feature_names : sequence of str, optional
        By default the names of a data frame's columns, or x0, x1, ...
    title : str, optional

    Returns
    -------
    OnlineGaussianMixture
        The clone, which has learned the rows.

    Raises
    ------
    ImportError
        If plotly is missing.
    ModelFileError
        If the file cannot be written, or is there and is not HTML.
    ValueError
        As `OnlineGaussianMixture.partial_fit`, or for another number of names than features.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from streamgmm import OnlineGaussianMixture, datasets
    >>> from streamgmm.report import write_report
    >>> X = datasets.load_faithful().data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "report.html")
    ...     model = write_report(path, OnlineGaussianMixture(2, random_state=0), X)
    ...     path.read_text()[:15], path.stat().st_size < 5_000_000
    ('<!DOCTYPE html>', True)
    """
    require_report(path)
    names = None if feature_names is None else [str(name) for name in feature_names]
    model = clone(estimator)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        watch = _learn(model, X)
        mixture = model.to_mixture()
    for warning in raised:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    names = names_of(names, model, X, mixture.n_features)
    plural = "s" if mixture.n_components > 1 else ""
    report = Report(
        str(title or f"A mixture of {mixture.n_components} Gaussian{plural}"),
        tuple(names),
        watch.summary,
        mixture,
        watch.trail,
        model.history_,
        model.history_rows_,
        model.lower_bound_,
        {name: value for name, value in model.get_params().items() if value is not None},
        tuple(dict.fromkeys(told(warning.message, names) for warning in raised)),
        model.events_,
    )
    write(report, path)
    return model


def _learn(model: OnlineGaussianMixture, X: Any) -> Watch:
    """Let the model learn rows in the order in which its `fit` does."""
    watch, order = Watch(), model._order()
    for epoch in range(model.max_epochs):
        if epoch and len(model.history_) == 0:
            break  # all rows are held, and another pass would hold them twice
        mixed = X
        if order is not None:
            mixed = safe_indexing(X, Orders.draw(order).rows.permutation(num_samples(X)))
        watch = watch.learn(model, mixed, None if epoch else X)
    return watch
