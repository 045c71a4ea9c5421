"""Rows that wait while the start of a stream is found a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamgmm._pieces import Task
from streamgmm.fit.batch import BatchResult
from streamgmm.fit.plan import Plan
from streamgmm.fit.stream import Info
from streamgmm.fit.world import GRANTED, World
from streamgmm.statistics import Array

from ._warmup import WarmUp

_PACE = 4  # rows that are learned for each that comes, until none waits


@dataclass(frozen=True, eq=False)
class Waiting:
    """A start that is worked at, and the rows that came since; then the world that catches up with them.

    All depends on the number of rows alone: work is granted, and rows are learned, at the ends of strides.

    Parameters
    ----------
    plan : Plan
    warm_up : WarmUp
        That is complete.
    task : Task
        Finds the start, and the world that begins with it.
    X, weights : ndarray of shape (n_waiting, n_features), and (n_waiting,) or (0,)
    granted : float
    world : World or None
    em : BatchResult or None
        The start, once it is found.
    """

    plan: Plan
    warm_up: WarmUp
    task: Task
    X: Any
    weights: Array
    granted: float = 0.0
    world: World | None = None
    em: BatchResult | None = None

    def learn(self, X: Any, weights: Array) -> tuple[Waiting, Info]:
        """Return what waits after more rows, and what happened to those that were learned."""
        happened: list[Info] = []
        waiting, begin, stride = self, 0, self.plan.stride
        while begin < len(X):
            if waiting.is_over and waiting.world is not None:  # the rest goes on as it would in another call
                world, info = waiting.world.learn(X[begin:], weights[begin:] if len(weights) else weights)
                return replace(waiting, world=world), Info.join([*happened, info])
            end = min(len(X), begin + stride - waiting.n_since % stride)
            waiting = waiting._held(X[begin:end], weights[begin:end] if len(weights) else weights)
            if waiting.n_since % stride == 0:
                waiting, info = waiting._gone_on()
                happened.append(info)
            begin = end
        return waiting, Info.join(happened)

    @property
    def n_since(self) -> int:
        """Rows since the start was complete."""
        learned = 0 if self.world is None else self.world.n_rows - self.warm_up.n_rows
        return len(self.X) + learned

    @property
    def is_over(self) -> bool:
        """Whether no row waits."""
        return self.world is not None and not len(self.X)

    def _held(self, X: Any, weights: Array) -> Waiting:
        if len(weights) or len(self.weights):
            ours, theirs = (
                w if len(w) else np.ones(len(x)) for w, x in ((self.weights, self.X), (weights, X))
            )
            weights = np.concatenate([ours, theirs])
        return replace(self, X=np.concatenate([self.X, X]), weights=weights)

    def _gone_on(self) -> tuple[Waiting, Info]:
        """Work at the start; once it is found, learn rows that wait, faster than others come."""
        if self.world is None:
            granted = self.granted + GRANTED
            found = self.task.result(granted)
            if found is None:
                return replace(self, granted=granted), Info.join([])
            em, world = found[0]
            return replace(self, granted=granted, em=em, world=world), Info.join([])
        n = min(len(self.X), _PACE * self.plan.stride)
        world, info = replace(self.world, plan=self.plan).learn(self.X[:n], self.weights[:n])
        return replace(self, world=world, X=self.X[n:], weights=self.weights[n:]), info
