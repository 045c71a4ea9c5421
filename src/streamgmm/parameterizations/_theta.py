"""What directions and retractions share: how numbers go between theta and matrices, means, variances."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels._jit import inlined


@inlined
def add_symmetric(factor, scratch, j, change, at, twice):
    """Add factor times the lower triangle of scratch[j] to change[at:], ``twice`` off the diagonal."""
    for a in range(scratch.shape[1]):
        for b in range(a):
            change[at] += twice * factor * scratch[j, a, b]
            at += 1
        change[at] += factor * scratch[j, a, a]
        at += 1


@inlined
def add_difference(factor, s2, k, scratch, j, change, at, twice):
    """Add factor times (s2[k] - scratch[j]) to change[at:], ``twice`` off the diagonal."""
    for a in range(scratch.shape[1]):
        for b in range(a):
            change[at] += twice * factor * (s2[k, a, b] - scratch[j, a, b])
            at += 1
        change[at] += factor * (s2[k, a, a] - scratch[j, a, a])
        at += 1


@inlined
def subtract_product(scratch, j, means, k, change, at):
    """Subtract the symmetric scratch[j] times means[k] from change[at:]."""
    for a in range(means.shape[1]):
        total = scratch[j, a, a] * means[k, a]
        for b in range(a):
            total += scratch[j, a, b] * means[k, b]
        for b in range(a + 1, means.shape[1]):
            total += scratch[j, b, a] * means[k, b]
        change[at + a] -= total


@inlined
def read_symmetric(factor, theta, at, scratch, j):
    """Write factor times the lower triangle in theta[at:] to scratch[j]."""
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] = factor * theta[at]
            at += 1


@inlined
def write_symmetric(factor, scratch, j, theta, at):
    """Write factor times the lower triangle of scratch[j] to theta[at:]."""
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            theta[at] = factor * scratch[j, a, b]
            at += 1


@inlined
def add_vector(source, k, change, at):
    for a in range(source.shape[1]):
        change[at + a] += source[k, a]


@inlined
def read_mean(theta, at, means, k):
    """Write the mean in theta[at:] to means[k]; return whether it is finite."""
    finite = True
    for a in range(means.shape[1]):
        means[k, a] = theta[at + a]
        finite = finite and np.isfinite(means[k, a])
    return finite


@inlined
def is_scale(value):
    """Tell whether a variance, or its reciprocal, is positive, with room for products of a few."""
    return 1e-200 < value < 1e200


@inlined
def is_slope(value):
    """Tell whether an entry of a unit triangular factor is finite, with room for products with variances."""
    return abs(value) < 1e50


@inlined
def add_logarithms(power, k, place, precondition, n, s1, s2, means, scale, change):
    """Add a component's direction where theta holds power * log v for each variance v.

    dl/dmean = s1 / v, dl/dlog v = (s2 / v - n) / 2; preconditioned, s1 and s2 / v - n.
    """
    n_features = means.shape[1]
    step = place.stride
    factor = (power if step else power / n_features) if precondition else 0.5 / power
    for a in range(n_features):
        inverse = scale[k, a, 0]
        change[place.mean_at + a] += s1[k, a] * (1.0 if precondition else inverse)
        change[place.at + step * a] += factor * (s2[k, a, 0] * inverse - n)


@inlined
def read_logarithms(power, k, place, theta, means, scale):
    """Turn power * log v into reciprocal variances; return whether they, and the mean, are valid."""
    step = place.stride
    valid = read_mean(theta, place.mean_at, means, k)
    for a in range(means.shape[1]):
        scale[k, a, 0] = np.exp(-theta[place.at + step * a] / power)
        valid = valid and is_scale(scale[k, a, 0])
    return valid
