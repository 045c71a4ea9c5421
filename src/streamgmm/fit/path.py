"""Fits with many numbers of components, each from its neighbor's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np

from streamgmm.mixture import Mixture

from .batch import BatchResult
from .climb import Climb
from .moves import merges, splits
from .problem import Problem
from .volume import Judge

_FRESH = 4  # up to so many components a start of one's own costs little
_TRIALS = 2  # splits that are tried
_SHORT = 15  # iterations of EM for each

FitFrom = Callable[[Mixture], BatchResult]


def path(
    problem: Problem, sizes: Iterable[int], fit: FitFrom, seed: int
) -> Iterator[tuple[int, BatchResult]]:
    """Yield a fit for each number of components, and once more where a better one is found.

    The largest has the best of several starts, and so have the smallest, where that is cheap. On the way down
    the two components that lose least as one are merged, and EM goes on. Where a likelihood is below that
    with fewer components in the end, the component that gains most as two is split instead.

    Parameters
    ----------
    problem : Problem
    sizes : iterable of int
    fit : callable
        Fits to all rows from a mixture.
    seed : int
    """
    wanted = sorted(set(sizes))
    value = Judge(problem.sample).value
    results: dict[int, BatchResult] = {}
    mixture = problem.start(wanted[-1], np.random.RandomState(seed))
    for n_components in range(wanted[-1], wanted[0] - 1, -1):
        if n_components < wanted[-1]:
            mixture = narrowed(problem, mixture)
            if n_components <= _FRESH:
                fresh = problem.start(n_components, np.random.RandomState(seed))
                mixture = max(map(problem.finished, (mixture, fresh)), key=value).mixture
        if n_components not in wanted:
            mixture = problem.finished(mixture).mixture
            continue
        results[n_components] = result = fit(mixture)
        yield n_components, result
        mixture = result.mixture
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
            yield more, result


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
