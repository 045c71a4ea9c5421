"""Gradients and steps for the log-Cholesky parameterization, as compiled code.

A parameter vector is [logits (n_components,), means (n_components * n_features,), factors]: for triangular
factors the lower triangle row by row with the logarithm of the diagonal, for standard deviations their
logarithms; one factor for all components (`tied`), or one number for all features (`spherical`), where the
covariance is pooled. The options are those of `m_step`; regularization and prior enter as additions to the
statistics, the prior as ``share`` of its pseudo-rows.
"""

from __future__ import annotations

import numpy as np

from ._jit import kernel
from .elementary import log_positive
from .m_step import FLOOR, HALF_LOG_2PI, HAS_PRIOR, HEADER, POOLED, WINDOW, is_refused


@kernel
def _gradient_logits(weight, share, nk, log_weights, options, prior, gradient):
    n_components = nk.size
    count = share * options[prior] if options[HAS_PRIOR] > 0.0 else 0.0
    total = weight + n_components * count
    for k in range(n_components):
        gradient[k] = nk[k] + count - total * np.exp(log_weights[k])


@kernel
def gradient_triangular(weight, share, nk, s1, s2, log_weights, means, scale, options, work, gradient):
    """Fill the gradient of the log-likelihood (plus ``share`` of the log prior) for full and tied.

    With S = L L': d/d mean = L^-T L^-1 s1 and d/d L = tril(L^-T (L^-1 s2 L^-T - N I)), the diagonal times
    L_ii for its logarithm (Murray, 2016, arXiv 1602.07527, for derivatives through a Cholesky factor).
    ``work`` is scratch (n_features^2,).
    """
    n_components, n_features = means.shape
    floor = options[FLOOR : FLOOR + n_features]
    prior = options[FLOOR + n_features :]
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    mean_count = share * prior[1] if has_prior else 0.0
    covariance_count = share * prior[2] if has_prior else 0.0
    _gradient_logits(weight, share, nk, log_weights, options, FLOOR + n_features, gradient)
    n_moments = n_features * n_features
    position = n_components + n_components * n_features
    count = 0.0
    work[:n_moments] = 0.0
    for k in range(n_components):
        count += nk[k]
        z = gradient[n_components + k * n_features : n_components + (k + 1) * n_features]
        for a in range(n_features):
            shift_a = prior[3 + a] - means[k, a] if has_prior else 0.0
            z[a] = s1[k, a] + mean_count * shift_a
            for b in range(a + 1):
                shift_b = prior[3 + b] - means[k, b] if has_prior else 0.0
                work[a * n_features + b] += s2[k, a * n_features + b] + mean_count * shift_a * shift_b
            work[a * n_features + a] += nk[k] * floor[a]
        _solve(scale, k, z, 1)
        _solve_transposed(scale, k, z, 1)
        if pooled and k < n_components - 1:
            continue
        for a in range(n_features):
            for b in range(a + 1):
                m = a * n_features + b
                work[m] += share * prior[3 + n_features + m] if has_prior else 0.0
                work[b * n_features + a] = work[m]
        for a in range(n_features):  # L^-1 M, column by column
            _solve(scale, k, work[a:], n_features)
        for a in range(n_features):  # times L^-T: L^-1 on each row
            _solve(scale, k, work[a * n_features : (a + 1) * n_features], 1)
        for a in range(n_features):
            _solve_transposed(scale, k, work[a:], n_features)
        for a in range(n_features):
            for b in range(a):
                gradient[position] = work[a * n_features + b]
                position += 1
            diagonal = scale[k, a * n_features + a]
            gradient[position] = work[a * n_features + a] * diagonal - (count + covariance_count)
            position += 1
        count = 0.0
        work[:n_moments] = 0.0


@kernel
def _solve(scale, k, z, stride):
    """Replace z[0], z[stride], ... by L_k^-1 times it."""
    n_features = int(np.sqrt(scale.shape[1]) + 0.5)
    for a in range(n_features):
        value = z[a * stride]
        for b in range(a):
            value -= scale[k, a * n_features + b] * z[b * stride]
        z[a * stride] = value / scale[k, a * n_features + a]


@kernel
def _solve_transposed(scale, k, z, stride):
    """Replace z[0], z[stride], ... by L_k^-T times it."""
    n_features = int(np.sqrt(scale.shape[1]) + 0.5)
    for a in range(n_features - 1, -1, -1):
        value = z[a * stride]
        for b in range(a + 1, n_features):
            value -= scale[k, b * n_features + a] * z[b * stride]
        z[a * stride] = value / scale[k, a * n_features + a]


