"""Natural-gradient steps along the geodesics of positive definite matrices, as compiled code.

With the complete-data Fisher metric a step h of a component, with s1 and s2 the moments of n rows about its
mean and S = L L', is mean' = mean + h s1 / n and S' = L exp(h (L^-1 s2 L^-T / n - I)) L', which is positive
definite for every h. For one row, d = s1 / n and z = L^-1 d: S' = e^-h (S + (e^(h |z|^2) - 1) / |z|^2 d d'),
an update of rank one.

The memory: ``memory`` [window, count of refused updates, updates since regularization and prior were last
applied, what is due of the prior, weights (n_components,), rows due for the floor (n_components,)];
``memory_2`` is not used, ``memory_3`` is scratch.
"""

from __future__ import annotations

import numpy as np

from . import linear
from ._jit import exact_kernel, inlined, loop
from .m_step import FLOOR, HAS_PRIOR, HEADER, POOLED, WINDOW, is_refused, write_offset
from .regularize import REST, is_rank_one, regularize

PENDING, SHARE, WEIGHTS = HEADER, HEADER + 1, HEADER + 2
SCRATCH = 3
_NEGLIGIBLE = 1e-16
_LARGEST = 1.0  # of h |z|^2: one row widens a component e-fold at most


@inlined
def _settle(weight, step, nk, memory, rank_one, n_features):
    """Move window and weights; return whether regularization and prior are due."""
    n_components = nk.size
    keep = 1.0 - step
    memory[WINDOW] = 1.0 / (keep * keep / memory[WINDOW] + step * step / weight)
    memory[PENDING] += 1.0
    memory[SHARE] += weight / memory[WINDOW]
    for k in range(n_components):
        memory[WEIGHTS + k] += step * (nk[k] / weight - memory[WEIGHTS + k])
        memory[WEIGHTS + n_components + k] += nk[k]
    return not rank_one or memory[PENDING] >= REST * n_features


@inlined
def _mode_weight(k, n_components, memory, options, n_features):
    """Return a weight, with the Dirichlet prior's pseudo-rows."""
    count = options[FLOOR + n_features] / memory[WINDOW] if options[HAS_PRIOR] > 0.0 else 0.0
    return (memory[WEIGHTS + k] + count) / (1.0 + n_components * count)


@exact_kernel
def step_row(k, share, nk, s1, means, scale, scratch, j):
    """Take the step ``share`` * nk[k] of component k along the geodesic of one row, in O(n_features^2).

    A row far away is cut: h |z|^2 does not exceed 1, for the mean either.
    """
    n_features = means.shape[1]
    n = nk[k]
    squared = 0.0
    for a in range(n_features):
        value = s1[k, a] / n
        for b in range(a):
            value -= scale[k, a, b] * scratch[j, 0, b]
        scratch[j, 0, a] = value
        squared += value * value * scale[k, a, a]
    h = share * n
    if h * squared > _LARGEST:
        h = _LARGEST / squared
    grown = np.expm1(h * squared) / squared if squared > 0.0 else h
    shrunk = np.exp(h)  # of 1 / D
    for b in range(n_features):  # L D L' + grown d d', column by column; scratch holds L^-1 d
        pivot = scratch[j, 0, b]
        inverse = scale[k, b, b]
        ratio = 1.0 + grown * pivot * pivot * inverse
        part = grown * pivot * inverse / ratio
        scale[k, b, b] = shrunk * inverse / ratio
        scratch[j + 1, 0, b] = part
        grown /= ratio
    for a in range(n_features):
        means[k, a] += h * s1[k, a] / n
        rest = s1[k, a] / n
        for b in range(a):
            old = scale[k, a, b]
            rest -= scratch[j, 0, b] * old
            scale[k, a, b] = old + scratch[j + 1, 0, b] * rest


