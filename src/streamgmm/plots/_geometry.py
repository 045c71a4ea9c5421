"""Ellipses that hold a given share of a component's rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array


class Ellipse(NamedTuple):
    """An ellipse in the plane of two features.

    Attributes
    ----------
    center : ndarray of shape (2,)
    width, height : float
        Whole axes: the longer one first.
    angle : float
        Of the longer axis, in degrees, counterclockwise from the first feature, in (-90, 90].
    """

    center: Array
    width: float
    height: float
    angle: float


def ellipses(mixture: Mixture, coverage: float) -> list[Ellipse]:
    """Return for each component the ellipse that holds a share of its rows.

    Its Mahalanobis distance from the mean is the root of chi-squared's quantile with 2 degrees of freedom.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([1.0], [[1.0, 2.0]], [[4.0, 1.0]], "diag")
    >>> [ellipse] = ellipses(mixture, 0.95)
    >>> round(ellipse.width, 2), round(ellipse.height, 2), ellipse.angle
    (9.79, 4.9, 0.0)
    """
    radius = float(np.sqrt(chi2.ppf(coverage, 2)))
    found = []
    for center, factor in zip(mixture.means, _factors(mixture), strict=True):
        axes, lengths, _ = np.linalg.svd(factor)
        x, y = axes[:, 0]
        if x < 0 or (x == 0 and y < 0):
            x, y = -x, -y
        angle = float(np.degrees(np.arctan2(y, x)))
        angle = 90.0 if angle == -90.0 else angle + 0.0
        width, height = 2 * radius * lengths
        found.append(Ellipse(center, float(width), float(height), angle))
    return found


def outlines(mixture: Mixture, coverage: float, n_points: int = 49) -> Array:
    """Return the same ellipses as closed lines (n_components, n_points, 2).

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([1.0], [[1.0, 2.0]], [[4.0, 1.0]], "diag")
    >>> outlines(mixture, 0.95, n_points=5).round(1)[0].tolist()
    [[5.9, 2.0], [1.0, 4.4], [-3.9, 2.0], [1.0, -0.4], [5.9, 2.0]]
    """
    radius = float(np.sqrt(chi2.ppf(coverage, 2)))
    angle = np.linspace(0, 2 * np.pi, n_points)
    circle = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    lines: Array = mixture.means[:, np.newaxis] + circle @ np.swapaxes(_factors(mixture), 1, 2)
    return lines


def _factors(mixture: Mixture) -> Array:
    """Return a matrix F with F F' = S for each component (n_components, 2, 2)."""
    if mixture.n_features != 2:
        raise ValueError(f"an ellipse needs a mixture of 2 features, got {mixture.n_features}")
    return mixture.kind.roots(mixture.factor, *mixture.means.shape)
