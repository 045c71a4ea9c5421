"""Kernels for components with a diagonal covariance (`diag`, and `spherical` repeated for each feature).

The same two functions as in `triangular`, with standard deviations in ``scale`` (n_components, n_features)
and the squares alone in ``s2`` (n_components, n_features).
"""

from __future__ import annotations

from ._jit import kernel


@kernel
def log_joint(x, n, log_weights, means, scale, log_scale, scratch, out):
    """Compute log(weight_k N(x_i; mu_k, S_k)) for a block of rows; see `triangular.log_joint`."""
    n_components, n_features = means.shape
    if n == 1:
        for k in range(n_components):
            quadratic = 0.0
            for a in range(n_features):
                z = (x[a, 0] - means[k, a]) / scale[k, a]
                quadratic += z * z
            out[k, 0] = (log_weights[k] - log_scale[k]) - 0.5 * quadratic
        return
    for k in range(n_components):
        log_prob = out[k]
        start = log_weights[k] - log_scale[k]
        for i in range(n):
            log_prob[i] = start
        for a in range(n_features):
            x_a = x[a]
            mean = means[k, a]
            inverse = 1.0 / scale[k, a]
            for i in range(n):
                z = (x_a[i] - mean) * inverse
                log_prob[i] -= 0.5 * z * z


@kernel
def accumulate(x, n, resp, means, scratch, nk, s1, s2):
    """Add a block's moments about the means; see `triangular.accumulate`."""
    n_components, n_features = means.shape
    for k in range(n_components):
        r = resp[k]
        total = 0.0
        for i in range(n):
            total += r[i]
        nk[k] += total
        if total < 1e-16:
            continue
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
            s2[k, a] += second
