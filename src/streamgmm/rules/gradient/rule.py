"""Stochastic gradient ascent on the log-likelihood, in any parameterization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamgmm import parameterizations
from streamgmm.covariance import CovarianceType
from streamgmm.kernels.records import STOPPED, record
from streamgmm.kernels.theta import SCRATCH
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .. import transforms
from .._base import Descent, Rule, RuleState
from ..schedules import Constant, PowerDecay, Schedule, half_life, needs_average
from ..transforms import Transform
from . import guard as guards
from . import mixing
from ._memory import COUNTERS, SETTINGS, Ascent, Room, Tools

_GUARDS = {
    "backtrack": guards.BACKTRACK,
    "shorten": guards.SHORTEN,
    "raise": guards.RAISE,
    "project": guards.PROJECT,
}
_WEIGHTS = {
    "softmax": mixing.SOFTMAX,
    "simplex": mixing.SIMPLEX,
    "proportional": mixing.PROPORTIONAL,
    "competition": mixing.COMPETITION,
    "winner": mixing.WINNER,
}


class GradientAscent(Rule):
    """theta <- theta + rate * (mean gradient of the mini-batch), all gradients at the old parameters.

    Between gradient and step stands a chain of transforms: clip, optimizer, momentum, rates of groups. After
    any accepted step the mixture is valid; a gradient that is not finite is refused and counted.

    Parameters
    ----------
    parameterization : str or Parameterization, default="cholesky"
        What theta is (see `streamgmm.parameterizations`).
    learning_rate : float or Schedule, optional
        By default `PowerDecay()`, for "adagrad", "rmsprop" and "adam" a tenth of it. Without ``precondition``
        a rate belongs to data whose components have variances near 1, since a mean's gradient shrinks with
        its variance: standardize first.
    momentum : float, default=0.0
        In [0, 1): how much of the last step is repeated. Divide the rate by 1 / (1 - momentum).
    nesterov : bool, default=False
        Look ahead along the momentum.
    optimizer : {"sgd", "adagrad", "rmsprop", "adam"} or transforms, default="sgd"
        What the gradient is divided by (see `streamgmm.rules.transforms`).
    precondition : bool, default=False
        Multiply the gradient by the covariance: means move by r (x - mean), covariances by
        r ((x - mean)(x - mean)' - S), in every parameterization. No inverse, and no dependence on the scale
        of the data. In the parameterizations "covariance" and "augmented" it stays positive definite while
        rate * r < 1, in the stable ones always.
    guard : {"backtrack", "shorten", "raise", "project"}, default="backtrack"
        "backtrack" halves the step of a component until it is valid, its mean moves by no more than one
        standard deviation and no standard deviation changes more than e-fold; "shorten" only until it is
        valid, so that all other steps are the plain ones. "raise" takes the plain step and raises an error
        if it leaves the positive definite matrices. "project" takes the plain step and
        then the nearest matrix with eigenvalues over 1e-6 of its largest.
    relative_rates : mapping, optional
        Multiplies the rate of "weights", "means", "covariances" or, off the diagonals of matrices,
        "correlations"; 0 holds a group fixed, as theta has it (in "natural" the means' part is P mean, in
        "augmented" the covariances' is S + mean mean'). Numbers, or schedules of their own (see
        `GroupRates`).
    clip : float, optional
        The largest Euclidean norm of a mini-batch's mean gradient.
    averaging : int, optional
        After this many mini-batches, report the average of theta from then on instead of the last theta
        (late Polyak averaging). Early averaging ruins a fit: the start stays in the average.
    weights : {"softmax", "simplex", "proportional", "competition", "winner"}, default="softmax"
        "simplex" moves the weights themselves, by N / weight, and projects them on the simplex, where a
        weight can become 0 and then stays there. "proportional" moves them as far and divides them by their
        sum; "competition" does so too, but raises only the weight of the component with most of the
        mini-batch, which lets superfluous components die (McMurray, Aslin and Toscano, 2009). "winner"
        raises the same one by N: weights are running frequencies of having the largest responsibility.
    sd_floor : float, optional
        After each step, standard deviations below it are raised to it; in the parameterization
        "standard-deviation", or "cholesky", where it bounds those given the features before.

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

    def __init__(
        self,
        parameterization: str | parameterizations.Parameterization = "cholesky",
        learning_rate: float | Schedule | None = None,
        momentum: float = 0.0,
        nesterov: bool = False,
        optimizer: str | Transform | Sequence[Transform] = "sgd",
        precondition: bool = False,
        guard: str = "backtrack",
        *,
        relative_rates: Mapping[str, transforms.Rate] | None = None,
        clip: float | None = None,
        averaging: int | None = None,
        weights: str = "softmax",
        sd_floor: float | None = None,
    ) -> None:
        owner = parameterizations.get(parameterization)
        ours = owner.name in parameterizations.names() and parameterizations.get(owner.name) is owner
        self.parameterization: str | parameterizations.Parameterization = owner.name if ours else owner
        self.momentum = momentum
        self.nesterov = nesterov
        self.optimizer = optimizer if isinstance(optimizer, str) else transforms.get(optimizer)
        self.precondition = precondition
        self.guard = guard
        self.relative_rates = None if relative_rates is None else dict(relative_rates)
        self.clip = clip
        self.averaging = averaging
        self.weights = weights
        self.sd_floor = sd_floor
        if sd_floor is not None and not (np.isfinite(sd_floor) and sd_floor > 0):
            raise ValueError(f"`sd_floor` must be None or positive and finite, got {sd_floor}")
        self._diagonal_floor()
        for name, value, known in (("guard", guard, _GUARDS), ("weights", weights, _WEIGHTS)):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}, got {value!r}")
        for name, flag in (("precondition", precondition), ("nesterov", nesterov)):
            if not isinstance(flag, (bool, np.bool_)):
                raise ValueError(f"`{name}` must be True or False, got {flag!r}")
        if averaging is not None and not (
            isinstance(averaging, (int, float, np.number))
            and float(averaging).is_integer()
            and averaging >= 0
        ):
            raise ValueError(f"`averaging` must be None or a count of mini-batches, got {averaging}")
        if nesterov and not momentum:
            raise ValueError("`nesterov` needs a positive `momentum`, got 0")
        self._chain()
        if learning_rate is None:
            learning_rate = PowerDecay(
                scale=0.1 if transforms.is_adaptive(transforms.get(optimizer)) else 1.0
            )
        elif isinstance(learning_rate, (int, float, np.number)) and not isinstance(learning_rate, bool):
            if not (np.isfinite(learning_rate) and learning_rate > 0):
                raise ValueError(f"`learning_rate` must be positive and finite, got {learning_rate}")
            learning_rate = Constant(float(learning_rate))
        elif isinstance(learning_rate, type) or not isinstance(learning_rate, Schedule):
            raise ValueError(
                "`learning_rate` must be a positive number or a schedule (see `streamgmm.rules.schedules`), "
                f"got {learning_rate!r}"
            )
        self.learning_rate = learning_rate

    def _chain(self) -> tuple[Transform, ...]:
        """Return what stands between gradient and step."""
        if self.clip is not None:
            transforms.require_positive("clip", self.clip)
        clip = () if self.clip is None else (transforms.Clip(self.clip),)
        transforms.Momentum(self.momentum)  # 0 is none, but a bad one must not pass
        momentum = (transforms.Momentum(self.momentum, self.nesterov),) if self.momentum else ()
        groups: tuple[Transform, ...] = ()
        if self.relative_rates is not None:
            unknown = set(self.relative_rates) - {"weights", "means", "covariances", "correlations"}
            if unknown:
                raise ValueError(
                    "`relative_rates` must name 'weights', 'means', 'covariances' or 'correlations', got "
                    + ", ".join(map(repr, sorted(map(str, unknown))))
                )
            groups = (transforms.GroupRates(**self.relative_rates),)
        return (*clip, *transforms.get(self.optimizer), *momentum, *groups)

    def _diagonal_floor(self) -> float:
        """Return the least diagonal entry of the covariances' part of theta."""
        if self.sd_floor is None:
            return -np.inf
        return parameterizations.get(self.parameterization).diagonal_floor(self.sd_floor)

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Ascent:
        theta = parameterizations.get(self.parameterization).pack(mixture)
        if self.weights != "softmax":
            theta[: mixture.n_components] = mixture.weights
        return Ascent(
            counters=record(COUNTERS, window=n_rows),
            weights=mixture.weights,
            debt=np.zeros(mixture.n_components),
            theta=theta,
            average=np.zeros(len(theta)),
            slots=np.zeros((transforms.n_slots(self._chain()), len(theta))),
        )

    def scratch(self, model: Any, kind: CovarianceType) -> Room:
        """Return room for a step on trial."""
        n_components = len(model.means)
        n_theta = parameterizations.get(self.parameterization).size(kind, *model.means.shape)
        return Room(
            counts=np.zeros(n_components),
            factors=np.zeros(n_components),
            trial=np.zeros(n_theta),
            change=np.zeros(n_theta),
            means=np.zeros_like(model.means),
            scale=np.zeros_like(model.scale),
            matrices=np.zeros((SCRATCH, *model.scale.shape[1:])),
        )

    def tools(self, kind: CovarianceType, n_components: int, n_features: int) -> Tools:
        """Return settings, and addresses of what parameterization and transforms do."""
        owner = parameterizations.get(self.parameterization)
        block, stride = owner.layout(kind, n_components, n_features)
        settings = record(
            SETTINGS,
            guard=_GUARDS[self.guard],
            weights=_WEIGHTS[self.weights],
            precondition=self.precondition,
            diagonal_floor=self._diagonal_floor(),
            average_from=np.inf if self.averaging is None else self.averaging,
            block=block,
            stride=stride,
            triangle=kind.triangle(n_features),
        )
        return Tools(settings, *owner.parts(kind), *transforms.chain(self._chain()))

    def _carried(self, memory: Ascent, fresh: Ascent, descent: Descent) -> Ascent:
        owner = parameterizations.get(self.parameterization)
        old, new = (
            owner.components(m.kind, *m.means.shape) for m in (descent.old, descent.new)
        )  # the entries of theta of each component
        theta, average, slots = fresh.theta.copy(), fresh.theta.copy(), fresh.slots.copy()
        weights = descent.weights(memory.weights)
        for k, (before, same) in enumerate(zip(descent.ancestor, descent.same, strict=True)):
            if before >= 0:
                slots[:, new[k]] = memory.slots[:, old[before]]
            if same:
                theta[new[k]] = memory.theta[old[before]]
                average[new[k]] = memory.average[old[before]]
        carried = descent.log_weights if self.weights == "softmax" else descent.weights
        for entries, remembered in ((theta, memory.theta), (average, memory.average)):
            entries[: len(weights)] = carried(remembered[: descent.old.n_components])
        return Ascent(
            memory.counters.copy(), weights, descent.inherited(memory.debt, fresh.debt), theta, average, slots
        )

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the rates, in proportion to the fraction of a mini-batch."""
        return fraction * self.learning_rate.steps(t, start=start, batch_size=batch_size)

    def half_life(self, batch_size: int) -> float | None:
        """Return that of the learning rate; None with averaging, which forgets nothing."""
        return None if self.averaging is not None else half_life(self.learning_rate, batch_size)

    def is_averaged(self, batch_size: int) -> bool:
        """Tell whether the rate settles, and the rule averages nothing itself."""
        settles = self.averaging is None and needs_average(self.learning_rate)
        return settles and super().is_averaged(batch_size)

    @property
    def covariance_types(self) -> tuple[str, ...]:
        """The covariance types that the parameterization fits."""
        return parameterizations.get(self.parameterization).covariance_types

    def require_fit(self, kind: CovarianceType) -> None:
        """Raise ValueError if the parameterization does not fit a covariance type."""
        parameterizations.get(self.parameterization).require_fit(kind)

    def report(self, mixture: Mixture, state: RuleState) -> Mixture:
        """Return the mixture, or, once averaging has begun, that of the average theta.

        Where matrices are nearly singular to working precision the average may be no valid mixture although
        all that it averages are; then the mixture itself is returned.
        """
        if not state.memory.counters.averaged:
            return mixture
        theta = state.memory.average.copy()
        if self.weights != "softmax":
            with np.errstate(divide="ignore"):
                theta[: mixture.n_components] = np.log(theta[: mixture.n_components])
        try:
            return parameterizations.get(self.parameterization).unpack(theta, mixture)
        except np.linalg.LinAlgError:
            return mixture

    def stopped(self, outcome: int, state: RuleState) -> np.linalg.LinAlgError:
        """Return the error that the guard "raise" asks for."""
        return np.linalg.LinAlgError(
            f"after {int(state.memory.counters.count) - 1} updates, a step by the gradient of "
            f"{self.parameterization!r} left the positive definite matrices in component "
            f"{STOPPED - outcome}: the rate is too large for the scale of the data. Use `precondition=True`, "
            "the parameterization 'cholesky', a smaller `learning_rate`, or `guard='backtrack'`"
        )

    def n_shortened(self, state: RuleState) -> int:
        """Return how many steps the guard shortened."""
        return state.n_shortened

    def __repr__(self) -> str:
        settings = vars(GradientAscent())
        changed = {k: v for k, v in vars(self).items() if k == "parameterization" or v != settings[k]}
        return f"GradientAscent({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
