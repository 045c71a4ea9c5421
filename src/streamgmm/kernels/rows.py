"""The loops over rows: one for statistics, one for densities, one that learns.

They cut the rows into blocks, transpose each block into a small buffer as float64, and hand it to the E-step
of a block; the loop that learns calls a rule's compiled update after each mini-batch. Nothing else in the
package touches rows.
"""

from __future__ import annotations

import numpy as np

from ._jit import (
    CONTROL,
    DIRECTION,
    PROJECT,
    RETRACT,
    UPDATE,
    boolean,
    cube,
    exact_kernel,
    integer,
    kernel,
    loop,
    matrix,
    row_loop,
    vector,
)
from .block import block_statistics, log_joint, normalize, row_statistics

BLOCK = 128


@kernel
def load(X, start, n, x):
    """Transpose rows start ... start + n of X into x (n_features, block), as float64."""
    n_features = X.shape[1]
    for i in range(n):
        for a in range(n_features):
            x[a, i] = X[start + i, a]


@exact_kernel
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


@loop
def statistics(X, weights, offset, means, scale, nk, s1, s2):
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
        log_likelihood += block_statistics(
            x, n, w, offset, means, scale, scratch, joint, top, log_prob, nk, s1, s2
        )
    return weight, log_likelihood


@loop
def densities(X, offset, means, scale, log_prob, resp):
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
        log_joint(x, n, offset, means, scale, scratch, joint)
        normalize(n, joint, w, top, log_prob[start : start + n])
        if resp.shape[0] > 0:
            for i in range(n):
                for k in range(n_components):
                    resp[start + i, k] = joint[k, i]


@exact_kernel
def no_control(X, begin, end, weights, means, nk, s1, s2, memory, memory_2, memory_3):
    """Stand in for a control where a rule takes none."""


@row_loop(
    *(vector, integer, vector, UPDATE, CONTROL, DIRECTION, RETRACT, PROJECT, boolean),
    *(vector, matrix, cube),
    *(vector, matrix, cube, vector, vector, vector),
)
def stream(
    X,
    weights,
    batch_size,
    steps,
    update,
    control,
    direction,
    retract,
    project,
    controlled,
    offset,
    means,
    scale,
    memory,
    memory_2,
    memory_3,
    options,
    batch_weight,
    batch_log_likelihood,
):
    """Learn from rows in mini-batches: statistics at the old parameters, then one update, again and again.

    If ``controlled``, `control` changes the statistics in between; it may read the rows for that.

    The parameters and the rule's memory are changed in place; each mini-batch's weight and its log-likelihood
    before it was learned are written to ``batch_weight`` and ``batch_log_likelihood`` (n_batches,).  # OUT
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
    s2 = np.empty(scale.shape)
    row = np.empty(n_features)
    n_moments = scale.shape[2]
    for batch in range(steps.size):
        begin = batch * batch_size
        end = min(n_samples, begin + batch_size)
        weight = 0.0
        log_likelihood = 0.0
        if batch_size == 1:
            for a in range(n_features):
                row[a] = X[batch, a]
            weight = 1.0 if weights.size == 0 else weights[batch]
            if weight > 0.0:
                log_likelihood = row_statistics(row, weight, offset, means, scale, scratch, nk, s1, s2)
        else:
            for k in range(n_components):
                nk[k] = 0.0
                for a in range(n_features):
                    s1[k, a] = 0.0
                    for b in range(n_moments):
                        s2[k, a, b] = 0.0
            for start in range(begin, end, block):
                n = min(block, end - start)
                load(X, start, n, x)
                weight += load_weights(weights, start, n, w)
                log_likelihood += block_statistics(
                    x, n, w, offset, means, scale, scratch, joint, top, log_prob, nk, s1, s2
                )
        batch_weight[batch] = weight
        batch_log_likelihood[batch] = log_likelihood
        if controlled:
            control(X, begin, end, weights, means, nk, s1, s2, memory, memory_2, memory_3)
        update(
            weight,
            log_likelihood,
            steps[batch],
            nk,
            s1,
            s2,
            offset,
            means,
            scale,
            memory,
            memory_2,
            memory_3,
            options,
            direction,
            retract,
            project,
        )
