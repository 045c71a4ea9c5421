"""The entries of P, the inverse of S."""

from __future__ import annotations

from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, loop

from ._flat import add_difference, add_symmetric, add_vector, is_scale, read_mean, read_symmetric, stride
from ._project import project_matrix, project_values


@exact_kernel
def direction_triangular(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = P s1, dl/dP = (n S - s2) / 2; preconditioned, s1 and n P - P s2 P."""
    if precondition:
        add_vector(s1, k, change, mean_at)
        read_symmetric(n, theta, at, scratch, j)
        linear.subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j)
        add_symmetric(-1.0, scratch, j, change, at, 1.0)
        return
    linear.solve(s1, scale, k, scratch, j + 2, j + 3)
    add_vector(scratch[j + 3], 0, change, mean_at)
    linear.write_covariance(n, scale, k, scratch, j)
    add_difference(-0.5, s2, k, scratch, j, change, at, 2.0)


@exact_kernel
def retract_triangular(k, mean_at, at, theta, means, scale, scratch, j):
    """Factor the inverse of P."""
    read_symmetric(1.0, theta, at, scratch, j)
    return read_mean(theta, mean_at, means, k) and linear.factor_inverse(scratch, j, k, scale)


@loop
def project_triangular(mean_at, at, block, theta, scratch, j):
    """Raise the eigenvalues of P."""
    project_matrix(1.0, at, theta, scratch, j)


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = s1 p, dl/dp = (n / p - s2) / 2; preconditioned, s1 and p (n - s2 p)."""
    n_features = means.shape[1]
    step = stride(theta, means)
    for a in range(n_features):
        inverse = scale[k, a, 0]
        if precondition:
            share = 1.0 if step else 1.0 / n_features
            change[mean_at + a] += s1[k, a]
            change[at + step * a] += share * inverse * (n - s2[k, a, 0] * inverse)
        else:
            change[mean_at + a] += s1[k, a] * inverse
            change[at + step * a] += 0.5 * (n / inverse - s2[k, a, 0])


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Read the reciprocals of the variances."""
    step = stride(theta, means)
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        scale[k, a, 0] = theta[at + step * a]
        valid = valid and is_scale(scale[k, a, 0])
    return valid


@loop
def project_diagonal(mean_at, at, block, theta, scratch, j):
    """Raise the reciprocals of the variances."""
    project_values(1.0, at, block, theta, scratch, j)
