"""A run of a rule over rows, with snapshots of the mixture on its way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from streamgmm import priors, rules, sweep
from streamgmm.fit.stream import Info, Learner
from streamgmm.mixture import Mixture
from streamgmm.rules import Rule
from streamgmm.statistics import Array, Statistics

from ._words import require_mixture


@dataclass(frozen=True, eq=False)
class Run:
    """What `trace` keeps of a run.

    Parameters
    ----------
    rule : Rule
    batch_size : int
        Rows in a mini-batch.
    rows : ndarray of shape (n_snapshots,)
        Rows learned at each snapshot, by weight, those behind the starting mixture included.
    mixtures : tuple of Mixture
        The snapshots: the first is the start, the last the end.
    log_likelihood : ndarray of shape (n_batches,)
        Of each mini-batch before it was learned, in nats, summed over its rows.
    weight : ndarray of shape (n_batches,)
        Of each mini-batch.
    statistics : Statistics
        Of all rows under the last mixture, without the rows so far away that their squares overflow.
    n_refused : int
        Mini-batches that were passed over.
    failure : str or None
        What stopped the run; None if it came to its end.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.diagnostics import trace
    >>> run = trace("gradient", Mixture([1.0], [[0.0]], [[[1.0]]]), [[1.0], [2.0], [0.5]])
    >>> run.rows, run.log_likelihood.shape, run.failure
    (array([0., 1., 2., 3.]), (3,), None)
    """

    rule: Rule
    batch_size: int
    rows: Array
    mixtures: tuple[Mixture, ...]
    log_likelihood: Array
    weight: Array
    statistics: Statistics
    n_refused: int = 0
    failure: str | None = None


def trace(
    rule: str | Rule,
    mixture: Mixture,
    X: Any,
    *,
    sample_weight: Any = None,
    batch_size: int = 1,
    n_rows: float = 0.0,
    n_snapshots: int = 100,
) -> Run:
    """Learn from rows as a stream and keep what happened on the way.

    Snapshots are taken after each mini-batch at first, then at distances that grow in proportion to the
    number of mini-batches so far. A run that a rule stops is kept up to the mini-batch that stopped it.

    Parameters
    ----------
    rule : str or Rule
    mixture : Mixture
        The start.
    X : array-like of shape (n_samples, n_features)
        At least one row.
    sample_weight : array-like of shape (n_samples,), optional
    batch_size : int, default=1
        A rule that learns row by row takes 1.
    n_rows : float, default=0
        How many rows the mixture was fitted to, by weight.
    n_snapshots : int, default=100
        At most so many; at least 2, the start and the end.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If an argument is invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, rules
    >>> from streamgmm.diagnostics import trace
    >>> X = np.random.default_rng(0).normal(size=(3000, 1))
    >>> start = Mixture([1.0], [[5.0]], [[[1.0]]])
    >>> run = trace(rules.GradientAscent(learning_rate=0.01), start, X)
    >>> [round(float(mixture.means[0, 0])) for mixture in run.mixtures[:: len(run.mixtures) - 1]]
    [5, 0]
    """
    rule = rules.get(rule)
    kind = require_mixture(mixture).kind
    X = sweep.as_rows(X, mixture.n_features)
    weights = sweep.as_weights(sample_weight, len(X))
    if len(X) == 0:
        raise ValueError("`X` must hold at least one row, got none")
    sweep.require_finite(X)
    _require_count("batch_size", batch_size, 1)
    _require_count("n_snapshots", n_snapshots, 2)
    if not (np.isfinite(n_rows) and n_rows >= 0):
        raise ValueError(f"`n_rows` must be finite and not negative, got {n_rows}")
    options = priors.options(kind, mixture.n_components, mixture.n_features)
    learner = Learner.start(rule, mixture, n_rows=n_rows, batch_size=batch_size, options=options)
    batch_size = learner.state.batch_size
    learners, parts, failure = [learner], [], None
    for begin, end in pairwise(_marks(-(-len(X) // batch_size), n_snapshots)):
        learner, happened, failure = _learn(learner, X, weights, begin, end)
        parts.extend(happened)
        learners.append(learner)
        if failure is not None:
            break
    info = Info.join(parts)
    with np.errstate(all="ignore"):  # a run that diverged is worth looking at too
        mixtures = (mixture, *(learner.mixture for learner in learners[1:]))
        statistics = _statistics(mixtures[-1], X, weights)
    rows = np.array([learner.state.t * batch_size for learner in learners])
    refused = int(info.refused.sum())
    return Run(
        rule, batch_size, rows, mixtures, info.log_likelihood, info.weight, statistics, refused, failure
    )


def _marks(n_batches: int, n_snapshots: int) -> list[int]:
    """Return the numbers of mini-batches after which a snapshot is taken, the start and end included."""
    marks = np.geomspace(1, n_batches, n_snapshots - 1).round() if n_snapshots > 2 else np.array([n_batches])
    return [0, *(int(mark) for mark in np.unique(marks))]


def _learn(
    learner: Learner, X: Any, weights: Array, begin: int, end: int
) -> tuple[Learner, list[Info], str | None]:
    """Learn mini-batches begin to end, or those before the one that fails; return also the failure."""
    size = learner.state.batch_size
    parts = []
    failure = None
    while begin < end:
        rows = slice(begin * size, end * size)
        try:
            learner, info = learner.learn(X[rows], weights[rows])
        except np.linalg.LinAlgError as error:
            failure = str(error)
            end = (begin + end) // 2  # a learner is never changed in place: try the first half again
            continue
        parts.append(info)
        if failure is None:
            break
        begin, end = end, end + (end - begin)
    return learner, parts, failure


def _statistics(mixture: Mixture, X: Any, weights: Array) -> Statistics:
    near = mixture.log_prob(X) > sweep.TOO_FAR
    if near.all():
        return sweep.sum_rows(mixture, X, weights)
    return sweep.sum_rows(mixture, X[near], weights[near] if len(weights) else weights)


def _require_count(name: str, value: object, least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}")
