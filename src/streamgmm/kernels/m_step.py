"""From running moments to parameters: the M-step of every rule of the EM family, as compiled code.

The state of such a rule is one flat array: the window (the number of rows that the running moments stand
for), the count of refused updates, then the running weights (n_components,), means (n_components,
n_features) and covariances (n_components, n_moments) of the rows, before regularization and prior, and last
a scratch area (n_moments,). ``n_moments`` is n_features^2 or, for diagonal covariances, n_features.

The options are one flat array too: whether covariances are pooled (over components with triangular factors,
over features with diagonal ones), whether there is a prior, the variance added to each feature (n_features,),
and the prior: Dirichlet count, mean count, covariance count, mean (n_features,) and scale (n_moments,).
"""

from __future__ import annotations

import numpy as np

from ._jit import kernel
from .elementary import log_positive

WINDOW, REFUSED, HEADER = 0, 1, 2
POOLED, HAS_PRIOR, FLOOR = 0, 1, 2
HALF_LOG_2PI = 0.9189385332046727


@kernel
def is_refused(weight, log_likelihood, state):
    """Tell whether a mini-batch must be passed over; one with rows too far away to be squared is counted."""
    if not log_likelihood > -1e299:
        state[REFUSED] += 1.0
        return True
    return not weight > 0.0


@kernel
def factor_triangular(covariance, base, k, floor, scale, inverse, log_scale):
    """Factor covariance + diag(floor) into scale[k]; a pivot below its floor can only be rounding."""
    n_features = floor.size
    product = 1.0
    log_det = 0.0
    for a in range(n_features):
        row = a * n_features
        for b in range(a):
            value = covariance[base + row + b]
            for c in range(b):
                value -= scale[k, row + c] * scale[k, b * n_features + c]
            scale[k, row + b] = value * inverse[b]
        diagonal = covariance[base + row + a] + floor[a]
        pivot = diagonal
        for c in range(a):
            pivot -= scale[k, row + c] * scale[k, row + c]
        least = max(max(floor[a], 1e-15 * diagonal), 1e-200)
        pivot = pivot if pivot > least else least
        product *= pivot
        if product > 1e100 or product < 1e-100:
            log_det += log_positive(product)
            product = 1.0
        scale[k, row + a] = np.sqrt(pivot)
        inverse[a] = 1.0 / scale[k, row + a]
    log_scale[k] = 0.5 * (log_det + log_positive(product)) + n_features * HALF_LOG_2PI


@kernel
def factor_diagonal(variance, base, k, floor, scale, log_scale):
    """Write the square roots of variance + floor to scale[k]."""
    n_features = floor.size
    product = 1.0
    log_det = 0.0
    for a in range(n_features):
        value = variance[base + a] + floor[a]
        value = value if value > 1e-200 else 1e-200
        product *= value
        if product > 1e100 or product < 1e-100:
            log_det += log_positive(product)
            product = 1.0
        scale[k, a] = np.sqrt(value)
    log_scale[k] = 0.5 * (log_det + log_positive(product)) + n_features * HALF_LOG_2PI


@kernel
def widen_window(step, weight, state):
    """Update the number of rows that the running moments stand for (Kish's effective sample size)."""
    state[WINDOW] = 1.0 / ((1.0 - step) ** 2 / state[WINDOW] + step**2 / weight)


@kernel
def blend_weight(k, share, step, nk, state):
    """Move component k's running weight and return share / weight: what one row adds to its moments."""
    state[HEADER + k] = (1.0 - step) * state[HEADER + k] + share * nk[k]
    return share / state[HEADER + k]


@kernel
def finish_weights(log_weights, state, options, prior):
    """Write the logarithms of the running weights, or of their mode under the Dirichlet prior."""
    n_components = log_weights.size
    count = options[prior] / state[WINDOW] if options[HAS_PRIOR] > 0.0 else 0.0
    total = 0.0
    for k in range(n_components):
        total += state[HEADER + k] + count
    inverse = 1.0 / total
    for k in range(n_components):
        value = (state[HEADER + k] + count) * inverse
        log_weights[k] = log_positive(value if value > 1e-300 else 1e-300)


@kernel
def update_triangular(
    weight, log_likelihood, step, nk, s1, s2, log_weights, means, scale, log_scale, state, options
):
    """Blend a mini-batch into the running moments and refit the parameters to them: full and tied.

    With h = (step / weight) nk / weight', the share of the mini-batch in a component, and m = s1 / nk and
    C = s2 / nk about the old mean: mean' = mean + h m,  S' = (1 - h) S + h C - h^2 m m' (stepwise EM; Cappe
    and Moulines, 2009). A step of 1 is the M-step of EM.
    """
    if is_refused(weight, log_likelihood, state):
        return
    n_components, n_features = means.shape
    n_moments = n_features * n_features
    first_mean = HEADER + n_components
    first_covariance = first_mean + n_components * n_features
    inverse = state[first_covariance + n_components * n_moments :]
    floor = options[FLOOR : FLOOR + n_features]
    has_prior = options[HAS_PRIOR] > 0.0
    alone = not has_prior and options[POOLED] == 0.0
    share = step / weight
    widen_window(step, weight, state)
    for k in range(n_components):
        c = blend_weight(k, share, step, nk, state)
        h = c * nk[k]
        if not h > 1e-17:
            continue
        mean = first_mean + k * n_features
        covariance = first_covariance + k * n_moments
        if has_prior:  # the rows' running mean is not the component's mean: move the moments to it
            for a in range(n_features):
                row = a * n_features
                shift_a = means[k, a] - state[mean + a]
                for b in range(a + 1):
                    shift_b = means[k, b] - state[mean + b]
                    s2[k, row + b] += s1[k, a] * shift_b + s1[k, b] * shift_a + nk[k] * shift_a * shift_b
            for a in range(n_features):
                s1[k, a] += nk[k] * (means[k, a] - state[mean + a])
        for a in range(n_features):
            row = a * n_features
            u = c * c * s1[k, a]
            for b in range(a + 1):
                m = covariance + row + b
                state[m] = (1.0 - h) * state[m] + (c * s2[k, row + b] - u * s1[k, b])
        for a in range(n_features):
            state[mean + a] += c * s1[k, a]
            means[k, a] = state[mean + a]
        if alone:
            factor_triangular(state, covariance, k, floor, scale, inverse, log_scale)
    finish_weights(log_weights, state, options, FLOOR + n_features)
    if not alone:
        _refit_triangular(means, scale, log_scale, state, options, inverse)


