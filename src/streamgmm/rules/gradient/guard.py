"""The guard of gradient ascent, as compiled code: what stands between a step and the mixture.

A step is first put on trial: theta's trial becomes means and factors by the parameterization's retraction.
Only what is valid, and near enough if the guard says so, takes the place of the old.
"""

from __future__ import annotations

import numpy as np

from streamgmm.kernels._jit import inlined
from streamgmm.kernels.family import is_near
from streamgmm.kernels.theta import place_of, projection_at, retraction_at

BACKTRACK, RAISE, PROJECT, SHORTEN = 0, 1, 2, 3
STAYS = 2.0  # instead of a factor: nothing is to move
_MOST_HALVINGS = 60


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
def _try(first, last, near, model, scratch, tools):
    """Turn the trial of components first ... last into means and factors; return a bad one, or -1."""
    n_components, n_features = model.means.shape
    settings = tools.settings
    retract = retraction_at(tools.retract)
    for k in range(first, last):
        place = place_of(k, n_components, n_features, settings.block, settings.stride)
        if not retract(k, place, scratch.trial, scratch.means, scratch.scale, scratch.matrices, 0):
            return k
        with_factor = settings.block > 0 or k == first
        if near and not is_near(k, with_factor, model, scratch.means, scratch.scale, scratch.matrices, 0):
            return k
    return -1


@inlined
def propose(first, last, model, memory, scratch, tools):
    """Put a valid mixture for components first ... last on trial: the guard's work.

    Returns the factor by which the step was shortened, STAYS if nothing is to move, or -1 - k if the guard
    "raise" refused the step of component k.
    """
    n_components, n_features = model.means.shape
    settings = tools.settings
    theta, change, trial = memory.theta, scratch.change, scratch.trial
    project = projection_at(tools.project)
    mean_at = n_components + first * n_features
    mean_to = n_components + last * n_features
    at = n_components * (1 + n_features) + first * settings.block
    to = at + settings.block if settings.block > 0 else theta.size
    if _is_still(change, mean_at, mean_to) and _is_still(change, at, to):
        return STAYS
    factor = 1.0
    for halving in range(_MOST_HALVINGS):
        _move(mean_at, mean_to, factor, theta, change, trial)
        _move(at, to, factor, theta, change, trial)
        if settings.diagonal_floor > -np.inf:
            _raise_diagonal(settings.diagonal_floor, at, to, settings.triangle, trial)
        bad = _try(first, last, settings.guard == BACKTRACK, model, scratch, tools)
        if bad >= 0 and settings.guard == PROJECT:
            for k in range(first, last):
                place = place_of(k, n_components, n_features, settings.block, settings.stride)
                project(place, trial, scratch.matrices, 0)
            bad = _try(first, last, False, model, scratch, tools)
        if bad < 0:
            break
        if settings.guard == RAISE:
            return -1.0 - bad
        factor = 0.5 * factor if halving < _MOST_HALVINGS - 1 else 0.0
    return factor


@inlined
def commit(first, last, block, model, memory, scratch):
    """Let components first ... last of the trial take the place of the old ones."""
    n_components, n_features = model.means.shape
    theta, trial = memory.theta, scratch.trial
    for i in range(n_components + first * n_features, n_components + last * n_features):
        theta[i] = trial[i]
    at = n_components * (1 + n_features) + first * block
    for i in range(at, at + block if block > 0 else theta.size):
        theta[i] = trial[i]
    for k in range(first, last):
        for a in range(n_features):
            model.means[k, a] = scratch.means[k, a]
            for b in range(model.scale.shape[2]):
                model.scale[k, a, b] = scratch.scale[k, a, b]
