"""Natural-gradient ascent along the geodesics of positive definite matrices."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels import geodesic
from streamgmm.kernels._jit import UPDATE, pointer
from streamgmm.kernels.m_step import WINDOW
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Arrays, Compiled, Rule
from .schedules import PowerDecay, Schedule, require_schedule


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

    def __init__(self, schedule: Schedule | None = None) -> None:
        self.schedule = PowerDecay() if schedule is None else require_schedule("schedule", schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Arrays:
        n_components, n_features = mixture.means.shape
        memory = np.zeros(geodesic.WEIGHTS + 2 * n_components)
        memory[WINDOW] = n_rows or 1.0
        memory[geodesic.WEIGHTS : geodesic.WEIGHTS + n_components] = mixture.weights
        scratch = np.zeros((geodesic.SCRATCH, *mixture.kernel_form()[2].shape[1:]))
        return memory, np.zeros((1, n_features)), scratch

    def compiled(self, kind: CovarianceType, options: Array) -> Compiled:
        """Return the compiled step."""
        if not kind.has_matrices:
            return Compiled.alone(pointer(geodesic.update_diagonal, UPDATE))
        return Compiled.alone(pointer(geodesic.update_tied if kind.pooled else geodesic.update_full, UPDATE))

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the steps; a fraction f of a mini-batch gets 1 - (1 - g)^f."""
        steps = np.minimum(self.schedule.steps(t, start=start, batch_size=batch_size), 1.0)
        with np.errstate(divide="ignore"):
            return -np.expm1(fraction * np.log1p(-steps))
