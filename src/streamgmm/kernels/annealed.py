"""Annealed gradient ascent on the log-likelihood of the best component, one row at a time.

The components lie on a grid whose opposite edges meet, component k at (k // n_columns, k % n_columns). With
the profile g of a Gaussian on the grid, normalized, a row's smoothed score for k is the sum over j of g_kj
log(weight_j N(x; mean_j, S_j)); the component with the best one wins, and each j learns with weight g_kj
(Gepperth and Pfuelb, 2021). The profile is a product of one along the rows of the grid and one along its
columns, so smoothing costs n_components (n_rows + n_columns) at most, and nothing once it is narrow.

``memory`` is a header, the two profiles (n_rows + n_columns,), and for each component its weight, its offset
without the weight, its score and two entries to work in. ``memory_2`` (5, n_features) holds the square of
each feature's unit, its least and its largest variance, the mean that the row is measured from, and the row.
``memory_3`` is empty.
"""

from __future__ import annotations

import numpy as np

from ._jit import exact_kernel, inlined, kernel
from .m_step import FLOOR, WINDOW, is_refused, write_offset

# WINDOW and REFUSED are the first two entries of each rule's memory.
N_ROWS, N_COLUMNS = 2, 3
WIDTH, MIN_WIDTH = 4, 5
RATE, MIN_RATE = 6, 7  # what the learning rate is multiplied by, now and at the end
DECAY, TOLERANCE, PERIOD = 8, 9, 10
SINCE, CHECKS = 11, 12  # rows, by weight, since the last check; checks so far
SLIDING, FIRST, LAST = 13, 14, 15  # sliding score: now, at the first check, at the last one
PRECONDITION = 16
HEADER = 17
PER_COMPONENT = 5
UNIT, LEAST, LARGEST, CENTER, ROW = 0, 1, 2, 3, 4
NEGLIGIBLE = 1e-12
MOST_STEP = 0.5
_E = 2.718281828459045
_FAR = 10.0  # standard deviations from a mean: a row further away counts as no further
_OUTLYING = 10.0  # nats a feature: no row counts as worse than that against the sliding score
_LEAST_WEIGHT = 1e-300


@inlined
def _write_profile(start, n, width, memory):
    """Write a normalized Gaussian on a ring of n places, by distance from its center."""
    total = 0.0
    for i in range(n):
        distance = min(i, n - i) / width
        value = np.exp(-0.5 * distance * distance)
        memory[start + i] = value if value > NEGLIGIBLE else 0.0
        total += memory[start + i]
    for i in range(n):
        memory[start + i] /= total


@exact_kernel
def write_profiles(memory):
    """Write the profiles of the width that the memory holds."""
    n_rows, n_columns = int(memory[N_ROWS]), int(memory[N_COLUMNS])
    _write_profile(HEADER, n_rows, memory[WIDTH], memory)
    _write_profile(HEADER + n_rows, n_columns, memory[WIDTH], memory)


@exact_kernel
def smooth(profile, n_rows, n_columns, score, half, smoothed):
    """Smooth the scores over the grid, first along its rows, then along its columns."""
    # OUT half, smoothed
    for k in range(score.size):
        half[k] = 0.0
        smoothed[k] = 0.0
    for shift in range(n_columns):
        share = profile[n_rows + shift]
        if share == 0.0:
            continue
        for row in range(n_rows):
            start = row * n_columns
            for column in range(n_columns - shift):
                half[start + column] += share * score[start + column + shift]
            for column in range(n_columns - shift, n_columns):
                half[start + column] += share * score[start + column + shift - n_columns]
    for shift in range(n_rows):
        share = profile[shift]
        if share == 0.0:
            continue
        for row in range(n_rows):
            start = row * n_columns
            other = ((row + shift) % n_rows) * n_columns
            for column in range(n_columns):
                smoothed[start + column] += share * half[other + column]


@kernel
def _total(values):
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@inlined
def _best(values):
    best = 0
    for k in range(values.size):
        if values[k] > values[best]:
            best = k
    return best


@exact_kernel
def write_scores(memory_2, offset, means, scale, work, score):
    """Write log(weight_k N(x; mean_k, S_k)) of the row in the memory to score.  # OUT, and work."""
    n_components, n_features = means.shape
    for k in range(n_components):
        for a in range(n_features):
            # from mean to mean, then to the row: far from the origin both are exact, the row itself is not
            y = (memory_2[CENTER, a] - means[k, a]) + memory_2[ROW, a]
            work[a] = y * y * scale[k, a, 0]
        value = offset[k] - 0.5 * _total(work)
        score[k] = value if value > -1e300 else -1e300


