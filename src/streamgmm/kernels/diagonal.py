"""The diagonal family: components with a variance for each feature (`diag`), or one for all (`spherical`).

The same functions as in `triangular`, with the reciprocal variances in ``scale``
(n_components, n_features, 1) and the squares alone in ``s2`` (n_components, n_features, 1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import family
from .linear import LEAST
from .m_step import NEGLIGIBLE, write_mode

HALF_LOG_2PI = 0.9189385332046727
_E_SQUARED = 7.38905609893065


class Diagonal(NamedTuple):
    """Parameters of a mixture, as the kernels take them; see `kernels.family`."""

    offset: Any
    means: Any
    scale: Any


@family.log_joint.of(Diagonal)
def log_joint(x, n, model, scratch, out):
    """Go through the features."""
    offset, means, scale = model
    n_components, n_features = means.shape
    for k in range(n_components):
        log_prob = out[k]
        start = offset[k]
        for i in range(n):
            log_prob[i] = start
        for a in range(n_features):
            x_a = x[a]
            mean = means[k, a]
            half = 0.5 * scale[k, a, 0]
            for i in range(n):
                z = x_a[i] - mean
                log_prob[i] -= half * (z * z)


@family.accumulate.of(Diagonal)
def accumulate(x, n, w, resp, model, scratch, batch):
    """Go through the features."""
    means, nk, s1, s2 = model.means, batch.nk, batch.s1, batch.s2
    n_components, n_features = means.shape
    for k in range(n_components):
        r = resp[k]
        total = 0.0
        for i in range(n):
            total += r[i]
        nk[k] += total
        for a in range(n_features):
            x_a = x[a]
            mean = means[k, a]
            first = 0.0
            second = 0.0
            for i in range(n):
                y = x_a[i] - mean
                u = r[i] * y
                first += u
                second += u * y
            s1[k, a] += first
            s2[k, a, 0] += second


@family.row_statistics.of(Diagonal)
def row_statistics(x, w, model, z, batch):
    """Keep a component's log joint density in nk[k] and the row's distance in s1[k] on the way."""
    offset, means, scale = model
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    n_components, n_features = means.shape
    best = -1e300
    for k in range(n_components):
        quadratic = 0.0
        for a in range(n_features):
            y = x[a] - means[k, a]
            s1[k, a] = y
            quadratic += y * y * scale[k, a, 0]
        nk[k] = offset[k] - 0.5 * quadratic
        best = nk[k] if nk[k] > best else best
    total = 0.0
    for k in range(n_components):
        nk[k] = np.exp(nk[k] - best)
        total += nk[k]
    factor = w / total
    for k in range(n_components):
        nk[k] *= factor
        for a in range(n_features):
            u = nk[k] * s1[k, a]
            s2[k, a, 0] = u * s1[k, a]
            s1[k, a] = u
    if best < -1e299 and w > 0.0:
        return -np.inf
    return w * (best + np.log(total))


@family.write_offset.of(Diagonal)
def write_offset(k, weight, model):
    """Take one logarithm of the product of all variances."""
    scale = model.scale
    n_features = scale.shape[1]
    product = weight * weight
    total = 0.0
    if product < 1e-100:
        total = 2.0 * np.log(weight if weight > 1e-300 else 1e-300)
        product = 1.0
    for a in range(n_features):
        product *= scale[k, a, 0]
        if product > 1e100 or product < 1e-100:
            total += np.log(product)
            product = 1.0
    model.offset[k] = 0.5 * (total + np.log(product)) - n_features * HALF_LOG_2PI


@family.total_scatter.of(Diagonal)
def total_scatter(batch, model):
    """Add up."""
    total = 0.0
    for k in range(batch.nk.size):
        for a in range(batch.s1.shape[1]):
            total += batch.s2[k, a, 0]
    return total


@family.refit.of(Diagonal)
def refit(share, batch, model, memory, scratch, options):
    """Refit the components that the mini-batch touched, or all with a prior."""
    means, scale, variances = model.means, model.scale, memory.covariances
    n_components, n_features = means.shape
    has_prior, is_pooled = options.flags.has_prior, options.flags.is_pooled
    for k in range(n_components):
        c = share / memory.weights[k]
        h = c * batch.nk[k]
        touched = batch.nk[k] > NEGLIGIBLE * batch.weight
        if not (touched or has_prior):
            continue
        mean_count = options.mean_count[k]
        n = memory.counters.window * memory.weights[k]
        weigh = n / (mean_count + n)
        count = n + options.covariance_count[k] if has_prior else 1.0
        total = 0.0
        for a in range(n_features):
            if touched:
                shift = means[k, a] - memory.means[k, a]
                first = c * (batch.s1[k, a] + batch.nk[k] * shift)
                second = c * (batch.s2[k, a, 0] + shift * (2.0 * batch.s1[k, a] + batch.nk[k] * shift))
                variances[k, a, 0] = (1.0 - h) * variances[k, a, 0] + (second - first * first)
                memory.means[k, a] += first
                means[k, a] = memory.means[k, a]
            value = variances[k, a, 0]
            if has_prior:
                shift = memory.means[k, a] - options.mean[k, a]
                means[k, a] = options.mean[k, a] + weigh * shift
                value = n * value + options.scatter[k, a, 0] + mean_count * weigh * shift * shift
            total += value
            value = value / count + options.floor[a]
            scale[k, a, 0] = 1.0 / (value if value > LEAST else LEAST)
        if is_pooled:
            total = total / (n_features * count) + options.floor[0]
            for a in range(n_features):
                scale[k, a, 0] = 1.0 / (total if total > LEAST else LEAST)
    if has_prior:
        write_mode(memory, options, scratch.weights)
    for k in range(n_components):
        write_offset(k, scratch.weights[k] if has_prior else memory.weights[k], model)


@family.recenter.of(Diagonal)
def recenter(k, n, origin, s1, s2, model):
    """Complete the squares."""
    for a in range(s1.shape[1]):
        shift = origin[k, a] - model.means[k, a]
        s2[k, a, 0] += 2.0 * s1[k, a] * shift + n * shift * shift
        s1[k, a] += n * shift


@family.regularize.of(Diagonal)
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


@family.is_rank_one.of(Diagonal)
def is_rank_one(batch, model):
    """Say no: it would spare nothing."""
    return False


@family.is_near.of(Diagonal)
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


@family.is_definite.of(Diagonal)
def is_definite(k, count, s1, s2, model, scratch):
    """Ask whether variances are positive."""
    for a in range(s1.shape[1]):
        mean = s1[k, a] / count
        if not s2[k, a, 0] / count - mean * mean > 0.0:
            return False
    return True
