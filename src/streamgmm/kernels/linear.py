"""Small linear algebra on S = L D L', as `triangular` keeps it: unit L below the diagonal, 1 / D on it.

``scratch`` is a stack of matrices; results go to its entry ``j``. Of symmetric matrices only the lower
triangle is read and written.
"""

from __future__ import annotations

from ._jit import exact_kernel, inlined

# A pivot below this part of its diagonal entry is rounding: the matrix is not positive definite.
_SINGULAR = 1e-14


@inlined
def is_positive(pivot, diagonal):
    """Tell whether a pivot is one of a positive definite, finite matrix."""
    return pivot > _SINGULAR * diagonal and 1e-300 < pivot < 1e300


@exact_kernel
def factor(scratch, j, k, scale):
    """Factor the symmetric matrix scratch[j] into scale[k]; return whether it is positive definite."""
    n_features = scale.shape[1]
    for a in range(n_features):
        for b in range(a):
            value = scratch[j, a, b]
            for c in range(b):
                value -= scale[k, a, c] * scale[k, b, c]
            scale[k, a, b] = value  # L_ab D_b, which waits for no division
        pivot = scratch[j, a, a]
        for b in range(a):
            value = scale[k, a, b]
            scale[k, a, b] = value * scale[k, b, b]
            pivot -= value * scale[k, a, b]
        if not is_positive(pivot, scratch[j, a, a]):
            return False
        scale[k, a, a] = 1.0 / pivot
    return True


@exact_kernel
def factor_inverse(scratch, j, k, scale):
    """Factor the inverse of the symmetric matrix scratch[j] into scale[k]; return whether it is one.

    P = V E V' with a unit upper triangular V, from the last row up; then L is the inverse of V'. scratch[j]
    is overwritten by V'.
    """
    n_features = scale.shape[1]
    for a in range(n_features - 1, -1, -1):
        pivot = scratch[j, a, a]
        for c in range(a + 1, n_features):
            pivot -= scratch[j, c, a] * scratch[j, c, a] * scale[k, c, c]
        if not is_positive(pivot, scratch[j, a, a]):
            return False
        scale[k, a, a] = pivot
        for b in range(a):
            value = scratch[j, a, b]
            for c in range(a + 1, n_features):
                value -= scratch[j, c, b] * scratch[j, c, a] * scale[k, c, c]
            scratch[j, a, b] = value / pivot
    invert(scratch, j, scale, k)
    return True


@exact_kernel
def invert(source, j, target, k):
    """Write the inverse of the unit lower triangle of source[j] below the diagonal of target[k]."""
    n_features = source.shape[1]
    for b in range(n_features):
        for a in range(b + 1, n_features):
            value = -source[j, a, b]
            for c in range(b + 1, a):
                value -= source[j, a, c] * target[k, c, b]
            target[k, a, b] = value


@exact_kernel
def solve(s1, scale, k, scratch, forward, full):
    """Write L^-1 s1[k] to the first row of scratch[forward] and S^-1 s1[k] to that of scratch[full]."""
    n_features = scale.shape[1]
    for a in range(n_features):
        value = s1[k, a]
        for b in range(a):
            value -= scale[k, a, b] * scratch[forward, 0, b]
        scratch[forward, 0, a] = value
    for a in range(n_features - 1, -1, -1):
        value = scratch[forward, 0, a] * scale[k, a, a]
        for b in range(a + 1, n_features):
            value -= scale[k, b, a] * scratch[full, 0, b]
        scratch[full, 0, a] = value


@exact_kernel
def half_whiten(s2, scale, k, scratch, j):
    """Write L^-1 s2[k], a full matrix, to scratch[j]."""
    n_features = scale.shape[1]
    for a in range(n_features):
        for b in range(n_features):
            value = s2[k, max(a, b), min(a, b)]
            for c in range(a):
                value -= scale[k, a, c] * scratch[j, c, b]
            scratch[j, a, b] = value


@exact_kernel
def whiten(rank_one, n, s2, scale, k, scratch, j, forward):
    """Write Y = L^-1 s2[k] L^-T to scratch[j]; of rank one it is an outer product of L^-1 s1[k]."""
    n_features = scale.shape[1]
    if rank_one:
        for a in range(n_features):
            value = scratch[forward, 0, a] / n
            for b in range(a + 1):
                scratch[j, a, b] = value * scratch[forward, 0, b]
        return
    half_whiten(s2, scale, k, scratch, j)
    for a in range(n_features):
        for b in range(a + 1):
            value = scratch[j, a, b]
            for c in range(b):
                value -= scale[k, b, c] * scratch[j, a, c]
            scratch[j, a, b] = value


@exact_kernel
def by_covariance(rank_one, n, s1, s2, scale, k, scratch, j):
    """Write P s2[k] P - n P, twice the gradient by S, to scratch[j] and P s1[k] to the first row of j + 3.

    With M = L^-1 and E = 1 / D it is M' (E Y E - n E) M. Entries j + 1, j + 2 are working space.
    """
    n_features = scale.shape[1]
    solve(s1, scale, k, scratch, j + 2, j + 3)
    if not rank_one:
        whiten(rank_one, n, s2, scale, k, scratch, j, j + 2)
    inverse = j + 1
    invert(scale, k, scratch, inverse)
    for a in range(n_features):
        scratch[inverse, a, a] = 1.0
    if rank_one:
        for a in range(n_features):
            value = scratch[j + 3, 0, a] / n
            for b in range(a + 1):
                total = value * scratch[j + 3, 0, b]
                for c in range(a, n_features):
                    total -= n * scale[k, c, c] * scratch[inverse, c, a] * scratch[inverse, c, b]
                scratch[j, a, b] = total
        return
    for a in range(n_features):
        for b in range(a):
            scratch[j, a, b] *= scale[k, a, a] * scale[k, b, b]
            scratch[j, b, a] = scratch[j, a, b]
        scratch[j, a, a] = (scratch[j, a, a] * scale[k, a, a] - n) * scale[k, a, a]
    for a in range(n_features):  # Q M, row by row: M is lower triangular
        for b in range(n_features):
            total = 0.0
            for c in range(b, n_features):
                total += scratch[j, a, c] * scratch[inverse, c, b]
            scratch[j, a, b] = total
    for a in range(n_features):  # M' (Q M), from the first row on: it uses the rows below
        for b in range(a + 1):
            total = 0.0
            for c in range(a, n_features):
                total += scratch[inverse, c, a] * scratch[j, c, b]
            scratch[j, a, b] = total


@exact_kernel
def by_precision(n, s2, scale, k, scratch, j):
    """Write n S - s2[k], twice the gradient by P, to scratch[j]; j + 1 is working space."""
    n_features = scale.shape[1]
    for a in range(n_features):
        scratch[j + 1, 0, a] = n / scale[k, a, a]
    for a in range(n_features):
        for b in range(a + 1):
            total = scratch[j + 1, 0, b] * (scale[k, a, b] if b < a else 1.0)
            for c in range(b):
                total += scratch[j + 1, 0, c] * (scale[k, a, c] * scale[k, b, c])
            scratch[j, a, b] = total - s2[k, a, b]
