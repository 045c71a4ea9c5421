"""Control variates for online EM on finite data, as compiled code (Chen et al., 2018).

The statistics of a mini-batch under the current mixture are noisy. Those of the same rows under an earlier
mixture, the anchor, are noisy in nearly the same way, and of the anchor the statistics of all rows are known:
s(rows; current) - s(rows; anchor) + s(all; anchor) / n has the same mean and little noise near the anchor.

The memory is that of `m_step`, followed by (each for all components): ``memory`` [weight of all rows, offset,
nk of all rows, scratch], ``memory_2`` [means, s1 of all rows, scratch], ``memory_3`` [scale, s2 of all rows,
scratch, and two entries more].
"""

from __future__ import annotations

from . import linear
from ._jit import exact_kernel, inlined, loop
from .block import row_statistics
from .m_step import HEADER
from .rows import statistics


@inlined
def _reduce(weight, means, nk, s1, s2, memory, memory_2, memory_3):
    """Replace nk, s1, s2 by the reduced statistics, if these could be those of real rows.

    That is, no count is negative and each component's covariance is positive definite: then so is every
    M-step. Near the anchor they always are.
    """
    n_components, n_features = means.shape
    n_moments = s2.shape[2]
    at = HEADER + n_components
    ratio = weight / memory[at]
    all_nk, own_nk = at + 1 + n_components, at + 1 + 2 * n_components
    first, all_1, own_1 = n_components, 2 * n_components, 3 * n_components
    all_2, own_2 = 2 * n_components + 1, 3 * n_components + 1
    work = 4 * n_components + 1
    for k in range(n_components):  # the difference, about the current means, in the place of the anchor's own
        n = ratio * memory[all_nk + k] - memory[own_nk + k]
        memory[own_nk + k] = n
        for a in range(n_features):
            memory_2[own_1 + k, a] = ratio * memory_2[all_1 + k, a] - memory_2[own_1 + k, a]
        for a in range(n_features):
            shift_a = memory_2[first + k, a] - means[k, a]
            for b in range(min(a + 1, n_moments)):
                c = a if n_moments == 1 else b
                shift_b = memory_2[first + k, c] - means[k, c]
                value = ratio * memory_3[all_2 + k, a, b] - memory_3[own_2 + k, a, b]
                value += memory_2[own_1 + k, a] * shift_b + shift_a * memory_2[own_1 + k, c]
                memory_3[own_2 + k, a, b] = value + n * shift_a * shift_b
        for a in range(n_features):
            memory_2[own_1 + k, a] += n * (memory_2[first + k, a] - means[k, a])
        count = nk[k] + n
        if not count > 1e-3 * ratio * memory[all_nk + k]:
            return
        for a in range(n_features):
            mean_a = (s1[k, a] + memory_2[own_1 + k, a]) / count
            for b in range(min(a + 1, n_moments)):
                c = a if n_moments == 1 else b
                mean_b = (s1[k, c] + memory_2[own_1 + k, c]) / count
                value = (s2[k, a, b] + memory_3[own_2 + k, a, b]) / count - mean_a * mean_b
                memory_3[work, a, b] = value
                if n_moments == 1 and not value > 0.0:
                    return
        if n_moments > 1 and not linear.factor(memory_3, work, work + 1, memory_3):
            return
    for k in range(n_components):
        nk[k] += memory[own_nk + k]
        for a in range(n_features):
            s1[k, a] += memory_2[own_1 + k, a]
            for b in range(min(a + 1, n_moments)):
                s2[k, a, b] += memory_3[own_2 + k, a, b]


@exact_kernel
def control_row(X, begin, end, weights, means, nk, s1, s2, memory, memory_2, memory_3):
    """Reduce the statistics of one row."""
    n_components = means.shape[0]
    at = HEADER + n_components
    weight = 1.0 if weights.size == 0 else weights[begin]
    scale = memory_3[n_components + 1 : 2 * n_components + 1]
    row_statistics(
        X[begin],
        weight,
        memory[at + 1 : at + 1 + n_components],
        memory_2[n_components : 2 * n_components],
        scale,
        memory_2[4 * n_components],
        memory[at + 1 + 2 * n_components : at + 1 + 3 * n_components],
        memory_2[3 * n_components : 4 * n_components],
        memory_3[3 * n_components + 1 : 4 * n_components + 1],
    )
    _reduce(weight, means, nk, s1, s2, memory, memory_2, memory_3)


@loop
def control_block(X, begin, end, weights, means, nk, s1, s2, memory, memory_2, memory_3):
    """Reduce the statistics of several rows."""
    n_components = means.shape[0]
    at = HEADER + n_components
    own_nk = memory[at + 1 + 2 * n_components : at + 1 + 3 * n_components]
    own_1 = memory_2[3 * n_components : 4 * n_components]
    own_2 = memory_3[3 * n_components + 1 : 4 * n_components + 1]
    own_nk[:] = 0.0
    own_1[:] = 0.0
    own_2[:] = 0.0
    weight, _ = statistics(
        X[begin:end],
        weights[begin:end],  # none for rows without weights
        memory[at + 1 : at + 1 + n_components],
        memory_2[n_components : 2 * n_components],
        memory_3[n_components + 1 : 2 * n_components + 1],
        own_nk,
        own_1,
        own_2,
    )
    _reduce(weight, means, nk, s1, s2, memory, memory_2, memory_3)
