"""Online (stepwise) EM: a running average of statistics, and EM's M-step on the average."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels._jit import generic, spliced
from streamgmm.kernels.family import refit, refit_jointly
from streamgmm.kernels.m_step import COUNTERS, Moments, Room, blend_weights, fate
from streamgmm.kernels.records import LEARNED, JointOptions, Options, record
from streamgmm.kernels.rule import update
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Descent, Rule
from .schedules import PowerDecay, Schedule, half_life, needs_average, require_schedule, shared


@generic("options", inline=True)
def m_step(share, batch, model, memory, scratch, options):
    """Blend the moments and refit the mixture: the components that had rows, or all."""


@m_step.of(Options)
def _alone(share, batch, model, memory, scratch, options):
    refit(share, batch, model, memory, scratch, options)


@m_step.of(JointOptions)
def _jointly(share, batch, model, memory, scratch, options):
    refit_jointly(share, batch, model, memory, scratch, options)


@spliced
def blend_and_refit(batch, step, model, memory, scratch, tools, options):
    """Blend a mini-batch into the running moments, and refit the mixture to those."""
    outcome = fate(batch)
    if outcome == LEARNED:
        blend_weights(step, batch, memory)
        m_step(step / batch.weight, batch, model, memory, scratch, options)
    return outcome


update.of(Moments)(blend_and_refit)


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
    needs: ClassVar[tuple[Any, ...]] = (refit, refit_jointly)

    def __init__(self, schedule: Schedule | None = None) -> None:
        self.schedule = PowerDecay() if schedule is None else require_schedule("schedule", schedule)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Any:
        kind = mixture.kind
        model = mixture.kernel_form()
        weights, means, covariances = mixture.weights, model.means.copy(), kind.scatter(model.scale)
        if statistics is not None:
            weights = statistics.nk / statistics.weight
            used = weights > 1e-16  # a component without rows keeps what the mixture says
            nk = statistics.nk[used, np.newaxis]
            shift = statistics.s1[used] / nk
            means[used] += shift
            moments = kind.kernel_moments(statistics.s2)[used] / nk[:, :, np.newaxis]
            covariances[used] = moments - kind.kernel_moments(kind.outer(shift, shift))
        return Moments(record(COUNTERS, window=n_rows or 1.0), weights, means, covariances)

    def scratch(self, model: Any, kind: CovarianceType) -> Any:
        """Return room for weights and a pooled matrix."""
        n_components, n_features = model.means.shape
        return Room(np.empty(n_components), kind.empty_batch(1, n_features).s2)

    def _carried(self, memory: Any, fresh: Any, descent: Descent) -> Any:
        return fresh._replace(
            counters=memory.counters.copy(),
            weights=descent.weights(memory.weights),
            means=descent.kept(memory.means, fresh.means),
            covariances=descent.kept(memory.covariances, fresh.covariances),
        )

    def compiled_options(self, options: Options) -> Options:
        """Return the options, in a type of their own where all components are refitted together."""
        return JointOptions(*options) if options.flags.is_joint else options

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the gains; a fraction f of a mini-batch gets 1 - (1 - g)^f."""
        return shared(self.schedule.steps(t, start=start, batch_size=batch_size), fraction)

    def half_life(self, batch_size: int) -> float | None:
        """Return the schedule's."""
        return half_life(self.schedule, batch_size)

    def is_averaged(self, batch_size: int) -> bool:
        """Tell whether the schedule settles, but not as an average does."""
        return needs_average(self.schedule) and super().is_averaged(batch_size)
