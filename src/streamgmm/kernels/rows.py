"""The loops over rows: one for statistics, one for densities, one that learns.

They cut the rows into blocks, transpose each block into a small buffer as float64, and hand it to the E-step
of a block; the loop that learns calls a rule's compiled update after each mini-batch. Nothing else in the
package touches rows.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, kernel, loop
from .block import block_statistics, normalize
from .family import log_joint, row_statistics
from .records import STOPPED, Batch
from .rule import control, update

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
def statistics(X, weights, model, batch):
    """Add the rows' sufficient statistics to those of ``batch``; return (weight, log-likelihood)."""
    n_samples, n_features = X.shape
    n_components = model.means.shape[0]
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
        log_likelihood += block_statistics(x, n, w, model, scratch, joint, top, log_prob, batch)
    return weight, log_likelihood


@loop
def densities(X, model, log_prob, resp):
    """Fill log_prob (n_samples,) and, unless it has no rows, resp (n_samples, n_components)."""
    n_samples, n_features = X.shape
    n_components = model.means.shape[0]
    x = np.empty((n_features, BLOCK))
    joint = np.empty((n_components, BLOCK))
    scratch = np.empty((n_features + 2) * BLOCK)
    w = np.ones(BLOCK)
    top = np.empty(BLOCK)
    for start in range(0, n_samples, BLOCK):
        n = min(BLOCK, n_samples - start)
        load(X, start, n, x)
        log_joint(x, n, model, scratch, joint)
        normalize(n, joint, w, top, log_prob[start : start + n])
        if resp.shape[0] > 0:
            for i in range(n):
                for k in range(n_components):
                    resp[start + i, k] = joint[k, i]


@exact_kernel
def _clear(batch):
    for k in range(batch.nk.size):
        batch.nk[k] = 0.0
        for a in range(batch.s2.shape[1]):
            batch.s1[k, a] = 0.0
            for b in range(batch.s2.shape[2]):
                batch.s2[k, a, b] = 0.0


@loop
def stream(X, weights, batch_size, steps, model, memory, scratch, tools, options, moments, info):
    """Learn from rows in mini-batches: statistics at the old parameters, then one update, again and again.

    There are as many mini-batches as ``steps`` (n_batches,); after the last row comes the first again.
    Parameters and memory are changed in place, ``moments`` is overwritten, and what became of each mini-batch
    is written to ``info`` (n_batches,), an array of `INFO`.  # OUT
    A rule that stops leaves the mini-batches that follow alone.
    """
    n_samples, n_features = X.shape
    n_components = model.means.shape[0]
    block = min(BLOCK, batch_size)
    x = np.empty((n_features, block))
    joint = np.empty((n_components, block))
    work = np.empty((n_features + 2) * block)
    w = np.empty(block)
    top = np.empty(block)
    log_prob = np.empty(block)
    row = np.empty(n_features)
    nk, s1, s2 = moments.nk, moments.s1, moments.s2
    end = 0
    for i in range(steps.size):
        begin = end if end < n_samples else 0
        end = min(n_samples, begin + batch_size)
        weight = 0.0
        log_likelihood = 0.0
        if batch_size == 1:
            for a in range(n_features):
                row[a] = X[begin, a]
            weight = 1.0 if weights.size == 0 else weights[begin]
            if weight > 0.0:
                log_likelihood = row_statistics(row, weight, model, work, moments)
        else:
            _clear(moments)
            for start in range(begin, end, block):
                n = min(block, end - start)
                load(X, start, n, x)
                weight += load_weights(weights, start, n, w)
                log_likelihood += block_statistics(x, n, w, model, work, joint, top, log_prob, moments)
        batch = Batch(weight, log_likelihood, nk, s1, s2)
        control(X, begin, end, weights, batch, model, memory, scratch)
        outcome = update(batch, steps[i], model, memory, scratch, tools, options)
        info[i]["weight"] = weight
        info[i]["log_likelihood"] = log_likelihood
        info[i]["outcome"] = outcome
        if outcome <= STOPPED:
            return


@loop
def learn_batch(X, weights, batch, step, model, memory, scratch, tools, options):
    """Learn from the statistics of one mini-batch; its rows may be none if the rule does not look at them."""
    control(X, 0, X.shape[0], weights, batch, model, memory, scratch)
    return update(batch, step, model, memory, scratch, tools, options)
