"""One pass over a stream: a learner takes rows in mini-batches, in compiled code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from streamgmm import covariance, priors, rules
from streamgmm.covariance import CovarianceType
from streamgmm.kernels import records
from streamgmm.kernels import rows as kernels
from streamgmm.kernels.records import INFO, Options, copied, flattened, unflattened
from streamgmm.mixture import Mixture
from streamgmm.rules import Rule, RuleState
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK, kernel_rows, sum_rows

_NO_WEIGHTS = np.empty(0)
_CALL_ROWS = 65536


class Info(NamedTuple):
    """What happened to each mini-batch.

    Attributes
    ----------
    weight, log_likelihood : ndarray of shape (n_batches,)
        The latter before the mini-batch was learned, in nats.
    n_rows : ndarray of int, of shape (n_batches,)
    outcome : ndarray of int, of shape (n_batches,)
        See `streamgmm.kernels.records`.
    """

    weight: Array
    log_likelihood: Array
    n_rows: np.ndarray[Any, np.dtype[np.int64]]
    outcome: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def accepted(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether it changed the mixture."""
        return self.outcome >= records.LEARNED

    @property
    def refused(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether it was passed over, since its moments or its gradient overflow."""
        return self.outcome == records.REFUSED

    @property
    def shortened(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many components' steps a guard shortened."""
        return np.maximum(self.outcome - records.LEARNED, 0)

    @classmethod
    def join(cls, parts: list[Info]) -> Info:
        """Return the account of successive mini-batches as one."""
        if len(parts) == 1:
            return parts[0]
        none = np.empty(0, dtype=np.int64)
        parts = [cls(np.empty(0), np.empty(0), none, none), *parts]
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


Monitor = Callable[["Learner", Info], "Learner | None"]


@dataclass(frozen=True, eq=False)
class Learner:
    """A mixture on its way through a stream: parameters as the kernels keep them, and the rule's state.

    Nothing in it is changed in place: `learn` returns another.
    """

    rule: Rule
    state: RuleState
    parameters: Any
    covariance_type: str

    @classmethod
    def start(
        cls,
        rule: Rule,
        mixture: Mixture,
        *,
        n_rows: float,
        batch_size: int,
        options: Options,
        statistics: Statistics | None = None,
    ) -> Learner:
        """Return a learner that starts from a mixture fitted to ``n_rows`` rows with these statistics."""
        state = rule.init(
            mixture, n_rows=n_rows, batch_size=batch_size, options=options, statistics=statistics
        )
        return cls(rule, state, mixture.kernel_form(), mixture.covariance_type)

    @property
    def kind(self) -> CovarianceType:
        """What the covariance type knows."""
        return covariance.get(self.covariance_type)

    @property
    def mixture(self) -> Mixture:
        """The mixture learned so far."""
        return self.rule.report(self.current, self.state)

    @property
    def current(self) -> Mixture:
        """The mixture at which the next rows are weighed."""
        return Mixture.from_kernel_form(self.parameters, self.covariance_type)

    def learn(
        self, X: Any, weights: Array, *, n_threads: int | None = None, monitor: Monitor | None = None
    ) -> tuple[Learner, Info]:
        """Learn from rows, one mini-batch after the other.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        weights : ndarray of shape (n_samples,) or (0,)
            Row weights; empty for ones.
        n_threads : int, optional
            Used for mini-batches of more than 65536 rows.
        monitor : callable, optional
            Called after each run of compiled code, of about 65536 rows, with the learner and what happened to
            the mini-batches since the last time. A learner that it returns goes on instead.

        Returns
        -------
        learner : Learner
        info : Info

        Raises
        ------
        numpy.linalg.LinAlgError
            If a guard stops the rule.
        """
        batch_size = self.state.batch_size
        rows_per_call = batch_size * max(1, _CALL_ROWS // batch_size)
        learner = self._anchored(X, weights, n_threads) if self.rule.makes_passes else self
        happened = []
        for begin in range(0, len(X), rows_per_call):
            rows = slice(begin, begin + rows_per_call)
            part = weights[rows] if len(weights) else _NO_WEIGHTS
            learner, info = learner._learn_some(X[rows], part, n_threads)
            happened.append(info)
            if monitor is not None:
                learner = monitor(learner, info) or learner
        return learner, Info.join(happened)

    def carry(self, mixture: Mixture, index: Any) -> Learner:
        """Return the learner that goes on from another mixture, see `Rule.carry`."""
        state = self.rule.carry(self.state, self.current, mixture, index)
        return replace(self, state=state, parameters=mixture.kernel_form())

    def restart(
        self, mixture: Mixture, *, n_rows: float, options: Options, statistics: Statistics | None
    ) -> Learner:
        """Return a learner that starts anew, see `start`; what was counted is kept."""
        started = Learner.start(
            self.rule,
            mixture,
            n_rows=n_rows,
            batch_size=self.state.batch_size,
            options=options,
            statistics=statistics,
        )
        counted = {name: getattr(self.state, name) for name in ("n_refused", "n_shortened")}
        return replace(started, state=started.state._replace(**counted))

    @property
    def n_components(self) -> int:
        """How many components there are."""
        return len(self.parameters.means)

    def to_record(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return settings, which JSON can hold, and named arrays: all that learning needs to go on.

        Raises
        ------
        ValueError
            If the rule holds an object that is not one of this package's.
        """
        state = self.state
        settings = {
            "rule": rules.to_settings(self.rule),
            "covariance_type": self.covariance_type,
            "n_components": len(self.parameters.means),
            "n_features": int(self.parameters.means.shape[1]),
        }
        settings |= {name: getattr(state, name) for name in _NUMBERS}
        parts = {"parameters": self.parameters, "memory": state.memory, "options": state.options}
        arrays: dict[str, Array] = {}
        for name, part in parts.items():
            arrays |= flattened(part, f"{name}.")
        return settings, arrays

    @classmethod
    def from_record(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Learner:
        """Return the learner that `to_record` wrote.

        Raises
        ------
        ValueError
            If something is missing or does not fit.
        """
        _require_settings(settings)
        rule = rules.from_settings(settings["rule"])
        kind = covariance.get(settings["covariance_type"])
        shape = settings["n_components"], settings["n_features"]
        parameters = unflattened(kind.empty_form(*shape), arrays, "parameters.")
        mixture = Mixture.from_kernel_form(parameters, kind.name)
        memory = unflattened(rule.init(mixture).memory, arrays, "memory.")
        options = unflattened(priors.options(kind, *shape), arrays, "options.")
        numbers = {name: settings[name] for name in _NUMBERS}
        return cls(rule, RuleState(memory=memory, options=options, **numbers), parameters, kind.name)

    def _anchored(self, X: Any, weights: Array, n_threads: int | None) -> Learner:
        """Show all rows of a pass to the rule; rows without a finite likelihood cannot be summed up."""
        sums = sum_rows(self.current, X, weights, n_threads=n_threads)
        usable = np.isfinite(sums.log_likelihood) and sums.weight > 0
        return replace(self, state=self.rule.anchor(self.state, self.current, sums if usable else None))

    def _learn_some(self, X: Any, weights: Array, n_threads: int | None) -> tuple[Learner, Info]:
        """Learn from the rows of one run of compiled code, or from one large mini-batch."""
        state, batch_size = self.state, self.state.batch_size
        n_rows = np.full(-(-len(X) // batch_size), batch_size)
        n_rows[-1] = len(X) - batch_size * (len(n_rows) - 1)
        fraction = n_rows / batch_size
        if len(weights):  # a row of weight 2 takes the time, and the step, of two rows
            fraction = np.add.reduceat(weights, np.arange(0, len(X), batch_size)) / batch_size
        # one after the other, however calls are cut
        t = np.cumsum(np.concatenate([[state.t], fraction]))
        steps = self.rule.steps(t[:-1], fraction, start=state.start, batch_size=batch_size)
        if batch_size > CHUNK:
            learner, info = self._learn_large(X, weights, float(steps[0]), n_threads)
        else:
            learner, info = self._learn_small(X, weights, steps)
        state = learner.state._replace(t=float(t[-1]))
        return replace(learner, state=state), Info(
            info["weight"], info["log_likelihood"], n_rows, info["outcome"]
        )

    def _learn_small(self, X: Any, weights: Array, steps: Array) -> tuple[Learner, Any]:
        """Run the compiled loop over many mini-batches."""
        parameters, memory, kind = copied(self.parameters), copied(self.state.memory), self.kind
        info = np.zeros(len(steps), dtype=INFO)
        moments = kind.empty_batch(*parameters.means.shape)
        kernels.stream(
            *(kernel_rows(X), weights, self.state.batch_size, steps, parameters, memory),
            self.rule.scratch(parameters, kind),
            self.rule.tools(kind, *parameters.means.shape),
            self.rule.compiled_options(self.state.options),
            moments,
            info,
        )
        state = self.state._replace(memory=memory).counted(info["outcome"])
        if len(info) and info["outcome"].min() <= records.STOPPED:
            raise self.rule.stopped(int(info["outcome"].min()), state)
        return replace(self, parameters=parameters, state=state), info

    def _learn_large(self, X: Any, weights: Array, step: float, n_threads: int | None) -> tuple[Learner, Any]:
        """Sum a mini-batch with threads, then update."""
        sums = sum_rows(self.current, X, weights, n_threads=n_threads)
        rows = (kernel_rows(X), weights) if self.rule.looks_at_rows else None
        parameters, state, outcome = self.rule.apply(sums, step, self.parameters, self.state, self.kind, rows)
        info = np.array([(sums.weight, sums.log_likelihood, outcome)], dtype=INFO)
        return replace(self, parameters=parameters, state=state), info


_NUMBERS = ("t", "start", "batch_size", "n_refused", "n_shortened")


def _require_settings(settings: Mapping[str, Any]) -> None:
    """Raise ValueError unless settings are as `Learner.to_record` writes them."""
    least = {"n_components": 1, "n_features": 1, "batch_size": 1}
    kinds: dict[str, Any] = {
        "rule": Mapping,
        "covariance_type": str,
        "t": (int, float),
        "start": (int, float),
    }
    for name in ("rule", "covariance_type", "n_components", "n_features", *_NUMBERS):
        value: Any = settings.get(name)
        valid = isinstance(value, kinds.get(name, int)) and not isinstance(value, bool)
        if valid and name not in ("rule", "covariance_type"):
            valid = bool(np.isfinite(value)) and value >= least.get(name, 0)
        if not valid:
            raise ValueError(f"`{name}` of a learner must be as `to_record` wrote it, got {value!r}")