@loop
def step_rows(k, share, n, s2, scale, scratch, j):
    """Take the step ``share`` * n of S along the geodesic of n rows; return how much of it was taken."""
    n_features = scale.shape[1]
    linear.whiten(False, n, s2, scale, k, scratch, j, j + 1)
    for a in range(n_features):
        for b in range(a + 1):
            value = share * scratch[j, a, b] * np.sqrt(scale[k, a, a] * scale[k, b, b])
            scratch[j, a, b] = value
            scratch[j, b, a] = value
    values, vectors = np.linalg.eigh(scratch[j])
    cut = _LARGEST / values[-1] if values[-1] > _LARGEST else 1.0
    for a in range(n_features):  # L Q
        for c in range(n_features):
            total = vectors[a, c] / np.sqrt(scale[k, a, a])
            for b in range(a):
                total += scale[k, a, b] * vectors[b, c] / np.sqrt(scale[k, b, b])
            scratch[j, a, c] = total
    for c in range(n_features):
        values[c] = np.exp(cut * (values[c] - share * n))
    for a in range(n_features):
        for b in range(a + 1):
            total = 0.0
            for c in range(n_features):
                total += values[c] * scratch[j, a, c] * scratch[j, b, c]
            scratch[j + 1, a, b] = total
    linear.factor(scratch, j + 1, k, scale)
    return cut


@exact_kernel
def _move_mean(k, h, nk, s1, means, scale, scratch, j):
    """Move a mean by h of the way to its rows, but by no more than h |z|^2 = 1."""
    n_features = means.shape[1]
    squared = 0.0
    for a in range(n_features):
        value = s1[k, a] / nk[k]
        for b in range(a):
            value -= scale[k, a, b] * scratch[j, 0, b]
        scratch[j, 0, a] = value
        squared += value * value * scale[k, a, a]
    h = _LARGEST / squared if h * squared > _LARGEST else h
    for a in range(n_features):
        means[k, a] += h * s1[k, a] / nk[k]


@exact_kernel
def _add_rows(k, share, count, s2, scale, scratch, j):
    """Add pseudo-rows of moments s2[k] and this count: S' = (S + share s2) / (1 + share count)."""
    n_features = scale.shape[1]
    for a in range(n_features):
        scratch[j + 1, 0, a] = 1.0 / scale[k, a, a]
    for a in range(n_features):
        for b in range(a + 1):
            total = scratch[j + 1, 0, b] * (scale[k, a, b] if b < a else 1.0)
            for c in range(b):
                total += scratch[j + 1, 0, c] * (scale[k, a, c] * scale[k, b, c])
            scratch[j, a, b] = (total + share * s2[k, a, b]) / (1.0 + share * count)
    linear.factor(scratch, j, k, scale)


@exact_kernel
def _clear(k, s1, s2):
    for a in range(s1.shape[1]):
        s1[k, a] = 0.0
        for b in range(min(a + 1, s2.shape[2])):
            s2[k, a, b] = 0.0


@inlined
def _is_regular(options, n_features):
    regular = options[HAS_PRIOR] > 0.0
    for a in range(n_features):
        regular = regular or options[FLOOR + a] > 0.0
    return regular


@inlined
def _move_to_prior(k, share, memory, s1, means, options):
    """Move a mean towards the prior's, whose pull is s1[k]."""
    n_features = means.shape[1]
    if options[HAS_PRIOR] > 0.0:
        pull = share * memory[SHARE] * options[FLOOR + n_features + 1]
        for a in range(n_features):
            means[k, a] += share * s1[k, a] / (1.0 + pull)


@inlined
def _finish(settle, memory, scale, offset, options, n_features):
    """Write the constants of the densities; forget what was due and has been applied."""
    n_components = offset.size
    if settle:
        memory[PENDING] = 0.0
        memory[SHARE] = 0.0
        for k in range(n_components):
            memory[WEIGHTS + n_components + k] = 0.0
    for k in range(n_components):
        write_offset(k, _mode_weight(k, n_components, memory, options, n_features), scale, offset)


