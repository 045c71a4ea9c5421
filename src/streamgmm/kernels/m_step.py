"""From running moments to parameters: the M-step of every rule of the EM family, as compiled code.

The memory of such a rule is the rows' running moments before regularization and prior: ``memory`` [window,
count of refused updates, weights (n_components,)], ``memory_2`` the means (n_components, n_features) and
``memory_3`` the covariances (n_components + 1, n_features, n_features), or variances (n_components + 1,
n_features, 1), the last for scratch. The window is the number of rows that the moments stand for.

The options are one flat array: whether covariances are pooled (over components with triangular factors, over
features with diagonal ones), whether there is a prior, the variance added to each feature (n_features,), and
the prior: Dirichlet count, mean count, covariance count, mean (n_features,) and scale (n_moments,).
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined

WINDOW, REFUSED, HEADER = 0, 1, 2
POOLED, HAS_PRIOR, FLOOR = 0, 1, 2
HALF_LOG_2PI = 0.9189385332046727
_LEAST = 1e-200
_NEGLIGIBLE = 1e-16  # a component with less of a mini-batch keeps its mean and covariance


@inlined
def is_refused(weight, log_likelihood, memory):
    """Tell whether a mini-batch must be passed over; one with rows too far away to be squared is counted."""
    if not log_likelihood > -np.inf:
        memory[REFUSED] += 1.0
        return True
    return not weight > 0.0


@inlined
def _blend_weights(weight, step, nk, memory):
    """Move the window and the running weights."""
    # Kish's effective sample size of the exponentially weighted average
    keep = 1.0 - step
    memory[WINDOW] = 1.0 / (keep * keep / memory[WINDOW] + step * step / weight)
    share = step / weight
    for k in range(nk.size):
        memory[HEADER + k] = keep * memory[HEADER + k] + share * nk[k]


@inlined
def _mode_weights(nk, memory, options, prior):
    """Write the weights' posterior mode under the Dirichlet prior to nk."""
    count = options[prior] / memory[WINDOW]
    total = 0.0
    for k in range(nk.size):
        nk[k] = memory[HEADER + k] + count
        total += nk[k]
    for k in range(nk.size):
        nk[k] /= total


@inlined
def write_offset(k, weight, scale, offset):
    """Write log weight - (log det S + n_features log(2 pi)) / 2 to offset[k], with one logarithm."""
    n_features, last = scale.shape[1], scale.shape[2] - 1
    product = weight * weight
    total = 0.0
    if product < 1e-100:
        total = 2.0 * np.log(weight if weight > 1e-300 else 1e-300)
        product = 1.0
    for a in range(n_features):
        product *= scale[k, a, min(a, last)]
        if product > 1e100 or product < 1e-100:
            total += np.log(product)
            product = 1.0
    offset[k] = 0.5 * (total + np.log(product)) - n_features * HALF_LOG_2PI


@inlined
def blend_and_factor(k, c, nk, s1, s2, covariances, j, scale, options):
    """Blend moments into covariances[j], in place, and factor it, plus the floor, into scale[k]: S = L D L'.

    ``c`` = 0 factors alone. A pivot below the floor, or below 1e-15 of its diagonal, can only be rounding:
    that least value takes its place. Blending and factoring share their loops because the compiler makes SIMD
    loops of the short rows otherwise, whose start costs more than the rows.
    """
    n_features = scale.shape[1]
    keep = 1.0 - c * nk[k]
    for a in range(n_features):
        first = c * s1[k, a]
        for b in range(a + 1):
            value = keep * covariances[j, a, b] + (c * s2[k, a, b] - first * (c * s1[k, b]))
            covariances[j, a, b] = value
            if b < a:  # L_ab D_b, which waits for no division
                for d in range(b):
                    value -= scale[k, a, d] * scale[k, b, d]
                scale[k, a, b] = value
        pivot = covariances[j, a, a] + options[FLOOR + a]
        least = max(max(options[FLOOR + a], 1e-15 * pivot), _LEAST)
        diagonal = pivot
        for b in range(a):
            value = scale[k, a, b]
            explained = value * value * scale[k, b, b]
            # far more than the whole variance can only be rounding, over a pivot that was replaced
            scale[k, a, b] = value * scale[k, b, b] if explained <= 2.0 * diagonal else 0.0
            pivot -= explained if explained <= 2.0 * diagonal else 0.0
        scale[k, a, a] = 1.0 / (pivot if pivot > least else least)


@inlined
def _blend_triangular(k, c, nk, s1, s2, memory_3):
    """Blend moments about the running mean into component k's running covariance."""
    keep = 1.0 - c * nk[k]
    for a in range(s1.shape[1]):
        first = c * s1[k, a]
        for b in range(a + 1):
            memory_3[k, a, b] = keep * memory_3[k, a, b] + (c * s2[k, a, b] - first * (c * s1[k, b]))


@inlined
def _move_mean(k, c, s1, means, memory_2):
    for a in range(means.shape[1]):
        memory_2[k, a] += c * s1[k, a]
        means[k, a] = memory_2[k, a]