@kernel
def gradient_diagonal(weight, share, nk, s1, s2, log_weights, means, scale, options, work, gradient):
    """Fill the gradient for diag and spherical: s1 / v for means, s2 / v - N for log standard deviations."""
    n_components, n_features = means.shape
    floor = options[FLOOR : FLOOR + n_features]
    prior = options[FLOOR + n_features :]
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    mean_count = share * prior[1] if has_prior else 0.0
    covariance_count = share * prior[2] if has_prior else 0.0
    _gradient_logits(weight, share, nk, log_weights, options, FLOOR + n_features, gradient)
    position = n_components + n_components * n_features
    for k in range(n_components):
        total = 0.0
        for a in range(n_features):
            variance = scale[k, a] * scale[k, a]
            shift = prior[3 + a] - means[k, a] if has_prior else 0.0
            gradient[n_components + k * n_features + a] = (s1[k, a] + mean_count * shift) / variance
            second = s2[k, a] + nk[k] * floor[a] + mean_count * shift * shift
            second += share * prior[3 + n_features + a] if has_prior else 0.0
            if pooled:
                total += second / variance - nk[k]
            else:
                gradient[position] = second / variance - nk[k] - covariance_count
                position += 1
        if pooled:
            gradient[position] = total - covariance_count
            position += 1


@kernel
def _shorten(rate, limit, value):
    """Halve the rate until rate * |value| <= limit."""
    while rate * abs(value) > limit:
        rate *= 0.5
    return rate


@kernel
def _step_weights(rate, gradient, log_weights):
    best = -np.inf
    for k in range(log_weights.size):
        log_weights[k] += rate * gradient[k]
        best = max(best, log_weights[k])
    total = 0.0
    for k in range(log_weights.size):
        total += np.exp(log_weights[k] - best)
    shift = best + np.log(total)
    for k in range(log_weights.size):
        log_weights[k] -= shift


@kernel
def _begin(weight, log_likelihood, state):
    """Return the prior's share of a mini-batch, or a negative number if the mini-batch is refused."""
    if is_refused(weight, log_likelihood, state):
        return -1.0
    state[WINDOW] += weight
    return weight / state[WINDOW]


@kernel
def _all_finite(gradient):
    for value in gradient:
        if not np.isfinite(value):
            return False
    return True


@kernel
def step_triangular(
    weight, log_likelihood, step, nk, s1, s2, log_weights, means, scale, log_scale, state, options
):
    """Take one step of gradient ascent, all gradients at the old parameters: full and tied.

    A step that would move a mean by more than one standard deviation, or a log standard deviation by more
    than one, is halved until it does not.
    """
    share = _begin(weight, log_likelihood, state)
    if share < 0.0:
        return
    n_components, n_features = means.shape
    n_moments = n_features * n_features
    work = state[HEADER : HEADER + n_moments]
    gradient = state[HEADER + n_moments :]
    gradient_triangular(weight, share, nk, s1, s2, log_weights, means, scale, options, work, gradient)
    if not _all_finite(gradient):
        state[1] += 1.0
        return
    n_factors = 1 if options[POOLED] > 0.0 else n_components
    first = n_components + n_components * n_features
    rate = step / weight
    for k in range(n_components):
        for a in range(n_features):
            moved = 0.0
            for b in range(a, n_features):
                moved += scale[k, b * n_features + a] * gradient[n_components + k * n_features + b]
            rate = _shorten(rate, 1.0, moved)
    position = first
    for _ in range(n_factors):
        for a in range(n_features):
            position += a
            rate = _shorten(rate, 1.0, gradient[position])
            position += 1
    _step_weights(rate, gradient, log_weights)
    position = first
    for k in range(n_components):
        if n_factors == 1:
            position = first
        log_det = 0.0
        for a in range(n_features):
            means[k, a] += rate * gradient[n_components + k * n_features + a]
            for b in range(a):
                scale[k, a * n_features + b] += rate * gradient[position]
                position += 1
            scale[k, a * n_features + a] *= np.exp(rate * gradient[position])
            position += 1
            log_det += log_positive(scale[k, a * n_features + a])
        log_scale[k] = log_det + n_features * HALF_LOG_2PI


@kernel
def step_diagonal(
    weight, log_likelihood, step, nk, s1, s2, log_weights, means, scale, log_scale, state, options
):
    """Take one step of gradient ascent for diag and spherical; see `step_triangular`."""
    share = _begin(weight, log_likelihood, state)
    if share < 0.0:
        return
    n_components, n_features = means.shape
    work = state[HEADER : HEADER + n_features]
    gradient = state[HEADER + n_features :]
    gradient_diagonal(weight, share, nk, s1, s2, log_weights, means, scale, options, work, gradient)
    if not _all_finite(gradient):
        state[1] += 1.0
        return
    pooled = options[POOLED] > 0.0
    first = n_components + n_components * n_features
    rate = step / weight
    for k in range(n_components):
        for a in range(n_features):
            moved = scale[k, a] * gradient[n_components + k * n_features + a]
            rate = _shorten(rate, 1.0, moved)
    for position in range(first, gradient.size):
        rate = _shorten(rate, 1.0, gradient[position])
    _step_weights(rate, gradient, log_weights)
    for k in range(n_components):
        log_det = 0.0
        for a in range(n_features):
            means[k, a] += rate * gradient[n_components + k * n_features + a]
            position = first + (k if pooled else k * n_features + a)
            scale[k, a] *= np.exp(rate * gradient[position])
            log_det += log_positive(scale[k, a])
        log_scale[k] = log_det + n_features * HALF_LOG_2PI
