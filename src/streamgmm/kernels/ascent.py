"""Gradient ascent in any parameterization, as compiled code: the step of the rule `GradientAscent`.

A parameterization comes as three first-class functions, `direction`, `retract` and `project` (see
`kernels.parameterizations` and `_jit`). All gradients are taken at the old parameters; then the transforms
change them, the guard shortens the step or refuses it, and only a valid mixture takes the place of the old.

The memory: ``memory`` holds the header below, the chain of transforms, and vectors; ``memory_2`` and
``memory_3`` hold the means and factors on trial, the latter with SCRATCH more entries to work in.
"""

from __future__ import annotations

from ._jit import exact_kernel, inlined
from .guard import SHORTENED, commit, propose
from .m_step import FLOOR, HAS_PRIOR, REFUSED, WINDOW, is_refused, write_offset
from .mixing import (
    SIMPLEX,
    SOFTMAX,
    move_logits,
    move_weights,
    raise_weights,
    write_weights_direction,
)
from .parameterizations._flat import block_size
from .regularize import REST, is_rank_one, regularize
from .transforms import WIDTH, transform

# WINDOW and REFUSED are the first two entries of each rule's memory; 3, 8 and 14 are the guard's.
STOPPED = 2  # 1 + the component whose step the guard "raise" refused, or 0
COUNT = 4  # updates
PENDING = 5  # updates since regularization and prior were last applied
SHARE = 6  # what is due of the prior since then
AVERAGED = 7  # updates in the average
PRECONDITION, WEIGHTS, AVERAGE_FROM, N_TRANSFORMS, N_THETA = 9, 10, 11, 12, 13
HEADER = 15

SCRATCH = 5
_NEGLIGIBLE = 1e-16
_LARGEST = 1e150  # the square of a gradient must not overflow


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
def _scale_to_rows(weight, change):
    """Divide by the weight; return whether all entries are small enough to be squared."""
    usable = True
    for i in range(change.size):
        change[i] /= weight
        usable = usable and abs(change[i]) < _LARGEST
    return usable


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
        write_weights_direction(mode, nk, weights, change)
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
        factor = propose(
            first, first + width, block, memory, means, scale, theta, change, trial, memory_2, memory_3,
            retract, project,
        )  # fmt: skip
        if factor < 0.0:
            memory[STOPPED] = -factor
            return
        counts[first] = factor
    for first in range(0, n_components, width):
        if counts[first] > 0.0:
            commit(first, first + width, block, theta, trial, means, scale, memory_2, memory_3)
    if mode == SOFTMAX:
        move_logits(theta, change, trial, weights)
    elif mode == SIMPLEX:
        move_weights(theta, change, trial, weights)
    elif not raise_weights(theta, change, trial, weights):
        memory[SHORTENED] += 1.0
    for k in range(n_components):
        theta[k] = trial[k]
        write_offset(k, weights[k], scale, offset)
    if memory[COUNT] > memory[AVERAGE_FROM]:
        memory[AVERAGED] += 1.0
        share = 1.0 / memory[AVERAGED]
        for i in range(n_theta):
            average[i] += share * (theta[i] - average[i])
