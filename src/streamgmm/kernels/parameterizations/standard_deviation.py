"""Standard deviations s and correlations c: S_ab = s_a s_b c_ab, with s on the diagonal of theta's block."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, inlined, loop

from ._flat import add_vector, is_scale, read_mean, stride
from ._project import clip_eigenvalues, project_values


@inlined
def _diagonal(at, a):
    """Return where theta holds the standard deviation of feature a."""
    return at + a * (a + 3) // 2


@inlined
def _read(factor, theta, at, scratch, j):
    """Write factor times the lower triangle of S to scratch[j]."""
    entry = at
    for a in range(scratch.shape[1]):
        s_a = factor * theta[_diagonal(at, a)]
        for b in range(a):
            scratch[j, a, b] = s_a * theta[_diagonal(at, b)] * theta[entry]
            entry += 1
        scratch[j, a, a] = s_a * theta[entry]
        entry += 1


@exact_kernel
def direction_triangular(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dc_ab = s_a s_b Q_ab and dl/ds_a = sum_b Q_ab s_b c_ab with Q = P s2 P - n P.

    Preconditioned, with E = s2 - n S: ds_a = E_aa / (2 s_a) and
    dc_ab = E_ab / (s_a s_b) - c_ab (ds_a / s_a + ds_b / s_b).
    """
    n_features = means.shape[1]
    entry = at
    if precondition:
        add_vector(s1, k, change, mean_at)
        _read(n, theta, at, scratch, j)
        for a in range(n_features):
            s_a = theta[_diagonal(at, a)]
            scratch[j + 1, 0, a] = 0.5 * (s2[k, a, a] - scratch[j, a, a]) / (s_a * s_a)
            for b in range(a):
                excess = (s2[k, a, b] - scratch[j, a, b]) / (s_a * theta[_diagonal(at, b)])
                change[entry] += excess - theta[entry] * (scratch[j + 1, 0, a] + scratch[j + 1, 0, b])
                entry += 1
            change[entry] += scratch[j + 1, 0, a] * s_a
            entry += 1
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    add_vector(scratch[j + 3], 0, change, mean_at)
    for a in range(n_features):
        s_a = theta[_diagonal(at, a)]
        for b in range(a):
            s_b = theta[_diagonal(at, b)]
            change[entry] += s_a * s_b * scratch[j, a, b]
            change[_diagonal(at, a)] += scratch[j, a, b] * s_b * theta[entry]
            change[_diagonal(at, b)] += scratch[j, a, b] * s_a * theta[entry]
            entry += 1
        change[entry] += scratch[j, a, a] * s_a
        entry += 1


@exact_kernel
def retract_triangular(k, mean_at, at, theta, means, scale, scratch, j):
    """Factor S; its standard deviations must be positive."""
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        valid = valid and theta[_diagonal(at, a)] > 0.0
    _read(1.0, theta, at, scratch, j)
    return valid and linear.factor(scratch, j, k, scale)


@loop
def project_triangular(mean_at, at, block, theta, scratch, j):
    """Raise the standard deviations, then the eigenvalues of S."""
    n_features = scratch.shape[1]
    largest = 0.0
    for a in range(n_features):
        largest = max(largest, abs(theta[_diagonal(at, a)]))
    for a in range(n_features):
        theta[_diagonal(at, a)] = max(theta[_diagonal(at, a)], 1e-6 * largest)
    _read(1.0, theta, at, scratch, j)
    clip_eigenvalues(scratch, j)
    for a in range(n_features):
        theta[_diagonal(at, a)] = np.sqrt(scratch[j, a, a])
    entry = at
    for a in range(n_features):
        for b in range(a):
            theta[entry] = scratch[j, a, b] / (theta[_diagonal(at, a)] * theta[_diagonal(at, b)])
            entry += 1
        entry += 1


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = s1 / v, dl/ds = (s2 / v - n) / s; preconditioned, s1 and (s2 - n v) / (2 s)."""
    n_features = means.shape[1]
    step = stride(theta, means)
    share = 0.5 if step else 0.5 / n_features
    for a in range(n_features):
        inverse = scale[k, a, 0]
        s = theta[at + step * a]
        excess = s2[k, a, 0] * inverse - n
        change[mean_at + a] += s1[k, a] * (1.0 if precondition else inverse)
        change[at + step * a] += share * s * excess if precondition else excess / s


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Square and invert the standard deviations, which must be positive."""
    step = stride(theta, means)
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        s = theta[at + step * a]
        scale[k, a, 0] = 1.0 / (s * s)
        valid = valid and s > 0.0 and is_scale(s * s)
    return valid


@loop
def project_diagonal(mean_at, at, block, theta, scratch, j):
    """Raise the standard deviations."""
    project_values(1.0, at, block, theta, scratch, j)
