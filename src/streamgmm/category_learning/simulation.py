"""Many learners at once: how many end with how many categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import thread_count

from . import _check
from ._categories import Categories
from .learner import CategoryLearner

_CHUNK = 16000


@dataclass(frozen=True, eq=False)
class Simulation:
    """What became of many learners.

    Attributes
    ----------
    n_tokens : int
        Tokens that each learned.
    learners : tuple of CategoryLearner
    n_survivors : ndarray of shape (n_learners,)
        Categories that each ended with.
    reached : ndarray of shape (n_learners,)
        The number of tokens, a multiple of ``record_every``, after which this count no longer changed.
    """

    n_tokens: int
    learners: tuple[Categories, ...]
    n_survivors: np.ndarray[Any, np.dtype[np.intp]]
    reached: np.ndarray[Any, np.dtype[np.intp]]

    @property
    def counts(self) -> dict[int, int]:
        """How many learners ended with how many categories."""
        return dict(sorted(Counter(self.n_survivors.tolist()).items()))

    @property
    def n_guarded(self) -> int:
        """Steps that were shortened, of all learners."""
        return sum(learner.n_guarded_ for learner in self.learners)

    @property
    def n_refused(self) -> int:
        """Tokens too far from every category, of all learners."""
        return sum(learner.n_refused_ for learner in self.learners)

    def categories(self, n_survivors: int) -> tuple[Array, Array, Array]:
        """Return weights, means and standard deviations of the learners that ended with so many categories.

        Parameters
        ----------
        n_survivors : int

        Returns
        -------
        weights : ndarray of shape (n, n_survivors)
        means, sds : ndarray of shape (n, n_survivors, n_cues)
            Categories are in the order of their first mean.
        """
        chosen = [learner for learner in self.learners if len(learner.survivors_) == n_survivors]
        if not chosen:
            raise ValueError(f"no learner ended with {n_survivors} categories, but with {self.counts}")
        parts = [(a.weights_[s], a.means_[s], a.sds_[s]) for a in chosen for s in [a.survivors_]]
        weights, means, sds = zip(*parts, strict=True)
        return np.array(weights), np.array(means), np.array(sds)

    def __str__(self) -> str:
        lines = [f"{len(self.learners)} learners, {self.n_tokens} tokens each"]
        for count, n in self.counts.items():
            reached = np.median(self.reached[self.n_survivors == count])
            lines.append(f"  {n} end with {count} (median since token {reached:.0f})")
            if not count:
                continue
            parts = self.categories(count)
            if parts[1].shape[2] > 1:  # an average over learners whose categories lie elsewhere misleads
                lines.append("    one of them:")
                parts = (parts[0][:1], parts[1][:1], parts[2][:1])
            weights, means, sds = (part.mean(axis=0) for part in parts)
            for k in range(count):
                numbers = ", ".join(f"{m:.4g} ({s:.3g})" for m, s in zip(means[k], sds[k], strict=True))
                lines.append(f"    weight {weights[k]:.3f}, mean (sd) {numbers}")
        lines.append(f"  {self.n_guarded} steps shortened, {self.n_refused} tokens refused")
        return "\n".join(lines)


def simulate(
    source: Mixture | Any,
    *,
    n_learners: int = 200,
    n_tokens: int = 100_000,
    record_every: int = 2000,
    n_threads: int | None = None,
    random_state: int | None = None,
    learner: Callable[..., Categories] = CategoryLearner,
    **settings: Any,
) -> Simulation:
    """Let many learners learn from tokens of the same source, each from its own.

    Parameters
    ----------
    source : Mixture or array-like of shape (n, n_cues)
        Tokens are drawn from the mixture, or from the measured ones, with replacement.
    n_learners : int, default=200
    n_tokens : int, default=100000
        For each learner.
    record_every : int, default=2000
        Tokens between the states in each learner's ``trajectory_``.
    n_threads : int, optional
        All cores by default. The result does not depend on it.
    random_state : int, optional
        Each learner has a seed of its own that follows from this one.
    learner : callable, default=CategoryLearner
        Called with ``settings`` and ``random_state``; `OnlineMixtureEstimation` is another.
    **settings
        Of the learners.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        If tokens or settings are not valid, or more categories survive than tokens were learned.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.category_learning import simulate
    >>> stops = Mixture([0.5, 0.5], [[15.8], [70.2]], [[7.1**2], [18.7**2]], "diag")  # voice onset time, ms
    >>> simulate(stops, n_learners=4, n_tokens=60_000, random_state=0).counts
    {2: 4}
    """
    n_learners = _check.integer("n_learners", n_learners)
    n_tokens = _check.integer("n_tokens", n_tokens)
    record_every = _check.integer("record_every", record_every)
    draw = _drawn_from(source)
    run = partial(_run, draw, n_tokens, record_every, learner, settings)
    seeds = np.random.SeedSequence(random_state).spawn(n_learners)
    with ThreadPoolExecutor(min(thread_count(n_threads), n_learners)) as pool:
        try:
            learners = tuple(pool.map(run, seeds))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    n_survivors = np.array([len(one.survivors_) for one in learners])
    reached = np.array([_reached(one, n_tokens) for one in learners])
    return Simulation(n_tokens, learners, n_survivors, reached)


def _drawn_from(source: Any) -> Callable[[int, np.random.Generator], Array]:
    """Return a function that draws tokens."""
    if isinstance(source, Mixture):
        return lambda n, rng: source.sample(n, rng)[0]
    if isinstance(source, str):
        raise ValueError(
            f"`source` must be a Mixture or tokens, such as datasets.phonetic_categories(), got {source!r}"
        )
    X = np.asarray(source)
    X = _check.tokens(X, 1 if X.ndim == 1 else None, "source")
    if not len(X):
        raise ValueError(f"`source` must have at least one token, got shape {X.shape}")
    return lambda n, rng: X[rng.integers(len(X), size=n)]


def _run(
    draw: Callable[[int, np.random.Generator], Array],
    n_tokens: int,
    record_every: int,
    learner: Callable[..., Categories],
    settings: dict[str, Any],
    seed: np.random.SeedSequence,
) -> Categories:
    """Return one learner after its tokens, which are drawn a chunk at a time."""
    start, stream = seed.spawn(2)
    one = learner(**settings, random_state=start)
    rng = np.random.default_rng(stream)
    for first in range(0, n_tokens, _CHUNK):
        one.learn(draw(min(_CHUNK, n_tokens - first), rng), record_every)
    return one


def _reached(learner: Categories, n_tokens: int) -> int:
    """Return after how many tokens the number of survivors was the last one, for good."""
    path = learner.trajectory_
    alive = (path.weights > learner.survival_threshold).sum(axis=1)
    other = np.flatnonzero(alive != len(learner.survivors_))
    last = other[-1] + 1 if len(other) else 0
    return int(path.tokens[last]) if last < len(path.tokens) else n_tokens
