"""What rules need of variances, EM's M-step first, as compiled code."""

from __future__ import annotations

from streamgmm.kernels import family
from streamgmm.kernels._jit import inlined
from streamgmm.kernels.linear import LEAST
from streamgmm.kernels.m_step import NEGLIGIBLE, write_mode

from .density import DiagonalForm, write_offset

_E_SQUARED = 7.38905609893065


@inlined
def _blend(k, c, nk, s1, s2, means, running, variances):
    """Blend moments about the component's mean into component k's running mean and variances."""
    keep = 1.0 - c * nk[k]
    for a in range(means.shape[1]):
        shift = means[k, a] - running[k, a]
        first = c * (s1[k, a] + nk[k] * shift)
        second = c * (s2[k, a, 0] + shift * (2.0 * s1[k, a] + nk[k] * shift))
        variances[k, a, 0] = keep * variances[k, a, 0] + (second - first * first)
        running[k, a] += first


@inlined
def _pool(k, scale):
    """Give all features of component k their mean variance."""
    n_features = scale.shape[1]
    total = 0.0
    for a in range(n_features):
        total += 1.0 / scale[k, a, 0]
    for a in range(n_features):
        scale[k, a, 0] = n_features / total


@family.refit.of(DiagonalForm)
def refit(share, batch, model, memory, scratch, options):
    """Blend and invert component by component."""
    nk, weights, floor, is_pooled = batch.nk, memory.weights, options.floor, options.flags.is_pooled
    means, scale, running, variances = model.means, model.scale, memory.means, memory.covariances
    least = NEGLIGIBLE * batch.weight
    for k in range(nk.size):
        if nk[k] > least:
            _blend(k, share / weights[k], nk, batch.s1, batch.s2, means, running, variances)
            for a in range(floor.size):
                means[k, a] = running[k, a]
                scale[k, a, 0] = 1.0 / max(max(variances[k, a, 0], 0.0) + floor[a], LEAST)
            if is_pooled:
                _pool(k, scale)
        write_offset(k, weights[k], model)


@family.refit_jointly.of(DiagonalForm)
def refit_jointly(share, batch, model, memory, scratch, options):
    """Blend, add the prior and invert."""
    nk, weights, floor, is_pooled = batch.nk, memory.weights, options.floor, options.flags.is_pooled
    means, scale, running, variances = model.means, model.scale, memory.means, memory.covariances
    prior_mean, prior_scatter = options.mean, options.scatter
    least = NEGLIGIBLE * batch.weight
    for k in range(nk.size):
        if nk[k] > least:
            _blend(k, share / weights[k], nk, batch.s1, batch.s2, means, running, variances)
        n = memory.counters.window * weights[k]
        mean_count = options.mean_count[k]
        weigh = n / (mean_count + n)
        count = n + options.covariance_count[k]
        for a in range(floor.size):
            shift = running[k, a] - prior_mean[k, a]
            means[k, a] = prior_mean[k, a] + weigh * shift
            value = n * variances[k, a, 0] + prior_scatter[k, a, 0] + mean_count * weigh * shift * shift
            scale[k, a, 0] = 1.0 / max(max(value / count, 0.0) + floor[a], LEAST)
        if is_pooled:
            _pool(k, scale)
    write_mode(memory, options, scratch.weights)
    for k in range(nk.size):
        write_offset(k, scratch.weights[k], model)


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
