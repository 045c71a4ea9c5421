"""The logarithms of variances: twice those of standard deviations."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels._jit import exact_kernel

from ._flat import is_scale, read_mean, stride


@exact_kernel
def direction_diagonal(
    k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j
):
    """dl/dmean = s1 / v, dl/dlog v = (s2 / v - n) / 2; preconditioned, s1 and s2 / v - n."""
    n_features = means.shape[1]
    step = stride(theta, means)
    share = 1.0 if step else 1.0 / n_features
    for a in range(n_features):
        inverse = scale[k, a, 0]
        change[mean_at + a] += s1[k, a] * (1.0 if precondition else inverse)
        change[at + step * a] += (share if precondition else 0.5) * (s2[k, a, 0] * inverse - n)


@exact_kernel
def retract_diagonal(k, mean_at, at, theta, means, scale, scratch, j):
    """Exponentiate."""
    step = stride(theta, means)
    valid = read_mean(theta, mean_at, means, k)
    for a in range(means.shape[1]):
        scale[k, a, 0] = np.exp(-theta[at + step * a])
        valid = valid and is_scale(scale[k, a, 0])
    return valid
