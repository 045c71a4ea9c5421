"""Online (stepwise) EM: a running average of statistics, and EM's M-step on the average."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels.m_step import HAS_PRIOR, HEADER, WINDOW
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Arrays, Compiled, Rule, with_scratch
from .schedules import PowerDecay, Schedule, require_schedule


class OnlineEM(Rule):
    """Stepwise EM (Cappe and Moulines, 2009): s <- (1 - g) s + g s(mini-batch), then the M-step.

    In expectation parameters it is natural-gradient ascent with step g. Positive definite at any step.

    Parameters
    ----------
    schedule : Schedule, default=PowerDecay()
        Gives g: `PowerDecay` to converge, `Constant` or `HalfLife` to follow a stream that changes.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, e_step, rules
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> rule = rules.OnlineEM(rules.schedules.Constant(0.5))
    >>> mixture, state = rule.update(e_step(mixture, [[2.0]]), rule.init(mixture), mixture)
    >>> mixture.means, mixture.covariances
    (array([[1.]]), array([[[1.5]]]))
    """

    name = "online-em"

    def __init__(self, schedule: Schedule | None = None) -> None:
        self.schedule = PowerDecay() if schedule is None else require_schedule("schedule", schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Arrays:
        _, means, scale = mixture.kernel_form()
        weights, means, scatter = mixture.weights, means.copy(), mixture.kind.scatter(scale)
        if statistics is not None:
            weights = statistics.nk / statistics.weight
            used = weights > 1e-16  # a component without rows keeps what the mixture says
            nk = statistics.nk[used, np.newaxis]
            shift = statistics.s1[used] / nk
            means[used] += shift
            moments = statistics.s2.reshape(scatter.shape)[used] / nk[:, :, np.newaxis]
            outer = shift[:, :, np.newaxis] * shift[:, np.newaxis, :]
            scatter[used] = moments - (outer if mixture.kind.has_matrices else shift[:, :, np.newaxis] ** 2)
        memory = np.zeros(HEADER + mixture.n_components)
        memory[WINDOW] = n_rows or 1.0
        memory[HEADER:] = weights
        return memory, means, with_scratch(scatter, 1)

    def compiled(self, kind: CovarianceType, options: Array) -> Compiled:
        """Return the compiled M-step."""
        return Compiled.alone(kind.em_update(has_prior=bool(options[HAS_PRIOR])))

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the gains; a fraction f of a mini-batch gets 1 - (1 - g)^f."""
        steps = np.minimum(self.schedule.steps(t, start=start, batch_size=batch_size), 1.0)
        with np.errstate(divide="ignore"):
            return -np.expm1(fraction * np.log1p(-steps))
