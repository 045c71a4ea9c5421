"""Annealed gradient ascent on the log-likelihood of the best component, one row at a time.

The components lie on a grid whose opposite edges meet, component k at (k // n_columns, k % n_columns). With
the profile g of a Gaussian on the grid, normalized, a row's smoothed score for k is the sum over j of g_kj
log(weight_j N(x; mean_j, S_j)); the component with the best one wins, and each j learns with weight g_kj
(Gepperth and Pfuelb, 2021). The profile is a product of one along the rows of the grid and one along its
columns, so smoothing costs n_components (n_rows + n_columns) at most, and nothing once it is narrow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.kernels._jit import exact_kernel, inlined, kernel
from streamgmm.kernels.family import write_offset
from streamgmm.kernels.m_step import fate
from streamgmm.kernels.records import LEARNED
from streamgmm.kernels.rule import update

COUNTERS = np.dtype(
    [(name, "f8") for name in ("window", "width", "rate", "since", "checks", "sliding", "first", "last")]
)
SETTINGS = np.dtype(
    [
        *((name, "f8") for name in ("min_width", "min_rate", "decay", "tolerance", "period")),
        ("precondition", "?"),
    ]
)


class Annealing(NamedTuple):
    """The memory of the rule.

    Attributes
    ----------
    counters : record of `COUNTERS`
        ``width`` of the profile and ``rate``, what the learning rate is multiplied by; rows ``since`` the
        last check, and ``checks`` so far; the score's ``sliding`` mean now, at the ``first`` and the ``last``
        check.
    profile_rows : (n_rows,)
    profile_columns : (n_columns,)
    weights : (n_components,)
    base : (n_components,)
        The constants of the densities as if all weights were 1.
    unit, least, largest : (n_features,)
        The square of each feature's unit, its least and its largest variance.
    """

    counters: Any
    profile_rows: Any
    profile_columns: Any
    weights: Any
    base: Any
    unit: Any
    least: Any
    largest: Any


class Room(NamedTuple):
    """What a step works in.

    Attributes
    ----------
    score, half, smoothed : (n_components,)
    center, row, work : (n_features,)
        The mean that the row is measured from, the row from there, and terms of a sum.
    """

    score: Any
    half: Any
    smoothed: Any
    center: Any
    row: Any
    work: Any


NEGLIGIBLE = 1e-12
MOST_STEP = 0.5
_E = 2.718281828459045
_FAR = 10.0  # standard deviations from a mean: a row further away counts as no further
_OUTLYING = 10.0  # nats a feature: no row counts as worse than that against the sliding score
_LEAST_WEIGHT = 1e-300


@inlined
def _write_profile(width, profile):
    """Write a normalized Gaussian on a ring of places, by distance from its center."""
    n = profile.size
    total = 0.0
    for i in range(n):
        distance = min(i, n - i) / width
        value = np.exp(-0.5 * distance * distance)
        profile[i] = value if value > NEGLIGIBLE else 0.0
        total += profile[i]
    for i in range(n):
        profile[i] /= total


@exact_kernel
def write_profiles(width, profile_rows, profile_columns):
    """Write the profiles of a width to both arrays."""
    _write_profile(width, profile_rows)
    _write_profile(width, profile_columns)


@exact_kernel
def smooth(profile_rows, profile_columns, score, half, smoothed):
    """Smooth the scores over the grid, first along its rows, then along its columns."""
    # OUT half, smoothed
    n_rows, n_columns = profile_rows.size, profile_columns.size
    for k in range(score.size):
        half[k] = 0.0
        smoothed[k] = 0.0
    for shift in range(n_columns):
        share = profile_columns[shift]
        if share == 0.0:
            continue
        for row in range(n_rows):
            start = row * n_columns
            for column in range(n_columns - shift):
                half[start + column] += share * score[start + column + shift]
            for column in range(n_columns - shift, n_columns):
                half[start + column] += share * score[start + column + shift - n_columns]
    for shift in range(n_rows):
        share = profile_rows[shift]
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
def write_scores(model, scratch):
    """Write log(weight_k N(x; mean_k, S_k)) of the row to scratch.score."""
    n_components, n_features = model.means.shape
    work = scratch.work
    for k in range(n_components):
        for a in range(n_features):
            # from mean to mean, then to the row: far from the origin both are exact, the row itself is not
            y = (scratch.center[a] - model.means[k, a]) + scratch.row[a]
            work[a] = y * y * model.scale[k, a, 0]
        value = model.offset[k] - 0.5 * _total(work)
        scratch.score[k] = value if value > -1e300 else -1e300


@exact_kernel
def _move(k, gain, precondition, model, memory, scratch, options):
    """Move component k along its gradient, both by mean and D = 1 / standard deviation at the old values.

    In units of the features, d/d mean = D^2 (x - mean) and d/dD = 1 / D - D (x - mean)^2; preconditioned they
    are divided by the Fisher information, D^2 and 2 / D^2.
    """
    for a in range(model.means.shape[1]):
        y = (scratch.center[a] - model.means[k, a]) + scratch.row[a]
        precision = model.scale[k, a, 0]
        square = y * y * precision
        if square > _FAR * _FAR:
            y = (_FAR if y > 0.0 else -_FAR) / np.sqrt(precision)
            square = _FAR * _FAR
        in_units = precision * memory.unit[a]
        change = gain * y if precondition else gain * in_units * y
        if change * change * precision > 1.0:
            change = (1.0 if y > 0.0 else -1.0) / np.sqrt(precision)
        model.means[k, a] += change
        rate = 0.5 * gain if precondition else gain / in_units
        factor = 1.0 + rate * (1.0 - square)
        factor = min(max(factor, 1.0 / _E), _E)
        precision *= factor * factor
        least = max(memory.least[a], options.floor[a])
        model.scale[k, a, 0] = min(max(precision, 1.0 / max(memory.largest[a], least)), 1.0 / least)


@inlined
def _learn(winner, rate, model, memory, scratch, settings, options):
    """Let the winner and its neighbors learn from the row, and, once they are few, the weights."""
    n_columns = memory.profile_columns.size
    weights = memory.weights
    is_wide = memory.counters.width > settings.min_width
    row, column = winner // n_columns, winner % n_columns
    total = 0.0
    for k in range(weights.size):
        share = memory.profile_rows[abs(k // n_columns - row)]
        share *= memory.profile_columns[abs(k % n_columns - column)]
        if share > NEGLIGIBLE:
            _move(k, rate * share, settings.precondition, model, memory, scratch, options)
            write_offset(k, 1.0, DiagonalForm(memory.base, model.means, model.scale))
        if is_wide:  # weights that learned before the components differ would let one of them take all
            total += weights[k]
            continue
        if settings.precondition:
            weights[k] += rate * (share - weights[k])
        else:
            weights[k] *= np.exp(rate * (share - weights[k]))
        total += weights[k]
    for k in range(weights.size):
        weights[k] /= total


@inlined
def _anneal(weight, score, n_features, memory, settings):
    """Move the sliding score; after a period without a gain narrow the profile, or else lower the rate."""
    c = memory.counters
    c.since += weight
    if c.checks == 0.0 and c.since <= weight:  # the first row
        c.sliding = score
    gain = -np.expm1(-weight / settings.period)
    if c.checks == 0.0:  # a plain average, so that the first row does not weigh more than others
        gain = max(gain, weight / c.since)
    c.sliding += gain * max(score - c.sliding, -_OUTLYING * n_features)
    if c.since < settings.period:
        return
    c.since = 0.0
    c.checks += 1.0
    if c.checks == 1.0:
        c.first = c.sliding
    elif c.checks > 2.0:
        before = max(c.last - c.first, 0.0)
        if c.sliding - c.last < settings.tolerance * before:
            if c.width > settings.min_width:
                c.width = max(c.width * settings.decay, settings.min_width)
                write_profiles(c.width, memory.profile_rows, memory.profile_columns)
            else:
                c.rate = max(c.rate * settings.decay, settings.min_rate)
    c.last = c.sliding


@update.of(Annealing)
def learn_row(batch, step, model, memory, scratch, tools, options):
    """Learn from one row, given its statistics: the row is the mean of any component plus s1 / nk."""
    outcome = fate(batch)
    if outcome != LEARNED:
        return outcome
    n_components, n_features = model.means.shape
    memory.counters.window += batch.weight
    nearest = _best(batch.nk)
    for a in range(n_features):
        scratch.center[a] = model.means[nearest, a]
        scratch.row[a] = batch.s1[nearest, a] / batch.nk[nearest]
    write_scores(model, scratch)
    smooth(memory.profile_rows, memory.profile_columns, scratch.score, scratch.half, scratch.smoothed)
    winner = _best(scratch.smoothed)
    rate = min(step * memory.counters.rate, MOST_STEP)
    _learn(winner, rate, model, memory, scratch, tools, options)
    for k in range(n_components):
        model.offset[k] = memory.base[k] + np.log(max(memory.weights[k], _LEAST_WEIGHT))
    _anneal(batch.weight, scratch.smoothed[winner], n_features, memory, tools)
    return outcome
