"""Kernels for components with a diagonal covariance (`diag`, and `spherical` repeated for each feature).

The same functions as in `triangular`, with the reciprocal variances in ``scale``
(n_components, n_features, 1) and the squares alone in ``s2`` (n_components, n_features, 1).
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined, kernel


@exact_kernel
def log_joint(x, n, offset, means, scale, scratch, out):
    """Compute log(weight_k N(x_i; mu_k, S_k)) for a block of rows; see `triangular.log_joint`."""
    n_components, n_features = means.shape
    for k in range(n_components):
        log_prob = out[k]
        start = offset[k]
        for i in range(n):
            log_prob[i] = start
        for a in range(n_features):
            x_a = x[a]
            mean = means[k, a]
            half = 0.5 * scale[k, a, 0]
            for i in range(n):
                z = x_a[i] - mean
                log_prob[i] -= half * (z * z)


@kernel
def accumulate(x, n, resp, means, nk, s1, s2):
    """Add a block's moments about the means; see `triangular.accumulate`."""
    n_components, n_features = means.shape
    for k in range(n_components):
        r = resp[k]
        total = 0.0
        for i in range(n):
            total += r[i]
        nk[k] += total
        for a in range(n_features):
            x_a = x[a]
            mean = means[k, a]
            first = 0.0
            second = 0.0
            for i in range(n):
                y = x_a[i] - mean
                u = r[i] * y
                first += u
                second += u * y
            s1[k, a] += first
            s2[k, a, 0] += second


@inlined
def row_statistics(x, w, offset, means, scale, nk, s1, s2):
    """Write the statistics of one row; return its log-likelihood; see `triangular.row_statistics`."""
    n_components, n_features = means.shape
    best = -1e300
    for k in range(n_components):
        quadratic = 0.0
        for a in range(n_features):
            y = x[a] - means[k, a]
            s1[k, a] = y
            quadratic += y * y * scale[k, a, 0]
        nk[k] = offset[k] - 0.5 * quadratic
        best = nk[k] if nk[k] > best else best
    total = 0.0
    for k in range(n_components):
        nk[k] = np.exp(nk[k] - best)
        total += nk[k]
    factor = w / total
    for k in range(n_components):
        nk[k] *= factor
        for a in range(n_features):
            u = nk[k] * s1[k, a]
            s2[k, a, 0] = u * s1[k, a]
            s1[k, a] = u
    if best < -1e299 and w > 0.0:
        return -np.inf
    return w * (best + np.log(total))