@exact_kernel
def update_full(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Blend a mini-batch into the running moments and refit the components that it touched.

    With h = (step / weight) nk / weight', the share of the mini-batch in a component, and m = s1 / nk and
    C = s2 / nk about the old mean: mean' = mean + h m,  S' = (1 - h) S + h C - h^2 m m' (stepwise EM; Cappe
    and Moulines, 2009). A step of 1 is the M-step of EM.
    """
    if is_refused(weight, log_likelihood, memory):
        return
    n_components = means.shape[0]
    _blend_weights(weight, step, nk, memory)
    share = step / weight
    for k in range(n_components):
        c = share / memory[HEADER + k]
        if nk[k] > _NEGLIGIBLE * weight:
            blend_and_factor(k, c, nk, s1, s2, memory_3, k, scale, options)
            _move_mean(k, c, s1, means, memory_2)
        write_offset(k, memory[HEADER + k], scale, offset)


@exact_kernel
def update_triangular(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Blend a mini-batch and refit all components: with a prior, or with one covariance for all.

    The parameters are the posterior mode given the running moments, counted as ``window`` rows.
    """
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    prior = FLOOR + n_features
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    _blend_weights(weight, step, nk, memory)
    work = n_components  # the scratch at the end of memory_3
    for a in range(n_features):
        for b in range(a + 1):
            memory_3[work, a, b] = 0.0
    mass = 0.0
    for k in range(n_components):
        c = step / (weight * memory[HEADER + k])
        if nk[k] > _NEGLIGIBLE * weight:
            if has_prior:  # the rows' running mean is not the component's mean: move the moments to it
                for a in range(n_features):
                    shift_a = means[k, a] - memory_2[k, a]
                    for b in range(a + 1):
                        shift_b = means[k, b] - memory_2[k, b]
                        s2[k, a, b] += s1[k, a] * shift_b + s1[k, b] * shift_a + nk[k] * shift_a * shift_b
                for a in range(n_features):
                    s1[k, a] += nk[k] * (means[k, a] - memory_2[k, a])
            _blend_triangular(k, c, nk, s1, s2, memory_3)
            _move_mean(k, c, s1, means, memory_2)
        n = memory[WINDOW] * memory[HEADER + k]
        mass += n
        for a in range(n_features):
            for b in range(a + 1):
                memory_3[work, a, b] += n * memory_3[k, a, b]
        if has_prior:
            weigh = n / (options[prior + 1] + n)
            for a in range(n_features):
                shift_a = memory_2[k, a] - options[prior + 3 + a]
                means[k, a] = options[prior + 3 + a] + weigh * shift_a
                for b in range(a + 1):
                    shift_b = memory_2[k, b] - options[prior + 3 + b]
                    memory_3[work, a, b] += options[prior + 1] * weigh * shift_a * shift_b
        if pooled and k < n_components - 1:
            continue
        mass += options[prior + 2] if has_prior else 0.0
        for a in range(n_features):
            for b in range(a + 1):
                if has_prior:
                    memory_3[work, a, b] += options[prior + 3 + n_features + a * n_features + b]
                memory_3[work, a, b] /= mass
        blend_and_factor(k, 0.0, nk, s1, s2, memory_3, work, scale, options)
        mass = 0.0
        for a in range(n_features):
            for b in range(a + 1):
                memory_3[work, a, b] = 0.0
    if has_prior:
        _mode_weights(nk, memory, options, prior)
    for k in range(n_components):
        if pooled:
            for a in range(n_features):
                for b in range(n_features):
                    scale[k, a, b] = scale[n_components - 1, a, b]
        write_offset(k, nk[k] if has_prior else memory[HEADER + k], scale, offset)


@exact_kernel
def update_diagonal(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Blend a mini-batch and refit, with variances alone: diag and spherical; see `update_triangular`."""
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    prior = FLOOR + n_features
    has_prior = options[HAS_PRIOR] > 0.0
    pooled = options[POOLED] > 0.0
    mean_count = options[prior + 1] if has_prior else 0.0
    covariance_count = options[prior + 2] if has_prior else 0.0
    _blend_weights(weight, step, nk, memory)
    for k in range(n_components):
        c = step / (weight * memory[HEADER + k])
        h = c * nk[k]
        touched = nk[k] > _NEGLIGIBLE * weight
        if not (touched or has_prior):
            continue
        n = memory[WINDOW] * memory[HEADER + k]
        weigh = n / (mean_count + n)
        count = n + covariance_count if has_prior else 1.0
        total = 0.0
        for a in range(n_features):
            if touched:
                shift = means[k, a] - memory_2[k, a]
                first = c * (s1[k, a] + nk[k] * shift)
                second = c * (s2[k, a, 0] + shift * (2.0 * s1[k, a] + nk[k] * shift))
                memory_3[k, a, 0] = (1.0 - h) * memory_3[k, a, 0] + (second - first * first)
                memory_2[k, a] += first
                means[k, a] = memory_2[k, a]
            value = memory_3[k, a, 0]
            if has_prior:
                shift = memory_2[k, a] - options[prior + 3 + a]
                means[k, a] = options[prior + 3 + a] + weigh * shift
                value = n * value + options[prior + 3 + n_features + a] + mean_count * weigh * shift * shift
            total += value
            value = value / count + options[FLOOR + a]
            scale[k, a, 0] = 1.0 / (value if value > _LEAST else _LEAST)
        if pooled:
            total /= n * n_features + covariance_count if has_prior else n_features
            total += options[FLOOR]
            for a in range(n_features):
                scale[k, a, 0] = 1.0 / (total if total > _LEAST else _LEAST)
    if has_prior:
        _mode_weights(nk, memory, options, prior)
    for k in range(n_components):
        write_offset(k, nk[k] if has_prior else memory[HEADER + k], scale, offset)
