"""The start of a stream: equal weights, means at cluster centers, one width for all; EM does the rest."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from streamgmm import covariance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .given import Given, one_thread
from .moments import feature_moments

_N_TRIALS = 5
_COLD_OFFSET = 0.1  # standard deviations


def initialize(
    X: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    init_params: str,
    random_state: np.random.RandomState,
    given: Given | None = None,
) -> Mixture:
    """Return a mixture with equal weights, means at cluster centers, and one width for all.

    Distances are measured in standard deviations of the features, so that rescaling a feature rescales the
    start. EM does the rest: the width is the rows' mean squared distance from the nearest center.
    ``init_params`` says where the means start: "k-means++", at its seeds; "kmeans", at its centers; "random",
    at draws from the normal distribution of all rows; "random_from_data", at rows drawn at random. What is
    given replaces what was found; empty weights are ones.
    """
    X, weights, mean, deviations = _standardizable(X, weights)
    Z = (X - mean) / deviations
    centers = _centers(Z, weights, n_components, init_params, random_state)
    distances = ((Z[:, np.newaxis, :] - centers[np.newaxis]) ** 2).sum(axis=2).min(axis=1)
    width = np.average(distances, weights=weights) / Z.shape[1]
    widths = np.sqrt(max(width, 1e-6)) * deviations
    return (given or Given()).replace_in(_around(mean + centers * deviations, widths, covariance_type))


def initialize_cold(
    X: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    random_state: np.random.RandomState,
    given: Given | None = None,
) -> Mixture:
    """Return a mixture that takes only the scale from the rows: for rules that find their own way.

    Equal weights, the features' variances for all, and means at the rows' mean but for random offsets of a
    tenth of a standard deviation. Parameters as in `initialize`.
    """
    _, _, mean, deviations = _standardizable(X, weights)
    offsets = _COLD_OFFSET * random_state.standard_normal((n_components, X.shape[1]))
    return (given or Given()).replace_in(_around(mean + offsets * deviations, deviations, covariance_type))


def _standardizable(X: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Return rows of positive weight, their weights, means, and positive standard deviations."""
    used = weights > 0 if len(weights) else np.ones(len(X), dtype=bool)
    X, weights = X[used], weights[used] if len(weights) else np.ones(int(used.sum()))
    mean, _, deviations = feature_moments(X, weights)
    return X, weights, mean, deviations


def _around(means: Array, deviations: Array, covariance_type: str) -> Mixture:
    """Return a mixture of these means, equal weights and the same standard deviations for all."""
    log_weights = np.full(len(means), -np.log(len(means)))
    factor = covariance.get(covariance_type).from_variances(np.broadcast_to(deviations**2, means.shape))
    return Mixture.from_factor(log_weights, means, factor, covariance_type)


def _centers(
    Z: Array, weights: Array, n_components: int, method: str, random_state: np.random.RandomState
) -> Array:
    if method == "kmeans":
        with one_thread():
            model = KMeans(n_components, n_init=1, random_state=random_state).fit(Z, sample_weight=weights)
        return np.asarray(model.cluster_centers_)
    if method == "random":
        return random_state.standard_normal((n_components, Z.shape[1]))
    if method == "random_from_data":
        return Z[random_state.choice(len(Z), n_components, replace=False, p=weights / weights.sum())]
    trials = [
        kmeans_plusplus(Z, n_components, sample_weight=weights, random_state=random_state)[0]
        for _ in range(_N_TRIALS if n_components > 1 else 1)
    ]
    costs = [
        np.dot(weights, ((Z[:, np.newaxis] - c[np.newaxis]) ** 2).sum(axis=2).min(axis=1)) for c in trials
    ]
    return trials[int(np.argmin(costs))]
