"""The contract of a rule: two functions, `init` and `update`, and their compiled form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from streamgmm import covariance, priors
from streamgmm.covariance import CovarianceType
from streamgmm.kernels import ascent
from streamgmm.kernels._jit import DIRECTION, PROJECT, RETRACT, pointer
from streamgmm.kernels.m_step import HAS_PRIOR, REFUSED
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

Arrays = tuple[Array, Array, Array]


def copies(arrays: Arrays) -> Arrays:
    """Return a copy of each of three arrays."""
    first, second, third = arrays
    return first.copy(), second.copy(), third.copy()


def with_scratch(array: Array, n: int) -> Array:
    """Return the array with n more entries along its first axis, for a compiled update to work in."""
    return np.concatenate([array, np.zeros((n, *array.shape[1:]))])


class RuleState(NamedTuple):
    """What a rule carries from one update to the next.

    Attributes
    ----------
    t : float
        Time in mini-batches, those behind the starting mixture included: the weight of the rows so far over
        ``batch_size``.
    start : float
        The time at which learning began.
    batch_size : int
        Rows in a full mini-batch.
    memory : tuple of three ndarrays, of 1, 2 and 3 dimensions
        The rule's memory, as its compiled update keeps it.
    options : ndarray
        Regularization and prior (see `streamgmm.priors.options`).
    """

    t: float
    start: float
    batch_size: int
    memory: Arrays
    options: Array

    @property
    def n_refused(self) -> int:
        """How many mini-batches were passed over because their statistics were not finite."""
        return int(self.memory[0][REFUSED])


class Compiled(NamedTuple):
    """The compiled functions of a rule, as the loop that learns takes them (see `kernels._jit`).

    Attributes
    ----------
    update : compiled function
        Changes parameters and memory, given the statistics of a mini-batch.
    parts : tuple of three compiled functions
        What a parameterization gives to gradient ascent; other rules' updates ignore them.
    """

    update: Any
    parts: tuple[Any, Any, Any]

    @classmethod
    def alone(cls, update: Any) -> Compiled:
        """Return an update that needs no parts."""
        return cls(
            update,
            (
                pointer(ascent.no_direction, DIRECTION),
                pointer(ascent.no_retract, RETRACT),
                pointer(ascent.no_projection, PROJECT),
            ),
        )


class Rule(ABC):
    """A way of learning: a pure function of (Statistics, state, Mixture).

    Attributes
    ----------
    name : str
    covariance_types : tuple of str
        The covariance types that the rule fits.
    row_by_row : bool
        Whether the rule learns one row at a time, whatever the size of a mini-batch.
    cold_start : bool
        Whether the rule finds its own way from a start that EM has not fitted to the first rows.
    makes_passes : bool
        Whether the rule takes the rows of each call to `Learner.learn` as all that there are, and looks at
        them before it learns from them.
    takes_prior : bool
        Whether the rule can heed a conjugate prior.
    """

    name: ClassVar[str]
    covariance_types: ClassVar[tuple[str, ...]] = covariance.names()
    row_by_row: ClassVar[bool] = False
    cold_start: ClassVar[bool] = False
    makes_passes: ClassVar[bool] = False
    takes_prior: ClassVar[bool] = True

    @abstractmethod
    def _memory(self, mixture: Mixture, n_rows: float, statistics: Statistics | None) -> Arrays:
        """Return the compiled update's memory at the start."""

    @abstractmethod
    def compiled(self, kind: CovarianceType, options: Array) -> Compiled:
        """Return the compiled functions for a covariance type, with or without a prior."""

    @abstractmethod
    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return the steps of mini-batches at times t that hold a fraction of their rows."""

    def init(
        self,
        mixture: Mixture,
        *,
        n_rows: float = 0.0,
        batch_size: int = 1,
        options: Array | None = None,
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
        options : ndarray, optional
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
        self.require_prior(bool(options[HAS_PRIOR]))
        batch_size = 1 if self.row_by_row else batch_size
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

    def control(self, state: RuleState) -> Any | None:
        """Return a compiled function that changes a mini-batch's statistics before the update, or None."""
        return None

    def require_prior(self, has_prior: bool) -> None:
        """Raise ValueError if there is a prior and the rule takes none."""
        if has_prior and not self.takes_prior:
            raise ValueError(
                f"rule {self.name!r} takes no `prior`: leave it None; `reg_covar` bounds the variances"
            )

    def report(self, mixture: Mixture, state: RuleState) -> Mixture:
        """Return the mixture that was learned: the current one, unless the rule averages."""
        return mixture

    def check(self, state: RuleState) -> None:  # noqa: B027 (most rules never stop)
        """Raise an error if the rule has stopped learning."""

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
        expected = [np.shape(array) for array in self._memory(mixture, 1.0, None)]
        if [np.shape(array) for array in state.memory] != expected:
            raise ValueError("`state` must be this rule's, for a mixture of this size and type: call `init`")
        one = np.ones(1)
        step = self.steps(one * state.t, one, start=state.start, batch_size=state.batch_size)[0]
        parameters, memory = self.apply(statistics, step, mixture.kernel_form(), state, mixture.kind)
        learned = Mixture.from_kernel_form(*parameters, mixture.covariance_type)
        state = state._replace(t=state.t + 1.0, memory=memory)
        self.check(state)
        return learned, state

    def apply(
        self,
        statistics: Statistics,
        step: float,
        parameters: Arrays,
        state: RuleState,
        kind: CovarianceType,
    ) -> tuple[Arrays, Arrays]:
        """Return parameters, in the kernels' form, and memory after a step of this size."""
        offset, means, scale = copies(parameters)
        memory, memory_2, memory_3 = copies(state.memory)
        compiled = self.compiled(kind, state.options)
        compiled.update(
            float(statistics.weight),
            float(statistics.log_likelihood),
            float(step),
            statistics.nk.copy(),
            statistics.s1.copy(),
            statistics.s2.reshape(scale.shape).copy(),
            offset,
            means,
            scale,
            memory,
            memory_2,
            memory_3,
            state.options,
            *compiled.parts,
        )
        return (offset, means, scale), (memory, memory_2, memory_3)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        # not of the repr: 1 equals 1.0, and mappings are equal in any order
        values = (frozenset(v.items()) if isinstance(v, dict) else v for v in vars(self).values())
        return hash((type(self), *values))
