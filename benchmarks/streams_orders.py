"""How much one pass over the streams of `streams_sets` loses, by the order of the rows."""

from __future__ import annotations

import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from optimum import Row
from streamgmm import GaussianMixture, OnlineGaussianMixture
from streams_sets import GROUPS, SETS, Rows, Set

PATH = Path(__file__).with_name("streams_reference.json")
STARTS, SECONDS = 10, 120.0
CALL = 4096  # rows
NEAR = 0.01  # nats a row
ALARMS = ("order", "change")


# Help for all checks.


def side_by_side(task: Callable[..., Any], jobs: Iterable[Any]) -> Iterator[Any]:
    """Yield what a task returns for each job, in the order of the jobs; one process for each core."""
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as pool:
        yield from pool.map(task, list(jobs))


def _quiet() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)


def learn(model: OnlineGaussianMixture, X: np.ndarray, rows_in_call: int = CALL) -> OnlineGaussianMixture:
    """Let a model learn rows as they lie."""
    for begin in range(0, len(X), rows_in_call):
        model.partial_fit(X[begin : begin + rows_in_call])
    return model


def score(model: Any, X: np.ndarray) -> float:
    """Return nats a row of held-out rows."""
    return float(model.to_mixture().log_prob(X, n_threads=1).mean())


def alarms_of(model: OnlineGaussianMixture) -> list[Any]:
    """Return the events in which a learner tells that rows are not what they were."""
    return [event for event in getattr(model, "events_", ()) if event.reason in ALARMS]


def selected(arguments: Any) -> list[Set]:
    """Return the streams that were asked for."""
    return [
        one
        for one in SETS
        if arguments.group in (None, one.group) and (not arguments.set or one.name in arguments.set)
    ]


# The reference.


def read() -> dict[str, dict[str, Any]]:
    """Return the recorded references by the streams' names."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def reference_of(one: Set) -> tuple[str, dict[str, Any]]:
    """Fit a stream from ten starts, with the search, or as many as take two minutes, and return the best."""
    rows = one.rows()
    begin = time.perf_counter()
    models: list[GaussianMixture] = []
    while len(models) < STARTS and (not models or time.perf_counter() - begin < SECONDS):
        model = GaussianMixture(
            one.n_components,
            covariance_type=one.covariance_type,
            search=True,
            random_state=len(models),
            n_threads=1,
        )
        models.append(model.fit(rows.X))
    best = max(models, key=lambda model: model.lower_bound_)
    return one.name, {
        "held_out": round(score(best, rows.held_out), 6),
        "training": round(score(best, rows.X), 6),
        "starts": len(models),
        "worst_start": round(min(model.lower_bound_ for model in models), 6),
        "fingerprint": fingerprint(rows),
    }


def fingerprint(rows: Rows) -> list[float]:
    """Return two numbers by which rows are known to be those of the reference."""
    spread = rows.X[:, -1].std()
    return [float(f"{value:.6g}") for value in (rows.held_out[:, 0].mean(), spread)]


def reference(arguments: Any) -> list[Row]:
    """Fit all streams from ten starts and write the best into the file."""
    known = read()
    for name, found in side_by_side(reference_of, selected(arguments)):
        known[name] = found
        order = [one.name for one in SETS if one.name in known]
        PATH.write_text(json.dumps({name: known[name] for name in order}, indent=1) + "\n", encoding="utf-8")
        print(name, found, flush=True)
    return []


# Orders.


def shuffled(rows: Rows) -> np.ndarray:
    return rows.X


def by_feature(rows: Rows) -> np.ndarray:
    return rows.X[np.argsort(rows.X[:, 0], kind="stable")]


def by_component(rows: Rows) -> np.ndarray:
    return rows.X[np.argsort(rows.labels, kind="stable")]


def in_blocks(size: int, rows: Rows) -> np.ndarray:
    """Cut the rows, sorted by a feature, into blocks, and shuffle those."""
    blocks = by_feature(rows).reshape(-1, size, rows.X.shape[1])
    return np.random.default_rng(0).permutation(blocks).reshape(rows.X.shape)


ORDERS: dict[str, Callable[[Rows], np.ndarray]] = {
    "sorted by feature": by_feature,
    "by component": by_component,
    "in blocks of 5000": partial(in_blocks, 5000),
    "in blocks of 500": partial(in_blocks, 500),
}


class Pass(NamedTuple):
    """One way to learn a stream in one pass."""

    title: str
    order: Callable[[Rows], np.ndarray]
    parameters: dict[str, Any]


class Losses(NamedTuple):
    """What each pass lost on one stream, for each seed, in nats a held-out row; whether it told; its seconds."""

    losses: list[list[float]]
    told: list[list[bool]]
    seconds: list[float]


def losses_of(one: Set, passes: list[Pass], seeds: int, known: dict[str, Any]) -> Losses:
    """Learn one stream in all ways."""
    rows = one.rows()
    if not np.allclose(fingerprint(rows), known["fingerprint"], rtol=1e-4):
        raise ValueError(
            f"{one.name}: the reference is of other rows; run `streams.py reference --set {one.name}`"
        )
    losses, told, seconds = [], [], []
    for way in passes:
        X = way.order(rows)
        begin = time.perf_counter()
        models = [
            OnlineGaussianMixture(
                one.n_components,
                covariance_type=one.covariance_type,
                random_state=seed,
                n_threads=1,
                **way.parameters,
            )
            for seed in range(seeds)
        ]
        losses.append([known["held_out"] - score(learn(model, X), rows.held_out) for model in models])
        told.append([bool(alarms_of(model)) for model in models])
        seconds.append((time.perf_counter() - begin) / seeds)
    return Losses(losses, told, seconds)


def _losses_of(job: tuple[Any, ...]) -> Losses:
    return losses_of(*job)


def all_losses(passes: list[Pass], arguments: Any) -> dict[str, Losses]:
    """Learn all streams in all ways, print a line for each, and return what was lost by the streams' names."""
    known, sets, seeds = read(), selected(arguments), arguments.seeds or 1
    what = "" if seeds == 1 else f", mean and worst of {seeds} seeds"
    print(f"\nnats a held-out row below the reference{what}; seconds; ! where an alarm was raised")
    width = 18 if seeds == 1 else 27
    titles = "".join(f" | {way.title:>{width}}" for way in passes)
    print(f"{'stream':<24} {'group':<6} {'reference':>9}{titles}")
    jobs = [(one, passes, seeds, known[one.name]) for one in sets]
    losses = {}
    for one, found in zip(sets, side_by_side(_losses_of, jobs), strict=True):
        losses[one.name] = found
        line = f"{one.name:<24} {one.group:<6} {known[one.name]['held_out']:>9.4f}"
        for values, told, seconds in zip(*found, strict=True):
            worst = "" if seeds == 1 else f" {max(values):>8.4f}"
            line += f" | {np.mean(values):>8.4f}{worst} {'!' if any(told) else '':1} {seconds:>7.1f}"
        print(line, flush=True)
    return losses


