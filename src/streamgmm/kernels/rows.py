"""The loops over rows: one for statistics, one for densities, one that learns.

They cut the rows into blocks, transpose each block into a small buffer as float64, and call the functions
that differ between covariance types and rules (see `_jit`). Nothing else in the package touches rows.
"""

from __future__ import annotations

import numpy as np

from ._jit import kernel
from .elementary import exp_nonpositive, log_positive

BLOCK = 128


@kernel
def load(X, start, n, x):
    """Transpose rows start ... start + n of X into x (n_features, block), as float64."""
    n_features = X.shape[1]
    for i in range(n):
        for a in range(n_features):
            x[a, i] = X[start + i, a]


@kernel
def load_weights(weights, start, n, w):
    """Copy the rows' weights, or ones where ``weights`` is empty; return their sum."""
    total = 0.0
    if weights.size == 0:
        for i in range(n):
            w[i] = 1.0
        return float(n)
    for i in range(n):
        w[i] = weights[start + i]
        total += w[i]
    return total


@kernel
def normalize(n, joint, w, top, log_prob):
    """Turn the joint log densities into weight times responsibility, in place.

    Fills ``log_prob`` with the rows' log densities and returns their weighted sum. ``top`` is scratch. A row
    so far away that its density underflows even in logarithms counts as -1e300 instead of NaN.
    """
    n_components = joint.shape[0]
    if n == 1:
        best = joint[0, 0]
        for k in range(1, n_components):
            best = joint[k, 0] if joint[k, 0] > best else best
        best = -1e300 if best < -1e300 else best
        total = 0.0
        for k in range(n_components):
            joint[k, 0] = exp_nonpositive(joint[k, 0] - best)
            total += joint[k, 0]
        factor = w[0] / total
        for k in range(n_components):
            joint[k, 0] *= factor
        log_prob[0] = best + log_positive(total)
        return w[0] * log_prob[0]
    for i in range(n):
        top[i] = -1e300
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            top[i] = top[i] if joint_k[i] < top[i] else joint_k[i]
            log_prob[i] = 0.0
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            joint_k[i] = exp_nonpositive(joint_k[i] - top[i])
            log_prob[i] += joint_k[i]
    log_likelihood = 0.0
    for i in range(n):
        total = log_prob[i]
        log_prob[i] = top[i] + log_positive(total)
        top[i] = w[i] / total
        log_likelihood += w[i] * log_prob[i]
    for k in range(n_components):
        joint_k = joint[k]
        for i in range(n):
            joint_k[i] *= top[i]
    return log_likelihood


@kernel
def statistics(
    X, weights, log_joint, accumulate, log_weights, means, scale, log_scale, nk, s1, s2
):
    """Add the rows' sufficient statistics to nk, s1, s2; return (weight, log-likelihood)."""
    n_samples, n_features = X.shape
    n_components = means.shape[0]
    x = np.empty((n_features, BLOCK))
    joint = np.empty((n_components, BLOCK))
    scratch = np.empty((n_features + 2) * BLOCK)
    w = np.empty(BLOCK)
    top = np.empty(BLOCK)
    log_prob = np.empty(BLOCK)
    weight = 0.0
    log_likelihood = 0.0
    for start in range(0, n_samples, BLOCK):
        n = min(BLOCK, n_samples - start)
        load(X, start, n, x)
        weight += load_weights(weights, start, n, w)
        log_joint(x, n, log_weights, means, scale, log_scale, scratch, joint)
        log_likelihood += normalize(n, joint, w, top, log_prob)
        accumulate(x, n, joint, means, scratch, nk, s1, s2)
    return weight, log_likelihood


@kernel
def densities(X, log_joint, log_weights, means, scale, log_scale, log_prob, resp):
    """Fill log_prob (n_samples,) and, unless it has no rows, resp (n_samples, n_components)."""
    n_samples, n_features = X.shape
    n_components = means.shape[0]
    x = np.empty((n_features, BLOCK))
    joint = np.empty((n_components, BLOCK))
    scratch = np.empty((n_features + 2) * BLOCK)
    w = np.ones(BLOCK)
    top = np.empty(BLOCK)
    for start in range(0, n_samples, BLOCK):
        n = min(BLOCK, n_samples - start)
        load(X, start, n, x)
        log_joint(x, n, log_weights, means, scale, log_scale, scratch, joint)
        normalize(n, joint, w, top, log_prob[start : start + n])
        if resp.shape[0] > 0:
            for i in range(n):
                for k in range(n_components):
                    resp[start + i, k] = joint[k, i]


@kernel
def stream(
    X,
    weights,
    batch_size,
    steps,
    log_joint,
    accumulate,
    update,
    log_weights,
    means,
    scale,
    log_scale,
    state,
    options,
    batch_weight,
    batch_log_likelihood,
):
    """Learn from rows in mini-batches: statistics at the old parameters, then one update, again and again.

    The parameters and ``state`` are changed in place; each mini-batch's weight and its log-likelihood before
    it was learned are written to ``batch_weight`` and ``batch_log_likelihood`` (n_batches,).  # OUT
    """
    n_samples, n_features = X.shape
    n_components = means.shape[0]
    block = min(BLOCK, batch_size)
    x = np.empty((n_features, block))
    joint = np.empty((n_components, block))
    scratch = np.empty((n_features + 2) * block)
    w = np.empty(block)
    top = np.empty(block)
    log_prob = np.empty(block)
    nk = np.empty(n_components)
    s1 = np.empty((n_components, n_features))
    s2 = np.empty((n_components, scale.shape[1]))
    for batch in range(steps.size):
        begin = batch * batch_size
        end = min(n_samples, begin + batch_size)
        weight = 0.0
        log_likelihood = 0.0
        nk[:] = 0.0
        s1[:] = 0.0
        s2[:] = 0.0
        for start in range(begin, end, block):
            n = min(block, end - start)
            load(X, start, n, x)
            weight += load_weights(weights, start, n, w)
            log_joint(x, n, log_weights, means, scale, log_scale, scratch, joint)
            log_likelihood += normalize(n, joint, w, top, log_prob)
            accumulate(x, n, joint, means, scratch, nk, s1, s2)
        batch_weight[batch] = weight
        batch_log_likelihood[batch] = log_likelihood
        update(
            weight,
            log_likelihood,
            steps[batch],
            nk,
            s1,
            s2,
            log_weights,
            means,
            scale,
            log_scale,
            state,
            options,
        )
