"""Passes of a rule over rows in random order, until a pass gains nothing."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.rules import Rule
from streamgmm.statistics import Statistics

from .batch import BatchResult, Callback
from .rows import Rows
from .stream import Learner


def fit_passes(
    mixture: Mixture,
    rows: Rows,
    rule: Rule,
    *,
    options: Options,
    random_state: np.random.RandomState,
    batch_size: int = 256,
    tol: float = 1e-4,
    max_iter: int = 100,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> BatchResult:
    """Let a rule learn from rows in mini-batches, pass after pass.

    The start counts as what one pass over ten mini-batches taught. Rows in batches are shuffled within each.

    Parameters
    ----------
    mixture : Mixture
        The start.
    rows : Rows
    rule : Rule
    options : Options
        Regularization and prior, from `streamgmm.priors.options`.
    random_state : numpy.random.RandomState
        For the order of the rows.
    batch_size : int, default=256
    tol : float, default=1e-4
        Stop when the mean log-likelihood of rows, each scored before it was learned, changes by less from one
        pass to the next.
    max_iter : int, default=100
        Passes.
    n_threads : int, optional
    callback : callable, optional
        Called with the number and the change of each pass.

    Returns
    -------
    BatchResult
        ``lower_bounds`` are the log-likelihoods after the passes but for the last entry, which is that of the
        mixture returned.
    """
    start = _scaled(rows.e_step(mixture, n_threads=n_threads), 10.0 * batch_size)
    learner = Learner.start(
        rule, mixture, n_rows=start.weight, batch_size=batch_size, options=options, statistics=start
    )
    lower_bounds: list[float] = []
    converged, n_iter, before = False, 0, -np.inf
    while n_iter < max_iter and not converged:
        total = weight = 0.0
        for X, weights in rows.shuffled(random_state):
            learner, info = learner.learn(X, weights, n_threads=n_threads)
            total += float(info.log_likelihood.sum())
            weight += float(info.weight.sum())
        n_iter += 1
        lower_bounds.append(total / weight)
        change, before = lower_bounds[-1] - before, lower_bounds[-1]
        converged = abs(change) < tol
        if callback is not None:
            callback(n_iter, change)
    statistics = rows.e_step(learner.mixture, n_threads=n_threads)
    lower_bounds[-1:] = [statistics.log_likelihood / statistics.weight]
    return BatchResult(learner.mixture, converged, n_iter, lower_bounds)


def _scaled(statistics: Statistics, n_rows: float) -> Statistics:
    """Return the statistics as those of at most ``n_rows`` rows."""
    return statistics.scale(min(1.0, n_rows / statistics.weight))
