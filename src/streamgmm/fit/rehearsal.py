"""Rehearsal: a stream's learner tries on the rows that it remembers to do better than it does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from streamgmm._pieces import is_spread
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .climb import Climb
from .problem import Problem
from .search import improve
from .start.clusters import Sample
from .volume import Judge

__all__ = ["Rehearsed", "rehearse"]

_SURE = 3.0  # standard errors that a gain must have
_OPTIMISM = 2.0  # nats for each parameter: more than one since no mixture is the truth
_TOL = 0.1  # of what estimation itself costs: where climbs end
_LEAST_TOL, _MOST_TOL = 1e-5, 1e-3
_MAX_ITER = 200
_SHORT, _HOPE = (
    20,
    20.0,
)  # iterations before a climb is compared, and how far it may still come, in last steps
_TRIALS = 5  # moves from one optimum
_SEARCHED = 2048  # rows on which moves are tried, or so many for each component
_SEARCHED_EACH = 200


class Rehearsed(NamedTuple):
    """What came of a rehearsal.

    Attributes
    ----------
    mixture : Mixture
        The best that was found on the rows, which may be what the current one has come to there.
    gain : float
        By how much it is better than that, in nats a row.
    error : float
        The standard error of the gain.
    lag, lag_error : float
        The same against the current one as it was before.
    statistics : Statistics
        Of the rows, under the mixture.
    """

    mixture: Mixture
    gain: float
    error: float
    lag: float
    lag_error: float
    statistics: Statistics

    def is_better(self, n_effective: float) -> bool:
        """Tell whether it is better by more than noise, and than what is given up.

        An optimum that was found on R rows is known less well than one that was learned from more: it costs
        half a nat for each parameter over R, instead of over that number. Or the current one has not followed
        the rows: then it is behind by more than the nat for each parameter that a fit to R rows seems better
        on these than it is.
        """
        mixture, rows = self.mixture, self.statistics.weight
        given_up = 0.5 * mixture.n_parameters * max(1.0 / rows - 1.0 / max(n_effective, 1.0), 0.0)
        seems = _OPTIMISM * mixture.n_parameters / rows
        is_higher = self.gain > max(_SURE * self.error, given_up)
        return is_higher or self.lag > seems + _SURE * self.lag_error


def rehearse(
    problem: Problem,
    rivals: Sequence[Mixture],
    *,
    n_starts: int,
    random_state: np.random.RandomState,
) -> Rehearsed:
    """Return the best mixture that is found on the rows of a problem.

    The current mixture, which is the first of ``rivals``, goes on by EM, and so do the others and the best of
    several starts, as long as they may come higher. The best is searched for moves that lead higher still.
    Those with other numbers of components are compared by BIC.
    """
    rows, n_components = problem.rows, problem.n_components
    sample = problem.sample
    total = float(sample.row_weights.sum())
    judge = Judge(sample)

    def value_of(climb: Climb) -> float:
        return judge.value(climb) - _penalty(climb.mixture, total)

    before, *_ = rivals
    current, *others = (problem.climb(mixture) for mixture in rivals)
    n_parameters = before.n_parameters
    tol = float(np.clip(_TOL * 0.5 * n_parameters / len(sample.X), _LEAST_TOL, _MOST_TOL))

    def started() -> None:
        others.extend(problem.climb(problem.start(n_components, random_state)) for _ in range(n_starts))
        for climb in others:
            climb.run(_SHORT)

    with ThreadPoolExecutor(2) as pool:  # at the same time if there are threads for it
        starting = pool.submit(started) if problem.n_threads != 1 and not is_spread() else None
        current.finish(tol, _MAX_ITER)
        starting.result() if starting else started()
    best, value = current, value_of(current)
    for climb in others:
        if value_of(climb) + _HOPE * abs(climb.bounds[-1] - climb.bounds[-2]) < value:
            continue
        climb.finish(tol, _MAX_ITER)
        if (reached := value_of(climb)) > value:
            best, value = climb, reached
    moved = _searched(problem, best, tol, random_state)
    if moved is not None and value_of(moved) > value:
        best = moved
    mixture = best.mixture
    statistics = rows.e_step(mixture, n_threads=problem.n_threads)
    compared = [_difference(mixture, other, sample, problem.n_threads) for other in (current.mixture, before)]
    return Rehearsed(mixture, *compared[0], *compared[1], statistics)


def _searched(
    problem: Problem, climb: Climb, tol: float, random_state: np.random.RandomState
) -> Climb | None:
    """Return a climb on all rows from where moves led on some of them, None if they led nowhere."""
    sample, n_components = problem.sample, climb.mixture.n_components
    some = max(_SEARCHED, _SEARCHED_EACH * n_components)
    if len(sample.X) <= some:
        moved = improve(climb, sample, problem.options, random_state, n_trials=_TRIALS)
        return None if moved is climb else moved
    part: Sample = sample.take(np.sort(random_state.permutation(len(sample.X))[:some]))
    start = Climb(climb.mixture, part.X, part.weights, problem.options(n_components))
    start.finish(tol, _MAX_ITER)
    moved = improve(start, part, problem.options, random_state, n_trials=_TRIALS)
    if moved is start:
        return None
    whole = problem.climb(moved.mixture)
    whole.finish(tol, _MAX_ITER)
    return whole


def _penalty(mixture: Mixture, total: float) -> float:
    """Return what the parameters of a mixture cost by BIC, in nats a row."""
    return float(0.5 * mixture.n_parameters * np.log(max(total, 1.0)) / max(total, 1.0))


def _difference(one: Mixture, other: Mixture, sample: Sample, n_threads: int | None) -> tuple[float, float]:
    """Return the mean difference of the log densities of a row, by BIC, and its standard error."""
    total = float(sample.row_weights.sum())
    w: Array = sample.row_weights / total
    difference = one.log_prob(sample.X, n_threads=n_threads) - other.log_prob(sample.X, n_threads=n_threads)
    mean = float(w @ difference)
    gain = mean - _penalty(one, total) + _penalty(other, total)
    return gain, float(np.sqrt(np.square(w) @ np.square(difference - mean)))
