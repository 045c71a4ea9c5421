"""The triangular family: components with a covariance matrix (`full`), or one for all of them (`tied`).

A block of rows arrives transposed, ``x`` (n_features, block), so that the inner loops run over rows and use
SIMD. A covariance is factored as S = L D L' with a unit lower triangular L: ``scale`` (n_components,
n_features, n_features) holds L below the diagonal and 1 / D on it (what is above it is never read), which
leaves neither square roots nor divisions to the loops over rows. Of moments, too, the lower triangle alone
is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm.kernels import family
from streamgmm.kernels.family import FAR

HALF_LOG_2PI = 0.9189385332046727


class TriangularForm(NamedTuple):
    """Parameters of a mixture, as the kernels take them; see `kernels.family`."""

    offset: Any
    means: Any
    scale: Any


@family.log_joint.of(TriangularForm)
def log_joint(x, n, model, scratch, out):
    """Go through the rows of L, four columns at a time."""
    offset, means, scale = model
    n_components, n_features = means.shape
    block = x.shape[1]
    for k in range(n_components):
        log_prob = out[k]
        start = offset[k]
        for i in range(n):
            log_prob[i] = start
        for a in range(n_features):
            mean = means[k, a]
            half = 0.5 * scale[k, a, a]
            x_a = x[a]
            z_a = scratch[a * block : a * block + n]
            if a == 0:
                for i in range(n):
                    z_a[i] = x_a[i] - mean
                    log_prob[i] -= half * (z_a[i] * z_a[i])
                continue
            if a == 1:
                l_0 = scale[k, a, 0]
                z_0 = scratch[:n]
                for i in range(n):
                    z_a[i] = x_a[i] - mean - l_0 * z_0[i]
                    log_prob[i] -= half * (z_a[i] * z_a[i])
                continue
            b = a % 4  # so many columns in the first pass over the rows, then four in each
            z_0 = scratch[:n]
            z_1 = scratch[block : block + n]
            z_2 = scratch[2 * block : 2 * block + n]
            l_0, l_1, l_2 = scale[k, a, 0], scale[k, a, 1], scale[k, a, 2]
            if b == 0:
                for i in range(n):
                    z_a[i] = x_a[i] - mean
            elif b == 1:
                for i in range(n):
                    z_a[i] = x_a[i] - mean - l_0 * z_0[i]
            elif b == 2:
                for i in range(n):
                    z_a[i] = x_a[i] - mean - (l_0 * z_0[i] + l_1 * z_1[i])
            else:
                for i in range(n):
                    z_a[i] = x_a[i] - mean - (l_0 * z_0[i] + l_1 * z_1[i] + l_2 * z_2[i])
            while b < a:
                l_0, l_1, l_2, l_3 = (
                    scale[k, a, b],
                    scale[k, a, b + 1],
                    scale[k, a, b + 2],
                    scale[k, a, b + 3],
                )
                z_0 = scratch[b * block : b * block + n]
                z_1 = scratch[(b + 1) * block : (b + 1) * block + n]
                z_2 = scratch[(b + 2) * block : (b + 2) * block + n]
                z_3 = scratch[(b + 3) * block : (b + 3) * block + n]
                for i in range(n):
                    z_a[i] -= (l_0 * z_0[i] + l_1 * z_1[i]) + (l_2 * z_2[i] + l_3 * z_3[i])
                b += 4
            for i in range(n):
                log_prob[i] -= half * (z_a[i] * z_a[i])


@family.accumulate.of(TriangularForm)
def accumulate(x, n, w, resp, model, scratch, batch):
    """Go through the rows of the lower triangle, four columns at a time."""
    means, nk, s1, s2 = model.means, batch.nk, batch.s1, batch.s2
    n_components, n_features = means.shape
    block = x.shape[1]
    r = scratch[n_features * block : n_features * block + n]
    u = scratch[(n_features + 1) * block : (n_features + 1) * block + n]
    for k in range(n_components):
        resp_k = resp[k]
        significant = 0
        for i in range(n):
            significant += resp_k[i] > 1e-16 * w[i]
        if significant == 0:
            continue
        # Rows of negligible responsibility change nothing: where they are many, the others are packed.
        m = n
        if n_features > 3 and 3 * significant < n:
            m = 0
            for i in range(n):
                if resp_k[i] > 1e-16 * w[i]:
                    r[m] = resp_k[i]
                    for a in range(n_features):
                        scratch[a * block + m] = x[a, i] - means[k, a]
                    m += 1
        else:
            for i in range(n):
                r[i] = resp_k[i]
            for a in range(n_features):
                x_a = x[a]
                y_a = scratch[a * block : a * block + n]
                mean = means[k, a]
                for i in range(n):
                    y_a[i] = x_a[i] - mean
        total = 0.0
        for i in range(m):
            total += r[i]
        nk[k] += total
        y_0 = scratch[:n]
        for a in range(n_features):
            y_a = scratch[a * block : a * block + n]
            b = (a + 1) % 4  # so many columns in the first pass over the rows, then four in each
            total, t_0, t_1, t_2 = 0.0, 0.0, 0.0, 0.0
            if b == 0:
                for i in range(m):
                    u[i] = r[i] * y_a[i]
                    total += u[i]
            elif b == 1:
                for i in range(m):
                    u[i] = r[i] * y_a[i]
                    total += u[i]
                    t_0 += u[i] * y_0[i]
            elif b == 2:
                y_1 = scratch[block : block + n]
                for i in range(m):
                    u[i] = r[i] * y_a[i]
                    total += u[i]
                    t_0 += u[i] * y_0[i]
                    t_1 += u[i] * y_1[i]
                s2[k, a, 1] += t_1
            else:
                y_1 = scratch[block : block + n]
                y_2 = scratch[2 * block : 2 * block + n]
                for i in range(m):
                    u[i] = r[i] * y_a[i]
                    total += u[i]
                    t_0 += u[i] * y_0[i]
                    t_1 += u[i] * y_1[i]
                    t_2 += u[i] * y_2[i]
                s2[k, a, 1] += t_1
                s2[k, a, 2] += t_2
            s1[k, a] += total
            s2[k, a, 0] += t_0
            while b <= a:
                y_b = scratch[b * block : b * block + n]
                y_1 = scratch[(b + 1) * block : (b + 1) * block + n]
                y_2 = scratch[(b + 2) * block : (b + 2) * block + n]
                y_3 = scratch[(b + 3) * block : (b + 3) * block + n]
                t_0, t_1, t_2, t_3 = 0.0, 0.0, 0.0, 0.0
                for i in range(m):
                    t_0 += u[i] * y_b[i]
                    t_1 += u[i] * y_1[i]
                    t_2 += u[i] * y_2[i]
                    t_3 += u[i] * y_3[i]
                s2[k, a, b] += t_0
                s2[k, a, b + 1] += t_1
                s2[k, a, b + 2] += t_2
                s2[k, a, b + 3] += t_3
                b += 4


@family.row_statistics.of(TriangularForm)
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
            value = x[a] - means[k, a]
            s1[k, a] = value
            far = max(far, abs(value))
            for b in range(a):
                value -= scale[k, a, b] * z[b]
            z[a] = value
            quadratic += value * value * scale[k, a, a]
        nk[k] = offset[k] - 0.5 * quadratic
        best = nk[k] if nk[k] > best else best
    total = 0.0
    for k in range(n_components):
        nk[k] = np.exp(nk[k] - best)
        total += nk[k]
    factor = w / total
    for k in range(n_components):
        nk[k] *= factor
        for a in range(n_features - 1, -1, -1):
            u = nk[k] * s1[k, a]
            for b in range(a + 1):
                s2[k, a, b] = u * s1[k, b]
            s1[k, a] = u
    if (best < -1e299 or not far < FAR) and w > 0.0:
        return -np.inf
    return w * (best + np.log(total))


@family.write_offset.of(TriangularForm)
def write_offset(k, weight, model):
    """Take one logarithm of the product of all pivots."""
    scale = model.scale
    n_features = scale.shape[1]
    product = weight * weight
    total = 0.0
    if product < 1e-100:
        total = 2.0 * np.log(weight if weight > 1e-300 else 1e-300)
        product = 1.0
    for a in range(n_features):
        product *= scale[k, a, a]
        if product > 1e100 or product < 1e-100:
            total += np.log(product)
            product = 1.0
    model.offset[k] = 0.5 * (total + np.log(product)) - n_features * HALF_LOG_2PI


@family.total_scatter.of(TriangularForm)
def total_scatter(batch, model):
    """Add up."""
    s2 = batch.s2
    total = 0.0
    for k in range(s2.shape[0]):
        for a in range(s2.shape[1]):
            total += s2[k, a, a]
    return total
