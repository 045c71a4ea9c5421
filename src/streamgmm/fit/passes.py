"""Passes of a rule over rows in random order, until a pass gains nothing."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.rules import Rule

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

    The start counts as what one pass over ten mini-batches taught. Rows come in another order in each pass.
    It ends when the mean log-likelihood of rows, each scored before it was learned, changes by less than
    ``tol`` from one pass to the next; the last of ``lower_bounds`` is that of the mixture returned.
    """
    start = rows.e_step(mixture, n_threads=n_threads)
    start = start.scale(min(1.0, 10.0 * batch_size / start.weight))
    learner = Learner.start(
        rule, mixture, n_rows=start.weight, batch_size=batch_size, options=options, statistics=start
    )
    lower_bounds: list[float] = []
    converged, n_iter, before = False, 0, -np.inf
    while n_iter < max_iter and not converged:
        total = weight = 0.0
        for X, weights in rows.shuffled(random_state, batch_size):
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
