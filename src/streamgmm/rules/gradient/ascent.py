"""Gradient ascent in any parameterization, as compiled code: the step of the rule `GradientAscent`.

A parameterization comes as the addresses of three functions (see `kernels.theta`). All gradients are taken
at the old parameters; then the transforms change them, the guard shortens the step or refuses it, and only a
valid mixture takes the place of the old.
"""

from __future__ import annotations

from streamgmm.kernels._jit import exact_kernel, inlined
from streamgmm.kernels.family import is_rank_one, regularize, write_offset
from streamgmm.kernels.m_step import NEGLIGIBLE, fate
from streamgmm.kernels.records import LEARNED, REFUSED, REST, STOPPED
from streamgmm.kernels.rule import update
from streamgmm.kernels.theta import write_direction
from streamgmm.kernels.transform import run_chain

from ._memory import Ascent
from .guard import commit, propose
from .mixing import (
    SIMPLEX,
    SOFTMAX,
    move_logits,
    move_weights,
    raise_weights,
    write_weights_direction,
)

_LARGEST = 1e150  # the square of a gradient must not overflow


@inlined
def _scale_to_rows(weight, change):
    """Divide by the weight; return whether all entries are small enough to be squared."""
    usable = True
    for i in range(change.size):
        change[i] /= weight
        usable = usable and abs(change[i]) < _LARGEST
    return usable


@inlined
def _add_pseudo_rows(batch, model, memory, scratch, options):
    """Add regularization and prior to the moments; return whether these are still those of one row.

    They are of full rank, which would cost a single row more than all else: for single rows they are added
    every REST * n_features updates, for all rows since the last time.
    """
    counters = memory.counters
    rank_one = is_rank_one(batch, model)
    counters.pending += 1.0
    counters.share += batch.weight / counters.window
    total = 0.0
    for k in range(batch.nk.size):
        scratch.counts[k] = batch.nk[k]
        memory.debt[k] += batch.nk[k]
        total += options.concentration[k]
    part = batch.weight / counters.window
    for k in range(batch.nk.size):
        batch.nk[k] += part * (options.concentration[k] - total * memory.weights[k])
    if not options.flags.is_regular or (rank_one and counters.pending < REST * model.means.shape[1]):
        return rank_one
    least = NEGLIGIBLE * batch.weight
    for k in range(batch.nk.size):
        scratch.counts[k] += regularize(k, counters.share, memory.debt[k], batch, model, options)
        if memory.debt[k] > least:  # the floor is due even if this row is another component's
            scratch.counts[k] = max(scratch.counts[k], 2.0 * least)
        memory.debt[k] = 0.0
    counters.pending = 0.0
    counters.share = 0.0
    return False


@exact_kernel
def _write_change(rank_one, batch, model, memory, scratch, tools):
    """Write the direction of all of theta for the mean row; return whether it can be used."""
    settings = tools.settings
    write_direction(
        batch.weight,
        batch.nk,
        scratch.counts,
        rank_one,
        batch.s1,
        batch.s2,
        memory.weights,
        model.means,
        model.scale,
        memory.theta,
        scratch.change,
        scratch.matrices,
        0,
        settings.precondition,
        tools.direction,
        settings.block,
        settings.stride,
    )
    if settings.weights != SOFTMAX:
        write_weights_direction(settings.weights, batch.nk, memory.weights, scratch.change)
    return _scale_to_rows(batch.weight, scratch.change)


@exact_kernel
def _move_components(model, memory, scratch, tools):
    """Put all components on trial, then commit those that may move.

    Returns LEARNED, plus one for each step that was shortened, or STOPPED - k if the guard stops the rule.
    """
    n_components = model.means.shape[0]
    width = 1 if tools.settings.block > 0 else n_components
    outcome = LEARNED
    for first in range(0, n_components, width):
        factor = propose(first, first + width, model, memory, scratch, tools)
        if factor < 0.0:
            return STOPPED - int(-1.0 - factor)
        scratch.factors[first] = factor
    for first in range(0, n_components, width):
        if 0.0 < scratch.factors[first] <= 1.0:
            commit(first, first + width, tools.settings.block, model, memory, scratch)
        if scratch.factors[first] < 1.0:
            outcome += 1
    return outcome


@inlined
def _move_weights(mode, memory, scratch):
    """Move the weights; return whether that was a step in full."""
    usable = True
    if mode == SOFTMAX:
        move_logits(memory.theta, scratch.change, scratch.trial, memory.weights)
    elif mode == SIMPLEX:
        move_weights(memory.theta, scratch.change, scratch.trial, memory.weights)
    else:
        usable = raise_weights(memory.theta, scratch.change, scratch.trial, memory.weights)
    for k in range(memory.weights.size):
        memory.theta[k] = scratch.trial[k]
    return usable


@update.of(Ascent)
def ascend(batch, step, model, memory, scratch, tools, options):
    """Take one step of gradient ascent, all gradients at the old parameters."""
    outcome = fate(batch)
    if outcome != LEARNED:
        return outcome
    counters, settings = memory.counters, tools.settings
    n_components, n_features = model.means.shape
    window, pending, share = counters.window, counters.pending, counters.share
    for k in range(n_components):
        scratch.factors[k] = memory.debt[k]
    counters.window += batch.weight
    rank_one = _add_pseudo_rows(batch, model, memory, scratch, options)
    if not _write_change(rank_one, batch, model, memory, scratch, tools):
        counters.window, counters.pending, counters.share = window, pending, share
        for k in range(n_components):
            memory.debt[k] = scratch.factors[k]
        return REFUSED
    counters.count += 1.0
    run_chain(
        tools.transforms,
        tools.numbers,
        tools.ends,
        counters.count,
        n_components,
        n_components * n_features,
        settings.triangle,
        scratch.change,
        memory.slots,
    )
    for i in range(scratch.change.size):
        scratch.change[i] *= step
    outcome = _move_components(model, memory, scratch, tools)
    if outcome <= STOPPED:
        return outcome
    if not _move_weights(settings.weights, memory, scratch):
        outcome += 1
    for k in range(n_components):
        write_offset(k, memory.weights[k], model)
    if counters.count > settings.average_from:
        counters.averaged += 1.0
        share = 1.0 / counters.averaged
        for i in range(memory.theta.size):
            if memory.theta[i] != memory.average[i]:  # the log of no weight
                memory.average[i] += share * (memory.theta[i] - memory.average[i])
    return outcome
