"""The single zero-mean matrix T = [[S + mean mean', mean], [mean', 1]] of Hosseini and Sra (2015).

Its last entry is 1 at every maximum of the likelihood and is held there; `diag` has a T of two rows for each
feature.
"""

from __future__ import annotations

from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop

from ._flat import (
    add_difference,
    add_vector,
    is_scale,
    read_mean,
    read_symmetric,
    write_symmetric,
)
from ._project import clip_eigenvalues, clip_values


@exact_kernel
def direction_triangular(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """With G = dl/dS: G by the square block, P s1 - 2 G mean by the mean.

    Preconditioned by T, it is sum r (y y' - T) with y = [x; 1]: a convex combination of T and y y'.
    """
    n_features = means.shape[1]
    if precondition:
        add_vector(s1, k, change, mean_at)
        read_symmetric(n, theta, at, scratch, j)
        for a in range(n_features):
            for b in range(a + 1):
                cross = s1[k, a] * means[k, b] + means[k, a] * s1[k, b]
                scratch[j, a, b] -= cross + n * (means[k, a] * means[k, b])
        add_difference(1.0, s2, k, scratch, j, change, at, 1.0)
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    for a in range(n_features):
        total = scratch[j + 3, 0, a] - scratch[j, a, a] * means[k, a]
        for b in range(a):
            change[at] += scratch[j, a, b]  # half of it, twice
            total -= scratch[j, a, b] * means[k, b]
            change[mean_at + b] -= scratch[j, a, b] * means[k, a]
            at += 1
        change[at] += 0.5 * scratch[j, a, a]
        change[mean_at + a] += total
        at += 1


@exact_kernel
def retract_triangular(k, mean_at, at, theta, means, scale, scratch, j):
    """Factor S, what T leaves over the mean."""
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] = theta[at] - means[k, a] * means[k, b]
            at += 1
    if not valid:
        return False
    return linear.factor(scratch, j, k, scale)


@loop
def project_triangular(mean_at, at, block, theta, scratch, j):
    """Raise the eigenvalues of S, what T leaves over the mean."""
    read_symmetric(1.0, theta, at, scratch, j)
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] -= theta[mean_at + a] * theta[mean_at + b]
    clip_eigenvalues(scratch, j)
    for a in range(scratch.shape[1]):
        for b in range(a + 1):
            scratch[j, a, b] += theta[mean_at + a] * theta[mean_at + b]
    write_symmetric(1.0, scratch, j, theta, at)


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """Do the same for a T of two rows for each feature."""
    for a in range(means.shape[1]):
        inverse = scale[k, a, 0]
        if precondition:
            change[mean_at + a] += s1[k, a]
            change[at + a] += s2[k, a, 0] + 2.0 * means[k, a] * s1[k, a] - n / inverse
        else:
            twice = inverse * (s2[k, a, 0] * inverse - n)
            change[mean_at + a] += s1[k, a] * inverse - twice * means[k, a]
            change[at + a] += 0.5 * twice


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Subtract the squares of the means."""
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        variance = theta[at + a] - means[k, a] * means[k, a]
        scale[k, a, 0] = 1.0 / variance
        valid = valid and is_scale(variance)
    return valid


@loop
def project_diagonal(mean_at, at, block, theta, scratch, j):
    """Raise the variances."""
    for a in range(scratch.shape[1]):
        scratch[j, a, 0] = theta[at + a] - theta[mean_at + a] * theta[mean_at + a]
    clip_values(scratch, j)
    for a in range(scratch.shape[1]):
        theta[at + a] = scratch[j, a, 0] + theta[mean_at + a] * theta[mean_at + a]
