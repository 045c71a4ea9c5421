"""Gradients and steps for the log-Cholesky parameterization, as compiled code.

A parameter vector is [logits (n_components,), means (n_components * n_features,), factors]: for triangular
factors the lower triangle row by row with the logarithm of the diagonal, for standard deviations their
logarithms; one factor for all components (`tied`), or one number for all features (`spherical`), where the
covariance is pooled. ``factor`` is L of S = L L' (n_components, n_features, n_features) or the standard
deviations (n_components, n_features, 1).

The memory of the rule: ``memory`` [rows seen, count of refused updates, gradient], ``memory_2`` the log
weights (1, n_components), ``memory_3`` the factor, with two more entries for scratch. The options are those
of `m_step`; regularization and prior enter as additions to the statistics, the prior as ``share`` of its
pseudo-rows.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined
from .m_step import FLOOR, HAS_PRIOR, HEADER, POOLED, REFUSED, WINDOW, is_refused, write_offset


@exact_kernel
def _solve(factor, k, j, row):
    """Replace a row of factor[j] by L_k^-1 times it."""
    for a in range(factor.shape[1]):
        value = factor[j, row, a]
        for b in range(a):
            value -= factor[k, a, b] * factor[j, row, b]
        factor[j, row, a] = value / factor[k, a, a]


@exact_kernel
def _solve_transposed(factor, k, j, row):
    """Replace a row of factor[j] by L_k^-T times it."""
    n_features = factor.shape[1]
    for a in range(n_features - 1, -1, -1):
        value = factor[j, row, a]
        for b in range(a + 1, n_features):
            value -= factor[k, b, a] * factor[j, row, b]
        factor[j, row, a] = value / factor[k, a, a]


@inlined
def _transpose(factor, j):
    for a in range(factor.shape[1]):
        for b in range(a):
            factor[j, a, b], factor[j, b, a] = factor[j, b, a], factor[j, a, b]


@inlined
def _gradient_logits(weight, share, nk, log_weights, options, prior, gradient, first):
    count = share * options[prior] if options[HAS_PRIOR] > 0.0 else 0.0
    total = weight + nk.size * count
    for k in range(nk.size):
        gradient[first + k] = nk[k] + count - total * np.exp(log_weights[0, k])


@exact_kernel
def gradient_triangular(weight, share, nk, s1, s2, log_weights, means, factor, options, gradient, first):
    """Fill gradient[first:] with that of the log-likelihood plus ``share`` of the log prior: full and tied.

    With S = L L': d/d mean = L^-T L^-1 s1 and d/d L = tril(L^-T (L^-1 s2 L^-T - N I)), the diagonal times
    L_ii for its logarithm. ``log_weights`` is (1, n_components); the last two entries of ``factor`` are
    scratch.
    """
    n_components, n_features = means.shape
    prior = FLOOR + n_features
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    mean_count = share * options[prior + 1] if has_prior else 0.0
    covariance_count = share * options[prior + 2] if has_prior else 0.0
    _gradient_logits(weight, share, nk, log_weights, options, prior, gradient, first)
    first_mean = first + n_components
    position = first_mean + n_components * n_features
    matrix, row = n_components, n_components + 1  # scratch
    for a in range(n_features):
        for b in range(n_features):
            factor[matrix, a, b] = 0.0
    count = 0.0
    for k in range(n_components):
        count += nk[k]
        for a in range(n_features):
            shift_a = options[prior + 3 + a] - means[k, a] if has_prior else 0.0
            factor[row, 0, a] = s1[k, a] + mean_count * shift_a
            for b in range(a + 1):
                shift_b = options[prior + 3 + b] - means[k, b] if has_prior else 0.0
                factor[matrix, a, b] += s2[k, a, b] + mean_count * shift_a * shift_b
            factor[matrix, a, a] += nk[k] * options[FLOOR + a]
        _solve(factor, k, row, 0)
        _solve_transposed(factor, k, row, 0)
        for a in range(n_features):
            gradient[first_mean + k * n_features + a] = factor[row, 0, a]
        if pooled and k < n_components - 1:
            continue
        for a in range(n_features):
            for b in range(a + 1):
                if has_prior:
                    factor[matrix, a, b] += share * options[prior + 3 + n_features + a * n_features + b]
                factor[matrix, b, a] = factor[matrix, a, b]
        for a in range(n_features):  # (L^-1 M)', since M is symmetric
            _solve(factor, k, matrix, a)
        _transpose(factor, matrix)
        for a in range(n_features):  # L^-1 M L^-T, symmetric
            _solve(factor, k, matrix, a)
        for a in range(n_features):  # (L^-T L^-1 M L^-T)'
            _solve_transposed(factor, k, matrix, a)
        for a in range(n_features):
            for b in range(a):
                gradient[position] = factor[matrix, b, a]
                position += 1
            gradient[position] = factor[matrix, a, a] * factor[k, a, a] - (count + covariance_count)
            position += 1
        count = 0.0
        for a in range(n_features):
            for b in range(n_features):
                factor[matrix, a, b] = 0.0


@exact_kernel
def gradient_diagonal(weight, share, nk, s1, s2, log_weights, means, factor, options, gradient, first):
    """Fill the gradient for diag and spherical: s1 / v for means, s2 / v - N for log standard deviations."""
    n_components, n_features = means.shape
    prior = FLOOR + n_features
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    mean_count = share * options[prior + 1] if has_prior else 0.0
    covariance_count = share * options[prior + 2] if has_prior else 0.0
    _gradient_logits(weight, share, nk, log_weights, options, prior, gradient, first)
    first_mean = first + n_components
    position = first_mean + n_components * n_features
    for k in range(n_components):
        total = 0.0
        for a in range(n_features):
            variance = factor[k, a, 0] * factor[k, a, 0]
            shift = options[prior + 3 + a] - means[k, a] if has_prior else 0.0
            gradient[first_mean + k * n_features + a] = (s1[k, a] + mean_count * shift) / variance
            second = s2[k, a, 0] + nk[k] * options[FLOOR + a] + mean_count * shift * shift
            second += share * options[prior + 3 + n_features + a] if has_prior else 0.0
            if pooled:
                total += second / variance - nk[k]
            else:
                gradient[position] = second / variance - nk[k] - covariance_count
                position += 1
        if pooled:
            gradient[position] = total - covariance_count
            position += 1


@inlined
def _is_finite(gradient):
    finite = True
    for position in range(HEADER, gradient.size):
        finite = finite and np.isfinite(gradient[position])
    return finite


@inlined
def _shorten(rate, moved):
    """Halve the rate until rate * |moved| <= 1."""
    while rate * abs(moved) > 1.0:
        rate *= 0.5
    return rate


@inlined
def _step_weights(rate, gradient, log_weights):
    """Move the logits and normalize them."""
    n_components = log_weights.shape[1]
    best = -np.inf
    for k in range(n_components):
        log_weights[0, k] += rate * gradient[HEADER + k]
        best = max(best, log_weights[0, k])
    total = 0.0
    for k in range(n_components):
        total += np.exp(log_weights[0, k] - best)
    shift = best + np.log(total)
    for k in range(n_components):
        log_weights[0, k] -= shift


@exact_kernel
def step_triangular(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options
):
    """Take one step of gradient ascent, all gradients at the old parameters: full and tied.

    A step that would move a mean by more than one standard deviation, or an entry of L^-1 dL by more than
    one (on the diagonal: a log standard deviation), is halved until it does not.
    """
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    factor = memory_3
    memory[WINDOW] += weight
    share = weight / memory[WINDOW]
    gradient_triangular(weight, share, nk, s1, s2, memory_2, means, factor, options, memory, HEADER)
    if not _is_finite(memory):
        memory[REFUSED] += 1.0
        return
    pooled = options[POOLED] > 0.0
    first_mean = HEADER + n_components
    first = first_mean + n_components * n_features
    rate = step / weight
    matrix, row = n_components, n_components + 1  # scratch
    position = first
    for k in range(n_components):
        for a in range(n_features):
            factor[row, 0, a] = memory[first_mean + k * n_features + a]
        _solve(factor, k, row, 0)  # the step of the mean in standard deviations
        for a in range(n_features):
            rate = _shorten(rate, factor[row, 0, a])
        if pooled and k > 0:
            continue
        for a in range(n_features):  # the step of L, transposed
            for b in range(n_features):
                factor[matrix, b, a] = 0.0
            for b in range(a):
                factor[matrix, b, a] = memory[position]
                position += 1
            factor[matrix, a, a] = memory[position] * factor[k, a, a]
            position += 1
        for b in range(n_features):  # L^-1 times it: relative to L
            _solve(factor, k, matrix, b)
            for a in range(b, n_features):
                rate = _shorten(rate, factor[matrix, b, a])
    _step_weights(rate, memory, memory_2)
    position = first
    for k in range(n_components):
        position = first if pooled else position
        for a in range(n_features):
            means[k, a] += rate * memory[first_mean + k * n_features + a]
            for b in range(a):
                factor[k, a, b] += rate * memory[position]
                position += 1
            factor[k, a, a] *= np.exp(rate * memory[position])
            position += 1
            scale[k, a, a] = 1.0 / (factor[k, a, a] * factor[k, a, a])
            for b in range(a):
                scale[k, a, b] = factor[k, a, b] / factor[k, b, b]
                scale[k, b, a] = scale[k, a, b]
        write_offset(k, np.exp(memory_2[0, k]), scale, offset)


@exact_kernel
def step_diagonal(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options
):
    """Take one step of gradient ascent for diag and spherical; see `step_triangular`."""
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    factor = memory_3
    memory[WINDOW] += weight
    share = weight / memory[WINDOW]
    gradient_diagonal(weight, share, nk, s1, s2, memory_2, means, factor, options, memory, HEADER)
    if not _is_finite(memory):
        memory[REFUSED] += 1.0
        return
    pooled = options[POOLED] > 0.0
    first_mean = HEADER + n_components
    first = first_mean + n_components * n_features
    rate = step / weight
    for k in range(n_components):
        for a in range(n_features):
            rate = _shorten(rate, memory[first_mean + k * n_features + a] / factor[k, a, 0])
            rate = _shorten(rate, memory[first + (k if pooled else k * n_features + a)])
    _step_weights(rate, memory, memory_2)
    for k in range(n_components):
        for a in range(n_features):
            means[k, a] += rate * memory[first_mean + k * n_features + a]
            factor[k, a, 0] *= np.exp(rate * memory[first + (k if pooled else k * n_features + a)])
            scale[k, a, 0] = 1.0 / (factor[k, a, 0] * factor[k, a, 0])
        write_offset(k, np.exp(memory_2[0, k]), scale, offset)
