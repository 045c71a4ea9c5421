"""EM to convergence over rows that are at hand."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamgmm import rules
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import e_step


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


def fit_em(
    mixture: Mixture,
    X: Any,
    weights: Array | None = None,
    *,
    options: Array | None = None,
    tol: float = 1e-4,
    max_iter: int = 200,
    n_threads: int | None = None,
) -> BatchResult:
    """Run EM from a mixture until an iteration gains less than ``tol`` nats per row.

    Parameters
    ----------
    mixture : Mixture
    X : array-like of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,), optional
    options : ndarray, optional
        Regularization and prior, from `streamgmm.priors.options`.
    tol : float, default=1e-4
    max_iter : int, default=200
    n_threads : int, optional

    Examples
    --------
    >>> from streamgmm import Mixture, datasets
    >>> from streamgmm.fit.batch import fit_em
    >>> X = datasets.load_faithful().data
    >>> start = Mixture([0.5, 0.5], [[2.0, 50.0], [4.0, 80.0]], [[1.0, 100.0]] * 2, "diag")
    >>> round(fit_em(start, X).lower_bounds[-1], 3)
    -4.22
    """
    rule = rules.EM()
    lower_bounds: list[float] = []
    for n_iter in range(1, max_iter + 1):
        statistics = e_step(mixture, X, weights, n_threads=n_threads)
        lower_bounds.append(statistics.log_likelihood / statistics.weight)
        if n_iter > 1 and abs(lower_bounds[-1] - lower_bounds[-2]) < tol:
            return BatchResult(mixture, True, n_iter, lower_bounds)
        state = rule.init(mixture, n_rows=statistics.weight, options=options)
        mixture = rule.update(statistics, state, mixture)[0]
    return BatchResult(mixture, False, max_iter, lower_bounds)
