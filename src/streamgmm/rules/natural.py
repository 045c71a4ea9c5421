"""Natural-gradient ascent along the geodesics of positive definite matrices.

With the complete-data Fisher metric a step h of a component, with s1 and s2 the moments of n rows about its
mean and S = L L', is mean' = mean + h s1 / n and S' = L exp(h (L^-1 s2 L^-T / n - I)) L', which is positive
definite for every h. For one row, d = s1 / n and z = L^-1 d: S' = e^-h (S + (e^(h |z|^2) - 1) / |z|^2 d d'),
an update of rank one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.kernels import linear
from streamgmm.kernels._jit import exact_kernel, generic, inlined, loop
from streamgmm.kernels.family import is_rank_one, regularize, write_offset
from streamgmm.kernels.m_step import NEGLIGIBLE, fate
from streamgmm.kernels.records import LEARNED, REST, record
from streamgmm.kernels.rule import update
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Descent, Rule
from .schedules import PowerDecay, Schedule, half_life, needs_average, require_schedule, shared

COUNTERS = np.dtype([("window", "f8"), ("pending", "f8"), ("share", "f8")])
SCRATCH = 3
_LARGEST = 1.0  # of h |z|^2: one row widens a component e-fold at most


class Geodesic(NamedTuple):
    """What is remembered beside the mixture.

    Attributes
    ----------
    counters : record of `COUNTERS`
        ``window`` counts rows; ``pending`` updates since regularization and prior were last applied,
        ``share`` what is due of the prior since then.
    weights : (n_components,)
        Without the Dirichlet prior's pseudo-rows.
    debt : (n_components,)
        Rows for which the floor is due.
    """

    counters: Any
    weights: Any
    debt: Any


@generic("model", inline=True)
def move(step, rank_one, is_due, batch, model, memory, scratch, options):
    """Move means and covariances along the geodesic of the rows, then of the pseudo-rows if these are due.

    A family that has such a step can be fitted by the natural gradient.
    """


@update.of(Geodesic)
def _learn(batch, step, model, memory, scratch, tools, options):
    """Take one step: weights, components, and the constants of the densities.

    Regularization and prior are pseudo-rows of full rank: for single rows they are added now and then, for
    all rows since the last time (see `streamgmm.kernels.records.Options`).
    """
    outcome = fate(batch)
    if outcome != LEARNED:
        return outcome
    n_components, n_features = model.means.shape
    counters = memory.counters
    keep = 1.0 - step
    counters.window = 1.0 / (keep * keep / counters.window + step * step / batch.weight)
    counters.pending += 1.0
    counters.share += batch.weight / counters.window
    for k in range(n_components):
        memory.weights[k] += step * (batch.nk[k] / batch.weight - memory.weights[k])
        memory.debt[k] += batch.nk[k]
    rank_one = is_rank_one(batch, model) and not options.flags.is_pooled
    is_due = options.flags.is_regular and (not rank_one or counters.pending >= REST * n_features)
    move(step, rank_one, is_due, batch, model, memory, scratch, options)
    if is_due:
        counters.pending = 0.0
        counters.share = 0.0
    total = 1.0
    for k in range(n_components):
        memory.debt[k] = 0.0 if is_due else memory.debt[k]
        total += options.concentration[k] / counters.window
    for k in range(n_components):
        write_offset(k, (memory.weights[k] + options.concentration[k] / counters.window) / total, model)
    return outcome


@exact_kernel
def step_row(k, share, batch, model, scratch):
    """Take the step ``share`` * nk[k] of component k along the geodesic of one row, in O(n_features^2).

    A row far away is cut: h |z|^2 does not exceed 1, for the mean either.
    """
    s1, means, scale = batch.s1, model.means, model.scale
    n_features = means.shape[1]
    n = batch.nk[k]
    squared = 0.0
    for a in range(n_features):
        value = s1[k, a] / n
        for b in range(a):
            value -= scale[k, a, b] * scratch[0, 0, b]
        scratch[0, 0, a] = value
        squared += value * value * scale[k, a, a]
    h = share * n
    if h * squared > _LARGEST:
        h = _LARGEST / squared
    grown = np.expm1(h * squared) / squared if squared > 0.0 else h
    shrunk = np.exp(h)  # of 1 / D
    for b in range(n_features):  # L D L' + grown d d', column by column; scratch holds L^-1 d
        pivot = scratch[0, 0, b]
        inverse = scale[k, b, b]
        ratio = 1.0 + grown * pivot * pivot * inverse
        part = grown * pivot * inverse / ratio
        scale[k, b, b] = shrunk * inverse / ratio
        scratch[1, 0, b] = part
        grown /= ratio
    for a in range(n_features):
        means[k, a] += h * s1[k, a] / n
        rest = s1[k, a] / n
        for b in range(a):
            old = scale[k, a, b]
            rest -= scratch[0, 0, b] * old
            scale[k, a, b] = old + scratch[1, 0, b] * rest


@loop
def step_rows(k, share, n, s2, scale, floor, scratch):
    """Take the step ``share`` * n of S along the geodesic of n rows; return how much of it was taken."""
    n_features = scale.shape[1]
    linear.whiten(False, n, s2, scale, k, scratch, 0, 1)
    for a in range(n_features):
        for b in range(a + 1):
            value = share * scratch[0, a, b] * (np.sqrt(scale[k, a, a]) * np.sqrt(scale[k, b, b]))
            scratch[0, a, b] = value
            scratch[0, b, a] = value
    values, vectors = np.linalg.eigh(scratch[0])
    cut = _LARGEST / values[-1] if values[-1] > _LARGEST else 1.0
    for a in range(n_features):  # L Q
        for c in range(n_features):
            total = vectors[a, c] / np.sqrt(scale[k, a, a])
            for b in range(a):
                total += scale[k, a, b] * vectors[b, c] / np.sqrt(scale[k, b, b])
            scratch[0, a, c] = total
    for c in range(n_features):
        values[c] = np.exp(cut * (values[c] - share * n))
    for a in range(n_features):
        for b in range(a + 1):
            total = 0.0
            for c in range(n_features):
                total += values[c] * scratch[0, a, c] * scratch[0, b, c]
            scratch[1, a, b] = total
    linear.factor(scratch, 1, scale, k, floor)
    return cut


@exact_kernel
def _move_mean(k, h, batch, model, scratch):
    """Move a mean by h of the way to its rows, but by no more than h |z|^2 = 1."""
    nk, s1, means, scale = batch.nk, batch.s1, model.means, model.scale
    n_features = means.shape[1]
    squared = 0.0
    for a in range(n_features):
        value = s1[k, a] / nk[k]
        for b in range(a):
            value -= scale[k, a, b] * scratch[0, 0, b]
        scratch[0, 0, a] = value
        squared += value * value * scale[k, a, a]
    h = _LARGEST / squared if h * squared > _LARGEST else h
    for a in range(n_features):
        means[k, a] += h * s1[k, a] / nk[k]


@exact_kernel
def _add_rows(k, share, count, s2, scale, floor, scratch):
    """Add pseudo-rows of moments s2[k] and this count: S' = (S + share s2) / (1 + share count)."""
    linear.write_covariance(1.0, scale, k, scratch, 0)
    for a in range(scale.shape[1]):
        for b in range(a + 1):
            scratch[0, a, b] = (scratch[0, a, b] + share * s2[k, a, b]) / (1.0 + share * count)
    linear.factor(scratch, 0, scale, k, floor)


