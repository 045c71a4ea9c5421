"""How `GaussianMixture` comes to its mixture: starts, a search if one is asked for, and a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from streamgmm.fit.batch import BatchResult
from streamgmm.fit.path import path
from streamgmm.fit.problem import Problem
from streamgmm.fit.rows import WHOLE, Rows
from streamgmm.fit.size import Fitted, best_size
from streamgmm.fit.solvers import DRAWS, solver_of
from streamgmm.fit.start import BEST, Given, start_mixture
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.sweep import CHUNK, thread_count

from ._verbose import Reporter

if TYPE_CHECKING:
    from .batch import GaussianMixture

AUTO = "auto"
_SINGULAR = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for "
    "instance caused by singleton or collapsed samples). Try to decrease the number of components, increase "
    "reg_covar, or scale the input data. `prior='weak'` keeps every component from collapsing."
)


class Values(NamedTuple):
    """What may be left open."""

    tol: float
    reg_covar: float | None
    max_iter: int
    n_init: int
    init_params: str


_OURS = Values(1e-5, None, 1000, 1, BEST)
_SKLEARNS = Values(1e-3, 1e-6, 100, 1, "kmeans")
_STARTS = ("weights_init", "means_init", "precisions_init")


def values_of(model: GaussianMixture) -> Values:
    """Return the values of what may be left open: scikit-learn's if one of its arguments is given, else ours.

    ``init_params="best"`` is not scikit-learn's, and it has no ``n_components="auto"``.
    """
    given = {name: getattr(model, name) for name in Values._fields if getattr(model, name) is not None}
    has_start = any(getattr(model, name) is not None for name in _STARTS)
    is_ours = model.init_params == BEST or model.n_components == AUTO or not (given or has_start)
    return (_OURS if is_ours else _SKLEARNS)._replace(**given)


def last_bound(result: BatchResult) -> float:
    """Return the last log-likelihood of a row."""
    return float(result.lower_bounds[-1]) if result.lower_bounds else -np.inf


def fitted(model: GaussianMixture, rows: Rows) -> BatchResult:
    """Return the best of the fits from ``n_init`` starts, or of those with any number of components."""
    if model.n_components == AUTO and not _goes_on(model):
        return _of_any_size(model, rows)
    _require_rows(_size(model), rows)
    return max(_results(model, rows), key=last_bound)


def fitted_along(
    models: dict[int, GaussianMixture], rows: Rows, done: Callable[[], None] = lambda: None
) -> dict[int, BatchResult]:
    """Return fits for models that differ in their number of components alone, each from its neighbor's."""
    model = models[max(models)]
    _require_rows(max(models), rows)
    values = values_of(model)
    problem = _problem(model, rows, values)
    random_state = check_random_state(model.random_state)
    n_threads = thread_count(model.n_threads)
    paths = []
    for number in range(values.n_init):
        seed = int(random_state.randint(2**31 - 1))
        fit = partial(_fit_from, model, problem, values, seed=seed, n_threads=n_threads)
        how: dict[str, Any] = {} if number else {"done": done}
        paths.append(path(problem, models, fit, seed, n_threads=n_threads, **how))
    return {K: max((results[K] for results in paths), key=last_bound) for K in models}


def may_follow(model: GaussianMixture) -> bool:
    """Tell whether a fit may begin where that with another number of components ended."""
    values = values_of(model)
    is_bounded = values.reg_covar != 0 or model.prior is not None
    has_start = any(getattr(model, name) is not None for name in _STARTS)
    return values.init_params == BEST and not has_start and is_bounded


def _of_any_size(model: GaussianMixture, rows: Rows) -> BatchResult:
    """Return the fit with the lowest BIC: of up to ten components, or of more if nearly as many are best."""
    params = model.get_params(deep=False) | {"prior": _prior(model)}
    if not may_follow(type(model)(**params)):
        raise ValueError(
            "`n_components='auto'` must find starts of its own: leave `init_params`, `weights_init`, "
            "`means_init` and `precisions_init` out"
        )
    params["init_params"] = BEST

    def fits(sizes: range) -> Iterator[Fitted]:
        models = {K: type(model)(**{**params, "n_components": K}) for K in sizes}
        for result in fitted_along(models, rows).values():
            sums = rows.e_step(result.mixture, n_threads=model.n_threads)
            yield Fitted(result, sums.log_likelihood, sums.weight)

    return best_size(fits, rows.n_samples)


