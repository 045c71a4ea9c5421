"""What is learned of a stream as long as its world stays the same: online, and from a memory of its rows.

The rule sees each row once and finds the nearest optimum. The memory is a second, slow learner: now and then
the rows in it are fitted as a batch is, and what is clearly better there goes on. Everything happens at the
ends of stretches, which depend on the number of rows alone: the same rows give the same bits, however they
come in calls.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamgmm._compat.functools import cached_property
from streamgmm._pieces import Task, breathe
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array
from streamgmm.sweep import kernel_rows

from .average import Average
from .change import ChangeTest
from .events import Event
from .memory import NO_WEIGHTS, Memory
from .plan import GROWTH, Plan
from .problem import Problem
from .rehearsal import Rehearsed, rehearse
from .rows import ArrayRows
from .size import size_on_sample
from .start.clusters import Sample
from .stream import Info, Learner

__all__ = ["World"]

GRANTED = 8192  # rows that a piece of work may see
_CODED = 1024  # rows tested, from which on the test keeps its mixture
_EDGES = 4096  # rows of the memory that the test takes its scale from
_GROWTH_ORDERED = 2
_MOST_APART = 20  # times the memory, with a half-life, after which it is rehearsed anyway
_FEW = 10  # times (n_features + 1) rows for each component: with fewer the weak prior holds
_TESTED, _OF = 64, 256  # rows tested for change
_KNOWN, _KNOWN_MEMORIES = 200_000, 2  # rows, or memories: from then on what is new is a change, not an order
_LASTED = 9  # times as many rows as before: from then on what came before is over
_STARTS = 3  # where the rows come in some order, when somebody reads what has been learned of them


@dataclass(frozen=True, eq=False)
class World:
    """A learner, the average of its mixtures, a memory of rows, and a test whether they still are the same.

    Nothing in it is changed in place: `learn` returns another.

    Parameters
    ----------
    plan : Plan
    learner : Learner
    average : Average or None
        None for a rule that forgets or that averages itself.
    memory : Memory
        Of the rows of this world; of none if none are to be kept.
    test : ChangeTest or None
    detector : object or None
        That somebody brings, as it is after these rows; or the test is there.
    alarm : bool
        Whether one of them has raised an alarm in this stretch.
    began : int
        The row of the stream before which it began.
    n_rows : int
        Rows since then.
    due : int
        When ``n_rows`` is there the memory is rehearsed.
    events : tuple of Event
        Of the stream.
    ordered : int
        The row of this world at which the rows last were seen to come in some order; 0 if never.
    earlier : Mixture or None
        That of the world before.
    behind : float
        Rows behind the start that the memory has not seen.
    pending : float
        Weight of the rows since the average was last moved.
    task : Task or None
        A rehearsal whose work is spread over the following rows,
    granted : float
        And how much work it has been granted.
    """

    plan: Plan
    learner: Learner
    average: Average | None
    memory: Memory
    test: ChangeTest | None
    began: int
    n_rows: int
    due: int
    events: tuple[Event, ...] = ()
    ordered: int = 0
    earlier: Mixture | None = None
    behind: float = 0.0
    pending: float = 0.0
    detector: Any = None
    alarm: bool = False
    task: Task | None = None
    granted: float = 0.0

    @classmethod
    def start(cls, plan: Plan, learner: Learner, memory: Memory, n_rows: int) -> World:
        """Return the world after a start from the first rows, of which the memory knows."""
        world = cls(plan, learner, None, memory, None, 0, n_rows, plan.first_due())
        return replace(world, average=world._averaged(learner.current, n_rows))._watchful()

    @classmethod
    def given(cls, plan: Plan, learner: Learner, n_rows: float) -> World:
        """Return the world of a learner that somebody brings, for which so many rows stand."""
        world = cls(plan, learner, None, plan.memory(), None, round(n_rows), 0, plan.init_size, behind=n_rows)
        return replace(world, average=world._averaged(learner.current, n_rows))._watchful()

    @property
    def remembers(self) -> bool:
        """Whether rows are kept."""
        return self.plan.memory_rows > 0

    @property
    def row(self) -> int:
        """Rows of the stream so far."""
        return self.began + self.n_rows

    @cached_property
    def mixture(self) -> Mixture:
        """What has been learned so far.

        Of rows that come in some order the last ones say nothing of the others: then it is the fit to the
        memory.
        """
        if self.ordered:
            return self.rehearsed(_STARTS).mixture
        if self.average is None:
            return self.learner.mixture
        current = self.learner.current
        return self.average.add(current, self.pending).mixture(current) if self.pending else self._settled

    @cached_property
    def _settled(self) -> Mixture:
        assert self.average is not None
        return self.average.mixture(self.learner.current)

    def learn(self, X: Any, weights: Array) -> tuple[World, Info]:
        """Return the world after more rows, and what happened to their mini-batches."""
        if self.plan.rule.makes_passes:  # it must see all rows of a pass at once, and keeps none
            return self._learn_some(X, weights)
        world, happened, begin = replace(self, detector=deepcopy(self.detector)), [], 0
        while begin < len(X):
            step = world.plan.stretch if world.task is None else world.plan.stride
            batch_size = world.plan.batch_size  # a stretch ends with a mini-batch, wherever that began
            end = min(len(X), begin + batch_size * -(-(step - world.n_rows % step) // batch_size))
            rows = X[begin:end], weights[begin:end] if len(weights) else NO_WEIGHTS
            world, info = world._learn_some(*rows)
            happened.append(info)
            begin = end
        return world, Info.join(happened)

    def _learn_some(self, X: Any, weights: Array) -> tuple[World, Info]:
        """Learn rows of one stretch; at its end see whether there is something to do."""
        n_rows = self.n_rows + len(X)
        learner, info = self.learner.learn(X, weights, n_threads=self.plan.n_threads)
        pending = float(np.cumsum([self.pending, *info.weight])[-1])  # in their order, however calls are cut
        world = replace(self, learner=learner, n_rows=n_rows, pending=pending)
        if self.remembers:
            if info.refused.any():
                weights = (weights if len(weights) else np.ones(len(X))) * ~np.repeat(
                    info.refused, info.n_rows
                )
            world = replace(world, memory=self.memory.add(X, weights), test=self._tested(X, weights))
        world = replace(world, alarm=world._is_alarmed(info))
        if world.task is not None and n_rows // self.plan.stride > self.n_rows // self.plan.stride:
            world = world._gone_on(world.task)
        is_over = n_rows // self.plan.stretch > self.n_rows // self.plan.stretch
        return world._at_the_end() if is_over else world, info

    def _tested(self, X: Any, weights: Array) -> ChangeTest | None:
        """Show some of the rows to the test."""
        if self.test is None or self.test.alarm:
            return self.test
        chosen = (self.n_rows + np.arange(len(X))) % _OF < _TESTED
        if len(weights):
            chosen &= weights > 0
        return self.test.update(X[chosen]) if chosen.any() else self.test

    def _is_alarmed(self, info: Info) -> bool:
        """Tell whether there is an alarm, or has been one in this stretch."""
        alarm = self.alarm or (self.test is not None and self.test.alarm)
        if self.detector is not None:
            used = info.accepted & (info.weight > 0)
            for value in info.log_likelihood[used] / info.weight[used]:
                self.detector.update(float(value))
                alarm = alarm or bool(self.detector.drift_detected)
        return alarm

    def _at_the_end(self) -> World:
        world = self
        if self.average is not None:
            average = self.average.add(self.learner.current, self.pending)
            world = replace(self, average=average, pending=0.0)
        if self.alarm:
            world = world._alarmed()
        if world.remembers and world.n_rows >= world.due and world.task is None:
            world = world._grown()
        return world

    def _gone_on(self, task: Task) -> World:
        """Grant the rehearsal some more work; take what it has found when it is done."""
        world = replace(self, granted=self.granted + GRANTED)
        found = task.result(world.granted)
        if found is None:
            return world
        return replace(world, task=None)._taken(found[0], is_whole=False)  # others have come since

    # What the memory is for

    def _problem(self, n_components: int, prior: str | ConjugatePrior | None) -> Problem:
        plan, sampled = self.plan, self.memory.sampled
        breathe(GRANTED)
        problem = Problem(
            ArrayRows(sampled.rows, sampled.weights),
            n_components,
            plan.covariance_type,
            reg_covar=plan.reg_covar,
            prior=prior,
            n_threads=plan.n_threads,
        )
        problem.sample = Sample(kernel_rows(sampled.rows), sampled.weights)  # all of them, however many
        return problem

    def rehearsed(self, n_starts: int = 1) -> Rehearsed:
        """Look for a better mixture on the rows of the memory; of few rows with a prior, as the start is."""
        plan, n_components = self.plan, self.learner.n_components
        current = self.learner.current if self.average is None else self._settled
        rivals = [current] if self.earlier is None else [current, self.earlier]
        prior = plan.prior
        if plan.n_components is None:
            prior = prior or "weak"
            sized = size_on_sample(self._problem(plan.n_most, prior), plan.n_most, plan.seed).mixture
            rivals.append(sized)
            n_components = sized.n_components
        elif prior is None and len(self.memory.rows) < _FEW * (current.n_features + 1) * n_components:
            prior = "weak"
        random_state = np.random.RandomState([plan.seed, self.row % 2**32])
        problem = self._problem(n_components, prior)
        to_all = self._is_whole or self.ordered > 0
        return rehearse(problem, rivals, n_starts=n_starts, random_state=random_state, to_all=to_all)

    def _grown(self) -> World:
        """Rehearse, now or in pieces."""
        world = self._over() if self.ordered else self
        if world.plan.is_spread:
            return replace(world._coded(), task=Task(world.rehearsed), granted=0.0, due=world._next_due())
        world = world._taken(world.rehearsed(), is_whole=world._is_whole)
        return replace(world, due=world._next_due())._coded()

    def _over(self) -> World:
        """Return the world of the rows since the last that were seen to differ, if these are most by far."""
        since = self.n_rows - self.ordered
        if since < _LASTED * self.ordered:
            return self
        world = replace(
            self,
            memory=self.memory.since(self.memory.n_seen - since),
            average=self._averaged(self.learner.current, 1.0),  # of worlds that are over
            pending=0.0,
            began=self.began + self.ordered,
            n_rows=since,
            due=since,
            ordered=0,
            earlier=None,
        )
        return world._told("over", since=world.began)

    def _taken(self, found: Rehearsed, *, is_whole: bool) -> World:
        """Take what was found if it is better; where no row was left out it is the fit to all."""
        world = self
        n_effective = self.average.n_effective if self.average is not None else 0.0
        is_better = found.is_better(n_effective)
        if is_whole or self.ordered or is_better:
            world = self._with(found)
            if found.is_other or is_better:
                world = world._told("grown", found.gain if found.is_other else found.lag)
        return world

    def _next_due(self) -> int:
        growth = _GROWTH_ORDERED if self.ordered else GROWTH
        later = int(np.ceil(growth * max(self.due, self.n_rows)))
        if self.plan.half_life is not None:
            later = min(later, self.n_rows + _MOST_APART * self.plan.memory_rows)
        return later

    def _with(self, found: Rehearsed) -> World:
        """Return the world that goes on from what a rehearsal found."""
        statistics = found.statistics
        learner = self.learner.restart(
            found.mixture,
            n_rows=statistics.weight,
            options=self._problem(found.mixture.n_components, self.plan.prior).options(
                found.mixture.n_components
            ),
            statistics=statistics,
        )
        average = self._averaged(found.mixture, statistics.weight)
        return replace(self, learner=learner, average=average, pending=0.0, behind=0.0)

    @property
    def _is_whole(self) -> bool:
        """Whether the memory holds all that was learned from."""
        return self.memory.is_whole and not self.behind

    def _averaged(self, mixture: Mixture, n_rows: float) -> Average | None:
        return Average.of(mixture, n_rows) if self.plan.is_averaged else None

    def _told(self, reason: str, gain: float = np.nan, since: int | None = None) -> World:
        """Return the world with one more event."""
        since = self.row if since is None else since
        event = Event(self.row, reason, gain, self.learner.n_components, since)
        return replace(self, events=(*self.events, event))

    def _watchful(self) -> World:
        """Return the world that looks out for change anew; until there are rows to compare with, not yet."""
        world = replace(self, test=None, alarm=False, detector=deepcopy(self.plan.detector))
        return world._frozen() if world.memory.n_held else world

    def _coded(self) -> World:
        """Return the world whose test goes on from a better mixture, if it has seen few rows with the last.

        A change just before would be lost: what is new afterwards is compared with the rows since then.
        """
        return self._frozen() if self.test is None or self.test.n_tested < _CODED else self

    def _frozen(self) -> World:
        """Return the world whose test goes on from the mixture as it is."""
        if not self.remembers or self.detector is not None:
            return self
        test = self.test or ChangeTest.start(seed=self.row)
        rows = self.memory.rows
        return replace(self, test=test.freeze(self.learner.current, rows[:: -(-len(rows) // _EDGES)]))

    # What an alarm means

    def _alarmed(self) -> World:
        """Tell what the test has seen: an order in which the rows come, or a change."""
        on_drift, since = self.plan.on_drift, self.row
        if self.test is not None:
            since = max(self.began, since - self.test.began * _OF // _TESTED)
        if on_drift == "report":
            return self._told("report", since=since)._watchful()
        if on_drift == "rehearse" and self.ordered:
            return replace(self, ordered=self.n_rows)._watchful()
        if on_drift == "rehearse" and not self._is_known:
            world = replace(self._told("order", since=since), ordered=self.n_rows, due=self.n_rows)
            return world._watchful()
        return self._anew(since)

    @property
    def _is_known(self) -> bool:
        """Whether this world was seen for so long that what is new must be a change of it."""
        known = max(_KNOWN, _KNOWN_MEMORIES * self.plan.memory_rows)
        return self.plan.half_life is not None or not self.remembers or self.n_rows >= known

    def _anew(self, since: int) -> World:
        """Return the world that begins now; until there are enough rows, the rule adapts what was learned."""
        mixture = self.mixture
        few = float(self.plan.batch_size + 2 * mixture.n_components * (mixture.n_features + 1))
        learner = self.learner.restart(
            mixture, n_rows=few, options=self.learner.state.options, statistics=None
        )
        world = World(
            self.plan,
            learner,
            self._averaged(mixture, few),
            self.plan.memory(),
            None,
            self.row,
            0,
            self.plan.init_size,
            self.events,
            earlier=mixture,
        )
        return world._told("change", since=since)._watchful()