@kernel
def _refit_triangular(means, scale, log_scale, state, options, inverse):
    """Refit all components: with a prior (posterior mode), or with one covariance for all."""
    n_components, n_features = means.shape
    n_moments = n_features * n_features
    first_mean = HEADER + n_components
    first_covariance = first_mean + n_components * n_features
    floor = options[FLOOR : FLOOR + n_features]
    prior = options[FLOOR + n_features :]
    pooled = options[POOLED] > 0.0
    has_prior = options[HAS_PRIOR] > 0.0
    mean_count = prior[1] if has_prior else 0.0
    covariance_count = prior[2] if has_prior else 0.0
    work = np.zeros(n_moments)
    mass = 0.0
    for k in range(n_components):
        n = state[WINDOW] * state[HEADER + k]
        mean = first_mean + k * n_features
        covariance = first_covariance + k * n_moments
        mass += n
        for m in range(n_moments):
            work[m] += n * state[covariance + m]
        if has_prior:
            keep = n / (mean_count + n)
            for a in range(n_features):
                shift_a = state[mean + a] - prior[3 + a]
                means[k, a] = prior[3 + a] + keep * shift_a
                for b in range(a + 1):
                    shift_b = state[mean + b] - prior[3 + b]
                    work[a * n_features + b] += mean_count * keep * shift_a * shift_b
        if pooled and k < n_components - 1:
            continue
        if mass + covariance_count > 0.0:
            for m in range(n_moments):
                work[m] += prior[3 + n_features + m] if has_prior else 0.0
                work[m] /= mass + covariance_count
            factor_triangular(work, 0, k, floor, scale, inverse, log_scale)
        work[:] = 0.0
        mass = 0.0
    if pooled:
        for k in range(n_components - 1):
            scale[k] = scale[n_components - 1]
            log_scale[k] = log_scale[n_components - 1]


@kernel
def update_diagonal(
    weight, log_likelihood, step, nk, s1, s2, log_weights, means, scale, log_scale, state, options
):
    """Blend a mini-batch and refit, with variances alone: diag and spherical; see `update_triangular`."""
    if is_refused(weight, log_likelihood, state):
        return
    n_components, n_features = means.shape
    first_mean = HEADER + n_components
    first_variance = first_mean + n_components * n_features
    floor = options[FLOOR : FLOOR + n_features]
    has_prior = options[HAS_PRIOR] > 0.0
    alone = not has_prior and options[POOLED] == 0.0
    share = step / weight
    widen_window(step, weight, state)
    for k in range(n_components):
        c = blend_weight(k, share, step, nk, state)
        h = c * nk[k]
        if not h > 1e-17:
            continue
        mean = first_mean + k * n_features
        variance = first_variance + k * n_features
        for a in range(n_features):
            shift = means[k, a] - state[mean + a]
            first = s1[k, a] + nk[k] * shift
            second = s2[k, a] + shift * (2.0 * s1[k, a] + nk[k] * shift)
            state[variance + a] = (1.0 - h) * state[variance + a] + (c * second - (c * first) ** 2)
            state[mean + a] += c * first
            means[k, a] = state[mean + a]
        if alone:
            factor_diagonal(state, variance, k, floor, scale, log_scale)
    finish_weights(log_weights, state, options, FLOOR + n_features)
    if not alone:
        _refit_diagonal(means, scale, log_scale, state, options)


@kernel
def _refit_diagonal(means, scale, log_scale, state, options):
    """Refit all components: with a prior (posterior mode), or with one variance for all features."""
    n_components, n_features = means.shape
    first_mean = HEADER + n_components
    first_variance = first_mean + n_components * n_features
    floor = options[FLOOR : FLOOR + n_features]
    prior = options[FLOOR + n_features :]
    pooled = options[POOLED] > 0.0
    has_prior = options[HAS_PRIOR] > 0.0
    mean_count = prior[1] if has_prior else 0.0
    covariance_count = prior[2] if has_prior else 0.0
    work = np.empty(n_features)
    for k in range(n_components):
        n = state[WINDOW] * state[HEADER + k]
        mean = first_mean + k * n_features
        variance = first_variance + k * n_features
        for a in range(n_features):
            work[a] = n * state[variance + a]
            if has_prior:
                origin = prior[3 + a]
                shift = state[mean + a] - origin
                work[a] += prior[3 + n_features + a] + mean_count * n / (mean_count + n) * shift * shift
                means[k, a] = origin + n / (mean_count + n) * shift
        mass = n
        if not n + covariance_count > 0.0:
            continue
        if pooled:
            mass = n * n_features
            total = 0.0
            for a in range(n_features):
                total += work[a]
            for a in range(n_features):
                work[a] = total
        for a in range(n_features):
            work[a] /= mass + covariance_count
        factor_diagonal(work, 0, k, floor, scale, log_scale)
