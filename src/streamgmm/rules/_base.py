"""The contract of a rule: two functions, `init` and `update`, and their compiled form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from streamgmm import covariance, priors
from streamgmm.covariance import CovarianceType
from streamgmm.kernels import records, rows
from streamgmm.kernels.records import Batch, Options, copied, flattened
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics


class RuleState(NamedTuple):
    """What a rule carries from one update to the next.

    Attributes
    ----------
    t : float
        Time in mini-batches, those behind the starting mixture included: the weight of the rows so far over
        ``batch_size``. A schedule that counts rows converts it.
    start : float
        The time at which learning began.
    batch_size : int
        Rows in a full mini-batch.
    memory : NamedTuple of arrays
        What the rule remembers, under the names that its compiled update uses. ``memory.counters`` is a
        record of numbers.
    options : Options
        Regularization and prior (see `streamgmm.priors.options`).
    n_refused : int
        How many mini-batches were passed over because their statistics were not finite.
    n_shortened : int
        How many steps of components a guard shortened.
    """

    t: float
    start: float
    batch_size: int
    memory: Any
    options: Options
    n_refused: int = 0
    n_shortened: int = 0

    def counted(self, outcome: np.ndarray[Any, np.dtype[np.int64]]) -> RuleState:
        """Return the state that has also counted what became of these mini-batches."""
        shortened = np.maximum(outcome - records.LEARNED, 0)
        return self._replace(
            n_refused=self.n_refused + int((outcome == records.REFUSED).sum()),
            n_shortened=self.n_shortened + int(shortened.sum()),
        )


_NO_ROWS, _NO_WEIGHTS = np.empty((0, 0)), np.empty(0)


class Rule(ABC):
    """A way of learning: a pure function of (Statistics, state, Mixture).

    Attributes
    ----------
    name : str
    needs : tuple of functions
        What the rule's compiled update asks of a family of covariances (`kernels.family`, or its own).
    row_by_row : bool
        Whether the rule learns one row at a time, whatever the size of a mini-batch.
    cold_start : bool
        Whether the rule finds its own way from a start that EM has not fitted to the first rows.
    makes_passes : bool
        Whether the rule takes the rows of each call to `Learner.learn` as all that there are, and looks at
        them before it learns from them.
    takes_prior : bool
        Whether the rule can heed a conjugate prior.
    rehearses : bool
        Whether it is of use to the rule to go on from a better optimum, found on a memory of rows.
    looks_at_rows : bool
        Whether the rule changes a mini-batch's statistics in view of its rows (`kernels.rule.control`).
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[Any, ...]] = ()
    row_by_row: ClassVar[bool] = False
    cold_start: ClassVar[bool] = False
    makes_passes: ClassVar[bool] = False
    takes_prior: ClassVar[bool] = True
    looks_at_rows: ClassVar[bool] = False
    rehearses: ClassVar[bool] = True

    @property
    def covariance_types(self) -> tuple[str, ...]:
        """The covariance types that the rule fits: those whose family gives it all that it needs."""
        return tuple(
            name
            for name in covariance.names()
            if all(covariance.get(name).form in function.types() for function in self.needs)
        )

    @abstractmethod
    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Any:
        """Return what the rule remembers at the start: a record whose type `kernels.rule.update` knows."""

    @abstractmethod
    def scratch(self, model: Any, kind: CovarianceType) -> Any:
        """Return arrays for the compiled update to work in, for parameters in the kernels' form."""

    def tools(self, kind: CovarianceType, n_components: int, n_features: int) -> Any:
        """Return the settings and addresses that the compiled update takes, or None."""
        return None

    def compiled_options(self, options: Options) -> Options:
        """Return regularization and prior as the compiled update takes them."""
        return options

    @abstractmethod
    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the steps of mini-batches at times t that hold a fraction of their rows."""

    def half_life(self, batch_size: int) -> float | None:
        """Return after how many rows what was learned counts half; None if it is not meant to be forgotten.

        A rule with a half-life takes the stream as one that changes, and the order of the rows as time.

        Parameters
        ----------
        batch_size : int
            Rows in a mini-batch.

        Examples
        --------
        >>> from streamgmm import rules
        >>> rules.OnlineEM(rules.schedules.HalfLife(5000)).half_life(256), rules.OnlineEM().half_life(256)
        (5000.0, None)
        """
        return None

    def is_averaged(self, batch_size: int) -> bool:
        """Tell whether what it has learned is the average of its mixtures.

        So it is for a rule that settles by ever smaller steps, and does not average itself.
        """
        return not (self.cold_start or self.makes_passes) and self.half_life(batch_size) is None

    @abstractmethod
    def _carried(self, memory: Any, fresh: Any, descent: Descent) -> Any:
        """Return the memory of a mixture whose components descend from another's; see `carry`."""

    def init(
        self,
        mixture: Mixture,
        *,
        n_rows: float = 0.0,
        batch_size: int = 1,
        options: Options | None = None,
        statistics: Statistics | None = None,
    ) -> RuleState:
        """Return the state that learning starts with.

        Parameters
        ----------
        mixture : Mixture
        n_rows : float, default=0
            How many rows the mixture was fitted to, by weight.
        batch_size : int, default=1
            Rows in a mini-batch: the unit of time. A rule that learns row by row takes 1.
        options : Options, optional
            Regularization and prior, from `streamgmm.priors.options`; none by default.
        statistics : Statistics, optional
            Of the rows that the mixture was fitted to. A rule that remembers the rows' moments takes them
            from here; from the mixture they would contain regularization and prior.
        """
        self.require_fit(mixture.kind)
        if not (float(batch_size).is_integer() and batch_size >= 1):
            raise ValueError(f"`batch_size` must be a positive integer, got {batch_size}")
        if not (np.isfinite(n_rows) and n_rows >= 0):
            raise ValueError(f"`n_rows` must be finite and not negative, got {n_rows}")
        if options is None:
            options = priors.options(mixture.kind, mixture.n_components, mixture.n_features)
        self.require_prior(bool(options.flags.has_prior))
        batch_size = 1 if self.row_by_row else int(batch_size)
        start = n_rows / batch_size
        return RuleState(start, start, batch_size, self._memory(mixture, n_rows, statistics), options)

    def require_fit(self, kind: CovarianceType) -> None:
        """Raise ValueError if the rule does not fit a covariance type."""
        if kind.name not in self.covariance_types:
            known = ", ".join(map(repr, self.covariance_types))
            raise ValueError(f"rule {self.name!r} fits `covariance_type` {known}, got {kind.name!r}")

    def anchor(self, state: RuleState, mixture: Mixture, statistics: Statistics | None) -> RuleState:
        """Return the state before a pass over rows with these statistics, for a rule that makes passes.

        None stands for rows that cannot be summed up.
        """
        return state

    def require_prior(self, has_prior: bool) -> None:
        """Raise ValueError if there is a prior and the rule takes none."""
        if has_prior and not self.takes_prior:
            raise ValueError(
                f"rule {self.name!r} takes no `prior`: leave it None; `reg_covar` bounds the variances"
            )

    def report(self, mixture: Mixture, state: RuleState) -> Mixture:
        """Return the mixture that was learned: the current one, unless the rule averages."""
        return mixture

    def stopped(self, outcome: int, state: RuleState) -> np.linalg.LinAlgError:
        """Return the error for a mini-batch that stopped the rule."""
        raise NotImplementedError  # most rules never stop

    def update(self, statistics: Statistics, state: RuleState, mixture: Mixture) -> tuple[Mixture, RuleState]:
        """Return the mixture and the state after one full mini-batch with these statistics.

        Nothing is changed in place. The statistics must be centered at the mixture's means.

        Raises
        ------
        ValueError
            If the statistics are centered elsewhere. numpy.linalg.LinAlgError, which is one, if a guard stops
            the rule.
        """
        if not np.array_equal(statistics.origin, mixture.means):
            raise ValueError("`statistics` must be centered at the means of `mixture`: call `recenter`")
        _require_same_shapes(self._memory(mixture, 1.0, None), state.memory)
        one = np.ones(1)
        step = self.steps(one * state.t, one, start=state.start, batch_size=state.batch_size)[0]
        model, state, _ = self.apply(statistics, step, mixture.kernel_form(), state, mixture.kind)
        return Mixture.from_kernel_form(model, mixture.covariance_type), state._replace(t=state.t + 1.0)

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

        ``rows_of`` are the rows and their weights, for rules that look at them (`kernels.rule.control`).
        """
        model, memory = copied(model), copied(state.memory)
        is_finite = np.isfinite(statistics.s1).all() and np.isfinite(statistics.s2).all()
        batch = Batch(
            float(statistics.weight),
            float(statistics.log_likelihood) if is_finite else -np.inf,
            statistics.nk.copy(),
            statistics.s1.copy(),
            kind.kernel_moments(statistics.s2),
        )
        X, weights = rows_of or (_NO_ROWS, _NO_WEIGHTS)
        outcome = rows.learn_batch(
            *(X, weights, batch, float(step), model, memory, self.scratch(model, kind)),
            *(self.tools(kind, *model.means.shape), self.compiled_options(state.options)),
        )
        state = state._replace(memory=memory).counted(np.array([outcome]))
        if outcome <= records.STOPPED:
            raise self.stopped(outcome, state)
        return model, state, outcome

    def carry(self, state: RuleState, old: Mixture, new: Mixture, index: Sequence[int] | Array) -> RuleState:
        """Return the state that goes on with other components: time, averages and counters are kept.

        Parameters
        ----------
        state : RuleState
            Of the old mixture.
        old, new : Mixture
            Of the same covariance type and number of features.
        index : array-like of int, of shape (new.n_components,)
            For each component of the new mixture the one of the old that it goes on from, or -1 for none.
            Selected and reordered components keep all that was remembered of them. A component that was
            split, merged or moved names one that it descends from: what is remembered of its moments is taken
            from the new mixture.

        Returns
        -------
        RuleState

        Raises
        ------
        ValueError
            If the mixtures do not agree, or the index does not fit them.

        Examples
        --------
        >>> from streamgmm import Mixture, rules
        >>> old = Mixture([0.5, 0.3, 0.2], [[0.0], [1.0], [9.0]], [1.0, 1.0, 1.0], "spherical")
        >>> new = Mixture([0.4, 0.6], [[9.0], [0.0]], [1.0, 1.0], "spherical")
        >>> rule = rules.OnlineEM()
        >>> state = rule.carry(rule.init(old, n_rows=500), old, new, [2, 0])
        >>> state.t, state.memory.means.ravel()
        (500.0, array([9., 0.]))
        """
        descent = Descent.of(old, new, index)
        options = priors.carried(new.kind, state.options, descent.ancestor)
        fresh = self._memory(new, 1.0, None)
        memory = self._carried(state.memory, fresh, descent)
        return state._replace(memory=memory, options=options)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make the rule anew."""
        return dict(vars(self))

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        # not of the repr: 1 equals 1.0, and mappings are equal in any order
        values = (frozenset(v.items()) if isinstance(v, dict) else v for v in vars(self).values())
        return hash((type(self), *values))


