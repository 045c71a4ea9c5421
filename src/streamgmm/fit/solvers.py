"""The ways to fit a mixture to rows, behind one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from streamgmm import parameterizations, priors, rules
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array

from .accelerated import fit_accelerated
from .batch import BatchResult, Callback, fit_em
from .lbfgs import fit_lbfgs
from .passes import fit_passes
from .penalty import penalty_of
from .rows import Rows
from .start.moments import typical

SOLVERS = ("em", "accelerated-em", "lbfgs", "sgd", "online-em")
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
    if name == "accelerated-em":
        penalty = penalty_of(options) if options.flags.has_prior else None
        return partial(fit_accelerated, penalty=penalty, **settings)
    if name == "lbfgs":
        return partial(_climb, **settings)
    return partial(fit_passes, rule=_RULES[name], random_state=np.random.RandomState(seed), **settings)


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


def weak_prior_of(rows: Rows, n_components: int, *, n_threads: int | None = None) -> ConjugatePrior:
    """Return mclust's default prior for rows, in a pass beside that for their center.

    The first draws a sample, two find center and variances, and the last the covariances. Constant columns
    count as if they varied by a thousandth of the other features' typical deviation; of too few rows for a
    covariance matrix, only the variances count.
    """
    center = rows.center
    n_features = rows.n_features
    one = Mixture([1.0], [center], [np.eye(n_features)])
    sums = rows.e_step(one, n_threads=n_threads)
    shift = sums.s1[0] / sums.weight
    scatter = sums.s2[0] / sums.weight - np.outer(shift, shift)
    deviations = np.sqrt(np.maximum(np.diag(scatter), 0.0))
    constant = deviations <= 1e-14 * np.abs(center)
    deviations = np.where(constant, 1e-3 * typical(deviations[~constant]), deviations)
    if rows.n_samples <= n_features:
        return priors.weak_prior(center, np.diag(deviations**2), n_components)
    scatter[constant] = scatter[:, constant] = 0.0
    return priors.weak_prior(center, scatter + np.diag(np.where(constant, deviations**2, 0.0)), n_components)
