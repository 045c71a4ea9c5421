"""scikit-learn's starts: responsibilities from a few rows, then one M-step.

Up to `BOUND` rows they are scikit-learn's own, draw for draw; of more rows a sample of `SAMPLE` is used, so
that the start never costs more than the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from streamgmm import covariance
from streamgmm.covariance import CovarianceType
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .batch import StatisticsOf, fit_em, m_step
from .initialize import feature_moments, typical

BOUND = 65536
SAMPLE = 8192
_TRIALS = 2
_TRIAL_ITERATIONS = 50
_FAR = 1e3  # standard deviations from zero: from here on distances are computed between centered rows


class Given(NamedTuple):
    """Parameters that the user gives for the start, already validated; None is found from rows.

    Attributes
    ----------
    weights : ndarray of shape (n_components,) or None
    means : ndarray of shape (n_components, n_features) or None
    precisions : ndarray or None
        Inverse covariances, in the shape of the covariance type.
    """

    weights: Array | None = None
    means: Array | None = None
    precisions: Array | None = None


def start_mixture(
    X: Any,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    init_params: str,
    random_state: np.random.RandomState,
    options: Options,
    given: Given | None = None,
) -> Mixture:
    """Return the mixture that EM starts from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        At least ``n_components`` finite rows; about `SAMPLE` of them are enough.
    weights : ndarray of shape (n_samples,) or (0,)
        Positive; empty for ones.
    n_components : int
    covariance_type : str
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}
        Labels of k-means; rows chosen by k-means++; random responsibilities; rows chosen at random.
    random_state : numpy.random.RandomState
        Used as scikit-learn uses it; not at all if everything is given.
    options : Options
        Regularization and prior, from `streamgmm.priors.options`.
    given : Given, optional

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import covariance
    >>> from streamgmm.fit.start import start_mixture
    >>> from streamgmm.priors import options
    >>> kind = covariance.get("full")
    >>> rng = np.random.RandomState(0)
    >>> X = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> settings = {"init_params": "kmeans", "random_state": rng, "options": options(kind, 2, 1)}
    >>> start_mixture(X, np.empty(0), 2, "full", **settings).means.ravel()
    array([10.5,  0.5])
    """
    kind = covariance.get(covariance_type)
    given = given or Given()
    if given.weights is not None and given.means is not None and given.precisions is not None:
        return _of(given.weights, given.means, _inverse(given.precisions, kind), covariance_type)
    resp = _responsibilities(X, weights, n_components, init_params, random_state)
    found = mixture_of(np.asarray(X, dtype=np.float64), weights, resp, covariance_type, options)
    if all(value is None for value in given):
        return found
    return _of(
        found.weights if given.weights is None else given.weights,
        found.means if given.means is None else given.means,
        found.factor if given.precisions is None else _inverse(given.precisions, kind),
        covariance_type,
    )


def best_start(
    find: Callable[[], Mixture], sums: StatisticsOf, *, options: Options, tol: float, max_iter: int
) -> Mixture:
    """Return the likelier of two mixtures that EM fits to a sample, from two starts.

    A pass over the sample costs so little, beside one over all rows, that EM may as well begin there.

    Parameters
    ----------
    find : callable
        Returns another start each time.
    sums : callable
        mixture -> Statistics of the sample.
    options : Options
        Regularization and prior, from `streamgmm.priors.options`.
    tol : float
    max_iter : int
    """
    fits = [
        fit_em(find(), sums, options=options, tol=tol, max_iter=min(max_iter, _TRIAL_ITERATIONS))
        for _ in range(_TRIALS)
    ]
    return max(fits, key=lambda fit: fit.lower_bounds[-1]).mixture


def mixture_of(X: Array, weights: Array, resp: Array, covariance_type: str, options: Options) -> Mixture:
    """Return the M-step on responsibilities (n_samples, n_components), not negative.

    A component without rows gets the mean and the variances of all rows. Where only some rows have
    responsibilities, the tied covariance is still that of all rows around their mean, as in scikit-learn for
    rows with mean zero.
    """
    kind = covariance.get(covariance_type)
    weighted = resp * weights[:, np.newaxis] if len(weights) else resp
    nk = weighted.sum(axis=0)
    center, scatter = feature_moments(X, weights)
    n_components, n_features = len(nk), X.shape[1]
    partial = bool((resp.sum(axis=1) == 0).any())
    if partial and kind.pooled and kind.has_matrices:
        origin = np.repeat(center[np.newaxis], n_components, axis=0)
        s1 = weighted.T @ (X - center)
        total = scatter * (weights.sum() if len(weights) else len(X))
        s2 = np.repeat(total[np.newaxis] / n_components, n_components, axis=0)
        s2 *= nk[:, np.newaxis, np.newaxis] * n_components / nk.sum()
    else:
        some = weighted.any(axis=1)
        X, weighted = X[some], weighted[some]
        used = np.maximum(nk, np.finfo(float).tiny)[:, np.newaxis]
        origin = center + weighted.T @ (X - center) / used
        shape = (n_components, n_features, n_features) if kind.has_matrices else (n_components, n_features)
        s1, s2 = np.empty((n_components, n_features)), np.empty(shape)
        for k in range(n_components):
            difference = X - origin[k]
            part = weighted[:, k, np.newaxis] * difference
            s1[k] = part.sum(axis=0)
            s2[k] = part.T @ difference if kind.has_matrices else (part * difference).sum(axis=0)
    variances = np.diag(scatter)
    variances = np.where(variances > 0, variances, typical(np.sqrt(variances)) ** 2)
    around = _of(
        np.full(n_components, 1 / n_components), origin, _factor(variances, kind, origin.shape), kind.name
    )
    return m_step(Statistics(float(nk.sum()), 0.0, nk, s1, s2, origin), around, options)


def _responsibilities(
    X: Any, weights: Array, n_components: int, init_params: str, random_state: np.random.RandomState
) -> Array:
    n_samples = len(X)
    sample_weight = weights if len(weights) else None
    if init_params == "random":
        uniform = random_state.uniform(size=(n_samples, n_components))
        return uniform / uniform.sum(axis=1, keepdims=True)
    resp = np.zeros((n_samples, n_components))
    if init_params == "kmeans":
        model = KMeans(n_components, n_init=1, random_state=random_state)
        resp[np.arange(n_samples), model.fit(X, sample_weight=sample_weight).labels_] = 1.0
        return resp
    if init_params == "k-means++":
        rows = kmeans_plusplus(
            _near_zero(X), n_components, sample_weight=sample_weight, random_state=random_state
        )[1]
    else:
        p = None if sample_weight is None else weights / weights.sum()
        rows = random_state.choice(n_samples, size=n_components, replace=False, p=p)
    resp[rows, np.arange(n_components)] = 1.0
    return resp


def _near_zero(X: Any) -> Any:
    """Return the rows, centered if they lie so far from zero that squared norms lose their differences."""
    mean = X.mean(axis=0, dtype=np.float64)
    deviations = X.std(axis=0, dtype=np.float64)
    return X - mean if (np.abs(mean) > _FAR * deviations).any() else X


def _of(weights: Array, means: Array, factor: Array, covariance_type: str) -> Mixture:
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights / weights.sum())
    return Mixture.from_factor(log_weights, means, factor, covariance_type)


def _inverse(precisions: Array, kind: CovarianceType) -> Array:
    """Return the factor of the covariances that are the inverses of validated precisions."""
    if not kind.has_matrices:
        return 1.0 / np.sqrt(precisions)
    inverse = np.linalg.inv(precisions)
    return kind.factor(np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)), dtype=np.float64))


def _factor(variances: Array, kind: CovarianceType, shape: tuple[int, ...]) -> Array:
    """Return the factor with these variances (n_features,) for every component."""
    if kind.has_matrices:
        return np.broadcast_to(np.diag(np.sqrt(variances)), kind.shape(*shape))
    deviations = np.sqrt(variances if not kind.pooled else variances.mean())
    return np.broadcast_to(deviations, kind.shape(*shape))
