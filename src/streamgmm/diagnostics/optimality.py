"""How good a mixture is: what one more component would gain, and what any number of them could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamgmm import sweep
from streamgmm.mixture import Mixture, mixture_of
from streamgmm.statistics import Array
from streamgmm.sweep import TOO_FAR

from ._likelihood_bound import limit
from ._new_component import Search, best_weight, fitted_to, gain_of, gaussian, principal, unit
from .finding import Finding

EXACT_FEATURES = 3
_SEARCHED, _WORST = 2048, 512  # rows, and how many of them are those that the mixture fits worst
_HALF = 0.5  # standard deviation of a new component, relative to those of the mixture
_FLAT, _ROUNDING = (
    1e-6,
    1e-12,
)  # of the largest variance, and of the mixture's: what is below is regularization
_SAID = 3  # features


@dataclass(frozen=True, eq=False)
class Optimality:
    """What `optimality` found; all gains are in nats a row.

    Parameters
    ----------
    bound : float
        No mixture of allowed components, however many, has a higher log-likelihood by more.
    gain : float
        What one new component gives with its best weight, the others shrunk in proportion: at least so much
        can be had.
    derivative : float
        The largest directional derivative of the log-likelihood towards an allowed component that was found
        (Lindsay, 1983). Where none is above 0, the mixture is optimal.
    component : Mixture
        The new component, of the mixture's covariance type; of a "tied" mixture it has its own covariance.
    weight : float
        Its weight; 0 if it gains nothing.
    least_covariance : ndarray of shape (n_features, n_features)
        A covariance is allowed if it exceeds this one by a positive semidefinite matrix.
    is_exact : bool
        Whether `bound` is one. If not, it is what a search from many rows found to be the limit.
    n_rows : float
        The weight of the rows.
    """

    bound: float
    gain: float
    derivative: float
    component: Mixture
    weight: float
    least_covariance: Array
    is_exact: bool
    n_rows: float

    @property
    def mean(self) -> Array:
        """Mean of the new component (n_features,)."""
        return self.component.means[0]

    @property
    def covariance(self) -> Array:
        """Covariance of the new component (n_features, n_features)."""
        return self.component.covariance_matrices()[0]

    @property
    def charge(self) -> float:
        """What BIC charges for the new component's parameters, in nats a row."""
        n_parameters = self.component.n_parameters + 1
        return float(0.5 * n_parameters * np.log(max(self.n_rows, 1.0)) / self.n_rows)

    @property
    def is_improvable(self) -> bool:
        """Whether the gain is more than BIC charges for it: BIC prefers the mixture with this component."""
        return self.gain > self.charge

    @property
    def finding(self) -> Finding:
        """The same in words, of kind "improvable" or "near-optimal"."""
        n_features = self.component.n_features
        order = np.argsort(-np.square(self.mean) / np.diagonal(self.covariance), kind="stable")
        features = tuple(sorted(int(a) for a in order[:_SAID])) if n_features > _SAID else None
        features = tuple(range(n_features)) if features is None else features
        values: dict[str, Any] = {f"at_{at}": float(self.mean[a]) for at, a in enumerate(features)}
        place = " and ".join(f"{{{at}}} = {{at_{at}}}" for at in range(len(features)))
        values |= {"gain": self.gain, "weight": self.weight, "charge": self.charge, "bound": self.bound}
        limit_ = (
            "no mixture of components that are not thinner than allowed gains more than {bound}"
            if self.is_exact
            else "a search from many rows found that any number of components gain about {bound} at most"
        )
        said = f"around {place} with weight {{weight}} would gain {{gain}} nats a row"
        if self.is_improvable:
            message = f"One more component {said}, more than the {{charge}} that BIC charges; {limit_}."
            remedies = ("one more component", "a start with a component there")
            return Finding("improvable", message, values, remedies, features=features)
        message = f"No more component is worth its parameters: the best {said}, and BIC charges {{charge}}"
        if self.weight == 0:
            message = "No more component gains anything"
        return Finding("near-optimal", f"{message}; {limit_}.", values, features=features)


