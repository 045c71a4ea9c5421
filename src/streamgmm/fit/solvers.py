"""The ways to fit a mixture to rows, behind one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from streamgmm import parameterizations, rules
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import kernel_rows

from .accelerated import fit_accelerated
from .batch import BatchResult, Callback, fit_em
from .climb import Climb
from .lbfgs import fit_lbfgs
from .passes import fit_passes
from .penalty import penalty_of
from .rows import WHOLE, Rows

_SLOW_PASS = 1_000_000  # numbers in all components: less than a millisecond
SOLVERS = ("auto", "em", "accelerated-em", "lbfgs", "sgd", "online-em")
DRAWS = ("sgd", "online-em")  # those that shuffle the rows
# Preconditioned, so that the units of the rows do not matter.
_RULES = {"sgd": rules.GradientAscent(precondition=True), "online-em": rules.OnlineEM()}


def solver_of(
    name: str,
    *,
    options: Options,
    max_iter: int,
    seed: int = 0,
    lower_bound: float = -np.inf,
    **settings: Any,
) -> Callable[..., BatchResult]:
    """Return the function (start, rows, callback=None) -> BatchResult that fits a mixture to `Rows`.

    The seed is for the order of the rows, where a solver learns from mini-batches; ``lower_bound`` is what
    EM's first mean log-likelihood is compared with; settings are ``tol``, in nats a row, and ``n_threads``.
    """
    settings |= {"options": options, "max_iter": max_iter}
    if name == "em" or max_iter == 0:
        return partial(fit_em, lower_bound=lower_bound, **settings)
    if name == "auto":
        return partial(_fit_fast, **settings)
    if name == "accelerated-em":
        penalty = penalty_of(options) if options.flags.has_prior else None
        return partial(fit_accelerated, penalty=penalty, **settings)
    if name == "lbfgs":
        return partial(_climb, **settings)
    return partial(fit_passes, rule=_RULES[name], random_state=np.random.RandomState(seed), **settings)


def _fit_fast(
    start: Mixture,
    rows: Rows,
    *,
    options: Options,
    tol: float,
    max_iter: int,
    n_threads: int | None,
    callback: Callback | None = None,
) -> BatchResult:
    """Run EM in compiled code on few rows, accelerated EM on many, until little is left to gain."""
    if rows.n_samples > WHOLE or rows.n_samples * start.means.size > _SLOW_PASS:
        accelerated = solver_of("accelerated-em", options=options, max_iter=max_iter, tol=tol)
        return accelerated(start, rows, n_threads=n_threads, callback=callback)
    X, weights = rows.sample
    climb = Climb(start, kernel_rows(X), weights, options)
    converged = climb.finish(tol, max_iter)
    if not np.isfinite(climb.bounds[-1]):
        rows.e_step(start)  # says why
    if callback is not None:
        for n_iter, change in enumerate(np.diff(climb.bounds, prepend=-np.inf), 1):
            callback(n_iter, float(change))
    return BatchResult(climb.mixture, converged, len(climb.bounds), climb.bounds)


def _climb(
    start: Mixture,
    rows: Rows,
    *,
    options: Options,
    tol: float,
    max_iter: int,
    n_threads: int | None,
    callback: Callback | None = None,
) -> BatchResult:
    """Run L-BFGS on log-likelihood, log prior, and the penalty that stands for the added variance."""
    theta_of = parameterizations.get("cholesky")
    n_rows = rows.e_step(start, n_threads=n_threads).weight
    penalty = penalty_of(options, n_rows=n_rows)
    likelihoods: dict[float, float] = {}  # of each point, by its objective, a row

    def objective(mixture: Mixture) -> tuple[float, Array]:
        statistics = rows.e_step(mixture, n_threads=n_threads)
        value, gradient = penalty(mixture)
        value += statistics.log_likelihood
        likelihoods[value / n_rows] = statistics.log_likelihood / n_rows
        return value, theta_of.gradient(statistics, mixture) + gradient

    result = fit_lbfgs(start, objective, n_rows=n_rows, tol=max(1e-3 * tol, 1e-13), max_iter=max_iter)
    taken = result.lower_bounds[1:] or result.lower_bounds
    return result._replace(lower_bounds=[likelihoods[value] for value in taken])
