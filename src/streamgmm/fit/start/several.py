"""The best of several starts: k-means in several metrics, a few steps of EM each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streamgmm import covariance
from streamgmm.fit.climb import Climb
from streamgmm.fit.volume import Judge
from streamgmm.kernels.kmeans import kmeans
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .moments import FLOOR

_METRICS = ("standardized", "within", "raw", "whitened")
_ROUNDS = 2
_FEW, _SOME = 5, 15  # iterations of EM from every start, and from the best of them
_KEPT = 3
_LLOYD = 20
_ROWS, _ROWS_EACH = 1000, 20  # all starts are tried on so many rows, or so many for each component


def find_start(
    X: Array,
    weights: Array,
    n_components: int,
    covariance_type: str,
    *,
    options: Options,
    random_state: np.random.RandomState,
) -> Climb:
    """Return the best of several short climbs.

    k-means asks for round clusters, so it matters what the rows are measured in: their own units, the
    features' standard deviations, the rows' covariance, or the covariance within the clusters of an earlier
    start, in which long thin components side by side are round. From each clustering EM makes five steps, the
    best three go on for fifteen (emEM; Biernacki, Celeux and Govaert, 2003), on some of the rows if there are
    many; the best goes on with all rows, beside what k-means finds in all rows, which the
    others may have missed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        As the kernels take them.
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    n_components : int
    covariance_type : str
    options : Options
    random_state : RandomState
    """
    judge = Judge(X, weights)
    some = max(_ROWS, _ROWS_EACH * n_components)
    shape = n_components, covariance_type
    if n_components == 1:
        climb = Climb(
            _around(judge, judge.mean[np.newaxis], np.ones(1), covariance_type), X, weights, options
        )
        return _ranked(judge, [climb], 1)[0]
    if len(X) <= some:
        mixtures = _clustered(judge, *shape, _METRICS * _ROUNDS, random_state)
        climbs = [Climb(mixture, X, weights, options) for mixture in mixtures]
        return _ranked(judge, _ranked(judge, climbs, _FEW)[:_KEPT], _SOME)[0]
    chosen = np.sort(random_state.permutation(len(X))[:some])
    few = Judge(np.ascontiguousarray(X[chosen]), weights[chosen] if len(weights) else weights)
    mixtures = _clustered(few, *shape, _METRICS * _ROUNDS, random_state)
    climbs = [Climb(mixture, few.X, few.weights, options) for mixture in mixtures]
    climbs = _ranked(few, _ranked(few, climbs, _FEW)[:_KEPT], _SOME)[: _KEPT - 1]
    mixtures = [climb.mixture for climb in climbs]
    mixtures += _clustered(judge, *shape, ("standardized", "raw"), random_state)
    return _ranked(judge, [Climb(mixture, X, weights, options) for mixture in mixtures], _FEW)[0]


def _ranked(judge: Judge, climbs: list[Climb], n_iter: int) -> list[Climb]:
    """Return the climbs after so many iterations, the best first."""
    for climb in climbs:
        climb.run(n_iter)
    return sorted(climbs, key=judge.value, reverse=True)


def _clustered(
    judge: Judge,
    n_components: int,
    covariance_type: str,
    metrics: tuple[str, ...],
    random_state: np.random.RandomState,
) -> Iterator[Mixture]:
    """Yield mixtures around the centers that k-means finds in one metric after the other."""
    n_features = len(judge.mean)
    centered = (judge.X - judge.mean) / judge.deviations
    weights = judge.weights if len(judge.weights) else np.ones(len(centered))
    correlation = judge.covariance / np.outer(judge.deviations, judge.deviations)
    within = correlation
    for metric in metrics:
        if metric == "raw":
            root = np.diag(1.0 / judge.deviations)
        elif metric == "standardized":
            root = np.eye(n_features)
        else:
            values, vectors = _axes(correlation if metric == "whitened" else within)
            root = np.sqrt(values)[:, np.newaxis] * vectors.T
        Z = np.ascontiguousarray(np.linalg.solve(root.T, centered.T))
        uniform = random_state.random_sample((n_components, 2 + int(np.log(n_components))))
        centers, counts = np.empty((n_components, n_features)), np.empty(n_components)
        kmeans(Z, weights, uniform, _LLOYD, centers, counts)
        centers, shares = centers @ root, np.maximum(counts, 1.0) / np.maximum(counts, 1.0).sum()
        within = correlation - (shares[:, np.newaxis] * centers).T @ centers
        yield _around(judge, judge.mean + judge.deviations * centers, shares, covariance_type)


def _around(judge: Judge, means: Array, shares: Array, covariance_type: str) -> Mixture:
    """Return the mixture of these means and weights whose components have the covariance within clusters."""
    units = np.outer(judge.deviations, judge.deviations)
    shift = means - judge.mean
    values, vectors = _axes((judge.covariance - (shares[:, np.newaxis] * shift).T @ shift) / units)
    factor = covariance.get(covariance_type).from_matrix(units * ((vectors * values) @ vectors.T), len(means))
    return Mixture.from_factor(np.log(shares), means, factor, covariance_type)


def _axes(covariance: Array) -> tuple[Array, Array]:
    """Return eigenvalues that can be divided by, and eigenvectors."""
    values, vectors = np.linalg.eigh(covariance)
    return np.maximum(values, FLOOR * values[-1]), vectors
