"""A search for a better optimum: components that do little are merged where others are split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from streamgmm.mixture import Mixture

from .climb import Climb
from .convergence import left_to_gain
from .moves import merges, splits
from .start.clusters import Sample
from .start.several import OptionsOf
from .volume import Judge

__all__ = ["improve"]

_TRIALS = 5  # moves from one optimum, and one more for each component
_SHORT, _PATIENCE = 15, 500  # iterations of EM before a move is looked at, and after
_TOL = 1e-4  # nats a row, to which a move is followed
_WORTH = 1e-5  # nats a row, that a move must gain
_MOST = 100  # moves
_SLOW, _SLOWEST = 20, 200  # times the last change, that a move is trusted to gain, at least and at most


def improve(
    climb: Climb,
    sample: Sample,
    options_of: OptionsOf,
    random_state: np.random.RandomState,
    *,
    n_trials: int | None = None,
) -> Climb:
    """Return a climb to an optimum from which no move leads higher.

    Each move splits one component and merges two others (Ueda and others, 2000), those first that promise the
    highest likelihood together, and EM goes on from there; it is taken if it is worth more in the
    end, see `Judge`. When none of the most promising is, the search is over.

    Parameters
    ----------
    climb : Climb
        That has come to an optimum on the rows of the sample.
    sample : Sample
    options_of : callable
        Regularization and prior of so many components.
    random_state : RandomState
    n_trials : int, optional
        Moves that are tried from one optimum, by default 5 and one more for each component.

    Returns
    -------
    Climb
        The same one if no move leads higher.

    References
    ----------
    Ueda, Nakano, Ghahramani and Hinton (2000), SMEM algorithm for mixture models, Neural Computation 12,
    2109-2128.

    Examples
    --------
    Two components share one of three heaps of rows, another has the other two:

    >>> import numpy as np
    >>> from streamgmm import Mixture, priors
    >>> from streamgmm.fit.climb import Climb
    >>> from streamgmm.fit.search import improve
    >>> from streamgmm.fit.start.clusters import Sample
    >>> X = np.random.default_rng(0).normal(size=(300, 1)) + np.repeat([[-10.0], [10.0], [20.0]], 100, axis=0)
    >>> start = Mixture([0.2, 0.2, 0.6], [[-11.0], [-9.0], [15.0]], [1.0, 1.0, 25.0], "spherical")
    >>> def options_of(n_components):
    ...     return priors.options(start.kind, n_components, 1, 1e-6)
    >>> climb = Climb(start, X, np.empty(0), options_of(3))
    >>> climb.finish(1e-6, 1000)
    True
    >>> found = improve(climb, Sample(X, np.empty(0)), options_of, np.random.RandomState(0))
    >>> np.sort(found.mixture.means.ravel()).round()
    array([-10.,  10.,  20.])
    """
    judge = Judge(sample)
    best = judge.value(climb)
    n_components = len(climb.nk)
    if n_components < 2:
        return climb
    n_trials = _TRIALS + n_components if n_trials is None else n_trials
    for _ in range(_MOST):
        found = _moved(climb, best, judge, options_of, random_state, n_trials)
        if found is None:
            break
        climb, best = found, judge.value(found)
    return climb


def _moved(
    climb: Climb,
    best: float,
    judge: Judge,
    options_of: OptionsOf,
    random_state: np.random.RandomState,
    n_trials: int,
) -> Climb | None:
    """Return the first climb by a move that is worth more, None if there is none."""
    mixture, sample = climb.mixture, judge.sample
    options = options_of(mixture.n_components)
    for moved in islice(_moves(mixture, sample, options_of, random_state), n_trials):
        trial = Climb(moved, sample.X, sample.weights, options)
        if all(_may_reach(trial, best, judge) for _ in range(2)):
            trial.finish(_TOL, _PATIENCE)
            if judge.value(trial) > best + _WORTH:
                return trial
    return None


def _moves(
    mixture: Mixture, sample: Sample, options_of: OptionsOf, random_state: np.random.RandomState
) -> Iterator[Mixture]:
    """Yield the mixtures after the most promising moves; of two components one is made, and split anew."""
    if mixture.n_components == 2:
        one = mixture.merge(0, 1)
        for split in splits(one, sample, options_of, random_state):
            yield one.split(0, split.pair)
        return
    pairs = merges(mixture, sample, options_of(mixture.n_components - 1))
    moves = [
        (split.gain - merge.loss, split, merge)
        for split in splits(mixture, sample, options_of, random_state)
        for merge in pairs
        if split.component not in (merge.first, merge.second)
    ]
    moves.sort(key=lambda move: -move[0])
    for _, split, merge in moves:
        yield mixture.split(split.component, split.pair).merge(merge.first, merge.second)


def _may_reach(trial: Climb, best: float, judge: Judge) -> bool:
    """Go on for a few iterations, and tell whether a value can still be reached at this pace."""
    trial.run(_SHORT)
    change = abs(trial.bounds[-1] - trial.bounds[-2])
    hope = min(max(left_to_gain(trial.bounds), _SLOW * change), _SLOWEST * change)
    return judge.value(trial) + hope > best
