"""Condition numbers: of a mixture's covariances, and of what few rows would show of white noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._words import require_mixture


def condition_numbers(mixture: Mixture) -> Array:
    """Return the 2-norm condition number of each component's covariance.

    The ratio of its largest to its smallest eigenvalue: the square of the ratio of the factor's singular
    values, so that no accuracy is lost by forming the covariance. It depends on the features' units.

    Parameters
    ----------
    mixture : Mixture

    Returns
    -------
    ndarray of shape (n_components,)
        For "tied" the same number for each component, for "diag" the ratio of the variances, for "spherical"
        ones; infinity where float64 cannot hold it.

    Raises
    ------
    ValueError
        If `mixture` is not a Mixture.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.diagnostics import condition_numbers
    >>> condition_numbers(Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [[1.0, 100.0], [2.0, 1.0]], "diag"))
    array([100.,   2.])
    """
    require_mixture(mixture)
    scales = mixture.kind.axis_lengths(mixture.factor, *mixture.means.shape)
    with np.errstate(divide="ignore", over="ignore"):
        return np.square(scales.max(axis=1) / scales.min(axis=1))


def marchenko_pastur_condition(n_samples: float, n_features: int) -> float:
    """Return about the condition number that the sample covariance of white noise has.

    The true covariance is the identity, whose condition number is 1; that of a sample is about
    ((1 + sqrt(g)) / (1 - sqrt(g)))^2 with g = n_features / n_samples: the edges of the Marchenko-Pastur
    distribution, exact as both numbers grow.

    Parameters
    ----------
    n_samples : float
        Number of rows, or their effective number such as ``Statistics.nk``; positive.
    n_features : int
        At least 1.

    Returns
    -------
    float
        Infinity if there are not more rows than features.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Marchenko and Pastur (1967), Distribution of eigenvalues for some sets of random matrices, Mathematics of
    the USSR-Sbornik 1, 457-483.

    Examples
    --------
    >>> from streamgmm.diagnostics import marchenko_pastur_condition
    >>> [round(marchenko_pastur_condition(n, 5), 1) for n in (5, 10, 50, 5000)]
    [inf, 34.0, 3.7, 1.1]
    """
    if not _is_real(n_samples) or not (np.isfinite(n_samples) and n_samples > 0):
        raise ValueError(f"`n_samples` must be positive and finite, got {n_samples!r}")
    if not _is_real(n_features) or n_features < 1 or n_features != int(n_features):
        raise ValueError(f"`n_features` must be a whole number of at least 1, got {n_features!r}")
    if n_features >= n_samples:
        return float("inf")
    root = float(np.sqrt(n_features / n_samples))
    return ((1.0 + root) / (1.0 - root)) ** 2


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
