"""Cue weights from learned categories, and cues combined by them (Toscano and McMurray, 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamgmm.statistics import Array

from . import _check
from ._categories import Categories
from .learner import CategoryLearner


def weights_from_categories(categories: Sequence[tuple[Any, Any, Any]]) -> Array:
    """Return cue weights from each cue's categories: known ones give an ideal observer's weights.

    Parameters
    ----------
    categories : sequence of (weights, means, sds)
        For each cue, three arrays of shape (n_categories,).

    Returns
    -------
    ndarray of shape (n_cues,)
        sum_m sum_n phi_m phi_n (mean_m - mean_n)^2 / (sd_m sd_n), divided by its sum over the cues.

    Raises
    ------
    ValueError
        If no cue has two categories with different means.

    Examples
    --------
    >>> from streamgmm.category_learning import weights_from_categories
    >>> vot, vowel = ([0.5, 0.5], [15.8, 70.2], [7.1, 18.7]), ([0.5, 0.5], [188.0, 169.8], [45.3, 43.9])
    >>> weights_from_categories([vot, vowel]).round(3)
    array([0.993, 0.007])
    """
    reliability = np.empty(len(categories))
    for i, (weights, means, sds) in enumerate(categories):
        phi, mean, sd = (np.asarray(part, dtype=np.float64) for part in (weights, means, sds))
        if not (phi.shape == mean.shape == sd.shape and phi.ndim == 1 and (sd > 0).all()):
            raise ValueError(
                "`categories` must hold weights, means and positive standard deviations of one shape "
                f"(n_categories,), got {phi.shape}, {mean.shape} and {sd.shape} for cue {i}"
            )
        distance = (mean[:, np.newaxis] - mean) ** 2 / (sd[:, np.newaxis] * sd)
        reliability[i] = phi @ distance @ phi
    total = reliability.sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError("no cue tells categories apart: each has one category, or equal means")
    return reliability / total


def cue_weights(learner: Categories | Sequence[Categories]) -> Array:
    """Return how much each cue tells the surviving categories apart.

    Parameters
    ----------
    learner : CategoryLearner or sequence of them
        One learner of several cues, or a learner of one cue for each.

    Returns
    -------
    ndarray of shape (n_cues,)
        They sum to one (see `weights_from_categories`).

    Raises
    ------
    ValueError
        If no cue has two surviving categories.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.category_learning import CategoryLearner, cue_weights
    >>> X = np.random.default_rng(0).normal([[0, 0], [100, 10]], 10.0, size=(4000, 2, 2)).reshape(-1, 2)
    >>> learner = CategoryLearner(2, covariance="bivariate", initial_means=[[10, 1], [80, 9]], initial_sd=10)
    >>> cue_weights(learner.learn(X)).round(2)
    array([0.99, 0.01])
    """
    learners = [learner] if isinstance(learner, Categories) else list(learner)
    categories = []
    for one in learners:
        alive = one.survivors_
        weights = one.weights_[alive]
        means, sds = one.means_[alive], one.sds_[alive]
        categories += [(weights, means[:, i], sds[:, i]) for i in range(means.shape[1])]
    return weights_from_categories(categories)


class CueIntegration:
    """Weigh cues by how well each tells categories apart, add them up, and learn categories of the sum.

    A learner for each cue; every ``update_every`` tokens their categories give the weights. The cues are
    z-scored by their running means and standard deviations, turned so that each rises with the heaviest,
    weighted and added. One more learner learns this dimension, from the second update on.

    Parameters
    ----------
    cues : sequence of CategoryLearner
        A new learner of one cue for each cue.
    combined : CategoryLearner, optional
        A new learner of one cue, of about zero mean and unit variance; by default
        ``CategoryLearner(initial_means=(0.0, 1.0))``.
    update_every : int, default=1000
        Tokens between updates of the weights.

    Attributes
    ----------
    weights_ : ndarray of shape (n_cues,)
        They sum to one; equal ones until a cue has two categories.
    signs_ : ndarray of shape (n_cues,)
        -1 for cues that fall where the heaviest rises.

    References
    ----------
    Toscano and McMurray (2010), Cognitive Science 34, 434-464, section on cue integration.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.category_learning import CategoryLearner, CueIntegration
    >>> rng = np.random.default_rng(0)
    >>> voiced = rng.random(40_000) < 0.5
    >>> vot = np.where(voiced, rng.normal(15.8, 7.1, 40_000), rng.normal(70.2, 18.7, 40_000))
    >>> vowel = np.where(voiced, rng.normal(188.0, 45.3, 40_000), rng.normal(169.8, 43.9, 40_000))
    >>> model = CueIntegration(
    ...     [
    ...         CategoryLearner(random_state=0),
    ...         CategoryLearner(initial_means=(180.0, 45.0), rate_mean=10, rate_sd=10, random_state=0),
    ...     ]
    ... ).learn(np.column_stack([vot, vowel]))
    >>> model.weights_.round(1), len(model.combined.survivors_)
    (array([1., 0.]), 2)
    """

    def __init__(
        self,
        cues: Sequence[CategoryLearner],
        combined: CategoryLearner | None = None,
        *,
        update_every: int = 1000,
    ) -> None:
        self.cues = tuple(cues)
        self.combined = (
            CategoryLearner(initial_means=(0.0, 1.0), random_state=0) if combined is None else combined
        )
        if not self.cues or any(not isinstance(one, CategoryLearner) for one in self.cues):
            raise ValueError("`cues` must be at least one `CategoryLearner`")
        if len({id(one) for one in (*self.cues, self.combined)}) <= len(self.cues):
            raise ValueError("`cues` and `combined` must be different learners, got one of them twice")
        for one in (*self.cues, self.combined):
            if one.covariance != "1-d" or one.n_tokens_:
                raise ValueError(f"learners must be new and have `covariance` '1-d', got {one!r}")
        self.update_every = _check.integer("update_every", update_every)
        if self.update_every < 2:
            raise ValueError("`update_every` must be at least 2, since one token tells no spread, got 1")
        self.n_tokens_ = 0
        n_cues = len(self.cues)
        self.weights_ = np.full(n_cues, 1.0 / n_cues)
        self.signs_ = np.ones(n_cues)
        self._mean = np.zeros(n_cues)
        self._scatter = np.zeros((n_cues, n_cues))
        self._block: list[Array] = []

    def learn(self, X: Any) -> CueIntegration:
        """Learn from tokens (n_tokens, n_cues), one after the other; return self.

        Raises
        ------
        ValueError
            If the tokens have another shape or are not finite; then nothing was learned.
        """
        X = _check.tokens(X, len(self.cues))
        at = 0
        while at < len(X):
            stop = min(len(X), at + self.update_every - self.n_tokens_ % self.update_every)
            self._learn_piece(X[at:stop])
            at = stop
        return self

    def _learn_piece(self, X: Array) -> None:
        """Learn from tokens before the next update, then update if it is due."""
        for i, learner in enumerate(self.cues):
            learner.learn(X[:, i])
        if self.n_tokens_ >= self.update_every:
            self.combined.learn(self.combine(X))
        self._block.append(X)
        self.n_tokens_ += len(X)
        if self.n_tokens_ % self.update_every == 0:
            self._update(np.concatenate(self._block))
            self._block = []

    def _update(self, X: Array) -> None:
        """Blend in the moments of a block of tokens and weigh the cues anew."""
        before = self.n_tokens_ - len(X)
        shift = X.mean(axis=0) - self._mean
        centered = X - X.mean(axis=0)
        self._scatter += centered.T @ centered + np.outer(shift, shift) * (before * len(X) / self.n_tokens_)
        self._mean = self._mean + shift * (len(X) / self.n_tokens_)
        if any(len(learner.survivors_) > 1 for learner in self.cues):
            self.weights_ = cue_weights(self.cues)
        heaviest = self._scatter[np.argmax(self.weights_)]
        self.signs_ = np.where(heaviest < 0, -1.0, 1.0)

    def combine(self, X: Any) -> Array:
        """Return the combined dimension (n_tokens,) of tokens (n_tokens, n_cues).

        A cue that never varied adds nothing.

        Raises
        ------
        ValueError
            If fewer than ``update_every`` tokens were learned.
        """
        X = _check.tokens(X, len(self.cues))
        if self.n_tokens_ < self.update_every:
            raise ValueError(
                f"cues are combined after {self.update_every} tokens, got {self.n_tokens_}: learn from more"
            )
        sd = np.sqrt(np.diag(self._scatter) / (self.n_tokens_ - self.n_tokens_ % self.update_every))
        z = np.divide(X - self._mean, sd, out=np.zeros_like(X), where=sd > 0)
        return np.asarray(z @ (self.weights_ * self.signs_))

    def identify(self, X: Any) -> Array:
        """Return how probable each surviving category of the combined dimension is for tokens.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_cues)

        Returns
        -------
        ndarray of shape (n_tokens, n_survivors)
        """
        return self.combined.identify(self.combine(X))
