"""What rules need of covariance matrices beside EM's M-step, as compiled code."""

from __future__ import annotations

from streamgmm.kernels import family, linear
from streamgmm.kernels._jit import inlined

from .density import TriangularForm

_RANK_ONE = 1e-13
_E_SQUARED = 7.38905609893065


@inlined
def shift_moments(k, n, origin, s1, s2, means):
    """Move s1[k] and s2[k] of n rows about origin[k] to means[k]."""
    for a in range(s1.shape[1]):
        shift_a = origin[k, a] - means[k, a]
        for b in range(a + 1):
            shift_b = origin[k, b] - means[k, b]
            s2[k, a, b] += s1[k, a] * shift_b + s1[k, b] * shift_a + n * shift_a * shift_b
    for a in range(s1.shape[1]):
        s1[k, a] += n * (origin[k, a] - means[k, a])


@family.recenter.of(TriangularForm)
def recenter(k, n, origin, s1, s2, model):
    """See `shift_moments`."""
    shift_moments(k, n, origin, s1, s2, model.means)


@family.regularize.of(TriangularForm)
def regularize(k, share, debt, batch, model, options):
    """Add what is above and on the diagonal apart."""
    s1, s2, means = batch.s1, batch.s2, model.means
    floor, prior_mean, prior_scatter = options.floor, options.mean, options.scatter
    has_prior = options.flags.has_prior
    count = share * options.mean_count[k]
    for a in range(s1.shape[1]):
        s2[k, a, a] += debt * floor[a]
        if has_prior:
            shift_a = prior_mean[k, a] - means[k, a]
            s1[k, a] += count * shift_a
            for b in range(a + 1):
                shift_b = prior_mean[k, b] - means[k, b]
                s2[k, a, b] += count * shift_a * shift_b + share * prior_scatter[k, a, b]
    return share * options.covariance_count[k]


@family.is_rank_one.of(TriangularForm)
def is_rank_one(batch, model):
    """Ask Cauchy and Schwarz; with one feature there is no work to spare."""
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    if s1.shape[1] == 1:
        return False
    for k in range(nk.size):
        for a in range(s1.shape[1]):
            square = s1[k, a] * s1[k, a]
            if nk[k] * s2[k, a, a] - square > _RANK_ONE * square:
                return False
    return True


@family.is_near.of(TriangularForm)
def is_near(k, with_factor, model, means, scale, scratch, j):
    """Compare L^-1 (new mean - mean), then pivots and variances."""
    old, old_means = model.scale, model.means
    n_features = means.shape[1]
    for a in range(n_features):
        value = means[k, a] - old_means[k, a]
        for b in range(a):
            value -= old[k, a, b] * scratch[j, 0, b]
        scratch[j, 0, a] = value
        if value * value * old[k, a, a] > 1.0:
            return False
    if not with_factor:
        return True
    for a in range(n_features):
        before, after = 1.0 / old[k, a, a], 1.0 / scale[k, a, a]
        if after > _E_SQUARED * before or before > _E_SQUARED * after:
            return False
        scratch[j, 0, a], scratch[j + 1, 0, a] = before, after
        for b in range(a):
            before += old[k, a, b] * old[k, a, b] * scratch[j, 0, b]
            after += scale[k, a, b] * scale[k, a, b] * scratch[j + 1, 0, b]
        if not after <= _E_SQUARED * before or before > _E_SQUARED * after:
            return False
    return True


@family.is_definite.of(TriangularForm)
def is_definite(k, count, s1, s2, model, scratch):
    """Factor it."""
    share = 1.0 / count
    for a in range(s1.shape[1]):
        mean = share * s1[k, a]
        for b in range(a + 1):
            scratch[0, a, b] = share * (s2[k, a, b] - mean * s1[k, b])
    return linear.factor(scratch, 0, scratch, 1)
