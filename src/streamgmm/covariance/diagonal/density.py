"""The diagonal family: components with a variance for each feature (`diag`), or one for all (`spherical`).

The same functions as in `triangular`, with the reciprocal variances in ``scale``
(n_components, n_features, 1) and the squares alone in ``s2`` (n_components, n_features, 1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm.kernels import family
from streamgmm.kernels.family import FAR

HALF_LOG_2PI = 0.9189385332046727


class DiagonalForm(NamedTuple):
    """Parameters of a mixture, as the kernels take them; see `kernels.family`."""

    offset: Any
    means: Any
    scale: Any


@family.log_joint.of(DiagonalForm)
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


@family.accumulate.of(DiagonalForm)
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


@family.row_statistics.of(DiagonalForm)
def row_statistics(x, w, model, z, batch):
    """Keep a component's log joint density in nk[k] and the row's distance in s1[k] on the way."""
    offset, means, scale = model
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    n_components, n_features = means.shape
    best = -1e300
    far = 0.0
    for k in range(n_components):
        quadratic = 0.0
        for a in range(n_features):
            y = x[a] - means[k, a]
            s1[k, a] = y
            far = max(far, abs(y))
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
    if (best < -1e299 or not far < FAR) and w > 0.0:
        return -np.inf
    return w * (best + np.log(total))


@family.write_offset.of(DiagonalForm)
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


@family.total_scatter.of(DiagonalForm)
def total_scatter(batch, model):
    """Add up."""
    s2 = batch.s2
    total = 0.0
    for k in range(s2.shape[0]):
        for a in range(s2.shape[1]):
            total += s2[k, a, 0]
    return total
