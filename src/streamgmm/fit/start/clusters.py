"""Mixtures around the centers that k-means finds, in several metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from streamgmm import covariance
from streamgmm._compat.functools import cached_property
from streamgmm._pieces import breathe
from streamgmm.kernels.kmeans import kmeans
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .moments import FLOOR, feature_moments, robust_deviations

__all__ = ["Sample"]

_LLOYD = 20
_MOMENTS = 2  # what moments and quantiles cost, in passes of a mixture
_DIGITS = 10  # after the point, of standard deviations: units, which cost a rounding, decide no ties
_LEAST = 1e-200


def metrics_of(covariance_type: str) -> tuple[str, ...]:
    """Return the metrics to try, the most promising first.

    Units mean something to covariances that are the same in all directions, and to no others.
    """
    own = "raw" if covariance.get(covariance_type).is_round else "robust"
    return ("standardized", "whitened", "within", own)


class Sample:
    """Rows at hand with their weights, and what they are measured by.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        As the kernels take them, see `streamgmm.sweep.kernel_rows`.
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.fit.start.clusters import Sample
    >>> sample = Sample(np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([3.0, 1.0]))
    >>> sample.mean, sample.covariance.round(2).tolist()
    (array([0.5, 1. ]), [[0.75, 0.0], [0.0, 0.0]])
    """

    def __init__(self, X: Array, weights: Array) -> None:
        self.X, self.weights = X, weights
        self.mean, self.covariance, self.deviations = feature_moments(X, weights)
        breathe(_MOMENTS * len(X))

    @cached_property
    def correlation(self) -> Array:
        """The covariance in standard deviations (n_features, n_features)."""
        return self.covariance / self.deviations / self.deviations[:, np.newaxis]

    @cached_property
    def robust_deviations(self) -> Array:
        """See `robust_deviations`."""
        found = robust_deviations(self.X, self.weights, self.deviations)
        breathe(_MOMENTS * len(self.X))
        return found

    @cached_property
    def standardized(self) -> Array:
        """The rows in standard deviations from the mean."""
        return (self.X - self.mean) / self.deviations

    @cached_property
    def row_weights(self) -> Array:
        """The weights, ones written out (n_samples,)."""
        return self.weights if len(self.weights) else np.ones(len(self.X))

    def take(self, index: np.ndarray[Any, np.dtype[np.intp]]) -> Sample:
        """Return some of the rows."""
        weights = self.weights[index] if len(self.weights) else self.weights
        return Sample(np.ascontiguousarray(self.X[index]), weights)


def clustered(
    sample: Sample,
    n_components: int,
    covariance_type: str,
    metrics: Iterable[str],
    random_state: np.random.RandomState,
) -> Iterator[Mixture]:
    """Yield a mixture for each metric: means at the centers, and one covariance, that within the clusters.

    k-means asks for round clusters, so it matters what the rows are measured in: "raw", their own units;
    "standardized", the features' standard deviations; "whitened", the rows' covariance; "within", that within
    the clusters found before, in which long thin components side by side are round.
    """
    correlation = within = sample.correlation
    n_features = len(sample.mean)
    for metric in metrics:
        if metric == "raw":
            root = np.diag(1.0 / sample.deviations)
            Z = sample.standardized * sample.deviations
        elif metric == "robust":
            root = np.diag(sample.robust_deviations / sample.deviations)
            Z = sample.standardized * (sample.deviations / sample.robust_deviations)
        elif metric == "standardized":
            root, Z = np.eye(n_features), sample.standardized
        else:
            values, vectors = _axes(correlation if metric == "whitened" else within)
            root = np.sqrt(values)[:, np.newaxis] * vectors.T
            Z = sample.standardized @ (vectors / np.sqrt(values))
        uniform = random_state.random_sample((n_components, 2 + int(np.log(n_components))))
        centers, counts = np.empty((n_components, n_features)), np.empty(n_components)
        if metric != "raw":
            Z = np.round(Z, _DIGITS)
        kmeans(np.ascontiguousarray(Z.T), sample.row_weights, uniform, _LLOYD, centers, counts)
        centers, counts = centers @ root, np.maximum(counts, 1e-6 * counts.sum())
        shares = counts / counts.sum()
        within = correlation - (shares[:, np.newaxis] * centers).T @ centers
        values, vectors = _axes(within)
        axes = sample.deviations[:, np.newaxis] * vectors * np.sqrt(values)
        means = sample.mean + sample.deviations * centers
        factor = covariance.get(covariance_type).from_root(axes, n_components)
        breathe(_LLOYD * len(Z))
        yield Mixture.from_factor(np.log(shares), means, factor, covariance_type)


def _axes(matrix: Array) -> tuple[Array, Array]:
    """Return eigenvalues that can be divided by, and eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    largest = values[-1] if values[-1] > _LEAST else 1.0  # of rows that do not vary
    return np.maximum(values, FLOOR * largest), vectors