@exact_kernel
def _clear(k, batch):
    s1, s2 = batch.s1, batch.s2
    for a in range(s1.shape[1]):
        s1[k, a] = 0.0
        for b in range(s2.shape[2]):
            s2[k, a, b] = 0.0


@inlined
def _move_to_prior(k, share, batch, model, memory, options):
    """Move a mean towards the prior's, whose pull is s1[k]."""
    pull = share * memory.counters.share * options.mean_count[k]
    for a in range(model.means.shape[1]):
        model.means[k, a] += share * batch.s1[k, a] / (1.0 + pull)


@move.of(TriangularForm)
def _move_triangular(step, rank_one, is_due, batch, model, memory, scratch, options):
    """For one row take the update of rank one, for several the eigenvectors of their whitened moments."""
    if options.flags.is_pooled:
        _move_tied(step, is_due, batch, model, memory, scratch, options)
        return
    for k in range(batch.nk.size):
        if not memory.weights[k] > NEGLIGIBLE:
            continue
        share = step / (batch.weight * memory.weights[k])
        if batch.nk[k] > NEGLIGIBLE * batch.weight:
            if rank_one:
                step_row(k, share, batch, model, scratch)
            else:
                cut = step_rows(k, share, batch.nk[k], batch.s2, model.scale, options.floor, scratch)
                for a in range(model.means.shape[1]):
                    model.means[k, a] += cut * share * batch.s1[k, a]
        if is_due:
            _clear(k, batch)
            count = regularize(k, memory.counters.share, memory.debt[k], batch, model, options)
            _add_rows(k, share, count, batch.s2, model.scale, options.floor, scratch)
            _move_to_prior(k, share, batch, model, memory, options)


@inlined
def _pool(s2):
    """Add up the components' moments, in the first one's place."""
    for k in range(1, s2.shape[0]):
        for a in range(s2.shape[1]):
            for b in range(a + 1):
                s2[0, a, b] += s2[k, a, b]


