"""Gradient ascent in any parameterization, as compiled code: the step of the rule `GradientAscent`.

A parameterization comes as three first-class functions, `direction`, `retract` and `project` (see
`kernels.parameterizations` and `_jit`). All gradients are taken at the old parameters; then the transforms
change them, the guard shortens the step or refuses it, and only a valid mixture takes the place of the old.

The memory: ``memory`` holds the header below, the chain of transforms, and vectors; ``memory_2`` and
``memory_3`` hold the means and factors on trial, the latter with SCRATCH more entries to work in.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined
from .m_step import FLOOR, HAS_PRIOR, POOLED, REFUSED, WINDOW, is_refused, write_offset
from .parameterizations._flat import block_size
from .transforms import WIDTH, transform

# WINDOW and REFUSED are the first two entries of each rule's memory.
STOPPED = 2  # 1 + the component whose step the guard "raise" refused, or 0
SHORTENED = 3  # updates in which the guard shortened a step
COUNT = 4  # updates
PENDING = 5  # updates since regularization and prior were last applied
SHARE = 6  # what is due of the prior since then
AVERAGED = 7  # updates in the average
GUARD, PRECONDITION, WEIGHTS, AVERAGE_FROM, N_TRANSFORMS, N_THETA = 8, 9, 10, 11, 12, 13
DIAGONAL_FLOOR = 14  # the least diagonal entry of a covariance's block in theta, or minus infinity
HEADER = 15

BACKTRACK, RAISE, PROJECT, SHORTEN = 0, 1, 2, 3
SOFTMAX, SIMPLEX, PROPORTIONAL, COMPETITION, WINNER = 0, 1, 2, 3, 4
REST = 4  # times n_features: how many single rows share one addition of regularization and prior
SCRATCH = 5
_MOST_HALVINGS = 60
_NEGLIGIBLE = 1e-16
_RANK_ONE = 1e-13
_LARGEST = 1e150  # the square of a gradient must not overflow
_LEAST = 1e-300  # a smaller weight is none
_E_SQUARED = 7.38905609893065


@exact_kernel
def no_direction(k, mean_at, at, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Stand in for a direction where a rule takes none."""


@exact_kernel
def no_retract(k, mean_at, at, theta, means, scale, scratch, j):
    """Stand in for a retraction where a rule takes none."""
    return False


@exact_kernel
def no_projection(mean_at, at, block, theta, scratch, j):
    """Stand in for a projection where there is none."""


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


@exact_kernel
def write_direction(
    weight, nk, counts, rank_one, s1, s2, weights, means, scale, theta, change, scratch, j,
    precondition, direction,
):  # fmt: skip
    """Write the direction of all of theta: d log-likelihood / d theta, or the preconditioned one.

    By the softmax's logits it is N - W pi. ``counts`` are the components' counts of rows for the covariance.
    """
    n_components, n_features = means.shape
    for i in range(change.size):
        change[i] = 0.0
    block = block_size(theta.size, means, scale)
    for k in range(n_components):
        change[k] = nk[k] - weight * weights[k]
        if counts[k] > _NEGLIGIBLE * weight:
            direction(
                k,
                n_components + k * n_features,
                n_components * (1 + n_features) + k * block,
                precondition,
                rank_one,
                counts[k],
                s1,
                s2,
                means,
                scale,
                theta,
                change,
                scratch,
                j,
            )


@inlined
def is_near(k, with_factor, means, scale, new_means, new_scale, scratch, j):
    """Tell whether a mixture on trial lies within one standard deviation of component k.

    No entry of L^-1 (new mean - mean) is above one, and no standard deviation of a feature, whether alone or
    given the features before it, changes more than e-fold.
    """
    n_features = means.shape[1]
    last = scale.shape[2] - 1
    for a in range(n_features):
        value = new_means[k, a] - means[k, a]
        for b in range(min(a, last)):
            value -= scale[k, a, b] * scratch[j, 0, b]
        scratch[j, 0, min(a, last)] = value
        if value * value * scale[k, a, min(a, last)] > 1.0:
            return False
    if not with_factor:
        return True
    for a in range(n_features):
        old, new = scale[k, a, min(a, last)], new_scale[k, a, min(a, last)]
        if new > _E_SQUARED * old or old > _E_SQUARED * new:
            return False
        if last > 0:
            scratch[j, 0, a], scratch[j + 1, 0, a] = 1.0 / old, 1.0 / new
            before, after = scratch[j, 0, a], scratch[j + 1, 0, a]
            for b in range(a):
                before += scale[k, a, b] * scale[k, a, b] * scratch[j, 0, b]
                after += new_scale[k, a, b] * new_scale[k, a, b] * scratch[j + 1, 0, b]
            if not after <= _E_SQUARED * before or before > _E_SQUARED * after:
                return False
    return True


@inlined
def _scale_to_rows(weight, change):
    """Divide by the weight; return whether all entries are small enough to be squared."""
    usable = True
    for i in range(change.size):
        change[i] /= weight
        usable = usable and abs(change[i]) < _LARGEST
    return usable


