"""The entries of S itself."""

from __future__ import annotations

from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop

from ._flat import add_difference, add_symmetric, add_vector, is_scale, read_mean, read_symmetric, stride
from ._project import project_matrix, project_values


@exact_kernel
def direction_triangular(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = P s1, dl/dS = (P s2 P - n P) / 2; preconditioned, s1 and s2 - n S."""
    if precondition:
        add_vector(s1, k, change, mean_at)
        read_symmetric(n, theta, at, scratch, j)
        add_difference(1.0, s2, k, scratch, j, change, at, 1.0)
        return
    linear.write_precision(n, scale, k, scratch, j)
    linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
    add_vector(scratch[j + 3], 0, change, mean_at)
    add_symmetric(0.5, scratch, j, change, at, 2.0)


@exact_kernel
def retract_triangular(k, mean_at, at, theta, means, scale, scratch, j):
    """Factor S."""
    read_symmetric(1.0, theta, at, scratch, j)
    return read_mean(theta, mean_at, means, k) and linear.factor(scratch, j, k, scale)


@loop
def project_triangular(mean_at, at, block, theta, scratch, j):
    """Raise the eigenvalues of S."""
    project_matrix(1.0, at, theta, scratch, j)


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = s1 / v, dl/dv = (s2 / v - n) / (2 v); preconditioned, s1 and s2 - n v."""
    n_features = means.shape[1]
    step = stride(theta, means)
    for a in range(n_features):
        inverse = scale[k, a, 0]
        if precondition:
            share = 1.0 if step else 1.0 / n_features
            change[mean_at + a] += s1[k, a]
            change[at + step * a] += share * (s2[k, a, 0] - n / inverse)
        else:
            change[mean_at + a] += s1[k, a] * inverse
            change[at + step * a] += 0.5 * inverse * (s2[k, a, 0] * inverse - n)


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Invert the variances."""
    step = stride(theta, means)
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        variance = theta[at + step * a]
        scale[k, a, 0] = 1.0 / variance
        valid = valid and is_scale(variance)
    return valid


@loop
def project_diagonal(mean_at, at, block, theta, scratch, j):
    """Raise the variances."""
    project_values(1.0, at, block, theta, scratch, j)
