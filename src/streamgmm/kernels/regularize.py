"""Regularization and prior as pseudo-rows, for rules that keep no running moments, as compiled code.

They are of full rank, while the statistics of a single row are of rank one: for single rows they are added
now and then, for all rows since the last time.
"""

from __future__ import annotations

from ._jit import exact_kernel, inlined
from .m_step import FLOOR, HAS_PRIOR, POOLED

REST = 4  # times n_features: how many single rows share one addition of regularization and prior
_RANK_ONE = 1e-13


@inlined
def is_rank_one(nk, s1, s2):
    """Tell whether all rows of the statistics coincide: then s2 = s1 s1' / nk, by Cauchy and Schwarz."""
    n_features = s1.shape[1]
    last = s2.shape[2] - 1
    for k in range(nk.size):
        for a in range(n_features):
            square = s1[k, a] * s1[k, a]
            if nk[k] * s2[k, a, min(a, last)] - square > _RANK_ONE * square:
                return False
    return True


@exact_kernel
def regularize(k, has_scale, share, debt, s1, s2, means, options):
    """Add floor and prior to component k's moments, as pseudo-rows; return how many count for its covariance.

    ``share`` of the prior, and the floor for ``debt`` rows. ``has_scale`` is false where the prior's scale
    matrix is added to another component's moments, since all share a covariance.
    """
    n_features = means.shape[1]
    prior = FLOOR + n_features
    has_prior = options[HAS_PRIOR] > 0.0
    mean_count = share * options[prior + 1] if has_prior else 0.0
    has_scale = has_scale and has_prior
    for a in range(n_features):
        shift_a = options[prior + 3 + a] - means[k, a] if has_prior else 0.0
        s1[k, a] += mean_count * shift_a
        if s2.shape[2] == 1:
            s2[k, a, 0] += debt * options[FLOOR + a] + mean_count * shift_a * shift_a
            s2[k, a, 0] += share * options[prior + 3 + n_features + a] if has_scale else 0.0
            continue
        for b in range(a + 1):
            shift_b = options[prior + 3 + b] - means[k, b] if has_prior else 0.0
            s2[k, a, b] += mean_count * shift_a * shift_b
            if has_scale:
                s2[k, a, b] += share * options[prior + 3 + n_features + a * n_features + b]
        s2[k, a, a] += debt * options[FLOOR + a]
    if not has_scale:
        return 0.0
    return share * options[prior + 2] / (n_features if options[POOLED] > 0.0 and s2.shape[2] == 1 else 1)