class Descent(NamedTuple):
    """How the components of a mixture descend from those of another.

    Attributes
    ----------
    old, new : Mixture
    ancestor : ndarray of int, of shape (n_new,)
        The component that each goes on from, or -1.
    same : ndarray of bool, of shape (n_new,)
        Whether its mean and covariance are what they were, to the last bit.
    """

    old: Mixture
    new: Mixture
    ancestor: np.ndarray[Any, np.dtype[np.intp]]
    same: np.ndarray[Any, np.dtype[np.bool_]]

    @classmethod
    def of(cls, old: Mixture, new: Mixture, index: Any) -> Descent:
        """Return the checked descent."""
        if (old.covariance_type, old.n_features) != (new.covariance_type, new.n_features):
            raise ValueError(
                f"`new` must be a mixture of {old.n_features} features and `covariance_type` "
                f"{old.covariance_type!r}, got {new.n_features} and {new.covariance_type!r}"
            )
        array = np.asarray(index)
        valid = array.shape == (new.n_components,) and array.dtype.kind in "iu"
        if not (valid and (array >= -1).all() and (array < old.n_components).all()):
            raise ValueError(
                f"`index` must hold a component of `old`, or -1, for each of {new.n_components} components, "
                f"got {np.asarray(index).tolist()}"
            )
        before, after = old.kernel_form(), new.kernel_form()
        same = array >= 0
        for ours, theirs in ((before.means, after.means), (before.scale, after.scale)):
            axes = tuple(range(1, ours.ndim))
            same = same & (ours[array] == theirs).all(axis=axes)
        return cls(old, new, array.astype(np.intp), same)

    def kept(self, old: Array, fresh: Array) -> Array:
        """Return old entries (n_old, ...) of components that are the same, fresh ones of the others."""
        return self._chosen(self.same, old, fresh)

    def inherited(self, old: Array, fresh: Array) -> Array:
        """Return old entries (n_old, ...) of components that descend from one, fresh ones of the others."""
        return self._chosen(self.ancestor >= 0, old, fresh)

    def _chosen(self, mask: Any, old: Array, fresh: Array) -> Array:
        shape = (len(mask),) + (1,) * (fresh.ndim - 1)
        return np.where(mask.reshape(shape), old[self.ancestor], fresh)

    def weights(self, remembered: Array) -> Array:
        """Return remembered weights, changed in the proportion in which the mixture's weights were."""
        with np.errstate(divide="ignore", invalid="ignore"):
            changed = remembered[self.ancestor] * (self.new.weights / self.old.weights[self.ancestor])
        usable = (self.ancestor >= 0) & np.isfinite(changed)
        weights = np.where(usable, changed, self.new.weights)
        if not weights.any():  # of what goes on there were no rows
            weights = self.new.weights
        return np.asarray(weights / weights.sum())

    def log_weights(self, remembered: Array) -> Array:
        """Return remembered log weights, or averages of them, changed by as much as the mixture's were."""
        with np.errstate(invalid="ignore"):
            changed = remembered[self.ancestor] + (self.new.log_weights - self.old.log_weights[self.ancestor])
        usable = (self.ancestor >= 0) & np.isfinite(changed)
        return np.where(usable, changed, self.new.log_weights)


def _require_same_shapes(expected: Any, received: Any) -> None:
    if type(expected) is not type(received) or [np.shape(a) for a in flattened(expected).values()] != [
        np.shape(a) for a in flattened(received).values()
    ]:
        raise ValueError("`state` must be this rule's, for a mixture of this size and type: call `init`")