@exact_kernel
def _move(k, gain, precondition, memory_2, options, means, scale):
    """Move component k along its gradient, both by mean and D = 1 / standard deviation at the old values.

    In units of the features, d/d mean = D^2 (x - mean) and d/dD = 1 / D - D (x - mean)^2; preconditioned they
    are divided by the Fisher information, D^2 and 2 / D^2.
    """
    for a in range(means.shape[1]):
        y = (memory_2[CENTER, a] - means[k, a]) + memory_2[ROW, a]
        precision = scale[k, a, 0]
        square = y * y * precision
        if square > _FAR * _FAR:
            y = (_FAR if y > 0.0 else -_FAR) / np.sqrt(precision)
            square = _FAR * _FAR
        in_units = precision * memory_2[UNIT, a]
        change = gain * y if precondition else gain * in_units * y
        if change * change * precision > 1.0:
            change = (1.0 if y > 0.0 else -1.0) / np.sqrt(precision)
        means[k, a] += change
        rate = 0.5 * gain if precondition else gain / in_units
        factor = 1.0 + rate * (1.0 - square)
        factor = min(max(factor, 1.0 / _E), _E)
        precision *= factor * factor
        least = max(memory_2[LEAST, a], options[FLOOR + a])
        scale[k, a, 0] = min(max(precision, 1.0 / max(memory_2[LARGEST, a], least)), 1.0 / least)


@inlined
def _learn(winner, rate, memory, memory_2, options, weights, base, means, scale):
    """Let the winner and its neighbors learn from the row, and, once they are few, the weights."""
    n_rows, n_columns = int(memory[N_ROWS]), int(memory[N_COLUMNS])
    precondition = memory[PRECONDITION] > 0.0
    is_wide = memory[WIDTH] > memory[MIN_WIDTH]
    row, column = winner // n_columns, winner % n_columns
    total = 0.0
    for k in range(weights.size):
        share = memory[HEADER + abs(k // n_columns - row)]
        share *= memory[HEADER + n_rows + abs(k % n_columns - column)]
        if share > NEGLIGIBLE:
            _move(k, rate * share, precondition, memory_2, options, means, scale)
            write_offset(k, 1.0, scale, base)
        if is_wide:  # weights that learned before the components differ would let one of them take all
            total += weights[k]
            continue
        if precondition:
            weights[k] += rate * (share - weights[k])
        else:
            weights[k] *= np.exp(rate * (share - weights[k]))
        total += weights[k]
    for k in range(weights.size):
        weights[k] /= total


@inlined
def _anneal(weight, score, n_features, memory):
    """Move the sliding score; after a period without a gain narrow the profile, or else lower the rate."""
    memory[SINCE] += weight
    if memory[CHECKS] == 0.0 and memory[SINCE] <= weight:  # the first row
        memory[SLIDING] = score
    gain = -np.expm1(-weight / memory[PERIOD])
    if memory[CHECKS] == 0.0:  # a plain average, so that the first row does not weigh more than others
        gain = max(gain, weight / memory[SINCE])
    memory[SLIDING] += gain * max(score - memory[SLIDING], -_OUTLYING * n_features)
    if memory[SINCE] < memory[PERIOD]:
        return
    memory[SINCE] = 0.0
    memory[CHECKS] += 1.0
    if memory[CHECKS] == 1.0:
        memory[FIRST] = memory[SLIDING]
    elif memory[CHECKS] > 2.0:
        before = max(memory[LAST] - memory[FIRST], 0.0)
        if memory[SLIDING] - memory[LAST] < memory[TOLERANCE] * before:
            if memory[WIDTH] > memory[MIN_WIDTH]:
                memory[WIDTH] = max(memory[WIDTH] * memory[DECAY], memory[MIN_WIDTH])
                write_profiles(memory)
            else:
                memory[RATE] = max(memory[RATE] * memory[DECAY], memory[MIN_RATE])
    memory[LAST] = memory[SLIDING]


@exact_kernel
def update_annealed(
    weight, log_likelihood, step, nk, s1, s2, offset, means, scale, memory, memory_2, memory_3, options,
    direction, retract, project,
):  # fmt: skip
    """Learn from one row, given its statistics: the row is the mean of any component plus s1 / nk."""
    if is_refused(weight, log_likelihood, memory):
        return
    n_components, n_features = means.shape
    n_rows, n_columns = int(memory[N_ROWS]), int(memory[N_COLUMNS])
    at = HEADER + n_rows + n_columns
    profile = memory[HEADER:at]
    weights = memory[at : at + n_components]
    base = memory[at + n_components : at + 2 * n_components]
    score = memory[at + 2 * n_components : at + 3 * n_components]
    half = memory[at + 3 * n_components : at + 4 * n_components]
    smoothed = memory[at + 4 * n_components : at + 5 * n_components]
    memory[WINDOW] += weight
    nearest = _best(nk)
    for a in range(n_features):
        memory_2[CENTER, a] = means[nearest, a]
        memory_2[ROW, a] = s1[nearest, a] / nk[nearest]
    write_scores(memory_2, offset, means, scale, s1[nearest], score)
    smooth(profile, n_rows, n_columns, score, half, smoothed)
    winner = _best(smoothed)
    rate = min(step * memory[RATE], MOST_STEP)
    _learn(winner, rate, memory, memory_2, options, weights, base, means, scale)
    for k in range(n_components):
        offset[k] = base[k] + np.log(max(weights[k], _LEAST_WEIGHT))
    _anneal(weight, smoothed[winner], n_features, memory)
