"""A mixture to start from."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from streamgmm import covariance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

METHODS = ("k-means++", "kmeans", "random", "random_from_data")
_N_TRIALS = 5
_COLD_OFFSET = 0.1  # standard deviations


def feature_moments(X: Array, weights: Array) -> tuple[Array, Array]:
    """Return the rows' weighted mean (n_features,) and covariance (n_features, n_features), centered."""
    w = weights if len(weights) else np.ones(len(X))
    mean = np.average(X, axis=0, weights=w)
    mean = mean + np.average(X - mean, axis=0, weights=w)
    centered = X - mean
    return mean, (centered * w[:, np.newaxis]).T @ centered / w.sum()


def initialize(
    X: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    init_params: str,
    random_state: np.random.RandomState,
    weights_init: Any = None,
    means_init: Any = None,
    precisions_init: Any = None,
) -> Mixture:
    """Return a mixture with equal weights, means at cluster centers, and one width for all.

    Distances are measured in standard deviations of the features, so that rescaling a feature rescales the
    start. EM does the rest: the width is the rows' mean squared distance from the nearest center.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or (0,)
    n_components : int
    covariance_type : str
    init_params : {"k-means++", "kmeans", "random", "random_from_data"}
        Where the means start: at scikit-learn's k-means++ seeds, at k-means centers, at draws from the
        normal distribution of all rows, at rows drawn at random.
    random_state : numpy.random.RandomState
    weights_init, means_init, precisions_init : array-like, optional
        Replace what was found.
    """
    X, weights, mean, deviations = _standardizable(X, weights)
    Z = (X - mean) / deviations
    centers = _centers(Z, weights, n_components, init_params, random_state)
    distances = ((Z[:, np.newaxis, :] - centers[np.newaxis]) ** 2).sum(axis=2).min(axis=1)
    width = np.average(distances, weights=weights) / Z.shape[1]
    return _around(
        mean + centers * deviations,
        max(width, 1e-6) * deviations**2,
        covariance_type,
        weights_init,
        means_init,
        precisions_init,
    )


def initialize_cold(
    X: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    random_state: np.random.RandomState,
    weights_init: Any = None,
    means_init: Any = None,
    precisions_init: Any = None,
) -> Mixture:
    """Return a mixture that takes only the scale from the rows: for rules that find their own way.

    Equal weights, the features' variances for all, and means at the rows' mean but for random offsets of a
    tenth of a standard deviation. Parameters as in `initialize`.
    """
    _, _, mean, deviations = _standardizable(X, weights)
    offsets = _COLD_OFFSET * random_state.standard_normal((n_components, X.shape[1]))
    return _around(
        mean + offsets * deviations,
        deviations**2,
        covariance_type,
        weights_init,
        means_init,
        precisions_init,
    )


def _standardizable(X: Array, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Return rows of positive weight, their weights, means, and positive standard deviations."""
    used = weights > 0 if len(weights) else np.ones(len(X), dtype=bool)
    X, weights = X[used], weights[used] if len(weights) else np.ones(int(used.sum()))
    mean, scatter = feature_moments(X, weights)
    deviations = np.sqrt(np.diag(scatter))
    return X, weights, mean, np.where(np.ptp(X, axis=0) > 0, deviations, typical(deviations))


def _around(
    means: Array,
    variances: Array,
    covariance_type: str,
    weights_init: Any,
    means_init: Any,
    precisions_init: Any,
) -> Mixture:
    """Return a mixture of these means, equal weights and the same variances for all, or what was given."""
    kind = covariance.get(covariance_type)
    n_components, n_features = means.shape
    weights_init = _given("weights_init", weights_init, (n_components,))
    means_init = _given("means_init", means_init, (n_components, n_features))
    precisions_init = _given("precisions_init", precisions_init, kind.shape(n_components, n_features))
    if kind.has_matrices:
        covariances = np.broadcast_to(np.diag(variances), (n_components, n_features, n_features))
        covariances = covariances if not kind.pooled else covariances[0]
    else:
        covariances = np.broadcast_to(variances, (n_components, n_features))
        covariances = covariances if not kind.pooled else covariances.mean(axis=1)
    if precisions_init is not None:
        try:
            kind.factor(precisions_init)
        except ValueError as error:
            raise ValueError(str(error).replace("`covariances", "`precisions_init")) from None
        covariances = np.linalg.inv(precisions_init) if kind.has_matrices else 1.0 / precisions_init
    return Mixture(
        np.full(n_components, 1.0 / n_components) if weights_init is None else weights_init,
        means if means_init is None else means_init,
        covariances,
        covariance_type,
    )


def _given(name: str, value: Any, shape: tuple[int, ...]) -> Array | None:
    """Return what the user gave for the start, checked under its own name."""
    if value is None:
        return None
    array = np.array(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array.tolist()}")
    return array


def typical(deviations: Array) -> float:
    """Return a scale for constant features: the median of the others' standard deviations, or 1."""
    positive = deviations[deviations > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def _centers(
    Z: Array, weights: Array, n_components: int, method: str, random_state: np.random.RandomState
) -> Array:
    if method == "k-means++":
        trials = [
            kmeans_plusplus(Z, n_components, sample_weight=weights, random_state=random_state)[0]
            for _ in range(_N_TRIALS if n_components > 1 else 1)
        ]
        costs = [
            np.dot(weights, ((Z[:, np.newaxis] - c[np.newaxis]) ** 2).sum(axis=2).min(axis=1)) for c in trials
        ]
        return np.asarray(trials[int(np.argmin(costs))])
    if method == "kmeans":
        model = KMeans(n_components, n_init=1, random_state=random_state)
        return np.asarray(model.fit(Z, sample_weight=weights).cluster_centers_)
    if method == "random":
        return random_state.standard_normal((n_components, Z.shape[1]))
    rows = random_state.choice(len(Z), n_components, replace=False, p=weights / weights.sum())
    return np.asarray(Z[rows])
