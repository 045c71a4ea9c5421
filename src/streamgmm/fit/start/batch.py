"""scikit-learn's starts, draw for draw: responsibilities from a few rows, then one M-step."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from streamgmm import covariance
from streamgmm.fit.batch import m_step
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .given import Given, one_thread
from .moments import feature_moments

_FAR = 1e3  # standard deviations from zero: from here on distances are computed between centered rows


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
    """Return the mixture that EM starts from; empty weights (n_samples,) are ones.

    ``init_params`` says what the responsibilities come from: "kmeans", its labels; "k-means++", the rows
    that it chooses; "random", random numbers; "random_from_data", rows chosen at random. ``random_state`` is
    used as scikit-learn uses it, and not at all if everything is given.

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
    given = given or Given()
    if given.is_all:
        return given.mixture(covariance_type)
    sample_weight = weights if len(weights) else None
    resp = np.zeros((len(X), n_components))
    if init_params == "random":
        resp = random_state.uniform(size=resp.shape)
        resp /= resp.sum(axis=1, keepdims=True)
    elif init_params == "kmeans":
        with one_thread():
            model = KMeans(n_components, n_init=1, random_state=random_state).fit(
                X, sample_weight=sample_weight
            )
        resp[np.arange(len(X)), model.labels_] = 1.0
    elif init_params == "k-means++":
        mean, deviations = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
        near = (
            X - mean if (np.abs(mean) > _FAR * deviations).any() else X
        )  # else squared norms lose differences
        seeds = kmeans_plusplus(near, n_components, sample_weight=sample_weight, random_state=random_state)[1]
        resp[seeds, np.arange(n_components)] = 1.0
    else:
        p = weights / weights.sum() if len(weights) else None
        draws = random_state.choice(len(X), size=n_components, replace=False, p=p)
        resp[draws, np.arange(n_components)] = 1.0
    X = np.asarray(X, dtype=np.float64)
    return given.replace_in(_from_responsibilities(X, weights, resp, covariance_type, options))


def _from_responsibilities(
    X: Array, weights: Array, resp: Array, covariance_type: str, options: Options
) -> Mixture:
    """Return the M-step on responsibilities (n_samples, n_components), not negative.

    A component without rows gets the mean and the variances of all rows. Where only some rows have
    responsibilities, the tied covariance is still that of all rows around their mean, as in scikit-learn for
    rows with mean zero.
    """
    kind = covariance.get(covariance_type)
    weighted = resp * weights[:, np.newaxis] if len(weights) else resp
    nk = weighted.sum(axis=0)
    center, scatter, deviations = feature_moments(X, weights)
    n_components = len(nk)
    partial = bool((resp.sum(axis=1) == 0).any())
    if partial and kind.is_shared:
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
        s1, s2 = np.empty(origin.shape), np.empty(kind.moments_shape(*origin.shape))
        for k in range(n_components):
            difference = X - origin[k]
            part = weighted[:, k, np.newaxis] * difference
            s1[k] = part.sum(axis=0)
            s2[k] = kind.products(part, difference)
    log_weights = np.full(n_components, -np.log(n_components))
    around = Mixture.from_factor(
        log_weights, origin, kind.from_variances(np.broadcast_to(deviations**2, origin.shape)), kind.name
    )
    return m_step(Statistics(float(nk.sum()), 0.0, nk, s1, s2, origin), around, options)
