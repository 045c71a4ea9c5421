"""Annealed gradient ascent on the log-likelihood of each row's best component."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streamgmm.covariance import CovarianceType
from streamgmm.kernels.records import record
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .._base import Descent, Rule, RuleState
from . import steps as annealed
from .steps import COUNTERS, SETTINGS, Annealing, Room

_COINCIDE = 1e-9
_SAME_ROW = 1e-6
_USED = 1e-100  # below it, products of moments underflow


class AnnealedSGD(Rule):
    """Gradient ascent for the best component and its neighbors on a grid, which become ever fewer.

    For many features, and a start that no row has shaped. Components lie on a periodic grid; a row is learned
    by the component whose score, smoothed over the grid, is best, and by its neighbors in proportion to a
    Gaussian profile. While the profile is wide all learn alike; whenever the likelihood has stopped rising
    it becomes narrower, and components part. No density is ever exponentiated. Costs O(n_components
    n_features) a row, and learns row by row whatever ``batch_size``.

    After any step the mixture is valid: a feature more than 10 standard deviations from a mean counts as that
    far, no row moves a mean by more than one standard deviation or changes one more than e-fold, and
    variances stay within bounds, the floor (``reg_covar``) one of them. Units do not matter: each feature is
    measured in its standard deviation in the starting mixture. Fits "diag" alone, and takes no prior.

    Parameters
    ----------
    learning_rate : float, default=0.05
        In (0, 0.5]; of a row of weight w, w times as much, but no more than 0.5.
    min_learning_rate : float, default=0.001
        Once the profile is narrow, the rate falls as the profile did, down to this one, with which the
        mixture follows a stream that changes. It leaves each component as noisy as an average of its last
        2 / min_learning_rate rows.
    width : float, optional
        Of the profile at the start, in steps of the grid; by default sqrt(n_components) / 4.
    min_width : float, default=0.1
        Of the profile at the end. Up to 0.13, neighbors have no share in a row. Weights stay as they were at
        the start until the profile is that narrow.
    decay : float, default=0.9
        In (0, 1): multiplies the width, and later the rate, whenever the likelihood has stopped rising.
    tolerance : float, default=0.05
        The likelihood has stopped rising if in a period it gained less than this part of what it gained
        before, since the first period.
    period : float, optional
        Rows, by weight, from one check to the next, and the time constant of the sliding mean of the scores
        that is checked; by default 25 for each component, at least 100.
    min_deviation : float, default=0.01
        The least standard deviation of a component, in standard deviations of the feature in the starting
        mixture; the largest is 1 / min_deviation. A start with components outside extends the bounds.
    precondition : bool, default=True
        Divide the gradient by the Fisher information: means move by r (x - mean), standard deviations by
        r / 2 ((x - mean)^2 / s^2 - 1) of themselves, weights by r (g - weight). False takes the plain
        gradient by means, inverse standard deviations and the weights' logits, whose steps are too long for
        narrow components and too short for wide ones: it needs a smaller rate, and more rows.

    Notes
    -----
    Annealing takes time: some 2000 rows for each component, in one pass or several. Before that, the mixture
    is a blurred one with the weights of the start.

    A row is given to one component, not shared: where components overlap, they end narrower than those of EM
    and further apart. A component that lies between clusters when the profile becomes narrow may win no more
    rows; its weight then fades, and it stays where it is. Like EM's local optima, that depends on the start:
    compare values of ``random_state``.

    Weights that learn from the first row on let a few components take all rows: waiting is what prevents
    that. The neighbors then help components to clusters of their own.

    Besides the preconditioning, this differs from the paper in that weights wait for a narrow profile, in
    that the rate begins to fall when the width has stopped falling, in the bounds on steps, in that a
    likelihood that falls counts as one that has stopped rising, and in that the sliding mean starts as a
    plain one and counts no row as more than 10 nats a feature below itself.

    References
    ----------
    Gepperth and Pfuelb (2021), Gradient-based training of Gaussian mixture models for high-dimensional
    streaming data, Neural Processing Letters 53; arXiv 1912.09379.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import OnlineGaussianMixture, rules
    >>> rng = np.random.default_rng(0)
    >>> centers = 3 * rng.standard_normal((4, 20))
    >>> X = centers[rng.integers(4, size=20000)] + rng.standard_normal((20000, 20))
    >>> model = OnlineGaussianMixture(4, covariance_type="diag", rule="annealed-sgd", random_state=1).fit(X)
    >>> distances = np.linalg.norm(centers[:, np.newaxis] - model.means_, axis=2)
    >>> bool(distances.min(axis=1).max() < 0.2)
    True
    """

    name = "annealed-sgd"
    covariance_types = ("diag",)
    row_by_row = True
    cold_start = True
    rehearses = False
    takes_prior = False

    def __init__(
        self,
        learning_rate: float = 0.05,
        min_learning_rate: float = 0.001,
        *,
        width: float | None = None,
        min_width: float = 0.1,
        decay: float = 0.9,
        tolerance: float = 0.05,
        period: float | None = None,
        min_deviation: float = 0.01,
        precondition: bool = True,
    ) -> None:
        _require(0 < learning_rate <= annealed.MOST_STEP, "learning_rate", "in (0, 0.5]", learning_rate)
        _require(
            0 < min_learning_rate <= learning_rate,
            "min_learning_rate",
            f"positive and at most `learning_rate`={learning_rate}",
            min_learning_rate,
        )
        _require(0 < min_width < math.inf, "min_width", "positive and finite", min_width)
        if width is not None:
            _require(
                min_width <= width < math.inf, "width", f"finite and at least `min_width`={min_width}", width
            )
        _require(0 < decay < 1, "decay", "in (0, 1)", decay)
        _require(0 <= tolerance < math.inf, "tolerance", "finite and not negative", tolerance)
        if period is not None:
            _require(1 <= period < math.inf, "period", "finite and at least 1", period)
        _require(0 < min_deviation < 1, "min_deviation", "in (0, 1)", min_deviation)
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.width = width
        self.min_width = min_width
        self.decay = decay
        self.tolerance = tolerance
        self.period = period
        self.min_deviation = min_deviation
        self.precondition = precondition

    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Annealing:
        n_components = mixture.n_components
        width = math.sqrt(n_components) / 4 if self.width is None else self.width
        counters = record(COUNTERS, window=n_rows, width=max(width, self.min_width), rate=1.0)
        rows, columns = (np.zeros(n) for n in grid(n_components))
        annealed.write_profiles(counters.width, rows, columns)
        form = mixture.kernel_form()
        variances = 1.0 / form.scale[:, :, 0]
        total = mixture.weights @ (variances + np.square(form.means - mixture.weights @ form.means))
        bound = self.min_deviation**2
        least = np.minimum(bound * total, variances.min(axis=0))
        largest = np.maximum(total / bound, variances.max(axis=0))
        base = -mixture.kind.log_scale(form.scale)
        return Annealing(counters, rows, columns, mixture.weights, base, total, least, largest)

    def scratch(self, model: Any, kind: CovarianceType) -> Room:
        """Return room for scores and a row."""
        n_components, n_features = model.means.shape
        return Room(*(np.zeros(n_components) for _ in range(3)), *(np.zeros(n_features) for _ in range(3)))

    def tools(self, kind: CovarianceType, n_components: int, n_features: int) -> Any:
        """Return the settings."""
        return record(
            SETTINGS,
            min_width=self.min_width,
            min_rate=self.min_learning_rate / self.learning_rate,
            decay=self.decay,
            tolerance=self.tolerance,
            period=max(100, 25 * n_components) if self.period is None else self.period,
            precondition=self.precondition,
        )

    def _carried(self, memory: Annealing, fresh: Annealing, descent: Descent) -> Annealing:
        annealed.write_profiles(memory.counters.width, fresh.profile_rows, fresh.profile_columns)
        variances = 1.0 / descent.new.kernel_form().scale[:, :, 0]
        return fresh._replace(
            counters=memory.counters.copy(),
            weights=descent.weights(memory.weights),
            base=descent.kept(memory.base, fresh.base),
            unit=memory.unit.copy(),
            least=np.minimum(memory.least, variances.min(axis=0)),
            largest=np.maximum(memory.largest, variances.max(axis=0)),
        )

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the rates before annealing lowers them, in proportion to the rows' weights."""
        return fraction * self.learning_rate

    def width_now(self, state: RuleState) -> float:
        """Return the profile's width, in steps of the grid."""
        return float(state.memory.counters.width)

    def rate_now(self, state: RuleState) -> float:
        """Return the learning rate of a row of weight 1."""
        return float(self.learning_rate * state.memory.counters.rate)

    def apply(
        self,
        statistics: Statistics,
        step: float,
        model: Any,
        state: RuleState,
        kind: CovarianceType,
        rows_of: tuple[Any, Array] | None = None,
    ) -> tuple[Any, RuleState, int]:
        """Return parameters in the kernels' form, state and outcome after a step of this size.

        Raises
        ------
        ValueError
            If the statistics are of rows that do not coincide.
        """
        if not _is_one_row(statistics):
            raise ValueError(
                f"`statistics` must be those of one row, since rule {self.name!r} learns row by row, got "
                f"several that differ, of weight {statistics.weight:g}: update with one row after the other"
            )
        return super().apply(statistics, step, model, state, kind, rows_of)

    def __repr__(self) -> str:
        settings = vars(type(self)())
        changed = {name: value for name, value in vars(self).items() if value != settings[name]}
        return f"AnnealedSGD({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def grid(n_components: int) -> tuple[int, int]:
    """Return the rows and columns of the most square grid; a prime number makes a ring."""
    n_rows = next(n for n in range(math.isqrt(n_components), 0, -1) if n_components % n == 0)
    return n_rows, n_components // n_rows


def _is_one_row(statistics: Statistics) -> bool:
    """Tell whether all rows coincide: in each component, and from one component to the next."""
    used = statistics.nk > _USED * statistics.weight
    nk, origin = statistics.nk[used, np.newaxis], statistics.origin[used]
    s1, s2 = statistics.s1[used], statistics.s2.reshape(statistics.s1.shape)[used]
    if (nk * s2 > np.square(s1) * (1.0 + _COINCIDE)).any():
        return False
    rows = origin + s1 / nk
    room = np.abs(origin) + np.abs(s1 / nk)
    return not (np.abs(rows - rows[:1]) > _SAME_ROW * (room + room[:1])).any()


def _require(valid: bool, name: str, requirement: str, received: object) -> None:
    if not valid:
        raise ValueError(f"`{name}` must be {requirement}, got {received}")
