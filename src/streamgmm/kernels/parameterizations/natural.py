"""The natural parameters (P mean, -P / 2)."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop

from ._flat import (
    add_difference,
    add_symmetric,
    add_vector,
    block_size,
    is_scale,
    read_symmetric,
    stride,
    subtract_product,
)
from ._project import project_matrix, project_values


@exact_kernel
def direction_triangular(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """Add dl = s1 and s2 + s1 mean' + mean s1' - n S; preconditioned, P s1 + dP mean and -dP / 2."""
    n_features = means.shape[1]
    if precondition:
        read_symmetric(-2.0 * n, theta, at, scratch, j)
        linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)  # minus dP
        add_vector(scratch[j + 3], 0, change, mean_at)
        if block_size(theta.size, means, scale) > 0:
            subtract_product(scratch, j, means, k, change, mean_at)
        else:  # all share P, so that dP moves all P mean
            for component in range(means.shape[0]):
                subtract_product(
                    scratch, j, means, component, change, means.shape[0] + component * n_features
                )
        add_symmetric(0.5, scratch, j, change, at, 1.0)
        return
    add_vector(s1, k, change, mean_at)
    linear.write_covariance(n, scale, k, scratch, j)
    for a in range(n_features):
        for b in range(a + 1):
            scratch[j, a, b] -= s1[k, a] * means[k, b] + means[k, a] * s1[k, b]
    add_difference(1.0, s2, k, scratch, j, change, at, 2.0)


@exact_kernel
def retract_triangular(k, mean_at, at, theta, means, scale, scratch, j):
    """Factor the inverse of P; mean = L D L' (P mean)."""
    n_features = means.shape[1]
    read_symmetric(-2.0, theta, at, scratch, j)
    if not linear.factor_inverse(scratch, j, k, scale):
        return False
    valid = True
    for a in range(n_features):
        total = theta[mean_at + a]
        for b in range(a + 1, n_features):
            total += scale[k, b, a] * theta[mean_at + b]
        scratch[j, 0, a] = total / scale[k, a, a]
    for a in range(n_features):
        total = scratch[j, 0, a]
        for b in range(a):
            total += scale[k, a, b] * scratch[j, 0, b]
        means[k, a] = total
        valid = valid and np.isfinite(total)
    return valid


@loop
def project_triangular(mean_at, at, block, theta, scratch, j):
    """Raise the eigenvalues of P."""
    project_matrix(-2.0, at, theta, scratch, j)


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """Add dl = s1 and s2 + 2 s1 mean - n v; preconditioned, p s1 + dp mean and -dp / 2."""
    n_features = means.shape[1]
    step = stride(theta, means)
    if precondition:
        pooled = 0.0
        for a in range(n_features):
            pooled += scale[k, a, 0] * (n - s2[k, a, 0] * scale[k, a, 0]) / n_features
        for a in range(n_features):
            own = scale[k, a, 0] * (n - s2[k, a, 0] * scale[k, a, 0])
            change[mean_at + a] += scale[k, a, 0] * s1[k, a] + (own if step else pooled) * means[k, a]
            change[at + step * a] -= 0.5 * (own if step else pooled / n_features)
        return
    for a in range(n_features):
        change[mean_at + a] += s1[k, a]
        change[at + step * a] += s2[k, a, 0] + 2.0 * s1[k, a] * means[k, a] - n / scale[k, a, 0]


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Divide."""
    step = stride(theta, means)
    valid = True
    for a in range(means.shape[1]):
        scale[k, a, 0] = -2.0 * theta[at + step * a]
        means[k, a] = theta[mean_at + a] / scale[k, a, 0]
        valid = valid and is_scale(scale[k, a, 0]) and np.isfinite(means[k, a])
    return valid


@loop
def project_diagonal(mean_at, at, block, theta, scratch, j):
    """Raise the reciprocals of the variances."""
    project_values(-2.0, at, block, theta, scratch, j)
