"""Kernels for components with a triangular factor (`full`, and `tied` repeated for each component).

A block of rows arrives transposed, ``x`` (n_features, block), so that the inner loops run over rows and use
SIMD. A factor is the lower triangular L of S = L L', stored row by row in ``scale`` (n_components,
n_features^2). A block of one row has loops of its own: for it the start of a SIMD loop would cost more than
the row.
"""

from __future__ import annotations

from ._jit import kernel


@kernel
def log_joint(x, n, log_weights, means, scale, log_scale, scratch, out):
    """Compute log(weight_k N(x_i; mu_k, S_k)) for a block of rows.

    Parameters
    ----------
    x : (n_features, block), the rows, transposed
    n : number of rows
    log_weights, log_scale : (n_components,); log_scale = log det L + n_features / 2 log(2 pi)
    means : (n_components, n_features)
    scale : (n_components, n_features^2)
    scratch : (at least n_features * block,)
    out : (n_components, block)  # OUT
    """
    n_components, n_features = means.shape
    if n == 1:
        for k in range(n_components):
            quadratic = 0.0
            for a in range(n_features):
                row = a * n_features
                z = x[a, 0] - means[k, a]
                for b in range(a):
                    z -= scale[k, row + b] * scratch[b]
                z /= scale[k, row + a]
                scratch[a] = z
                quadratic += z * z
            out[k, 0] = (log_weights[k] - log_scale[k]) - 0.5 * quadratic
        return
    block = x.shape[1]
    for k in range(n_components):
        log_prob = out[k]
        start = log_weights[k] - log_scale[k]
        for i in range(n):
            log_prob[i] = start
        for a in range(n_features):
            row = a * n_features
            mean = means[k, a]
            inverse = 1.0 / scale[k, row + a]
            x_a = x[a]
            z_a = scratch[a * block : a * block + n]
            if a == 0:
                for i in range(n):
                    z_a[i] = (x_a[i] - mean) * inverse
                    log_prob[i] -= 0.5 * z_a[i] * z_a[i]
                continue
            if a == 1:
                l_0 = scale[k, row]
                z_0 = scratch[:n]
                for i in range(n):
                    z_a[i] = (x_a[i] - mean - l_0 * z_0[i]) * inverse
                    log_prob[i] -= 0.5 * z_a[i] * z_a[i]
                continue
            for i in range(n):
                z_a[i] = x_a[i] - mean
            b = 0
            while b + 4 <= a:
                l_0, l_1 = scale[k, row + b], scale[k, row + b + 1]
                l_2, l_3 = scale[k, row + b + 2], scale[k, row + b + 3]
                z_0 = scratch[b * block : b * block + n]
                z_1 = scratch[(b + 1) * block : (b + 1) * block + n]
                z_2 = scratch[(b + 2) * block : (b + 2) * block + n]
                z_3 = scratch[(b + 3) * block : (b + 3) * block + n]
                for i in range(n):
                    z_a[i] -= (l_0 * z_0[i] + l_1 * z_1[i]) + (l_2 * z_2[i] + l_3 * z_3[i])
                b += 4
            while b < a:
                l_0 = scale[k, row + b]
                z_0 = scratch[b * block : b * block + n]
                for i in range(n):
                    z_a[i] -= l_0 * z_0[i]
                b += 1
            for i in range(n):
                z_a[i] *= inverse
                log_prob[i] -= 0.5 * z_a[i] * z_a[i]


@kernel
def accumulate(x, n, resp, means, scratch, nk, s1, s2):
    """Add a block's moments about the means; of s2 only the lower triangle is filled.

    Parameters
    ----------
    x : (n_features, block), the rows, transposed
    n : number of rows
    resp : (n_components, block), row weight times responsibility
    means : (n_components, n_features)
    scratch : (at least (n_features + 2) * block,)
    nk : (n_components,)  # OUT
    s1 : (n_components, n_features)  # OUT
    s2 : (n_components, n_features^2)  # OUT
    """
    n_components, n_features = means.shape
    if n == 1:
        for k in range(n_components):
            r = resp[k, 0]
            nk[k] += r
            if r < 1e-16:
                continue
            for a in range(n_features):
                y = x[a, 0] - means[k, a]
                scratch[a] = y
                u = r * y
                s1[k, a] += u
                for b in range(a + 1):
                    s2[k, a * n_features + b] += u * scratch[b]
        return
    block = x.shape[1]
    r = scratch[n_features * block : n_features * block + n]
    u = scratch[(n_features + 1) * block : (n_features + 1) * block + n]
    for k in range(n_components):
        resp_k = resp[k]
        total = 0.0
        significant = 0
        for i in range(n):
            total += resp_k[i]
            significant += resp_k[i] > 1e-16
        nk[k] += total
        if significant == 0:
            continue
        # Rows of negligible responsibility change nothing: where they are many, pack the others together.
        m = n
        if n_features > 3 and 4 * significant < 3 * n:
            m = 0
            for i in range(n):
                if resp_k[i] > 1e-16:
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
        for a in range(n_features):
            row = a * n_features
            y_a = scratch[a * block : a * block + n]
            total = 0.0
            for i in range(m):
                u[i] = r[i] * y_a[i]
                total += u[i]
            s1[k, a] += total
            b = 0
            while b + 4 <= a + 1:
                y_0 = scratch[b * block : b * block + n]
                y_1 = scratch[(b + 1) * block : (b + 1) * block + n]
                y_2 = scratch[(b + 2) * block : (b + 2) * block + n]
                y_3 = scratch[(b + 3) * block : (b + 3) * block + n]
                t_0, t_1, t_2, t_3 = 0.0, 0.0, 0.0, 0.0
                for i in range(m):
                    t_0 += u[i] * y_0[i]
                    t_1 += u[i] * y_1[i]
                    t_2 += u[i] * y_2[i]
                    t_3 += u[i] * y_3[i]
                s2[k, row + b] += t_0
                s2[k, row + b + 1] += t_1
                s2[k, row + b + 2] += t_2
                s2[k, row + b + 3] += t_3
                b += 4
            while b < a + 1:
                y_0 = scratch[b * block : b * block + n]
                t_0 = 0.0
                for i in range(m):
                    t_0 += u[i] * y_0[i]
                s2[k, row + b] += t_0
                b += 1
