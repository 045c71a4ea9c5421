"""Stochastic gradient ascent on the log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import parameterizations
from streamgmm.covariance import CovarianceType
from streamgmm.kernels.m_step import HEADER, WINDOW
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Arrays, Rule, with_scratch
from .schedules import Constant, Schedule, require_schedule


class GradientAscent(Rule):
    """theta <- theta + rate * (mean gradient of the mini-batch), all gradients at the old parameters.

    A step that would move a mean by more than one standard deviation, or change a standard deviation more
    than e-fold, is halved until it does not.

    Parameters
    ----------
    parameterization : str, default="cholesky"
        What theta is (see `streamgmm.parameterizations`).
    learning_rate : float or Schedule, default=0.05
        The rate belongs to data whose components have variances near 1: the gradient by a mean shrinks with
        the variance. Standardize first.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, e_step, rules
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> rule = rules.GradientAscent(learning_rate=0.1)
    >>> mixture, state = rule.update(e_step(mixture, [[2.0]]), rule.init(mixture), mixture)
    >>> mixture.means, mixture.factor.round(4)  # log L rises by 0.1 * (2^2 - 1)
    (array([[0.2]]), array([[[1.3499]]]))
    """

    name = "gradient"

    def __init__(self, parameterization: str = "cholesky", learning_rate: float | Schedule = 0.05) -> None:
        parameterizations.get(parameterization)
        self.parameterization = parameterization
        if isinstance(learning_rate, (int, float, np.floating)) and learning_rate is not True:
            if not (np.isfinite(learning_rate) and learning_rate > 0):
                raise ValueError(f"`learning_rate` must be positive and finite, got {learning_rate}")
            learning_rate = Constant(float(learning_rate))
        self.learning_rate = require_schedule("learning_rate", learning_rate)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Arrays:
        memory = np.zeros(HEADER + len(parameterizations.get(self.parameterization).pack(mixture)))
        memory[WINDOW] = n_rows
        return memory, mixture.log_weights[np.newaxis].copy(), with_scratch(mixture.kernel_factor(), 2)

    def compiled(self, kind: CovarianceType, options: Array) -> Any:
        """Return the compiled step."""
        return parameterizations.get(self.parameterization).step(kind)

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the rates, in proportion to the fraction of a mini-batch."""
        return fraction * self.learning_rate.steps(t, start=start, batch_size=batch_size)
