"""Transforms of a gradient, as compiled code: each changes it in place and keeps what it must remember.

A chain of them is a flat array of numbers, WIDTH for each transform: its code and up to three parameters.
What they remember stands in one array, n_slots(code) * n_theta numbers for each, in the same order.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined, kernel

WIDTH = 4
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


@exact_kernel
def transform(chain, time, n_weights, n_means, change, slots):
    """Run a chain over ``change`` (n_theta,); ``time`` counts from 1."""
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
            _multiply(one, change, 0, n_weights)
            _multiply(two, change, n_weights, n_weights + n_means)
            _multiply(three, change, n_weights + n_means, n)
