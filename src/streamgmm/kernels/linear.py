"""Small linear algebra on S = L D L', as `triangular` keeps it: unit L below the diagonal, 1 / D on it.

``scratch`` is a stack of matrices; results go to its entry ``j``. Of symmetric matrices only the lower
triangle is read and written.
"""

from __future__ import annotations

from ._jit import exact_kernel, inlined

# A pivot below this part of its diagonal entry is rounding.
_ROUNDING = 1e-15
_CLEAR = 10.0  # times the least: from there on a matrix counts as definite
LEAST, _MOST = 1e-200, 1e200


@inlined
def least_pivot(diagonal, floor):
    """Return the least pivot that is none of rounding, of a matrix with this diagonal entry and floor."""
    return max(max(floor, _ROUNDING * diagonal), LEAST)


@inlined
def reduce_entry(k, a, b, value, scale):
    """Begin row a of scale[k]: write L_ab D_b, which waits for no division, for the matrix's entry (a, b)."""
    for c in range(b):
        value -= scale[k, a, c] * scale[k, b, c]
    scale[k, a, b] = value


@inlined
def finish_row(k, a, diagonal, floor, scale):
    """Finish row a of scale[k]; return whether it is one of a definite matrix, of which nothing was lost.

    What is not can only be rounding, if the matrix is one of rows: an entry that explains far more than the
    whole variance, over a pivot that was replaced, becomes zero, and a pivot below the least becomes that.
    """
    pivot = diagonal
    whole = True
    for b in range(a):
        slope = scale[k, a, b] * scale[k, b, b]
        explained = scale[k, a, b] * slope  # the square of a covariance could overflow
        possible = explained <= 2.0 * diagonal
        whole = whole and possible
        scale[k, a, b] = slope if possible else 0.0
        pivot -= explained if possible else 0.0
    least = least_pivot(diagonal, floor)
    scale[k, a, a] = 1.0 / (pivot if pivot > least else least)
    return whole and _CLEAR * least < pivot < _MOST


@inlined
def factor(matrices, j, scale, k, floor=None):
    """Factor the symmetric matrices[j] into scale[k]: S = L D L'; ``floor`` (n_features,) is part of it.

    Returns whether it is positive definite and finite. If it should be, but for rounding, scale[k] is usable
    whatever was returned: pivots that are lost are replaced by the least that are none of rounding.
    """
    definite = True
    for a in range(scale.shape[1]):
        for b in range(a):
            reduce_entry(k, a, b, matrices[j, a, b], scale)
        least = 0.0 if floor is None else floor[a]
        definite = finish_row(k, a, matrices[j, a, a], least, scale) and definite
    return definite


@inlined
def invert(source, j, target, k):
    """Write the inverse of the unit lower triangle of source[j] below the diagonal of target[k].

    Row by row, so that the sums do not wait for each other.
    """
    for a in range(source.shape[1]):
        for b in range(a):
            target[k, a, b] = -source[j, a, b]
        for c in range(1, a):
            value = source[j, a, c]
            for b in range(c):
                target[k, a, b] -= value * target[k, c, b]


@inlined
def factor_inverse(scratch, j, k, scale):
    """Factor the inverse of the symmetric matrix scratch[j] into scale[k]; return whether it is one.

    P = V E V' with a unit upper triangular V, from the last row up; then L is the inverse of V'. scratch[j]
    is overwritten by V'; j + 1 is working space.
    """
    n_features = scale.shape[1]
    for a in range(n_features):
        scratch[j + 1, 0, a] = scratch[j, a, a]
    for a in range(n_features - 1, -1, -1):
        pivot = scratch[j, a, a]
        if not _CLEAR * least_pivot(scratch[j + 1, 0, a], 0.0) < pivot < _MOST:
            return False
        scale[k, a, a] = pivot
        for b in range(a):
            value = scratch[j, a, b] / pivot
            for c in range(b + 1):
                scratch[j, b, c] -= value * scratch[j, a, c]
        for b in range(a):
            scratch[j, a, b] /= pivot
    invert(scratch, j, scale, k)
    return True