@exact_kernel
def _move_logits(theta, change, trial, weights):
    """Write the moved logits, normalized to be log weights, and the weights."""
    n_components = weights.size
    best = -np.inf
    for k in range(n_components):
        trial[k] = theta[k] + change[k]
        best = max(best, trial[k])
    total = 0.0
    for k in range(n_components):
        weights[k] = np.exp(trial[k] - best)
        total += weights[k]
    shift = best + np.log(total)
    for k in range(n_components):
        weights[k] /= total
        trial[k] -= shift


@exact_kernel
def _move_weights(theta, change, trial, weights):
    """Write the moved weights, projected on the simplex: the same amount off each, and none below zero.

    A weight of zero stays there, whatever momentum says.
    """
    n_components = weights.size
    for k in range(n_components):
        trial[k] = theta[k] + change[k]
        weights[k] = 1.0 if theta[k] > 0.0 else 0.0
    for _ in range(n_components):  # each pass drops the weights that would be negative
        total, count = -1.0, 0.0
        for k in range(n_components):
            total += weights[k] * trial[k]
            count += weights[k]
        excess = total / count
        dropped = False
        for k in range(n_components):
            if weights[k] > 0.0 and trial[k] <= excess and count > 1.0:
                weights[k] = 0.0
                dropped = True
        if not dropped:
            break
    for k in range(n_components):
        trial[k] = trial[k] - excess if weights[k] > 0.0 else 0.0
        weights[k] = trial[k]


@exact_kernel
def _raise_weights(theta, change, trial, weights):
    """Write the raised weights divided by their sum; return whether that is finite."""
    total = 0.0
    for k in range(weights.size):
        trial[k] = theta[k] + change[k]
        total += trial[k]
    usable = 0.0 < total < _LARGEST
    for k in range(weights.size):
        weight = trial[k] / total if usable else theta[k]
        trial[k] = weight if weight > _LEAST else 0.0
        weights[k] = trial[k]
    return usable


@inlined
def _write_weights_direction(mode, nk, weights, change):
    """Write N / weight of all components, or of the one with most of the rows; WINNER writes its N."""
    winner = 0
    for k in range(nk.size):
        winner = k if nk[k] > nk[winner] else winner
    for k in range(nk.size):
        if mode == SIMPLEX:
            change[k] = nk[k] / max(weights[k], 1e-12) if weights[k] > 0.0 else 0.0
        elif mode == WINNER:
            change[k] = nk[k] if k == winner else 0.0
        elif mode == PROPORTIONAL or k == winner:
            change[k] = nk[k] / max(weights[k], _LEAST)
        else:
            change[k] = 0.0


@inlined
def _is_still(change, start, stop):
    still = True
    for i in range(start, stop):
        still = still and change[i] == 0.0
    return still


@inlined
def _move(start, stop, factor, theta, change, trial):
    for i in range(start, stop):
        trial[i] = theta[i] + factor * change[i]


@inlined
def _raise_diagonal(floor, start, stop, triangle, trial):
    """Raise the diagonal entries of triangles in trial[start:stop], or all entries, to a floor."""
    if triangle == 0:
        for i in range(start, stop):
            trial[i] = max(trial[i], floor)
        return
    at = start
    while at < stop:
        for a in range(triangle):
            at += a
            trial[at] = max(trial[at], floor)
            at += 1


@inlined
def _try(first, last, block, near, means, scale, trial, memory_2, memory_3, retract):
    """Turn the trial of components first ... last into means and factors; return a bad one, or -1."""
    n_components, n_features = means.shape
    for k in range(first, last):
        at = n_components * (1 + n_features) + k * block
        if not retract(
            k, n_components + k * n_features, at, trial, memory_2, memory_3, memory_3, n_components
        ):
            return k
        if near and not is_near(
            k, block > 0 or k == first, means, scale, memory_2, memory_3, memory_3, n_components
        ):
            return k
    return -1


@inlined
def _propose(
    first, last, block, memory, means, scale, theta, change, trial, memory_2, memory_3, retract, project
):
    """Put a valid mixture for components first ... last on trial: the guard's work.

    Returns the factor by which the step was shortened, 0 if the components stay, or -1 - k if the guard
    "raise" refused the step of component k.
    """
    n_components, n_features = means.shape
    mean_at = n_components + first * n_features
    mean_to = n_components + last * n_features
    at = n_components * (1 + n_features) + first * block
    to = at + block if block > 0 else theta.size
    if _is_still(change, mean_at, mean_to) and _is_still(change, at, to):
        return 0.0
    guard = memory[GUARD]
    factor = 1.0
    for halving in range(_MOST_HALVINGS):
        _move(mean_at, mean_to, factor, theta, change, trial)
        _move(at, to, factor, theta, change, trial)
        if memory[DIAGONAL_FLOOR] > -np.inf:
            triangle = n_features if scale.shape[2] > 1 else 0
            _raise_diagonal(memory[DIAGONAL_FLOOR], at, to, triangle, trial)
        bad = _try(first, last, block, guard == BACKTRACK, means, scale, trial, memory_2, memory_3, retract)
        if bad >= 0 and guard == PROJECT:
            for k in range(first, last):
                project(
                    n_components + k * n_features,
                    n_components * (1 + n_features) + k * block,
                    block,
                    trial,
                    memory_3,
                    n_components,
                )
            bad = _try(first, last, block, False, means, scale, trial, memory_2, memory_3, retract)
        if bad < 0:
            break
        if guard == RAISE:
            return -1.0 - bad
        factor = 0.5 * factor if halving < _MOST_HALVINGS - 1 else 0.0
    if factor < 1.0:
        memory[SHORTENED] += 1.0
    return factor


