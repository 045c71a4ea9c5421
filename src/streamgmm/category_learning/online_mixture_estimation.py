"""Online Mixture Estimation after Vallabha and others (2007): many small categories, and pruning."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.rules import GradientAscent
from streamgmm.rules.transforms import Rate

from . import _check
from ._categories import Categories, first, start
from .learner import placed


class OnlineMixtureEstimation(Categories):
    """Find an unknown number of categories of several cues: many small ones compete, and losers are pruned.

    Each token moves the categories by rate * r * (x - mean) and their covariances by
    rate * r * ((x - mean)(x - mean)' - S), the gradient times the covariance, which needs no scale of the
    cues; the covariance is kept by its Cholesky factor. Only the category with the largest responsibility
    has its weight raised, by rate_weight * r, before all are divided by their sum. Categories whose weight
    falls below ``prune_below`` are taken out.

    Parameters
    ----------
    n_categories : int, default=100
        Categories at the start.
    rate : float, `Constant` or `PowerDecay`, default=0.02
        Of means and covariances, per token; see `CategoryLearner`.
    rate_weight : float, `Constant` or `PowerDecay`, default=0.005
    initial_means : tuple (mean, sd) or array-like of shape (n_categories, n_cues), default=(0.0, 1.0)
        As in `CategoryLearner`; the default is meant for z-scored cues.
    initial_sd : float or array-like of shape (n_cues,), optional
        By default a third of the spread of the initial means.
    sd_floor : float, optional
        The least standard deviation of a cue given those before; by default a hundredth of the spread.
    prune_below : float, optional
        The weight below which a category is gone; by default a tenth of a category's first weight.
    prune_every : int, default=100
        Tokens between prunings.
    survival_threshold : float, default=0.01
        The categories of ``survivors_`` have larger weights.
    covariance : {"full", "diag"}, default="full"
    random_state : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Draws the initial means.

    Attributes
    ----------
    weights_, means_, sds_, correlations_ : ndarray
        Of all categories of the start; pruned ones have weight 0 and what they last were.

    References
    ----------
    Vallabha, McClelland, Pons, Werker and Amano (2007), Unsupervised learning of vowel categories from
    infant-directed speech, PNAS 104, 13273-13278. The idea is theirs; rates and step are chosen here.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.category_learning import OnlineMixtureEstimation
    >>> three = Mixture([0.3, 0.3, 0.4], [[-1, -1], [1, -1], [0, 1]], [0.04, 0.04, 0.04], "spherical")
    >>> learner = OnlineMixtureEstimation(random_state=0).learn(three.sample(20_000, random_state=0)[0])
    >>> len(learner.survivors_), learner.n_pruned_ > 50
    (3, True)
    """

    def __init__(
        self,
        n_categories: int = 100,
        *,
        rate: Rate = 0.02,
        rate_weight: Rate = 0.005,
        initial_means: Any = (0.0, 1.0),
        initial_sd: Any = None,
        sd_floor: float | None = None,
        prune_below: float | None = None,
        prune_every: int = 100,
        survival_threshold: float = 0.01,
        covariance: str = "full",
        random_state: int | np.random.SeedSequence | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if covariance not in ("full", "diag"):
            raise ValueError(f"`covariance` must be one of 'full', 'diag', got {covariance!r}")
        self.n_categories = _check.integer("n_categories", n_categories)
        self.covariance = covariance
        self.prune_every = _check.integer("prune_every", prune_every)
        least = 0.1 / self.n_categories if prune_below is None else prune_below
        self.prune_below = _check.fraction("prune_below", least)
        self.survival_threshold = _check.fraction("survival_threshold", survival_threshold)
        self._rates = _check.rate("rate", rate), _check.rate("rate_weight", rate_weight)
        self._initial_means = initial_means
        self._initial_sd = initial_sd
        self._sd_floor = None if sd_floor is None else float(_check.positive("sd_floor", sd_floor))
        self._rng = np.random.default_rng(random_state)

    def _begin(self, n_cues: int) -> None:
        means, spread = placed(self._initial_means, self.n_categories, n_cues, self._rng)
        sd = spread / 3.0 if self._initial_sd is None else self._initial_sd
        sd = np.broadcast_to(_check.positive("initial_sd", sd, n_cues), means.shape)
        self._all = first(means, sd, self.covariance)
        self._alive = np.arange(self.n_categories)
        rate, rate_weight = self._rates
        self._rule = GradientAscent(
            "cholesky",
            1.0,
            precondition=True,
            relative_rates={"weights": rate_weight, "means": rate, "covariances": rate},
            weights="winner",
            sd_floor=float(spread.min()) / 100.0 if self._sd_floor is None else self._sd_floor,
        )
        self._learner = start(self._rule, self._all)

    @property
    def _mixture(self) -> Mixture:
        living = self._started().mixture
        log_weights = np.full(self.n_categories, -np.inf)
        means, factor = self._all.means.copy(), self._all.factor.copy()
        log_weights[self._alive], means[self._alive] = living.log_weights, living.means
        factor[self._alive] = living.factor
        return Mixture.from_factor(log_weights, means, factor, self.covariance)

    def _piece(self, record_every: int | None) -> int:
        return min(super()._piece(record_every), self.prune_every - self.n_tokens_ % self.prune_every)

    def _after_piece(self) -> None:
        """Take out the categories that have lost."""
        if self.n_tokens_ % self.prune_every:
            return
        learner = self._started()
        living = learner.mixture
        keep = living.weights >= min(self.prune_below, living.weights.max())
        if keep.all():
            return
        self._all = self._mixture
        self._alive = self._alive[keep]
        log_weights = living.log_weights[keep]
        log_weights = log_weights - np.logaddexp.reduce(log_weights)
        rest = Mixture.from_factor(log_weights, living.means[keep], living.factor[keep], self.covariance)
        self._learner = learner.carry(rest, np.flatnonzero(keep))

    @property
    def n_pruned_(self) -> int:
        """How many categories were taken out."""
        self._started()
        return self.n_categories - len(self._alive)
