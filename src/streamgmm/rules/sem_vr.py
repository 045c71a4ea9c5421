"""Online EM with variance reduction, for several passes over rows at hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels._jit import exact_kernel
from streamgmm.kernels.family import is_definite, recenter, row_statistics
from streamgmm.kernels.records import Batch, copied, record
from streamgmm.kernels.rows import statistics as add_statistics
from streamgmm.kernels.rule import control, update
from streamgmm.mixture import Mixture
from streamgmm.statistics import Statistics

from ._base import Descent, RuleState
from .online_em import OnlineEM, blend_and_refit
from .schedules import HalfLife, Schedule

COUNTERS = np.dtype([("window", "f8"), ("anchor_weight", "f8")])
_LEAST = 1e-3  # of a component's rows under the anchor: fewer may be none


class Sums(NamedTuple):
    """Statistics of all rows under the anchor, as `kernels.records.Batch` has them."""

    nk: Any
    s1: Any
    s2: Any


class AnchoredMoments(NamedTuple):
    """The running moments of `kernels.m_step.Moments`, and the anchor.

    Attributes
    ----------
    counters : record of `COUNTERS`
        ``anchor_weight`` is the weight of all rows; 0 while there is no anchor.
    weights, means, covariances : ndarray
    anchor : the anchor's parameters, in the kernels' form
    total : Sums
    """

    counters: Any
    weights: Any
    means: Any
    covariances: Any
    anchor: Any
    total: Sums


class AnchoredRoom(NamedTuple):
    """What the update works in: as `kernels.m_step.Room`, and the rows' statistics under the anchor."""

    weights: Any
    pooled: Any
    own: Batch
    row: Any
    factor: Any


update.of(AnchoredMoments)(blend_and_refit)


@control.of(AnchoredMoments)
def reduce_noise(X, begin, end, weights, batch, model, memory, scratch):
    """Replace a mini-batch's statistics by reduced ones (Chen and others, 2018).

    Those of the same rows under the anchor are noisy in nearly the same way, and of the anchor the statistics
    of all rows are known: s(rows; current) - s(rows; anchor) + s(all; anchor) / n has the same mean and
    little noise near the anchor.
    """
    if not (memory.counters.anchor_weight > 0.0 and batch.weight > 0.0):
        return
    own = scratch.own
    if end - begin == 1:
        row_statistics(X[begin], batch.weight, memory.anchor, scratch.row, own)
    else:
        own.nk[:] = 0.0
        own.s1[:] = 0.0
        own.s2[:] = 0.0
        add_statistics(X[begin:end], weights[begin:end], memory.anchor, own)  # no weights if there are none
    _reduce(batch, model, memory, scratch)


@exact_kernel
def _reduce(batch, model, memory, scratch):
    """Take the reduced statistics, if these could be those of real rows.

    That is, no count is negative and each component's covariance is positive definite: then so is every
    M-step. Near the anchor they always are.
    """
    nk, s1, s2 = batch.nk, batch.s1, batch.s2
    own_nk, own_1, own_2 = scratch.own.nk, scratch.own.s1, scratch.own.s2
    all_nk, all_1, all_2 = memory.total
    origin = memory.anchor.means
    ratio = batch.weight / memory.counters.anchor_weight
    n_components, n_features, n_moments = own_2.shape
    for k in range(n_components):
        n = ratio * all_nk[k] - own_nk[k]
        for a in range(n_features):
            own_1[k, a] = ratio * all_1[k, a] - own_1[k, a]
            for b in range(n_moments):
                own_2[k, a, b] = ratio * all_2[k, a, b] - own_2[k, a, b]
        recenter(k, n, origin, own_1, own_2, model)
        own_nk[k] = n + nk[k]
        if not own_nk[k] > _LEAST * ratio * all_nk[k]:
            return
        for a in range(n_features):
            own_1[k, a] += s1[k, a]
            for b in range(n_moments):
                own_2[k, a, b] += s2[k, a, b]
        if not is_definite(k, own_nk[k], own_1, own_2, model, scratch.factor):
            return
    for k in range(n_components):
        nk[k] = own_nk[k]
        for a in range(n_features):
            s1[k, a] = own_1[k, a]
            for b in range(n_moments):
                s2[k, a, b] = own_2[k, a, b]


class SEMVR(OnlineEM):
    """Stepwise EM with control variates: a step that does not have to vanish, on finite data.

    At the start of each pass the mixture becomes the anchor, and the statistics of all rows under it are
    taken. Each mini-batch then learns from its own statistics, minus those of the same rows under the anchor,
    plus the share of all rows': the noise of which rows it happens to hold cancels. It converges to EM's
    optimum with a constant step, in fewer passes than EM. A pass costs about three of online EM.

    `OnlineGaussianMixture.fit` with ``max_epochs`` makes the passes; a stream has no passes, so that
    ``partial_fit`` refuses this rule. `update` alone, without an anchor, is online EM.

    Parameters
    ----------
    schedule : Schedule, default=HalfLife(1000)
        Gives the step.

    References
    ----------
    Chen, Zhu, Teh and Zhang (2018), Stochastic expectation maximization with variance reduction, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import OnlineGaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1)) + 3 * rng.integers(0, 2, (3000, 1))
    >>> model = OnlineGaussianMixture(2, rule="sem-vr", max_epochs=5, random_state=0).fit(X)
    >>> np.sort(model.means_.ravel()).round(1)
    array([-0.1,  2.9])
    """

    name = "sem-vr"
    needs = (*OnlineEM.needs, recenter, is_definite)
    makes_passes = True
    rehearses = False
    looks_at_rows = True

    def __init__(self, schedule: Schedule | None = None) -> None:
        super().__init__(HalfLife(1000.0) if schedule is None else schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Any:
        moments = super()._memory(mixture, n_rows, statistics)
        form = mixture.kernel_form()
        nowhere = type(form)(*map(np.zeros_like, form))
        total = Sums(*mixture.kind.empty_batch(*form.means.shape)[2:])
        counters = record(COUNTERS, window=moments.counters.window)
        _, weights, means, covariances = moments
        return AnchoredMoments(counters, weights, means, covariances, nowhere, total)

    def scratch(self, model: Any, kind: CovarianceType) -> AnchoredRoom:
        """Return room for the rows' statistics under the anchor, too."""
        n_components, n_features = model.means.shape
        own = kind.empty_batch(n_components, n_features)
        row, factor = np.zeros(n_features), kind.empty_batch(2, n_features).s2
        room = super().scratch(model, kind)
        return AnchoredRoom(room.weights, room.pooled, own, row, factor)

    def anchor(self, state: RuleState, mixture: Mixture, statistics: Statistics | None) -> RuleState:
        """Return the state with this mixture, and the statistics of all rows under it, as the anchor.

        Without statistics there is none, and the pass is one of online EM.
        """
        memory, counters = state.memory, state.memory.counters.copy()
        counters.anchor_weight = 0.0 if statistics is None else statistics.weight
        memory = memory._replace(counters=counters)
        if statistics is not None:
            s2 = mixture.kind.kernel_moments(statistics.s2)
            total = Sums(statistics.nk.copy(), statistics.s1.copy(), s2)
            memory = memory._replace(anchor=copied(mixture.kernel_form()), total=total)
        return state._replace(memory=memory)

    def half_life(self, batch_size: int) -> float | None:
        """Return None: the rows are finite, and their order means nothing."""
        return None

    def _carried(self, memory: Any, fresh: Any, descent: Descent) -> Any:
        carried = super()._carried(memory, fresh, descent)
        carried.counters.anchor_weight = 0.0  # the rows' statistics were those of the old components
        return carried