@inlined
def _commit(first, last, block, theta, trial, means, scale, memory_2, memory_3):
    """Let components first ... last of the trial take the place of the old ones."""
    n_components, n_features = means.shape
    for i in range(n_components + first * n_features, n_components + last * n_features):
        theta[i] = trial[i]
    at = n_components * (1 + n_features) + first * block
    for i in range(at, at + block if block > 0 else theta.size):
        theta[i] = trial[i]
    for k in range(first, last):
        for a in range(n_features):
            means[k, a] = memory_2[k, a]
            for b in range(min(a + 1, scale.shape[2])):
                scale[k, a, b] = memory_3[k, a, b]


@exact_kernel
def ascend(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Take one step of gradient ascent, all gradients at the old parameters.

    Regularization and prior are of full rank, which would cost a single row more than all else: for single
    rows they are added every REST * n_features updates, for all rows since the last time.
    """
    if memory[STOPPED] > 0.0 or is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    n_theta = int(memory[N_THETA])
    at = HEADER + WIDTH * int(memory[N_TRANSFORMS])
    chain = memory[HEADER:at]
    weights = memory[at : at + n_components]
    debt = memory[at + n_components : at + 2 * n_components]
    counts = memory[at + 2 * n_components : at + 3 * n_components]
    at += 3 * n_components
    theta = memory[at : at + n_theta]
    trial = memory[at + n_theta : at + 2 * n_theta]
    change = memory[at + 2 * n_theta : at + 3 * n_theta]
    average = memory[at + 3 * n_theta : at + 4 * n_theta]
    slots = memory[at + 4 * n_theta :]

    memory[WINDOW] += weight
    has_prior = options[HAS_PRIOR] > 0.0
    regular = has_prior
    for a in range(n_features):
        regular = regular or options[FLOOR + a] > 0.0
    for k in range(n_components):
        counts[k] = nk[k]
        debt[k] += nk[k]
    rank_one = scale.shape[2] > 1 and is_rank_one(nk, s1, s2)
    memory[PENDING] += 1.0
    memory[SHARE] += weight / memory[WINDOW]
    if has_prior:
        count = options[FLOOR + n_features] * weight / memory[WINDOW]
        for k in range(n_components):
            nk[k] += count - n_components * count * weights[k]
    if regular and not (rank_one and memory[PENDING] < REST * n_features):
        rank_one = False
        block = block_size(n_theta, means, scale)
        for k in range(n_components):
            whole = block > 0 or k == n_components - 1
            counts[k] += regularize(k, whole, memory[SHARE], debt[k], s1, s2, means, options)
            debt[k] = 0.0
        memory[PENDING] = 0.0
        memory[SHARE] = 0.0
    precondition = memory[PRECONDITION] > 0.0
    mode = memory[WEIGHTS]
    write_direction(
        weight, nk, counts, rank_one, s1, s2, weights, means, scale, theta, change, memory_3, n_components,
        precondition, direction,
    )  # fmt: skip
    if mode != SOFTMAX:
        _write_weights_direction(mode, nk, weights, change)
    if not _scale_to_rows(weight, change):
        memory[REFUSED] += 1.0
        return
    memory[COUNT] += 1.0
    triangle = n_features if scale.shape[2] > 1 else 0
    transform(chain, memory[COUNT], n_components, n_components * n_features, triangle, change, slots)
    for i in range(n_theta):
        change[i] *= step

    block = block_size(n_theta, means, scale)
    width = 1 if block > 0 else n_components
    for first in range(0, n_components, width):
        factor = _propose(
            first, first + width, block, memory, means, scale, theta, change, trial, memory_2, memory_3,
            retract, project,
        )  # fmt: skip
        if factor < 0.0:
            memory[STOPPED] = -factor
            return
        counts[first] = factor
    for first in range(0, n_components, width):
        if counts[first] > 0.0:
            _commit(first, first + width, block, theta, trial, means, scale, memory_2, memory_3)
    if mode == SOFTMAX:
        _move_logits(theta, change, trial, weights)
    elif mode == SIMPLEX:
        _move_weights(theta, change, trial, weights)
    elif not _raise_weights(theta, change, trial, weights):
        memory[SHORTENED] += 1.0
    for k in range(n_components):
        theta[k] = trial[k]
        write_offset(k, weights[k], scale, offset)
    if memory[COUNT] > memory[AVERAGE_FROM]:
        memory[AVERAGED] += 1.0
        share = 1.0 / memory[AVERAGED]
        for i in range(n_theta):
            average[i] += share * (theta[i] - average[i])
