"""How gradient ascent moves the mixing weights, as compiled code: by logits, or the weights themselves."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels._jit import exact_kernel, inlined

SOFTMAX, SIMPLEX, PROPORTIONAL, COMPETITION, WINNER = 0, 1, 2, 3, 4
_LARGEST = 1e150
_LEAST = 1e-300  # a smaller weight is none


@exact_kernel
def move_logits(theta, change, trial, weights):
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
def move_weights(theta, change, trial, weights):
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
def raise_weights(theta, change, trial, weights):
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
def write_weights_direction(mode, nk, weights, change):
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
