"""The scale of the features: means, covariances, and standard deviations that can be divided by."""

from __future__ import annotations

import numpy as np

from streamgmm.statistics import Array

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