@loop
def update_full(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Take one natural-gradient step: full covariances.

    Regularization and prior are pseudo-rows of full rank: for single rows they are added now and then, for
    all rows since the last time (see `regularize`).
    """
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    rank_one = is_rank_one(nk, s1, s2)
    settle = _settle(weight, step, nk, memory, rank_one, n_features) and _is_regular(options, n_features)
    for k in range(n_components):
        if not memory[WEIGHTS + k] > _NEGLIGIBLE:
            continue
        share = step / (weight * memory[WEIGHTS + k])
        if nk[k] > _NEGLIGIBLE * weight:
            if rank_one:
                step_row(k, share, nk, s1, means, scale, memory_3, 0)
            else:
                cut = step_rows(k, share, nk[k], s2, scale, memory_3, 0)
                for a in range(n_features):
                    means[k, a] += cut * share * s1[k, a]
        if settle:
            _clear(k, s1, s2)
            debt = memory[WEIGHTS + n_components + k]
            count = regularize(k, True, memory[SHARE], debt, s1, s2, means, options)
            _add_rows(k, share, count, s2, scale, memory_3, 0)
            _move_to_prior(k, share, memory, s1, means, options)
    _finish(settle, memory, scale, offset, options, n_features)


@loop
def update_tied(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Take one natural-gradient step: one covariance for all."""
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    settle = _settle(weight, step, nk, memory, False, n_features)
    for k in range(1, n_components):
        for a in range(n_features):
            for b in range(a + 1):
                s2[0, a, b] += s2[k, a, b]
    for k in range(n_components):
        if nk[k] > _NEGLIGIBLE * weight:
            h = step * nk[k] / (weight * memory[WEIGHTS + k])
            _move_mean(k, h, nk, s1, means, scale, memory_3, 0)
    step_rows(0, step / weight, weight, s2, scale, memory_3, 0)
    if settle and _is_regular(options, n_features):
        count = 0.0
        for k in range(n_components):
            _clear(k, s1, s2)
            debt = memory[WEIGHTS + n_components + k]
            last = k == n_components - 1
            count += regularize(k, last, memory[SHARE], debt, s1, s2, means, options)
            if memory[WEIGHTS + k] > _NEGLIGIBLE:
                _move_to_prior(k, step / (weight * memory[WEIGHTS + k]), memory, s1, means, options)
            if k > 0:
                for a in range(n_features):
                    for b in range(a + 1):
                        s2[0, a, b] += s2[k, a, b]
        _add_rows(0, step / weight, count, s2, scale, memory_3, 0)
    for k in range(1, n_components):
        for a in range(n_features):
            for b in range(a + 1):
                scale[k, a, b] = scale[0, a, b]
    _finish(settle, memory, scale, offset, options, n_features)


@exact_kernel
def update_diagonal(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Take one natural-gradient step with variances alone: v' = v exp(h (s2 / (n v) - 1))."""
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    pooled = options[POOLED] > 0.0
    _settle(weight, step, nk, memory, False, n_features)
    for k in range(n_components):
        if not memory[WEIGHTS + k] > _NEGLIGIBLE:
            continue
        share = step / (weight * memory[WEIGHTS + k])
        if nk[k] > _NEGLIGIBLE * weight:
            largest, mean = 0.0, 0.0
            for a in range(n_features):
                s2[k, a, 0] *= share * scale[k, a, 0]
                largest = max(largest, s2[k, a, 0])
                mean += s2[k, a, 0] / n_features
            cut = _LARGEST / largest if largest > _LARGEST else 1.0
            for a in range(n_features):
                means[k, a] += cut * share * s1[k, a]
                second = mean if pooled else s2[k, a, 0]
                scale[k, a, 0] *= np.exp(cut * (share * nk[k] - second))
        _clear(k, s1, s2)
        count = regularize(k, True, memory[SHARE], nk[k], s1, s2, means, options)
        total = 0.0
        for a in range(n_features):
            total += s2[k, a, 0] / n_features
        for a in range(n_features):
            second = total if pooled else s2[k, a, 0]
            scale[k, a, 0] = (1.0 + share * count) / (1.0 / scale[k, a, 0] + share * second)
        _move_to_prior(k, share, memory, s1, means, options)
    _finish(True, memory, scale, offset, options, n_features)