def _results(model: GaussianMixture, rows: Rows) -> Iterator[BatchResult]:
    """Yield the fits from all starts: side by side if there are few rows, else one after the other."""
    given, values = model._given(rows.n_features), values_of(model)
    problem = _problem(model, rows, values)
    random_state = check_random_state(model.random_state)
    shape = _size(model), model.covariance_type
    jobs: list[Callable[..., BatchResult]] = []
    while len(jobs) < values.n_init:
        start, seed, lower_bound = None, 0, -np.inf
        if _goes_on(model):
            start, lower_bound = model._start_again(rows.n_features), model.lower_bound_
        elif values.init_params != BEST:
            is_whole = rows.n_samples <= WHOLE
            X, weights = rows.sample if is_whole else (problem.sample.X, problem.sample.weights)
            how: dict[str, Any] = {"init_params": values.init_params, "random_state": random_state}
            start = start_mixture(
                X, weights, *shape, options=problem.options(_size(model)), given=given, **how
            )
            if not is_whole and given.is_nothing and values.max_iter > 0:
                start = problem.finished(start).mixture  # costs nothing, beside a pass over all rows
            _require_regular(model, values, start)
        if start is None or model.solver in DRAWS or model.search:
            seed = int(random_state.randint(2**31 - 1))
        known: dict[str, Any] = {"given": given, "seed": seed, "lower_bound": lower_bound}
        jobs.append(partial(_fit_from, model, problem, values, start, **known))
        if _goes_on(model):
            break
    workers = min(thread_count(model.n_threads), len(jobs))
    if workers > 1 and rows.n_samples <= CHUNK and not model.verbose:
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(lambda job: job(n_threads=1), jobs)
        return
    reporter = Reporter(model.verbose, model.verbose_interval)
    for number, job in enumerate(jobs):
        reporter.begin(number)
        result = job(n_threads=model.n_threads, callback=reporter.iteration)
        if values.max_iter > 0:
            reporter.end(last_bound(result), result.converged)
        yield result


def _fit_from(
    model: GaussianMixture,
    problem: Problem,
    values: Values,
    start: Mixture | None,
    *,
    seed: int,
    given: Given | None = None,
    lower_bound: float = -np.inf,
    **how: Any,
) -> BatchResult:
    """Find a start if there is none, search if that is asked for, and fit to all rows."""
    random_state = np.random.RandomState(seed)
    if start is None:
        start = (given or Given()).replace_in(problem.start(_size(model), random_state))
    if model.search and values.max_iter > 0:
        start = problem.search(start, random_state)
    name = "em" if model.solver == AUTO and values.init_params != BEST else model.solver
    solver = solver_of(
        name,
        options=problem.options(start.n_components),
        tol=values.tol,
        max_iter=values.max_iter,
        seed=seed,
        lower_bound=lower_bound,
    )
    result = solver(start, problem.rows, **how)
    if result.n_iter != 1:  # a collapse in the only iteration is left to the warning, as in scikit-learn
        _require_regular(model, values, result.mixture)
    return result


def _problem(model: GaussianMixture, rows: Rows, values: Values) -> Problem:
    return Problem(
        rows,
        _size(model),
        model.covariance_type,
        reg_covar=values.reg_covar,
        prior=_prior(model),
        n_threads=model.n_threads,
    )


def _size(model: GaussianMixture) -> int:
    """Return the number of components; "auto" goes on with the number found."""
    return int(model.to_mixture().n_components if model.n_components == AUTO else model.n_components)


def _prior(model: GaussianMixture) -> str | ConjugatePrior | None:
    """Return the prior, without which numbers of components cannot be compared."""
    return "weak" if model.n_components == AUTO and model.prior is None else model.prior


def _goes_on(model: GaussianMixture) -> bool:
    """Tell whether a fit goes on from the last."""
    return model.warm_start and hasattr(model, "converged_")


def _require_rows(n_components: int, rows: Rows) -> None:
    if rows.n_samples < n_components:
        raise ValueError(
            "Expected n_samples >= n_components "
            f"but got n_components = {n_components}, n_samples = {rows.n_samples}"
        )


def _require_regular(model: GaussianMixture, values: Values, mixture: Mixture) -> None:
    if values.reg_covar == 0 and _prior(model) is None and mixture.kind.is_singular(mixture.factor):
        raise ValueError(_SINGULAR)
