"""EM's M-step for covariance matrices, as compiled code."""

from __future__ import annotations

from streamgmm.kernels import family, linear
from streamgmm.kernels._jit import inlined
from streamgmm.kernels.m_step import NEGLIGIBLE, write_mode

from .density import TriangularForm, write_offset
from .steps import shift_moments


@inlined
def blend_and_factor(k, c, nk, s1, s2, covariances, floor, scale):
    """Blend moments into covariances[k], in place, and factor it, plus the floor, into scale[k].

    Blending and factoring share their loops because the compiler makes SIMD loops of the short rows
    otherwise, whose start costs more than the rows.
    """
    keep = 1.0 - c * nk[k]
    for a in range(scale.shape[1]):
        first = c * s1[k, a]
        for b in range(a + 1):
            value = keep * covariances[k, a, b] + (c * s2[k, a, b] - first * (c * s1[k, b]))
            covariances[k, a, b] = value
            if b < a:
                linear.reduce_entry(k, a, b, value, scale)
        linear.finish_row(k, a, covariances[k, a, a] + floor[a], floor[a], scale)


@inlined
def _blend(k, c, nk, s1, s2, covariances):
    """Blend moments about the running mean into component k's running covariance."""
    keep = 1.0 - c * nk[k]
    for a in range(s1.shape[1]):
        first = c * s1[k, a]
        for b in range(a + 1):
            covariances[k, a, b] = keep * covariances[k, a, b] + (c * s2[k, a, b] - first * (c * s1[k, b]))


@inlined
def _move_mean(k, c, s1, means, running):
    for a in range(means.shape[1]):
        running[k, a] += c * s1[k, a]
        means[k, a] = running[k, a]


@inlined
def _clear(pooled):
    for a in range(pooled.shape[1]):
        for b in range(a + 1):
            pooled[0, a, b] = 0.0


@family.refit.of(TriangularForm)
def refit(share, batch, model, memory, scratch, options):
    """Blend and factor component by component."""
    nk, weights, floor = batch.nk, memory.weights, options.floor
    least = NEGLIGIBLE * batch.weight
    for k in range(nk.size):
        c = share / weights[k]
        if nk[k] > least:
            blend_and_factor(k, c, nk, batch.s1, batch.s2, memory.covariances, floor, model.scale)
            _move_mean(k, c, batch.s1, model.means, memory.means)
        write_offset(k, weights[k], model)


@family.refit_jointly.of(TriangularForm)
def refit_jointly(share, batch, model, memory, scratch, options):
    """Blend, add the prior, pool if the covariance is shared, and factor."""
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    means, scale = model.means, model.scale
    running, covariances, pooled = memory.means, memory.covariances, scratch.pooled
    mean_count, prior_mean, prior_scatter = options.mean_count, options.mean, options.scatter
    floor, has_prior, is_pooled = options.floor, options.flags.has_prior, options.flags.is_pooled
    window, least = memory.counters.window, NEGLIGIBLE * batch.weight
    n_components, n_features = means.shape
    _clear(pooled)
    mass = 0.0
    for k in range(n_components):
        c = share / memory.weights[k]
        if nk[k] > least:
            if has_prior:  # the rows' running mean is not the component's mean: move the moments to it
                shift_moments(k, nk[k], means, s1, s2, running)
            _blend(k, c, nk, s1, s2, covariances)
            _move_mean(k, c, s1, means, running)
        n = window * memory.weights[k]
        mass += n
        for a in range(n_features):
            for b in range(a + 1):
                pooled[0, a, b] += n * covariances[k, a, b]
        if has_prior:
            mass += options.covariance_count[k]
            weigh = n / (mean_count[k] + n)
            for a in range(n_features):
                shift_a = running[k, a] - prior_mean[k, a]
                means[k, a] = prior_mean[k, a] + weigh * shift_a
                for b in range(a + 1):
                    shift_b = running[k, b] - prior_mean[k, b]
                    pooled[0, a, b] += mean_count[k] * weigh * shift_a * shift_b + prior_scatter[k, a, b]
        if is_pooled and k < n_components - 1:
            continue
        for a in range(n_features):
            for b in range(a + 1):
                pooled[0, a, b] /= mass
            pooled[0, a, a] += floor[a]
        linear.factor(pooled, 0, scale, k, floor)
        mass = 0.0
        _clear(pooled)
    if has_prior:
        write_mode(memory, options, scratch.weights)
    for k in range(n_components):
        if is_pooled:
            for a in range(n_features):
                for b in range(n_features):
                    scale[k, a, b] = scale[n_components - 1, a, b]
        write_offset(k, scratch.weights[k] if has_prior else memory.weights[k], model)
