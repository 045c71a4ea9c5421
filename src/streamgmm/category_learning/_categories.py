"""What all learners of categories share: a mixture on its way, and how its categories are read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm import covariance, priors, sweep
from streamgmm.fit.stream import Learner
from streamgmm.mixture import Mixture
from streamgmm.rules import GradientAscent
from streamgmm.statistics import Array

from . import _check

_NO_WEIGHTS = np.empty(0)


class Trajectory(NamedTuple):
    """What a learner was like on its way.

    Attributes
    ----------
    tokens : ndarray of shape (n_records,)
        How many tokens had been learned.
    weights : ndarray of shape (n_records, n_categories)
    means, sds : ndarray of shape (n_records, n_categories, n_cues)
    """

    tokens: np.ndarray[Any, np.dtype[np.intp]]
    weights: Array
    means: Array
    sds: Array


def first(means: Array, sds: Array, covariance_type: str) -> Mixture:
    """Return equally frequent categories with independent cues; means and sds (n_categories, n_cues)."""
    kind = covariance.get(covariance_type)
    weights = np.full(len(means), 1.0 / len(means))
    return Mixture(weights, means, kind.covariances(kind.from_variances(sds**2)), covariance_type)


def start(rule: GradientAscent, mixture: Mixture) -> Learner:
    """Return a learner of single tokens."""
    options = priors.options(mixture.kind, mixture.n_components, mixture.n_features)
    return Learner.start(rule, mixture, n_rows=0.0, batch_size=1, options=options)


class Categories:
    """Categories that are learned one token at a time.

    Attributes
    ----------
    n_tokens_ : int
        Tokens learned.
    n_guarded_ : int
        Steps of single categories that were shortened.
    n_refused_ : int
        Tokens so far from every category that their density underflows; they change nothing.
    """

    survival_threshold: float

    def __init__(self) -> None:
        self.n_tokens_ = 0
        self._learner: Learner | None = None
        self._records: list[tuple[int, Array, Array, Array]] = []

    @property
    def _n_cues(self) -> int | None:
        """The number of cues, or None as long as nothing has determined it."""
        return None if self._learner is None else int(self._learner.parameters.means.shape[1])

    @property
    def _mixture(self) -> Mixture:
        """All categories, dead ones with weight 0."""
        return self._started().mixture

    def _begin(self, n_cues: int) -> None:
        """Place the first categories."""
        raise NotImplementedError

    def _piece(self, record_every: int | None) -> int:
        """Return how many tokens can be learned before something is to be done."""
        return (
            np.iinfo(np.int64).max if record_every is None else record_every - self.n_tokens_ % record_every
        )

    def _after_piece(self) -> None:
        """Do what is due after a piece of tokens."""

    def _started(self) -> Learner:
        if self._learner is None:
            raise ValueError(f"this {type(self).__name__} has seen no tokens: call `learn` first")
        return self._learner

    def learn(self, X: Any, record_every: int | None = None) -> Any:
        """Learn from tokens, one after the other.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_cues)
            Of one cue, shape (n_tokens,) will do.
        record_every : int, optional
            Add to ``trajectory_`` the start and each state after a multiple of so many tokens.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the tokens have another shape or are not finite; then nothing was learned.
        """
        X = _check.tokens(X, self._n_cues)
        if record_every is not None:
            record_every = _check.integer("record_every", record_every)
        if self._learner is None:
            self._begin(X.shape[1])
        if record_every is not None and not self._records:
            self._record()
        at = 0
        while at < len(X):
            stop = min(len(X), at + self._piece(record_every))
            self._learner = self._started().learn(X[at:stop], _NO_WEIGHTS)[0]
            self.n_tokens_ += stop - at
            at = stop
            self._after_piece()
            if record_every is not None and self.n_tokens_ % record_every == 0:
                self._record()
        return self

    def learn_one(self, x: Any) -> Any:
        """Learn from one token, a number or an array of shape (n_cues,); return self."""
        return self.learn(np.asarray(x).reshape(1, -1))

    def _record(self) -> None:
        mixture = self._mixture
        self._records.append((self.n_tokens_, mixture.weights, mixture.means, mixture.standard_deviations))

    @property
    def trajectory_(self) -> Trajectory:
        """The states recorded by `learn`.

        Raises
        ------
        ValueError
            If none were recorded.
        """
        if not self._records:
            raise ValueError("no trajectory was recorded: call `learn(X, record_every=...)`")
        tokens, weights, means, sds = zip(*self._records, strict=True)
        return Trajectory(np.array(tokens), np.array(weights), np.array(means), np.array(sds))

    @property
    def weights_(self) -> Array:
        """How probable each category is, (n_categories,)."""
        return self._mixture.weights

    @property
    def means_(self) -> Array:
        """Means (n_categories, n_cues), in the tokens' units."""
        return self._mixture.means

    @property
    def sds_(self) -> Array:
        """Standard deviations (n_categories, n_cues), in the tokens' units."""
        return self._mixture.standard_deviations

    @property
    def correlations_(self) -> Array:
        """Correlation matrices (n_categories, n_cues, n_cues)."""
        mixture = self._mixture
        roots = mixture.kind.roots(mixture.factor, *mixture.means.shape)
        unit = roots / mixture.standard_deviations[:, :, np.newaxis]
        return unit @ np.swapaxes(unit, 1, 2)

    @property
    def survivors_(self) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Indices of the categories whose weight exceeds ``survival_threshold``, by their first mean.

        Raises
        ------
        ValueError
            If more categories survive than tokens were learned: nothing can be said about them.
        """
        mixture = self._mixture
        alive = np.flatnonzero(mixture.weights > self.survival_threshold)
        if len(alive) > self.n_tokens_:
            raise ValueError(
                f"`survivors_` needs more tokens than categories: {len(alive)} categories survive "
                f"{self.n_tokens_} tokens; learn from more tokens"
            )
        return alive[np.argsort(mixture.means[alive, 0], kind="stable")]

    @property
    def n_guarded_(self) -> int:
        """How many steps of single categories were shortened."""
        learner = self._started()
        return learner.rule.n_shortened(learner.state)  # type: ignore[attr-defined]

    @property
    def n_refused_(self) -> int:
        """How many tokens were too far from every category to teach anything."""
        return self._started().state.n_refused

    def to_mixture(self) -> Mixture:
        """Return the survivors as a mixture, their weights divided by their sum.

        Raises
        ------
        ValueError
            If none survives.
        """
        mixture, alive = self._mixture, self.survivors_
        if not len(alive):
            raise ValueError(
                f"no category has a weight above `survival_threshold`, {self.survival_threshold}: learn from "
                "more tokens, or lower it"
            )
        log_weights = mixture.log_weights[alive]
        log_weights = log_weights - np.logaddexp.reduce(log_weights)
        return Mixture.from_factor(
            log_weights, mixture.means[alive], mixture.factor[alive], mixture.covariance_type
        )

    def identify(self, x: Any) -> Array:
        """Return how probable each surviving category is for tokens.

        Parameters
        ----------
        x : array-like of shape (n_tokens, n_cues)
            Or one token of shape (n_cues,); of one cue, shape (n_tokens,) or a number.

        Returns
        -------
        ndarray of shape (n_tokens, n_survivors)
            In the order of ``survivors_``; each row sums to one.

        Raises
        ------
        ValueError
            If no category survives, or a token is not finite or too far from every category.
        """
        survivors, x = self.to_mixture(), _check.tokens(x, self._n_cues, "x")
        log_prob, posterior = sweep.densities(survivors, x, responsibilities=True, n_threads=1)
        far = np.flatnonzero(log_prob < sweep.TOO_FAR)
        if len(far):
            raise ValueError(f"`x` is too far from every category in row {far[0]}: its square overflows")
        return posterior

    def discriminate(self, x: Any, y: Any) -> Array:
        """Return how probable it is that two tokens are identified as different categories.

        1 - sum_k p(k | x) p(k | y): how often two listeners, or one listener twice, would name two
        categories. It is large across a boundary and small within a category.

        Parameters
        ----------
        x, y : array-like of shape (n_tokens, n_cues)
            As `identify` takes them; equally many, or one against many.

        Returns
        -------
        ndarray of shape (n_tokens,)
        """
        return np.clip(1.0 - np.sum(self.identify(x) * self.identify(y), axis=1), 0.0, 1.0)
