"""The competing mixture of Toscano and McMurray (2010), in any number of dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.rules import GradientAscent
from streamgmm.rules.transforms import Rate
from streamgmm.statistics import Array

from . import _check
from ._categories import Categories, Trajectory, first, start

__all__ = ["CategoryLearner", "Trajectory", "placed"]

# The squared spread of the initial means over the default rate of means.
_PARTS = {"1-d": 900.0, "bivariate": 540.0, "diag": 900.0, "full": 300.0}
_N_CUES = {"1-d": 1, "bivariate": 2, "diag": None, "full": None}


class CategoryLearner(Categories):
    """Learn how many categories there are, and what they are like, from tokens without labels.

    A mixture of too many small, equal Gaussians. With responsibilities r = phi_k N_k(x) / sum, all of the old
    parameters, each token changes means by rate_mean * r * dl/dmean and standard deviations by
    rate_sd * r * dl/dsd. Then the category with the largest r alone has its weight raised, by
    rate_weight * r / phi, and all weights are divided by their sum: superfluous categories lose and fade.

    Parameters
    ----------
    n_categories : int, default=20
        Categories at the start.
    competition : bool, default=True
        False raises all weights by rate_weight * r / phi, and superfluous categories survive.
    rate_mean, rate_sd : float, `Constant` or `PowerDecay`, optional
        Per token, in squared units of the cues. By default spread^2 / 900, which is 1 for voice onset times
        in ms; the spread is the standard deviation of the initial means, the geometric mean of several
        cues'. With "bivariate" spread^2 / 540. With "full" spread^2 / 300 for means, and the rate of
        standard deviations, by default 0.005, is one of their logarithms. The time of a `PowerDecay` counts
        tokens, its ``offset`` is 1 by default, and it takes no ``rows``.
    rate_weight : float, `Constant` or `PowerDecay`, optional
        Per token, by default 0.001, with "bivariate" 0.005.
    rate_correlation : float, `Constant` or `PowerDecay`, optional
        Of correlations, by default 0.001; with "full" that of the Cholesky factors' entries off the
        diagonal, in squared units of the cues, by default as ``rate_mean``.
    initial_means : tuple (mean, sd) or array-like of shape (n_categories, n_cues), default=(40.0, 30.0)
        Where categories start, in the cues' units; a tuple of two gives mean and standard deviation, numbers
        or arrays of shape (n_cues,), of the normal from which they are drawn. The default is meant for voice
        onset times in ms, (0.0, 1.0) for z-scored cues.
    initial_sd : float or array-like of shape (n_cues,), optional
        Standard deviations at the start; by default a tenth of the spread, with "full" half of it.
    sd_floor : float, optional
        Standard deviations that fall below it are raised to it after each step; with "full" those given the
        cues before. By default a hundredth of the spread.
    survival_threshold : float, default=0.05
        A category survives as long as its weight is above it.
    covariance : {"1-d", "bivariate", "diag", "full"}, default="1-d"
        "1-d" and "bivariate" are the published models of one and two cues, the latter with a correlation.
        "diag" has the first one's formulas for each of several independent cues. "full" climbs the same
        gradient by the Cholesky factors with logarithmic diagonals, where every vector is valid.
    random_state : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Draws the initial means.

    Notes
    -----
    Steps are taken as published; "1-d", "bivariate" and "diag" halve one that would leave the valid region
    until it does not, and "full" one that would move a mean by more than a standard deviation, or change a
    standard deviation more than e-fold. ``n_guarded_`` counts them.

    References
    ----------
    McMurray, Aslin and Toscano (2009), Statistical learning of phonetic categories: insights from a
    computational approach, Developmental Science 12, 369-378.

    Toscano and McMurray (2010), Cue integration with categories: weighting acoustic cues in speech using
    unsupervised learning and distributional statistics, Cognitive Science 34, 434-464.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.category_learning import CategoryLearner
    >>> stops = Mixture([0.5, 0.5], [[15.8], [70.2]], [[7.1**2], [18.7**2]], "diag")  # voice onset time, ms
    >>> learner = CategoryLearner(random_state=0).learn(stops.sample(60_000, random_state=0)[0])
    >>> learner.means_[learner.survivors_].ravel().round(-1)
    array([20., 70.])
    >>> learner.identify([5.0, 100.0]).round(2)
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(
        self,
        n_categories: int = 20,
        *,
        competition: bool = True,
        rate_mean: Rate | None = None,
        rate_sd: Rate | None = None,
        rate_weight: Rate | None = None,
        rate_correlation: Rate | None = None,
        initial_means: Any = (40.0, 30.0),
        initial_sd: Any = None,
        sd_floor: float | None = None,
        survival_threshold: float = 0.05,
        covariance: str = "1-d",
        random_state: int | np.random.SeedSequence | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        if covariance not in _N_CUES:
            known = ", ".join(map(repr, _N_CUES))
            raise ValueError(f"`covariance` must be one of {known}, got {covariance!r}")
        self.n_categories = _check.integer("n_categories", n_categories)
        self.competition = bool(competition)
        self.covariance = covariance
        self.survival_threshold = _check.fraction("survival_threshold", survival_threshold)
        self._initial_means = initial_means
        self._initial_sd = initial_sd
        self._sd_floor = None if sd_floor is None else float(_check.positive("sd_floor", sd_floor))
        self._rates = {
            name: None if value is None else _check.rate(name, value)
            for name, value in (
                ("rate_weight", rate_weight),
                ("rate_mean", rate_mean),
                ("rate_sd", rate_sd),
                ("rate_correlation", rate_correlation),
            )
        }
        self._rng = np.random.default_rng(random_state)
        n_cues = _N_CUES[covariance] or _cues_of(initial_means, initial_sd)
        if n_cues is not None:
            self._begin(n_cues)

    def _begin(self, n_cues: int) -> None:
        means, spread = placed(self._initial_means, self.n_categories, n_cues, self._rng)
        part = 0.5 if self.covariance == "full" else 0.1
        sd = part * spread if self._initial_sd is None else self._initial_sd
        sd = np.broadcast_to(_check.positive("initial_sd", sd, n_cues), means.shape)
        covariance_type = "full" if self.covariance in ("bivariate", "full") else "diag"
        self._learner = start(self._rule(spread), first(means, sd, covariance_type))

    def _rule(self, spread: Array) -> GradientAscent:
        """Return the rule whose steps of one token are the model's."""
        full = self.covariance == "full"
        bivariate = self.covariance == "bivariate"
        squared = float(np.exp(2.0 * np.mean(np.log(spread)))) / _PARTS[self.covariance]
        default = {
            "rate_weight": 0.005 if bivariate else 0.001,
            "rate_mean": squared,
            "rate_sd": 0.005 if full else squared,
            "rate_correlation": squared if full else 0.001,
        }
        rates = {name: default[name] if value is None else value for name, value in self._rates.items()}
        return GradientAscent(
            "cholesky" if full else "standard-deviation",
            1.0,
            guard="backtrack" if full else "shorten",
            relative_rates={
                "weights": rates["rate_weight"],
                "means": rates["rate_mean"],
                "covariances": rates["rate_sd"],
                "correlations": rates["rate_correlation"],
            },
            weights="competition" if self.competition else "proportional",
            sd_floor=float(spread.min()) / 100.0 if self._sd_floor is None else self._sd_floor,
        )

    def __repr__(self) -> str:
        return (
            f"CategoryLearner({self.n_categories}, covariance={self.covariance!r}, "
            f"competition={self.competition}, n_tokens={self.n_tokens_})"
        )


def _is_normal(initial_means: Any) -> bool:
    """Tell whether initial means are given as (mean, sd)."""
    return isinstance(initial_means, tuple) and len(initial_means) == 2


def _cues_of(initial_means: Any, initial_sd: Any) -> int | None:
    """Return the number of cues that the start implies, or None."""
    arrays = (*initial_means, initial_sd) if _is_normal(initial_means) else (initial_sd,)
    sizes = [np.shape(array)[0] for array in arrays if array is not None and np.ndim(array) == 1]
    if not _is_normal(initial_means):
        sizes.append(1 if np.ndim(initial_means) == 1 else np.shape(initial_means)[-1])
    return sizes[0] if sizes else None


def placed(
    initial_means: Any, n_categories: int, n_cues: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the categories' first means (n_categories, n_cues) and their spread (n_cues,)."""
    if _is_normal(initial_means):
        mean = np.asarray(initial_means[0], dtype=np.float64)
        if not np.isfinite(mean).all() or mean.ndim > 1 or (mean.ndim and len(mean) != n_cues):
            raise ValueError(
                f"`initial_means[0]` must be finite, a number or of shape ({n_cues},), got {mean}"
            )
        spread = np.broadcast_to(_check.positive("initial_means[1]", initial_means[1], n_cues), (n_cues,))
        return rng.normal(mean, spread, (n_categories, n_cues)), spread
    means = np.asarray(initial_means, dtype=np.float64)
    means = means.reshape(-1, 1) if means.ndim == 1 and n_cues == 1 else means
    if means.shape != (n_categories, n_cues) or not np.isfinite(means).all():
        raise ValueError(
            f"`initial_means` must be (mean, sd) or finite with shape ({n_categories}, {n_cues}), "
            f"got shape {means.shape}"
        )
    spread = means.std(axis=0)
    if not (spread > 0).all():
        if n_categories > 1:
            raise ValueError("`initial_means` must differ in each cue, since equal categories stay equal")
        spread = np.ones(n_cues)
    return means, spread
