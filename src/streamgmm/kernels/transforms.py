"""Transforms of a gradient, as compiled code: each changes it in place and keeps what it must remember.

A chain of them is a flat array of numbers, WIDTH for each transform: its code and its parameters.
The rate of a group is scale * (time + offset)^-exponent: three parameters.
What they remember stands in one array, n_slots(code) * n_theta numbers for each, in the same order.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined, kernel

WIDTH = 13
CLIP, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, GROUPS = range(7)
SLOTS = (0, 1, 1, 1, 1, 2, 0)


@kernel
def _squared_norm(change):
    total = 0.0
    for i in range(change.size):
        total += change[i] * change[i]
    return total


@inlined
def _multiply(factor, change, start, stop):
    for i in range(start, stop):
        change[i] *= factor


@exact_kernel
def _momentum(decay, nesterov, change, velocity):
    for i in range(change.size):
        velocity[i] = decay * velocity[i] + change[i]
        change[i] = change[i] + decay * velocity[i] if nesterov else velocity[i]


@exact_kernel
def _adagrad(epsilon, change, squares):
    for i in range(change.size):
        squares[i] += change[i] * change[i]
        change[i] /= np.sqrt(squares[i]) + epsilon


@exact_kernel
def _rmsprop(decay, epsilon, change, squares):
    for i in range(change.size):
        squares[i] = decay * squares[i] + (1.0 - decay) * (change[i] * change[i])
        change[i] /= np.sqrt(squares[i]) + epsilon


@exact_kernel
def _adam(first, second, epsilon, time, change, means, squares):
    unbias = 1.0 / (1.0 - first**time)
    unbias_squares = 1.0 / (1.0 - second**time)
    for i in range(change.size):
        means[i] = first * means[i] + (1.0 - first) * change[i]
        squares[i] = second * squares[i] + (1.0 - second) * (change[i] * change[i])
        change[i] = (unbias * means[i]) / (np.sqrt(unbias_squares * squares[i]) + epsilon)


@inlined
def _rate(chain, at, time):
    """Return a group's rate: scale * max(updates before + offset, 1)^-exponent."""
    scale, offset, exponent = chain[at], chain[at + 1], chain[at + 2]
    return scale if exponent == 0.0 else scale * max(time - 1.0 + offset, 1.0) ** -exponent


@exact_kernel
def _multiply_groups(chain, first, time, n_weights, n_means, n_features, change):
    """Multiply weights, means, covariances and, off the diagonals of triangles, correlations."""
    n = change.size
    at = n_weights + n_means
    _multiply(_rate(chain, first, time), change, 0, n_weights)
    _multiply(_rate(chain, first + 3, time), change, n_weights, at)
    diagonal = _rate(chain, first + 6, time)
    if n_features < 2:
        _multiply(diagonal, change, at, n)
        return
    off_diagonal = _rate(chain, first + 9, time)
    while at < n:
        for a in range(n_features):
            _multiply(off_diagonal, change, at, at + a)
            change[at + a] *= diagonal
            at += a + 1


@exact_kernel
def transform(chain, time, n_weights, n_means, n_features, change, slots):
    """Run a chain over ``change`` (n_theta,); ``time`` counts from 1.

    ``n_features`` is the size of the triangles in which theta holds covariances, 0 where it has none.
    """
    n = change.size
    at = 0
    for first in range(0, chain.size, WIDTH):
        code = int(chain[first])
        one, two, three = chain[first + 1], chain[first + 2], chain[first + 3]
        if code == CLIP:
            squared = _squared_norm(change)
            if squared > one * one:
                _multiply(one / np.sqrt(squared), change, 0, n)
        elif code in (MOMENTUM, NESTEROV):
            _momentum(one, code == NESTEROV, change, slots[at : at + n])
            at += n
        elif code == ADAGRAD:
            _adagrad(one, change, slots[at : at + n])
            at += n
        elif code == RMSPROP:
            _rmsprop(one, two, change, slots[at : at + n])
            at += n
        elif code == ADAM:
            _adam(one, two, three, time, change, slots[at : at + n], slots[at + n : at + 2 * n])
            at += 2 * n
        else:  # GROUPS
            _multiply_groups(chain, first + 1, time, n_weights, n_means, n_features, change)
