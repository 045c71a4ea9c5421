"""The guard of gradient ascent, as compiled code: what stands between a step and the mixture.

A step is first put on trial: theta's trial becomes means and factors by the parameterization's retraction.
Only what is valid, and near enough if the guard says so, takes the place of the old.
"""

from __future__ import annotations

import numpy as np

from ._jit import inlined

# Entries of the memory of `ascent` that the guard reads and counts in.
SHORTENED = 3  # updates in which a step was shortened
GUARD = 8
DIAGONAL_FLOOR = 14  # the least diagonal entry of a covariance's block in theta, or minus infinity

BACKTRACK, RAISE, PROJECT, SHORTEN = 0, 1, 2, 3
_MOST_HALVINGS = 60
_E_SQUARED = 7.38905609893065


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
def propose(
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
def commit(first, last, block, theta, trial, means, scale, memory_2, memory_3):
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
