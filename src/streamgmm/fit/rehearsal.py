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
_COMPARED, _SEARCHED = 400, 200  # rows for each component on which starts are compared, and moves tried,
_LEAST = 10  # for at least so many components
_MANY = 1.5  # times as many rows: fewer are all looked at


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

    @property
    def is_other(self) -> bool:
        """Tell whether it is another optimum, and higher by more than noise."""
        return self.gain > _SURE * self.error

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
        is_higher = self.is_other and self.gain > given_up
        return is_higher or self.lag > seems + _SURE * self.lag_error


def rehearse(
    problem: Problem,
    rivals: Sequence[Mixture],
    *,
    n_starts: int,
    random_state: np.random.RandomState,
    to_all: bool = False,
) -> Rehearsed:
    """Return the best mixture that is found on the rows of a problem.

    The current mixture, which is the first of ``rivals``, goes on by EM, and so do the others and the best of
    several starts, as long as they may come higher. The best is searched for moves that lead higher still.
    Without ``to_all`` this happens on some of the rows; what is found there, and the current one if something
    is, then goes on by EM on all of them. Those with other numbers of components are compared by BIC.
    """
    before, sample = rivals[0], problem.sample
    part = sample if to_all else _some(sample, _COMPARED, problem.n_components, random_state)
    tol = float(np.clip(_TOL * 0.5 * before.n_parameters / len(sample.X), _LEAST_TOL, _MOST_TOL))
    current, found = _on_some(problem, part, rivals, tol, n_starts, random_state, to_all=to_all)
    if part is not sample:
        lag, error = _difference(found, before, sample, problem.n_threads)
        if found is not current or lag > _SURE * error:
            finalists = [problem.climb(mixture) for mixture in dict.fromkeys((current, found))]
            for climb in finalists:
                climb.finish(tol, _MAX_ITER)
            current, found = finalists[0].mixture, _Ranking(sample).best(finalists).mixture
    statistics = problem.rows.e_step(found, n_threads=problem.n_threads)
    compared = [_difference(found, other, sample, problem.n_threads) for other in (current, before)]
    return Rehearsed(found, *compared[0], *compared[1], statistics)


def _on_some(
    problem: Problem,
    part: Sample,
    rivals: Sequence[Mixture],
    tol: float,
    n_starts: int,
    random_state: np.random.RandomState,
    *,
    to_all: bool,
) -> tuple[Mixture, Mixture]:
    """Return what the current mixture comes to on some rows, and the best that is found there."""

    def climb_from(mixture: Mixture) -> Climb:
        return Climb(mixture, part.X, part.weights, problem.options(mixture.n_components))

    current, *others = map(climb_from, rivals)
    ranking = _Ranking(part)

    def started() -> None:
        for _ in range(n_starts):
            others.append(climb_from(problem.start(problem.n_components, random_state, part)))
        for climb in others:
            climb.run(_SHORT)

    with ThreadPoolExecutor(2) as pool:  # at the same time if there are threads for it
        starting = pool.submit(started) if problem.n_threads != 1 and not is_spread() else None
        current.finish(tol, _MAX_ITER)
        starting.result() if starting else started()
    best, value = current, ranking.value(current)
    for climb in others:
        if ranking.value(climb) + _HOPE * abs(climb.bounds[-1] - climb.bounds[-2]) < value:
            continue
        climb.finish(tol, _MAX_ITER)
        if (reached := ranking.value(climb)) > value:
            best, value = climb, reached
    if not to_all and best is current:  # nothing new: where moves lead was seen when there were fewer rows
        return current.mixture, current.mixture
    few = _some(part, _SEARCHED, problem.n_components, random_state)
    start = best
    if few is not part:
        start = Climb(best.mixture, few.X, few.weights, problem.options(len(best.nk)))
        start.finish(tol, _MAX_ITER)
    moved = improve(start, few, problem.options, random_state, n_trials=_TRIALS)
    if moved is not start:
        if few is not part:
            moved = climb_from(moved.mixture)
            moved.finish(tol, _MAX_ITER)
        best = moved if ranking.value(moved) > value else best
    before = current.mixture
    return before, before if best is current else best.mixture


def _some(sample: Sample, n: int, n_components: int, random_state: np.random.RandomState) -> Sample:
    """Return so many rows for each component, at least ten times as many; all if there are not many more."""
    n *= max(n_components, _LEAST)
    if len(sample.X) <= _MANY * n:
        return sample
    return sample.take(np.sort(random_state.permutation(len(sample.X))[:n]))


class _Ranking:
    """What climbs on the same rows are worth, by BIC where they have other numbers of components."""

    def __init__(self, sample: Sample) -> None:
        self._judge, self._total = Judge(sample), float(sample.row_weights.sum())

    def value(self, climb: Climb) -> float:
        """Return the nats of a row."""
        return self._judge.value(climb) - _penalty(climb.mixture, self._total)

    def best(self, climbs: Sequence[Climb]) -> Climb:
        """Return the best, of equal ones the first."""
        return max(climbs, key=self.value)


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
