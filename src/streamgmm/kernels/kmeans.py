"""k-means from seeds of k-means++, as compiled code: where EM may begin."""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, kernel, loop

_CLOSE = 1e-4  # Lloyd's steps end when the sum of squares falls by less, relatively


@kernel
def _distances(Z, center, out):
    """Write the squared distances of the columns of Z (n_features, n_samples) from a center."""
    n = out.size
    for i in range(n):
        out[i] = 0.0
    for a in range(center.size):
        row, c = Z[a], center[a]
        for i in range(n):
            difference = row[i] - c
            out[i] += difference * difference


@kernel
def _nearer(weights, distances, nearest):
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


@kernel
def _assign(Z, centers, labels, distances, nearest):
    """Write each row's nearest center to ``labels`` and its squared distance to ``nearest``."""
    n = labels.size
    for i in range(n):
        labels[i] = 0
        nearest[i] = np.inf
    for k in range(centers.shape[0]):
        _distances(Z, centers[k], distances)
        for i in range(n):
            if distances[i] < nearest[i]:
                nearest[i] = distances[i]
                labels[i] = k


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
            furthest = np.argmax(nearest)
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
    n_components, n_trials = uniform.shape
    labels = np.empty(n_samples, dtype=np.int64)
    distances = np.empty(n_samples)
    best = np.empty(n_samples)
    nearest = np.ones(n_samples)
    total = np.sum(weights)
    for k in range(n_components):
        least = np.inf
        for t in range(n_trials if k > 0 else 1):
            row = _drawn(weights, nearest, uniform[k, t] * total)
            _distances(Z, np.ascontiguousarray(Z[:, row]), distances)
            cost = _nearer(weights, distances, nearest) if k > 0 else np.sum(weights * distances)
            if cost < least:
                least = cost
                best[:] = distances
                centers[k] = Z[:, row]
        for i in range(n_samples):
            nearest[i] = min(best[i], nearest[i]) if k > 0 else best[i]
        total = least
    before = np.inf
    for _ in range(max_iter):
        _assign(Z, centers, labels, distances, nearest)
        total = np.sum(weights * nearest)
        _move(Z, weights, labels, nearest, counts, centers)
        if not total < (1.0 - _CLOSE) * before:
            return
        before = total
