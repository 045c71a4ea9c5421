"""k-means from seeds of k-means++, as compiled code: where EM may begin."""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, kernel, loop

_CLOSE = 1e-4  # Lloyd's steps end when the sum of squares falls by less, relatively


@kernel
def _distances(Z, centers, k, out):
    """Write the squared distances of the columns of Z (n_features, n_samples) from a center."""
    for i in range(out.size):
        out[i] = 0.0
    for a in range(Z.shape[0]):
        z, center = Z[a], centers[k, a]
        for i in range(out.size):
            difference = z[i] - center
            out[i] += difference * difference


@kernel
def _cost(weights, distances, nearest):
    """Return the weighted sum of the lesser distances."""
    total = 0.0
    for i in range(distances.size):
        total += weights[i] * min(distances[i], nearest[i])
    return total


@exact_kernel
def _drawn(weights, nearest, point):
    """Return the row at which the running sum of weight times distance passes a point."""
    running = 0.0
    last = 0
    for i in range(nearest.size):
        mass = weights[i] * nearest[i]
        if mass > 0.0:
            last = i
            running += mass
            if running > point:
                return i
    return last


@exact_kernel
def _seed(Z, weights, uniform, centers, distances, best, nearest):
    """Write the seeds to ``centers``: each is the best of some draws."""
    n_components, n_trials = uniform.shape
    total = 0.0
    for i in range(nearest.size):
        nearest[i] = 1.0
        total += weights[i]
    for k in range(n_components):
        least = np.inf
        chosen = 0
        for t in range(n_trials if k > 0 else 1):
            row = _drawn(weights, nearest, uniform[k, t] * total)
            for a in range(Z.shape[0]):
                centers[k, a] = Z[a, row]
            _distances(Z, centers, k, distances)
            cost = _cost(weights, distances, nearest if k > 0 else distances)
            if cost < least:
                least = cost
                chosen = row
                for i in range(nearest.size):
                    best[i] = distances[i]
        for a in range(Z.shape[0]):
            centers[k, a] = Z[a, chosen]
        for i in range(nearest.size):
            nearest[i] = min(best[i], nearest[i]) if k > 0 else best[i]
        total = least


@kernel
def _assign(Z, weights, centers, labels, distances, nearest):
    """Write each row's nearest center and squared distance; return the weighted sum of these."""
    for i in range(labels.size):
        labels[i] = 0
        nearest[i] = np.inf
    for k in range(centers.shape[0]):
        _distances(Z, centers, k, distances)
        for i in range(labels.size):
            if distances[i] < nearest[i]:
                nearest[i] = distances[i]
                labels[i] = k
    return _cost(weights, nearest, nearest)


@exact_kernel
def _move(Z, weights, labels, nearest, counts, centers):
    """Move the centers to their rows' means; one without rows goes to the row furthest from its own."""
    n_components, n_features = centers.shape
    for k in range(n_components):
        counts[k] = 0.0
    for i in range(labels.size):
        counts[labels[i]] += weights[i]
    for a in range(n_features):
        for k in range(n_components):
            centers[k, a] = centers[k, a] if counts[k] == 0.0 else 0.0
        for i in range(labels.size):
            centers[labels[i], a] += weights[i] * Z[a, i]
        for k in range(n_components):
            if counts[k] > 0.0:
                centers[k, a] /= counts[k]
    for k in range(n_components):
        if counts[k] == 0.0:
            furthest = 0
            for i in range(labels.size):
                if nearest[i] > nearest[furthest]:
                    furthest = i
            nearest[furthest] = 0.0
            for a in range(n_features):
                centers[k, a] = Z[a, furthest]


@loop
def kmeans(Z, weights, uniform, max_iter, centers, counts):
    """Find the centers of clusters of the columns of Z, and the weights of these.

    The seeds are those of greedy k-means++ (Arthur and Vassilvitskii, 2007): each is the best of some draws
    in proportion to the distance from the seeds so far. Then come at most ``max_iter`` of Lloyd's steps.

    Parameters
    ----------
    Z : (n_features, n_samples)
    weights : (n_samples,)
    uniform : (n_components, n_trials), random numbers from 0 to 1
    max_iter : int
    centers : (n_components, n_features)  # OUT
    counts : (n_components,)  # OUT
    """
    n_samples = Z.shape[1]
    labels = np.empty(n_samples, dtype=np.int64)
    distances = np.empty(n_samples)
    best = np.empty(n_samples)
    nearest = np.empty(n_samples)
    _seed(Z, weights, uniform, centers, distances, best, nearest)
    before = np.inf
    for _ in range(max_iter):
        total = _assign(Z, weights, centers, labels, distances, nearest)
        _move(Z, weights, labels, nearest, counts, centers)
        if not total < (1.0 - _CLOSE) * before:
            return
        before = total