def optimality(
    model: Any,
    X: Any,
    sample_weight: Any = None,
    *,
    thinnest: float | None = None,
    random_state: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
) -> Optimality:
    """Say what one more component, anywhere, would gain, and what any number of them could.

    The likelihood has no maximum unless covariances are bounded below. Allowed are components that exceed
    ``thinnest`` squared times the mixture's mean covariance, or the rows' covariance in directions in which
    that is smaller; where the rows do not vary, none is thinner than the mixture. Such a bound follows any
    change of units that the covariance type can express.

    Every allowed component is an average of components with the least covariance, so that a search for
    places alone finds the largest directional derivative. It is exact, by branch and bound, in up to 3
    features and 2048 rows. With more features places are climbed to from many rows, and of more rows the 512
    that fit worst and a sample are searched; then the bound is an estimate, and the result says so. Gain,
    weight and derivative are those of all rows.

    Parameters
    ----------
    model : Mixture or fitted estimator
    X : array-like of shape (n_samples, n_features)
    sample_weight : array-like of shape (n_samples,), optional
    thinnest : float, optional
        Above 0. By default 1/2, or less if one of the mixture's own components is thinner; but not less than
        (n_parameters / n_rows)^(1 / n_features), where a component would have a parameter for every row that
        it holds if they were spread evenly; and at most 1.
    random_state : int or numpy.random.Generator, default=0
        Draws the rows for the search.
    n_threads : int, optional

    Returns
    -------
    Optimality

    Raises
    ------
    ValueError
        For bad rows or weights, or rows so far from every component that their squares overflow.
    TypeError
        If the model has no mixture.

    References
    ----------
    Lindsay (1983), The geometry of mixture likelihoods, Annals of Statistics 11, 86-94.

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.diagnostics import optimality
    >>> X = datasets.load_faithful().data
    >>> [optimality(GaussianMixture(K, random_state=0).fit(X), X).is_improvable for K in (1, 2)]
    [True, False]
    """
    mixture = mixture_of(model)
    X = sweep.as_rows(X, mixture.n_features)
    weights = sweep.as_weights(sample_weight, len(X))
    if len(weights):
        X, weights = X[weights > 0], weights[weights > 0]
    if not len(X):
        raise ValueError("`X` must hold at least one row of positive weight, got none")
    if thinnest is not None and not (np.isfinite(thinnest) and thinnest > 0):
        raise ValueError(f"`thinnest` must be positive and finite, got {thinnest}")
    log_prob = mixture.log_prob(X, n_threads=n_threads)
    if not (log_prob > TOO_FAR).all():
        raise ValueError("rows of `X` are too far from every component: their squares overflow")
    n_rows = float(weights.sum()) if len(weights) else float(len(X))
    log_weights = np.log(weights) - np.log(n_rows) if len(weights) else np.full(len(X), -np.log(n_rows))
    index, log_w = _sample(log_weights, log_prob, np.random.default_rng(random_state))
    rows = np.asarray(X[index], dtype=np.float64)
    root, center = _least(mixture, rows, np.exp(log_w), n_rows, thinnest)
    search = Search(
        np.ascontiguousarray(np.linalg.solve(root, (rows - center).T).T),
        log_w,
        log_prob[index] + np.linalg.slogdet(root)[1],
        mixture.covariance_type,
    )
    is_exact = mixture.n_features <= EXACT_FEATURES and len(index) == len(X)
    best = search.component()
    covariance = root @ best.covariance_matrices()[0] @ root.T
    component = gaussian(mixture.covariance_type, center + root @ best.means[0], covariance)
    log_ratio = component.log_prob(X, n_threads=n_threads) - log_prob
    weight = best_weight(log_weights, log_ratio)
    place = gaussian(mixture.covariance_type, center + root @ search.steepest(), root @ root.T)
    towards = log_weights + place.log_prob(X, n_threads=n_threads) - log_prob
    with np.errstate(over="ignore"):
        derivative = float(np.expm1(np.logaddexp.reduce(towards)))
    gain = gain_of(log_weights, log_ratio, weight)
    bound = limit(search.Z, search.log_weights, search.log_prob, is_exact=is_exact)
    return Optimality(max(bound, gain), gain, derivative, component, weight, root @ root.T, is_exact, n_rows)


def _sample(
    log_weights: Array, log_prob: Array, rng: np.random.Generator
) -> tuple[np.ndarray[Any, np.dtype[np.intp]], Array]:
    """Return the rows to search, those that fit worst and some of the others, and log weights for these."""
    n_samples = len(log_prob)
    if n_samples <= _SEARCHED:
        return np.arange(n_samples), log_weights
    worst = np.argpartition(log_prob, _WORST)
    n_drawn = _SEARCHED - _WORST
    drawn = rng.choice(worst[_WORST:], n_drawn, replace=False)
    more = np.log((n_samples - _WORST) / n_drawn)
    index = np.concatenate([worst[:_WORST], drawn])
    log_w = np.concatenate([log_weights[worst[:_WORST]], log_weights[drawn] + more])
    order = np.argsort(index)
    return index[order], log_w[order] - np.logaddexp.reduce(log_w)


def _least(
    mixture: Mixture, rows: Array, w: Array, n_rows: float, thinnest: float | None
) -> tuple[Array, Array]:
    """Return a root of the least covariance, and the rows' center."""
    n_features = mixture.n_features
    center = rows[0] + w @ (rows - rows[0])
    within = np.einsum("k,kab->ab", mixture.weights, mixture.covariance_matrices())
    mean = gaussian(mixture.covariance_type, center, within)
    root = mean.kind.roots(mean.factor, 1, n_features)[0]
    if thinnest is None:
        share = (mean.n_parameters + 1) / n_rows
        relative = np.linalg.solve(root, mixture.kind.roots(mixture.factor, *mixture.means.shape))
        own = float(np.linalg.svd(relative, compute_uv=False).min())
        thinnest = min(1.0, max(min(_HALF, own), share ** (1 / n_features)))
    Z = np.ascontiguousarray(np.linalg.solve(root, (rows - center).T).T)
    variances, axes = principal(fitted_to(Z, w, unit(mixture.covariance_type, np.zeros(n_features))))
    varies = variances > max(_FLAT * variances[-1], _ROUNDING)
    lengths = np.where(varies, thinnest * np.sqrt(np.clip(variances, _ROUNDING, 1.0)), 1.0)
    return root @ (axes * lengths) @ axes.T, center
