"""Online EM with variance reduction, for several passes over rows at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.kernels import control
from streamgmm.kernels._jit import CONTROL, pointer
from streamgmm.kernels.m_step import HEADER
from streamgmm.mixture import Mixture
from streamgmm.statistics import Statistics

from ._base import Arrays, RuleState
from .online_em import OnlineEM
from .schedules import HalfLife, Schedule


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
    makes_passes = True

    def __init__(self, schedule: Schedule | None = None) -> None:
        super().__init__(HalfLife(1000.0) if schedule is None else schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Arrays:
        memory, memory_2, memory_3 = super()._memory(mixture, n_rows, statistics)
        n_components = mixture.n_components
        return (
            np.concatenate([memory, np.zeros(1 + 3 * n_components)]),
            np.concatenate([memory_2, np.zeros((3 * n_components + 1, mixture.n_features))]),
            np.concatenate([memory_3, np.zeros((3 * n_components + 2, *memory_3.shape[1:]))]),
        )

    def anchor(self, state: RuleState, mixture: Mixture, statistics: Statistics | None) -> RuleState:
        """Return the state with this mixture, and the statistics of all rows under it, as the anchor.

        Without statistics there is none, and the pass is one of online EM.
        """
        memory, memory_2, memory_3 = (array.copy() for array in state.memory)
        offset, means, scale = mixture.kernel_form()
        K = mixture.n_components
        memory[HEADER + K] = 0.0 if statistics is None else statistics.weight
        if statistics is None:
            return state._replace(memory=(memory, memory_2, memory_3))
        memory[HEADER + K + 1 : HEADER + 1 + 3 * K] = np.concatenate([offset, statistics.nk])
        memory_2[K : 3 * K] = np.concatenate([means, statistics.s1])
        memory_3[K + 1 : 3 * K + 1] = np.concatenate([scale, statistics.s2.reshape(scale.shape)])
        return state._replace(memory=(memory, memory_2, memory_3))

    def control(self, state: RuleState) -> Any | None:
        """Return the compiled control if there is an anchor."""
        n_components = len(state.memory[0]) - HEADER - 1
        if not state.memory[0][HEADER + n_components // 4] > 0:
            return None
        row = state.batch_size == 1
        return pointer(control.control_row if row else control.control_block, CONTROL)