@exact_kernel
def _move_tied(step, is_due, batch, model, memory, scratch, options):
    """One covariance for all: their moments add up."""
    n_components, n_features = model.means.shape
    share = step / batch.weight
    for k in range(n_components):
        if batch.nk[k] > NEGLIGIBLE * batch.weight:
            _move_mean(k, share * batch.nk[k] / memory.weights[k], batch, model, scratch)
    _pool(batch.s2)
    step_rows(0, share, batch.weight, batch.s2, model.scale, options.floor, scratch)
    if is_due:
        count = 0.0
        for k in range(n_components):
            _clear(k, batch)
            count += regularize(k, memory.counters.share, memory.debt[k], batch, model, options)
            if memory.weights[k] > NEGLIGIBLE:
                _move_to_prior(k, share / memory.weights[k], batch, model, memory, options)
        _pool(batch.s2)
        _add_rows(0, share, count, batch.s2, model.scale, options.floor, scratch)
    for k in range(1, n_components):
        for a in range(n_features):
            for b in range(a + 1):
                model.scale[k, a, b] = model.scale[0, a, b]


@move.of(DiagonalForm)
def _move_diagonal(step, rank_one, is_due, batch, model, memory, scratch, options):
    """Variances alone: v' = v exp(h (s2 / (n v) - 1))."""
    means, scale, s1, s2 = model.means, model.scale, batch.s1, batch.s2
    n_components, n_features = means.shape
    is_pooled = options.flags.is_pooled
    for k in range(n_components):
        if not memory.weights[k] > NEGLIGIBLE:
            continue
        share = step / (batch.weight * memory.weights[k])
        if batch.nk[k] > NEGLIGIBLE * batch.weight:
            largest, mean = 0.0, 0.0
            for a in range(n_features):
                s2[k, a, 0] *= share * scale[k, a, 0]
                largest = max(largest, s2[k, a, 0])
                mean += s2[k, a, 0] / n_features
            cut = _LARGEST / largest if largest > _LARGEST else 1.0
            for a in range(n_features):
                means[k, a] += cut * share * s1[k, a]
                second = mean if is_pooled else s2[k, a, 0]
                scale[k, a, 0] *= np.exp(cut * (share * batch.nk[k] - second))
        if is_due:
            _clear(k, batch)
            count = regularize(k, memory.counters.share, memory.debt[k], batch, model, options)
            total = 0.0
            for a in range(n_features):
                total += s2[k, a, 0] / n_features
            for a in range(n_features):
                second = total if is_pooled else s2[k, a, 0]
                scale[k, a, 0] = (1.0 + share * count) / (1.0 / scale[k, a, 0] + share * second)
            _move_to_prior(k, share, batch, model, memory, options)


class NaturalGradient(Rule):
    """Steps of the gradient in the complete-data Fisher metric, which no scale and no units change.

    For one row, with d = x - mean, z = L^-1 d, q = z'z and h = step * r / weight: mean' = mean + h d and
    S' = e^-h (S + (e^(h q) - 1) / q d d'), a rank-one update in O(n_features^2). It is positive definite for
    every step and agrees with online EM to first order in the step; unlike online EM it remembers nothing but
    the mixture. A far row is cut: it moves a component as if h q were 1, which widens it e-fold at most.

    Parameters
    ----------
    schedule : Schedule, default=PowerDecay()
        Gives the step: `PowerDecay` to converge, `Constant` or `HalfLife` to follow a stream that changes.

    References
    ----------
    Amari (1998), Natural gradient works efficiently in learning, Neural Computation 10, 251-276.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, e_step, rules
    >>> mixture = Mixture([1.0], [[0.0]], [[[4.0]]])
    >>> rule = rules.NaturalGradient(rules.schedules.Constant(0.1))
    >>> mixture, state = rule.update(e_step(mixture, [[4.0]]), rule.init(mixture), mixture)
    >>> mixture.means, mixture.covariances.round(4)  # 4 exp(0.1 (4^2 / 4 - 1))
    (array([[0.4]]), array([[[5.3994]]]))
    """

    name = "natural-gradient"
    needs = (move, is_rank_one, regularize)

    def __init__(self, schedule: Schedule | None = None) -> None:
        self.schedule = PowerDecay() if schedule is None else require_schedule("schedule", schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Geodesic:
        counters = record(COUNTERS, window=n_rows or 1.0)
        return Geodesic(counters, mixture.weights, np.zeros(mixture.n_components))

    def scratch(self, model: Any, kind: CovarianceType) -> Array:
        """Return room for matrices."""
        return np.zeros((SCRATCH, *model.scale.shape[1:]))

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the steps; a fraction f of a mini-batch gets 1 - (1 - g)^f."""
        return shared(self.schedule.steps(t, start=start, batch_size=batch_size), fraction)

    def half_life(self, batch_size: int) -> float | None:
        """Return the schedule's."""
        return half_life(self.schedule, batch_size)

    def is_averaged(self, batch_size: int) -> bool:
        """Tell whether the schedule settles, but not as an average does."""
        return needs_average(self.schedule) and super().is_averaged(batch_size)

    def _carried(self, memory: Geodesic, fresh: Geodesic, descent: Descent) -> Geodesic:
        weights = descent.weights(memory.weights)
        return Geodesic(memory.counters.copy(), weights, descent.inherited(memory.debt, fresh.debt))
