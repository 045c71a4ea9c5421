"""What rules need of variances, EM's M-step first, as compiled code."""

from __future__ import annotations

from streamgmm.kernels import family
from streamgmm.kernels.linear import LEAST
from streamgmm.kernels.m_step import NEGLIGIBLE, write_mode

from .density import DiagonalForm, write_offset

_E_SQUARED = 7.38905609893065


@family.refit.of(DiagonalForm)
def refit(share, batch, model, memory, scratch, options):
    """Refit the components that the mini-batch touched, or all with a prior."""
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    means, scale = model.means, model.scale
    running, variances = memory.means, memory.covariances
    prior_mean, prior_scatter, floor = options.mean, options.scatter, options.floor
    has_prior, is_pooled = options.flags.has_prior, options.flags.is_pooled
    window, least = memory.counters.window, NEGLIGIBLE * batch.weight
    n_components, n_features = means.shape
    for k in range(n_components):
        c = share / memory.weights[k]
        h = c * nk[k]
        touched = nk[k] > least
        if not (touched or has_prior):
            continue
        mean_count = options.mean_count[k]
        n = window * memory.weights[k]
        weigh = n / (mean_count + n)
        count = n + options.covariance_count[k] if has_prior else 1.0
        total = 0.0
        for a in range(n_features):
            if touched:
                shift = means[k, a] - running[k, a]
                first = c * (s1[k, a] + nk[k] * shift)
                second = c * (s2[k, a, 0] + shift * (2.0 * s1[k, a] + nk[k] * shift))
                variances[k, a, 0] = (1.0 - h) * variances[k, a, 0] + (second - first * first)
                running[k, a] += first
                means[k, a] = running[k, a]
            value = variances[k, a, 0]
            if has_prior:
                shift = running[k, a] - prior_mean[k, a]
                means[k, a] = prior_mean[k, a] + weigh * shift
                value = n * value + prior_scatter[k, a, 0] + mean_count * weigh * shift * shift
            total += value
            value = value / count + floor[a]
            scale[k, a, 0] = 1.0 / (value if value > LEAST else LEAST)
        if is_pooled:
            total = total / (n_features * count) + floor[0]
            for a in range(n_features):
                scale[k, a, 0] = 1.0 / (total if total > LEAST else LEAST)
    if has_prior:
        write_mode(memory, options, scratch.weights)
    for k in range(n_components):
        write_offset(k, scratch.weights[k] if has_prior else memory.weights[k], model)


@family.recenter.of(DiagonalForm)
def recenter(k, n, origin, s1, s2, model):
    """Complete the squares."""
    for a in range(s1.shape[1]):
        shift = origin[k, a] - model.means[k, a]
        s2[k, a, 0] += 2.0 * s1[k, a] * shift + n * shift * shift
        s1[k, a] += n * shift


@family.regularize.of(DiagonalForm)
def regularize(k, share, debt, batch, model, options):
    """Add the prior's variances."""
    has_prior = options.flags.has_prior
    for a in range(batch.s1.shape[1]):
        batch.s2[k, a, 0] += debt * options.floor[a]
        if has_prior:
            shift = options.mean[k, a] - model.means[k, a]
            first = share * options.mean_count[k] * shift
            batch.s1[k, a] += first
            batch.s2[k, a, 0] += first * shift + share * options.scatter[k, a, 0]
    return share * options.covariance_count[k]


@family.is_rank_one.of(DiagonalForm)
def is_rank_one(batch, model):
    """Say no: it would spare nothing."""
    return False


@family.is_near.of(DiagonalForm)
def is_near(k, with_factor, model, means, scale, scratch, j):
    """Compare feature by feature."""
    for a in range(means.shape[1]):
        shift = means[k, a] - model.means[k, a]
        old, new = model.scale[k, a, 0], scale[k, a, 0]
        if shift * shift * old > 1.0:
            return False
        if with_factor and (new > _E_SQUARED * old or old > _E_SQUARED * new):
            return False
    return True


@family.is_definite.of(DiagonalForm)
def is_definite(k, count, s1, s2, model, scratch):
    """Ask whether variances are positive."""
    for a in range(s1.shape[1]):
        mean = s1[k, a] / count
        if not s2[k, a, 0] / count - mean * mean > 0.0:
            return False
    return True