@inlined
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


@inlined
def half_whiten(s2, scale, k, scratch, j):
    """Write L^-1 s2[k], a full matrix, to scratch[j]."""
    n_features = scale.shape[1]
    for a in range(n_features):
        for b in range(n_features):
            value = s2[k, max(a, b), min(a, b)]
            for c in range(a):
                value -= scale[k, a, c] * scratch[j, c, b]
            scratch[j, a, b] = value


@inlined
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


@inlined
def write_precision(n, scale, k, scratch, j):
    """Write n P, with P = M' M / D and M = L^-1, to scratch[j]; j + 1 is working space."""
    n_features = scale.shape[1]
    inverse = j + 1
    invert(scale, k, scratch, inverse)
    for a in range(n_features):
        scratch[inverse, a, a] = 1.0
        for b in range(a + 1):
            scratch[j, a, b] = 0.0
    for c in range(n_features):
        weight = n * scale[k, c, c]
        for a in range(c + 1):
            value = weight * scratch[inverse, c, a]
            for b in range(a + 1):
                scratch[j, a, b] += value * scratch[inverse, c, b]


@inlined
def write_covariance(n, scale, k, scratch, j):
    """Write n S to scratch[j]; j + 1 is working space."""
    n_features = scale.shape[1]
    for a in range(n_features):
        scratch[j + 1, 0, a] = n / scale[k, a, a]
    for a in range(n_features):
        for b in range(a + 1):
            total = scratch[j + 1, 0, b] * (scale[k, a, b] if b < a else 1.0)
            for c in range(b):
                total += scratch[j + 1, 0, c] * (scale[k, a, c] * scale[k, b, c])
            scratch[j, a, b] = total


@inlined
def subtract_by_covariance(rank_one, n, s1, s2, scale, k, scratch, j):
    """Turn n P in scratch[j] into P s2[k] P - n P, twice the gradient by S.

    P s1[k] is written to the first row of j + 3; j + 1 and j + 2 are working space.
    """
    n_features = scale.shape[1]
    solve(s1, scale, k, scratch, j + 2, j + 3)
    if rank_one:
        for a in range(n_features):
            value = scratch[j + 3, 0, a] / n
            for b in range(a + 1):
                scratch[j, a, b] = value * scratch[j + 3, 0, b] - scratch[j, a, b]
        return
    for b in range(n_features):  # P s2: each column of s2 is solved for, and each row of that again
        _solve_column(s2, scale, k, b, scratch, j + 1)
    for a in range(n_features):
        _solve_row(scale, k, a, scratch, j + 1)
        for b in range(a + 1):
            scratch[j, a, b] = scratch[j + 1, a, b] - scratch[j, a, b]


@exact_kernel
def _solve_column(s2, scale, k, column, scratch, j):
    """Write P times a column of the symmetric s2[k] to the column of scratch[j]."""
    n_features = scale.shape[1]
    for a in range(n_features):
        value = s2[k, max(a, column), min(a, column)]
        for b in range(a):
            value -= scale[k, a, b] * scratch[j, b, column]
        scratch[j, a, column] = value
    for a in range(n_features - 1, -1, -1):
        value = scratch[j, a, column] * scale[k, a, a]
        for b in range(a + 1, n_features):
            value -= scale[k, b, a] * scratch[j, b, column]
        scratch[j, a, column] = value


@exact_kernel
def _solve_row(scale, k, row, scratch, j):
    """Multiply a row of scratch[j] by P."""
    n_features = scale.shape[1]
    for a in range(n_features):
        value = scratch[j, row, a]
        for b in range(a):
            value -= scale[k, a, b] * scratch[j, row, b]
        scratch[j, row, a] = value
    for a in range(n_features - 1, -1, -1):
        value = scratch[j, row, a] * scale[k, a, a]
        for b in range(a + 1, n_features):
            value -= scale[k, b, a] * scratch[j, row, b]
        scratch[j, row, a] = value
