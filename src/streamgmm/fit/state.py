"""What is learned of a stream, as settings and named arrays: all that it needs to go on to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np

from streamgmm._pieces import Task
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from .average import Average
from .change import ChangeTest
from .events import Event
from .memory import Memory
from .plan import Plan
from .stream import Learner
from .world import World

__all__ = ["from_record", "to_record"]

Record = tuple[dict[str, Any], dict[str, Array]]
_NUMBERS = ("began", "n_rows", "due", "ordered", "behind", "pending", "alarm", "granted")


def to_record(world: World) -> Record:
    """Return settings, which JSON can hold, and named arrays.

    The plan is not among them: it follows from the parameters of the estimator. Of a rehearsal that is spread
    there is the world that it began with; what was done of it is done again.

    Raises
    ------
    ValueError
        If the world has somebody's detector of change, or its rule is not one of this package's.

    Examples
    --------
    >>> import json
    >>> from streamgmm import OnlineGaussianMixture, datasets
    >>> from streamgmm.fit.state import from_record, to_record
    >>> X, _, _ = datasets.make_mixture(5000, 2, 3, random_state=0)
    >>> world = OnlineGaussianMixture(3, random_state=0).partial_fit(X)._progress.world
    >>> settings, arrays = to_record(world)
    >>> again = from_record(world.plan, json.loads(json.dumps(settings)), arrays)
    >>> again.mixture == world.mixture
    True
    """
    if world.detector is not None:
        raise ValueError(f"a detector of change cannot be stored, got {world.detector!r}: leave it None")
    settings: dict[str, Any] = {name: getattr(world, name) for name in _NUMBERS}
    settings["events"] = [list(event) for event in world.events]
    arrays: dict[str, Array] = {}
    records = {"learner": world.learner.to_record(), "memory": world.memory.to_record()}
    if world.test is not None:
        records["test"] = world.test.to_record()
    if world.average is not None:
        records["average"] = {"n_rows": world.average.n_rows}, _arrays_of(world.average.sums)
    if world.earlier is not None:
        mixture = world.earlier
        records["earlier"] = {}, {name: getattr(mixture, name) for name in ("log_weights", "means", "factor")}
    if world.task is not None:
        records["task"] = to_record(world.task.work.__self__)  # type: ignore[attr-defined]
    for name, (own, named) in records.items():
        settings[name] = own
        arrays |= {f"{name}.{key}": array for key, array in named.items()}
    return settings, arrays


def from_record(plan: Plan, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> World:
    """Return the world that `to_record` wrote."""
    parts = {
        name: {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{name}.")}
        for name in ("learner", "memory", "test", "average", "earlier", "task")
    }
    read: dict[str, Callable[[Mapping[str, Any], Mapping[str, Array]], Any]] = {
        "learner": Learner.from_record,
        "memory": Memory.from_record,
        "test": ChangeTest.from_record,
        "average": _average,
        "earlier": partial(_mixture, plan),
        "task": partial(_task, plan),
    }
    found: dict[str, Any] = dict.fromkeys(read)
    for name, part in parts.items():
        if name in settings:
            found[name] = read[name](settings[name], part)
    events = tuple(Event(*event) for event in settings["events"])
    return World(plan, **found, events=events, **{name: settings[name] for name in _NUMBERS})


def _arrays_of(sums: Statistics) -> dict[str, Array]:
    return {field.name: np.asarray(getattr(sums, field.name)) for field in fields(sums)}


def _average(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Average:
    weight, log_likelihood = float(arrays["weight"]), float(arrays["log_likelihood"])
    moments = (np.asarray(arrays[name]) for name in ("nk", "s1", "s2", "origin"))
    return Average(Statistics(weight, log_likelihood, *moments), settings["n_rows"])


def _mixture(plan: Plan, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Mixture:
    return Mixture.from_factor(arrays["log_weights"], arrays["means"], arrays["factor"], plan.covariance_type)


def _task(plan: Plan, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Task:
    return Task(from_record(plan, settings, arrays).rehearsed)
