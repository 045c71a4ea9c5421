"""EM to convergence, over rows that are at hand or that a function sums up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from streamgmm import rules
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .rows import rows_of

__all__ = ["BatchResult", "fit_em", "m_step", "statistics_of"]

StatisticsOf = Callable[[Mixture], Statistics]
Callback = Callable[[int, float], None]


class BatchResult(NamedTuple):
    """What `fit_em` returns.

    Attributes
    ----------
    mixture : Mixture
    converged : bool
    n_iter : int
    lower_bounds : list of float
        Mean log-likelihood of a row before each iteration.
    """

    mixture: Mixture
    converged: bool
    n_iter: int
    lower_bounds: list[float]


def statistics_of(X: Any, weights: Any = None, n_threads: int | None = None) -> StatisticsOf:
    """Return the function mixture -> Statistics of rows; a function is returned as it is.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), Rows or callable
    weights : array-like of shape (n_samples,), optional
    n_threads : int, optional
    """
    return X if callable(X) else partial(rows_of(X, weights).e_step, n_threads=n_threads)


def m_step(statistics: Statistics, mixture: Mixture, options: Options | None = None) -> Mixture:
    """Return the mixture after EM's M-step on statistics that are centered at its means."""
    rule = rules.EM()
    return rule.update(statistics, rule.init(mixture, n_rows=statistics.weight, options=options), mixture)[0]


def fit_em(
    mixture: Mixture,
    X: Any,
    weights: Array | None = None,
    *,
    options: Options | None = None,
    tol: float = 1e-4,
    max_iter: int = 200,
    n_threads: int | None = None,
    lower_bound: float = -np.inf,
    callback: Callback | None = None,
) -> BatchResult:
    """Run EM from a mixture until the mean log-likelihood changes by less than ``tol`` nats.

    As in scikit-learn, the log-likelihood is that before each M-step, and the last M-step counts.

    Parameters
    ----------
    mixture : Mixture
    X : array-like of shape (n_samples, n_features), Rows or callable
        Rows, or a function mixture -> Statistics, wherever the rows are.
    weights : ndarray of shape (n_samples,), optional
    options : Options, optional
        Regularization and prior, from `streamgmm.priors.options`.
    tol : float, default=1e-4
    max_iter : int, default=200
    n_threads : int, optional
    lower_bound : float, optional
        What the first log-likelihood is compared with, for EM that goes on.
    callback : callable, optional
        Called with the number and the change of each iteration.

    Returns
    -------
    BatchResult

    Raises
    ------
    ValueError
        For bad rows or weights, or rows that are too far from every component.

    Examples
    --------
    >>> from streamgmm import Mixture, datasets
    >>> from streamgmm.fit.batch import fit_em
    >>> X = datasets.load_faithful().data
    >>> start = Mixture([0.5, 0.5], [[2.0, 50.0], [4.0, 80.0]], [[1.0, 100.0]] * 2, "diag")
    >>> round(fit_em(start, X).lower_bounds[-1], 3)
    -4.22
    """
    sums = statistics_of(X, weights, n_threads)
    lower_bounds: list[float] = []
    for n_iter in range(1, max_iter + 1):
        statistics = sums(mixture)
        previous, lower_bound = lower_bound, statistics.log_likelihood / statistics.weight
        lower_bounds.append(lower_bound)
        mixture = m_step(statistics, mixture, options)
        if callback is not None:
            callback(n_iter, lower_bound - previous)
        if abs(lower_bound - previous) < tol:
            return BatchResult(mixture, True, n_iter, lower_bounds)
    return BatchResult(mixture, False, max_iter, lower_bounds)
