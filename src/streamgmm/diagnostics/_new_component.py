"""The one component that gains most beside a mixture that stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from streamgmm import covariance, priors, rules
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import e_step

from ._likelihood_bound import Slope, apart

_TRIED, _STEPS, _ENOUGH = 6, 60, 1e-7
_EVENLY = 16  # rows to start from, whatever gains most near them: the highest peaks may be outliers
_TINY = 1e-12  # of a variance: keeps the moments of a single row from being singular


class Search(NamedTuple):
    """Rows in units in which the least covariance is I.

    Attributes
    ----------
    Z : ndarray of shape (n_samples, n_features)
    log_weights : ndarray of shape (n_samples,)
    log_prob : ndarray of shape (n_samples,)
        Under the mixture.
    covariance_type : str
    """

    Z: Array
    log_weights: Array
    log_prob: Array
    covariance_type: str

    def steepest(self) -> Array:
        """Return the place with the largest directional derivative that is found (n_features,)."""
        return Slope(self.Z, self.log_weights - self.log_prob).peaks()[0]

    def component(self) -> Mixture:
        """Return the component with the largest gain, climbed from peaks of the derivative of many widths."""
        starts = sorted(self._starts(), key=lambda start: -start[0])[:_TRIED]
        found = [self._climbed(component) for _, component in starts]
        return max(found, key=lambda pair: pair[0])[1]

    def _starts(self) -> Iterator[tuple[float, Mixture]]:
        scale, widest = 1.0, np.sqrt(np.square(self.Z).sum(axis=1).max())
        while True:
            slope = Slope(self.Z, self.log_weights - self.log_prob, scale)
            some = slope.climbed(self.Z[:: max(1, len(self.Z) // _EVENLY)])
            for place in apart(np.concatenate([slope.peaks(8), some]), scale):
                covariance = scale**2 * np.eye(len(place))
                component = gaussian(self.covariance_type, place, covariance)
                yield self._judged(component)[1], component
            scale *= 2.0
            if scale > widest:
                return

    def _judged(self, component: Mixture) -> tuple[float, float, Array]:
        """Return a component's best weight, what it gains with it, and its log ratio to the mixture."""
        log_ratio = component.log_prob(self.Z) - self.log_prob
        weight = best_weight(self.log_weights, log_ratio)
        return weight, gain_of(self.log_weights, log_ratio, weight), log_ratio

    def _climbed(self, component: Mixture) -> tuple[float, Mixture]:
        """Return the gain and the component after EM for it and its weight: the mixture stays as it is."""
        before = -np.inf
        for _ in range(_STEPS):
            weight, gain, log_ratio = self._judged(component)
            if weight == 0.0 or gain < before + _ENOUGH:
                return gain, component
            before = gain
            with np.errstate(divide="ignore"):
                odds = np.log(weight) + log_ratio
                log_resp = odds - np.logaddexp(np.log1p(-weight), odds)
            w = np.exp(self.log_weights + log_resp)
            fitted = fitted_to(self.Z, w, component)
            variances, axes = principal(fitted)
            covariance = (axes * np.maximum(variances, 1.0)) @ axes.T
            component = gaussian(self.covariance_type, fitted.means[0], covariance)
        return self._judged(component)[1], component


def unit(covariance_type: str, mean: Array) -> Mixture:
    """Return a Gaussian of covariance I."""
    factor = covariance.get(covariance_type).from_variances(np.ones((1, len(mean))))
    return Mixture.from_factor([0.0], [mean], factor, covariance_type)


def gaussian(covariance_type: str, mean: Array, covariance: Array) -> Mixture:
    """Return one Gaussian of a covariance type, with the covariance or what the type can express of it."""
    like = unit(covariance_type, mean)
    root = np.asarray(np.linalg.cholesky(covariance).T, dtype=np.float64)
    moments = like.kind.products(root, root)[np.newaxis]
    return _m_step(Statistics(1.0, 0.0, np.ones(1), np.zeros((1, len(mean))), moments, like.means), like, 0.0)


def best_weight(log_weights: Array, log_ratio: Array) -> float:
    """Return the weight a in [0, 1] that maximizes the mean of log(1 - a + a ratio), which is concave."""
    w = np.exp(log_weights)

    def slope(a: float) -> float:
        with np.errstate(divide="ignore"):
            low = np.exp(np.minimum(log_ratio, 0.0))
            high = np.exp(np.minimum(-log_ratio, 0.0))
            return float(w @ ((low - high) / np.maximum((1 - a) * high + a * low, 1e-300)))

    if slope(0.0) <= 0.0:
        return 0.0
    if slope(1.0) >= 0.0:
        return 1.0
    return float(brentq(slope, 0.0, 1.0, xtol=1e-14, rtol=1e-12))


def gain_of(log_weights: Array, log_ratio: Array, weight: float) -> float:
    """Return the mean of log(1 - a + a ratio)."""
    with np.errstate(divide="ignore"):
        mixed = np.logaddexp(np.log1p(-weight), np.log(weight) + log_ratio)
    return float(np.exp(log_weights) @ mixed) if weight > 0 else 0.0


def fitted_to(Z: Array, w: Array, like: Mixture) -> Mixture:
    """Return the Gaussian of a covariance type that fits weighted rows best."""
    return _m_step(e_step(like, Z, w), like, _TINY)


def principal(component: Mixture) -> tuple[Array, Array]:
    """Return the variances along the principal axes, and these as columns."""
    variances, axes = np.linalg.eigh(component.covariance_matrices()[0])
    return variances, axes


def _m_step(statistics: Statistics, like: Mixture, floor: float) -> Mixture:
    options = priors.options(like.kind, 1, like.n_features, floor)
    rule = rules.EM()
    state = rule.init(like, n_rows=statistics.weight, options=options)
    return rule.update(statistics, state, like)[0]
