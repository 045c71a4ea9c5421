"""Fits with many numbers of components, each from its neighbor's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

from streamgmm.mixture import Mixture

from .batch import BatchResult
from .climb import Climb
from .moves import merges, splits
from .problem import Problem
from .rows import WHOLE
from .volume import Judge

_FRESH = 4  # up to so many components a start of one's own costs little
_TWO_WALKS, _EVEN = 8, 0.7  # or more components, at that share of which two walks cost the same
_TRIALS = 2  # splits that are tried
_SHORT = 15  # iterations of EM for each

FitFrom = Callable[[Mixture], BatchResult]


def path(
    problem: Problem,
    sizes: Iterable[int],
    fit: FitFrom,
    seed: int,
    *,
    n_threads: int = 1,
    done: Callable[[], None] = lambda: None,
) -> dict[int, BatchResult]:
    """Return a fit for each number of components.

    The largest has the best of several starts. On the way down the two components that lose least as one are
    merged, and EM goes on. Some number on the way has starts of its own, and another walk begins there, on
    another thread if there is one; so have the smallest, where that is cheap. Where a likelihood is below
    that with fewer components in the end, the component that gains most as two is split instead.

    Parameters
    ----------
    problem : Problem
    sizes : iterable of int
    fit : callable
        Fits to all rows from a mixture.
    seed : int
    n_threads : int, default=1
        The result does not depend on it.
    done : callable, optional
        Called after each fit.

    Examples
    --------
    >>> from streamgmm import datasets
    >>> from streamgmm.fit.batch import fit_em
    >>> from streamgmm.fit.path import path
    >>> from streamgmm.fit.problem import Problem
    >>> from streamgmm.fit.rows import rows_of
    >>> rows = rows_of(datasets.load_faithful().data)
    >>> results = path(Problem(rows, 3, "full"), range(1, 4), lambda start: fit_em(start, rows), seed=0)
    >>> [round(results[K].lower_bounds[-1], 2) for K in (1, 2, 3)]
    [-4.74, -4.16, -4.12]
    """
    wanted = sorted(set(sizes))
    middle = int(_EVEN * wanted[-1]) if wanted[-1] >= _TWO_WALKS else 0
    walks = [[K for K in wanted if middle < K], [K for K in wanted if middle >= K]]
    one = partial(_walk, problem, fit=fit, seed=seed, done=done)
    if n_threads > 1 and problem.rows.n_samples <= WHOLE:
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(one, filter(None, walks)))
    else:
        parts = [one(walk) for walk in walks if walk]
    results = {K: part[K] for part in parts for K in part}
    random_state = np.random.RandomState(seed)
    for fewer, more in pairwise(wanted):
        if results[more].lower_bounds[-1] >= results[fewer].lower_bounds[-1]:
            continue
        mixture = results[fewer].mixture
        while mixture.n_components < more:
            mixture = widened(problem, mixture, random_state)
        result = fit(mixture)
        if result.lower_bounds[-1] > results[more].lower_bounds[-1]:
            results[more] = result
    return results


def _walk(
    problem: Problem, wanted: list[int], *, fit: FitFrom, seed: int, done: Callable[[], None]
) -> dict[int, BatchResult]:
    """Return fits from the largest number of components down to the smallest."""
    value = Judge(problem.sample).value
    results: dict[int, BatchResult] = {}
    mixture = problem.start(wanted[-1], np.random.RandomState(seed))
    for n_components in range(wanted[-1], wanted[0] - 1, -1):
        if n_components < wanted[-1]:
            mixture = narrowed(problem, mixture)
            if n_components <= _FRESH:
                fresh = problem.start(n_components, np.random.RandomState(seed))
                mixture = max(map(problem.finished, (mixture, fresh)), key=value).mixture
        if n_components in wanted:
            results[n_components] = fit(mixture)
            mixture = results[n_components].mixture
            done()
        else:
            mixture = problem.finished(mixture).mixture
    return results


def narrowed(problem: Problem, mixture: Mixture) -> Mixture:
    """Return a mixture with one component less: the two that lose least are one."""
    merge = merges(mixture, problem.sample, problem.options(mixture.n_components - 1))[0]
    return mixture.merge(merge.first, merge.second)


def widened(problem: Problem, mixture: Mixture, random_state: np.random.RandomState) -> Mixture:
    """Return a mixture with one component more, after a few steps of EM on the sample.

    The component that gains most is split; where none can be, the heaviest is there twice.
    """
    judge = Judge(problem.sample)
    best: Climb | None = None
    for split in splits(mixture, problem.sample, problem.options, random_state)[:_TRIALS]:
        climb = problem.climb(mixture.split(split.component, split.pair))
        climb.run(_SHORT)
        if best is None or judge.value(climb) > judge.value(best):
            best = climb
    if best is not None:
        return best.mixture
    heaviest = int(np.argmax(mixture.log_weights))
    one = mixture.select([heaviest])
    twice = one.kind.split(one.factor, 0, np.concatenate([one.factor, one.factor]))
    means = np.concatenate([one.means, one.means])
    return mixture.split(heaviest, Mixture.from_factor(np.log([0.5, 0.5]), means, twice, one.covariance_type))
