"""How far an estimator has come in its stream: the first rows, or a world, and the history."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from streamgmm._compat.functools import cached_property
from streamgmm._pieces import Task
from streamgmm.diagnostics.progress import rise_of
from streamgmm.fit.batch import BatchResult
from streamgmm.fit.events import Event
from streamgmm.fit.plan import Plan
from streamgmm.fit.stream import Learner
from streamgmm.fit.world import World
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._history import History
from ._waiting import Waiting
from ._warmup import WarmUp

WARNED = ("order", "report")  # events that somebody should do something about


@dataclass(frozen=True, eq=False)
class Progress:
    """How far an estimator has come: its start or its world, and the history. Never changed in place."""

    plan: Plan
    parameters: dict[str, Any]
    stage: WarmUp | Waiting | World
    history: History
    n_rows: int
    em: BatchResult | None = None
    given: Mixture | None = None  # what the learner holds, to the last bit, until rows come

    @property
    def start(self) -> BatchResult:
        """EM's fit of the first rows, or of all rows so far; for a rule that starts cold, their scale."""
        if isinstance(self.stage, WarmUp):
            return self.stage.result
        if isinstance(self.stage, Waiting) and self.em is None:
            return self.stage.warm_up.result
        assert self.em is not None  # a learner is made from EM's fit
        return self.em

    def learn(
        self,
        X: Any,
        weights: Array,
        n_threads: int | None,
        *,
        verbose: int = 0,
        is_spread: bool = False,
    ) -> Progress:
        """Return the progress after more rows; warn of some events, print the others if asked to."""
        stage, history, em = self.stage, self.history, self.em
        n_rows, plan = self.n_rows + len(X), replace(self.plan, n_threads=n_threads, is_spread=is_spread)
        if isinstance(stage, WarmUp):
            stage, taken = stage.add(X, weights)
            X, weights = X[taken:], weights[taken:]
            if not stage.is_complete:
                return replace(self, stage=stage, n_rows=n_rows)
            begin = partial(_begun, stage, plan)
            if is_spread:
                stage.warn()
                stage = Waiting(plan, stage, Task(begin), X[:0], weights[:0])
            else:
                em, stage = begin()
        if len(X):
            stage, info = replace(stage, plan=plan).learn(X, weights)
            if isinstance(stage, Waiting):
                em = stage.em
                stage = stage.world if stage.is_over and stage.world is not None else stage
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
        progress = replace(self, stage=stage, history=history, n_rows=n_rows, em=em, given=given)
        for event in progress.events[len(self.events) :]:
            if event.reason in WARNED:
                warnings.warn(str(event), UserWarning, stacklevel=5)
            elif verbose and sys.stderr is not None:  # print would fall back to standard output
                print(event, file=sys.stderr)
        return progress

    @cached_property
    def mixture(self) -> Mixture:
        """The mixture learned so far."""
        if self.given is not None:
            return self.given
        return self.start.mixture if self.world is None else self.world.mixture

    @property
    def world(self) -> World | None:
        """What has been learned since the start; None as long as there is none."""
        if isinstance(self.stage, Waiting):
            return self.stage.world
        return self.stage if isinstance(self.stage, World) else None

    @property
    def events(self) -> tuple[Event, ...]:
        """What was done beside learning."""
        return () if self.world is None else self.world.events

    @property
    def n_refused(self) -> int:
        """Mini-batches passed over."""
        return 0 if self.world is None else self.world.learner.state.n_refused

    @property
    def n_iter(self) -> int:
        """Updates made online, or EM's iterations."""
        return self.history.n_batches or self.start.n_iter

    @property
    def history_rows(self) -> Any:
        """Rows seen when each record of the history was complete."""
        rows = np.cumsum(self.history.n_rows).astype(np.int64)
        learned = self.n_rows if self.world is None else self.world.row
        return rows + learned - (rows[-1] if len(rows) else 0)

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


def _begun(warm_up: WarmUp, plan: Plan) -> tuple[BatchResult, World]:
    """Return the fit of the first rows, and the world that begins with it."""
    # in pieces it must not depend on whether somebody has asked for it before
    em = warm_up.fitted() if plan.is_spread else warm_up.result
    learner = Learner.start(
        plan.rule,
        em.mixture,
        n_rows=warm_up.total,
        batch_size=plan.batch_size,
        options=warm_up.options(em.mixture.n_components),
        statistics=warm_up.statistics(em.mixture),
    )
    memory = plan.memory()
    if plan.memory_rows:  # rows that came again and again count there as they do in the fit
        memory = memory.add(warm_up.X, warm_up.fit_weights)
    return em, World.start(plan, learner, memory, warm_up.n_rows)