def summary(
    title: str, number: int, found: dict[str, Losses], median: float, worst: float, share: float | None = None
) -> list[Row]:
    """Compare the losses of one pass on all streams with what is asked."""
    losses = {name: one.losses[number] for name, one in found.items()}
    values = [value for part in losses.values() for value in part]
    middle = statistics.median(values)
    rows = [Row(f"{title}: median loss", f"at most {median}", f"{middle:.4f}", middle <= median)]
    if share is not None:
        near = share_near(values)
        rows.append(Row(f"  within {NEAR}", f"at least {share:.0%}", f"{near:.0%}", near >= share))
    name = max(losses, key=lambda name: max(losses[name]))
    largest = max(losses[name])
    rows.append(Row("  worst", f"at most {worst}", f"{largest:.4f}, {name}", largest <= worst))
    for group in GROUPS:
        part = [v for one in SETS if one.group == group for v in losses.get(one.name, ())]
        if part and len(part) < len(values):
            text = f"median {statistics.median(part):.4f}, within {NEAR} {share_near(part):.0%}, worst {max(part):.4f}"
            rows.append(Row(f"  of the {group} streams", "", text))
    n_told = sum(sum(one.told[number]) for one in found.values())
    rows.append(Row("  passes with an alarm", "", f"{n_told} of {len(values)}"))
    return rows


def share_near(values: list[float]) -> float:
    return float(np.mean(np.array(values) <= NEAR))


def shuffled_check(arguments: Any) -> list[Row]:
    """Learn streams in random order, in mini-batches and row by row."""
    passes = [
        Pass(f"batch_size={size}", shuffled, {"batch_size": size, **arguments.parameters})
        for size in (256, 1)
    ]
    found, rows = all_losses(passes, arguments), []
    for number, way in enumerate(passes):
        rows += summary(f"shuffled, {way.title}", number, found, 0.002, 0.05, 0.9)
    return rows


def sorted_check(arguments: Any) -> list[Row]:
    """Learn streams that are sorted, or in blocks."""
    passes = [Pass(title, order, arguments.parameters) for title, order in ORDERS.items()]
    found, rows = all_losses(passes, arguments), []
    for number, way in enumerate(passes):
        rows += summary(f"rows {way.title}", number, found, 0.01, 0.10)
    return rows
