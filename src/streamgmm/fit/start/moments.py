"""The scale of the features: means, covariances, and standard deviations that can be divided by."""

from __future__ import annotations

import numpy as np

from streamgmm.statistics import Array

FLOOR = 1e-6  # of a feature's variance
_NARROW = 1e-100  # times a deviation: a middle half that is less has nothing to do with it
_LEAST = 1e-280  # variances below would leave nothing of a millionth of them, or of their products


def feature_moments(X: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return the weighted mean, the covariance, and positive standard deviations of rows of positive weight.

    A constant feature, or one that varies too little to be squared, has the others' typical deviation.
    """
    w = weights if len(weights) else np.ones(len(X))
    mean = np.average(X, axis=0, weights=w)
    mean = mean + np.average(X - mean, axis=0, weights=w)
    centered = X - mean
    scatter = (centered * w[:, np.newaxis]).T @ centered / w.sum()
    variances = np.diag(scatter)
    varies = (np.ptp(X, axis=0) > 0) & (variances > _LEAST)
    deviations = np.sqrt(variances)
    return mean, scatter, np.where(varies, deviations, typical(deviations[varies]))


def typical(deviations: Array) -> float:
    """Return a scale for constant features: the median of the others' standard deviations, or 1."""
    positive = deviations[deviations > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def robust_deviations(X: Array, weights: Array, deviations: Array) -> Array:
    """Return the features' standard deviations, or what the middle half of the rows says if that is less.

    The interquartile range over 1.349, as in Silverman's rule for the width of kernels (1986, equation 3.30):
    rows that are few and far make the standard deviation as large as they like.
    """
    middle = (quantile(X, weights, 0.75) - quantile(X, weights, 0.25)) / 1.349
    counts = (middle > _NARROW * deviations) & (np.square(middle) > _LEAST)
    return np.where(counts, np.minimum(middle, deviations), deviations)


def quantile(X: Array, weights: Array, q: float) -> Array:
    """Return the least value of each column (n_features,) up to which rows have a share q of the weight."""
    if not len(weights):
        at = max(int(np.ceil(q * len(X))) - 1, 0)
        return np.asarray(np.partition(X, at, axis=0)[at])
    order = np.argsort(X, axis=0)
    mass = np.cumsum(weights[order], axis=0)
    first = np.argmax(mass >= q * mass[-1], axis=0)
    return np.asarray(np.take_along_axis(np.take_along_axis(X, order, axis=0), first[np.newaxis], axis=0)[0])
