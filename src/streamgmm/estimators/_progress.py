"""How far an estimator has come in its stream: the first rows, or a world, and the history."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamgmm.diagnostics.progress import rise_of
from streamgmm.fit.batch import BatchResult
from streamgmm.fit.memory import Memory
from streamgmm.fit.stream import Learner
from streamgmm.fit.world import Event, Plan, World
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._history import History
from ._warmup import WarmUp


@dataclass(frozen=True, eq=False)
class Progress:
    """How far an estimator has come: its start or its world, and the history. Never changed in place."""

    plan: Plan
    parameters: dict[str, Any]
    stage: WarmUp | World
    memory: Memory  # of the first rows
    history: History
    n_rows: int
    em: BatchResult | None = None
    given: Mixture | None = None  # what the learner holds, to the last bit, until rows come

    @property
    def start(self) -> BatchResult:
        """EM's fit of the first rows, or of all rows so far; for a rule that starts cold, their scale."""
        if isinstance(self.stage, WarmUp):
            return self.stage.result
        assert self.em is not None  # a learner is made from EM's fit
        return self.em

    def learn(self, X: Any, weights: Array, n_threads: int | None) -> Progress:
        """Return the progress after more rows."""
        stage, history, em, memory = self.stage, self.history, self.em, self.memory
        n_rows = self.n_rows + len(X)
        if isinstance(stage, WarmUp):
            stage, taken = stage.add(X, weights)
            if self.plan.memory_rows:
                memory = memory.add(X[:taken], weights[:taken])
            X, weights = X[taken:], weights[taken:]
            if not stage.is_complete:
                return replace(self, stage=stage, memory=memory, n_rows=n_rows)
            em = stage.result
            learner = Learner.start(
                self.plan.rule,
                em.mixture,
                n_rows=stage.total,
                batch_size=self.plan.batch_size,
                options=stage.options,
                statistics=stage.statistics,
            )
            stage = World.start(self.plan, learner, memory, stage.n_rows)
        if len(X):
            stage = replace(stage, plan=replace(self.plan, n_threads=n_threads))
            stage, info = stage.learn(X, weights)
            history = history.extend(info.log_likelihood, info.weight, info.n_rows)
            refused = int(info.refused.sum())
            if refused:
                warnings.warn(
                    f"{refused} mini-batches were passed over: they hold rows so far from every component "
                    "that their squares overflow",
                    UserWarning,
                    stacklevel=5,
                )
        given = None if len(X) else self.given
        return replace(self, stage=stage, memory=memory, history=history, n_rows=n_rows, em=em, given=given)

    @cached_property
    def mixture(self) -> Mixture:
        """The mixture learned so far."""
        if self.given is not None:
            return self.given
        if isinstance(self.stage, WarmUp):
            return self.stage.result.mixture
        return self.stage.mixture

    @property
    def events(self) -> tuple[Event, ...]:
        """What was done beside learning."""
        return () if isinstance(self.stage, WarmUp) else self.stage.events

    @property
    def n_refused(self) -> int:
        """Mini-batches passed over."""
        return 0 if isinstance(self.stage, WarmUp) else self.stage.learner.state.n_refused

    @property
    def n_iter(self) -> int:
        """Updates made online, or EM's iterations."""
        return self.history.n_batches or self.start.n_iter

    @property
    def history_rows(self) -> Any:
        """Rows seen when each record of the history was complete."""
        rows = np.cumsum(self.history.n_rows).astype(np.int64)
        return rows + self.n_rows - (rows[-1] if len(rows) else 0)

    @property
    def lower_bound(self) -> float:
        """Mean log-likelihood of a row lately."""
        if self.history.n_batches == 0:
            return self.start.lower_bounds[-1]
        weighed = np.flatnonzero(self.history.weight)
        if not len(weighed):
            return self.start.lower_bounds[-1]
        recent = weighed[-max(1, len(weighed) // 10) :]
        return float(self.history.log_likelihood[recent].sum() / self.history.weight[recent].sum())

    @property
    def converged(self) -> bool:
        """Whether the log-likelihood has stopped rising."""
        if self.history.n_batches == 0:
            return self.start.converged
        return rise_of(self.history.per_row) == 0.0
