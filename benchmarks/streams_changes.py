"""Streams whose world changes, or does not: what is lost after a change, and what is seen where none is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from optimum import Row
from streamgmm import GaussianMixture, Mixture, OnlineGaussianMixture, datasets
from streamgmm.rules import OnlineEM
from streamgmm.rules.schedules import HalfLife
from streams_orders import alarms_of, learn, score, side_by_side

CHANGE = 500_000  # rows before the change
SOON, LATER = 20_000, 100_000  # rows after it
HELD_OUT = 20_000
AWAY = 300_000  # rows without the component that returns
WITH = 200_000  # rows before
AGAIN = 5_000  # rows after
FOUND = 0.05  # nats a row
RATE = 0.001  # of false alarms, that may be raised in the whole of a stream
SHORT, LONG = 60_000, 2_000_000
MARGIN = 1e-3  # nats a row, that is no loss


def without_memory() -> dict[str, Any]:
    """Return the parameters of a learner that remembers no rows."""
    has_memory = "memory_rows" in inspect.signature(OnlineGaussianMixture).parameters
    return {"memory_rows": 0} if has_memory else {}


def world(n_features: int, n_components: int, seed: int) -> Mixture:
    return datasets.make_mixture(2, n_features, n_components, "full", 1.5, random_state=seed)[2]


# A world that changes.


def one_moves(before: Mixture, seed: int) -> Mixture:
    """Move the first component by eight standard deviations."""
    means = before.means.copy()
    means[0] += 8.0 * direction(before.n_features, seed)
    return Mixture(before.weights, means, before.covariances)


def all_shift(before: Mixture, seed: int) -> Mixture:
    """Move all components by four standard deviations, in the same direction."""
    return Mixture(
        before.weights, before.means + 4.0 * direction(before.n_features, seed), before.covariances
    )


def replaced(before: Mixture, seed: int) -> Mixture:
    return world(before.n_features, before.n_components, 1000 + seed)


def weights_change(before: Mixture, _: int) -> Mixture:
    """Give the weights to other components: the most frequent becomes the rarest."""
    return Mixture(before.weights[::-1], before.means, before.covariances)


def direction(n_features: int, seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=n_features)
    return vector / np.linalg.norm(vector)


KINDS: dict[str, Callable[[Mixture, int], Mixture]] = {
    "one component moves": one_moves,
    "all shift": all_shift,
    "everything replaced": replaced,
    "weights change": weights_change,
}


class Changed(NamedTuple):
    """Held-out nats a row after a change."""

    soon: float
    later: float
    fresh: float
    truth: float
    told: str


def after_change(job: tuple[str, int, dict[str, Any]]) -> Changed:
    """Learn a world, and then another."""
    kind, seed, parameters = job
    d, K = 2 + seed % 4, 4 + seed % 3
    before = world(d, K, seed)
    weights = np.geomspace(8.0, 1.0, K)
    before = Mixture(weights / weights.sum(), before.means, before.covariances)
    after = KINDS[kind](before, seed)
    X, held_out = after.sample(LATER, 10_000 + seed)[0], after.sample(HELD_OUT, 20_000 + seed)[0]
    model = OnlineGaussianMixture(K, random_state=seed, n_threads=1, **parameters)
    learn(model, before.sample(CHANGE, 30_000 + seed)[0])
    soon = score(learn(model, X[:SOON]), held_out)
    later = score(learn(model, X[SOON:]), held_out)
    fresh = GaussianMixture(K, search=True, random_state=seed, n_threads=1).fit(
        after.sample(LATER, 40_000 + seed)[0]
    )
    told = ", ".join(f"{event.reason} at {event.row - CHANGE:+d}" for event in alarms_of(model))
    return Changed(soon, later, score(fresh, held_out), score_of_truth(after, held_out), told or "nothing")


def score_of_truth(truth: Mixture, X: np.ndarray) -> float:
    return float(truth.log_prob(X, n_threads=1).mean())


def change_check(arguments: Any) -> list[Row]:
    """Change the world at row 500 000."""
    jobs = [(kind, seed, arguments.parameters) for kind in KINDS for seed in range(arguments.seeds or 3)]
    print(
        f"\nnats a held-out row below a fresh fit with our search, so many rows after a change at row {CHANGE}"
    )
    print(f"{'change':<20} {'seed':>4} {SOON:>9} {LATER:>9} {'truth':>9}  told, rows after the change")
    soon, later, told = [], [], []
    for (kind, seed, _), found in zip(jobs, side_by_side(after_change, jobs), strict=True):
        soon.append(found.fresh - found.soon)
        later.append(found.fresh - found.later)
        told.append(found.told)
        print(
            f"{kind:<20} {seed:>4} {soon[-1]:>9.4f} {later[-1]:>9.4f} {found.fresh - found.truth:>9.4f}  {found.told}",
            flush=True,
        )
    rows = []
    for rows_after, losses, most in ((SOON, soon, 0.05), (LATER, later, 0.01)):
        n_near = sum(loss <= most for loss in losses)
        measured = f"{n_near} of {len(jobs)}, worst {max(losses):.4f}"
        rows.append(
            Row(f"{rows_after} rows after a change", f"all within {most}", measured, n_near == len(jobs))
        )
    rows.append(
        Row("  changes that were told of", "", f"{sum('change' in text for text in told)} of {len(jobs)}")
    )
    return rows


# A component that returns.


def after_return(job: tuple[str, int, dict[str, Any]]) -> tuple[float, float, str]:
    """Return the losses before a component vanished and after it has come back."""
    _, seed, parameters = job
    K = 4 + seed
    whole = world(2 + seed, K, 50 + seed)
    others = whole.select(range(1, K))
    held_out = whole.sample(HELD_OUT, 60_000 + seed)[0]
    truth = score_of_truth(whole, held_out)
    model = OnlineGaussianMixture(K, random_state=seed, n_threads=1, **parameters)
    before = truth - score(learn(model, whole.sample(WITH, 70_000 + seed)[0]), held_out)
    learn(model, others.sample(AWAY, 80_000 + seed)[0])
    after = truth - score(learn(model, whole.sample(AGAIN, 90_000 + seed)[0]), held_out)
    told = ", ".join(f"{event.reason} at {event.row - WITH:+d}" for event in alarms_of(model))
    return before, after, told or "nothing"


def returns_check(arguments: Any) -> list[Row]:
    """Let a component vanish for 300 000 rows."""
    rules: dict[str, dict[str, Any]] = {
        "default": {},
        "half-life 20000": {"rule": OnlineEM(HalfLife(20_000))},
    }
    jobs = [
        (name, seed, {**rule, **arguments.parameters})
        for name, rule in rules.items()
        for seed in range(arguments.seeds or 3)
    ]
    print(f"\nnats a row of the whole world below the truth, {AGAIN} rows after a component is back")
    print(f"{'rule':<16} {'seed':>4} {'before':>9} {'after':>9}  told, rows after it vanished")
    losses: dict[str, list[float]] = {name: [] for name in rules}
    for (name, seed, _), (before, after, told) in zip(jobs, side_by_side(after_return, jobs), strict=True):
        losses[name].append(after)
        print(f"{name:<16} {seed:>4} {before:>9.4f} {after:>9.4f}  {told}", flush=True)
    rows = []
    for name, values in losses.items():
        n_found = sum(value <= FOUND for value in values)
        rows.append(
            Row(
                f"a component is back, {name}",
                f"all within {FOUND} of the truth",
                f"{n_found} of {len(values)}, worst {max(values):.4f}",
                n_found == len(values),
            )
        )
    return rows


# A world that stays.


def stays(job: tuple[int, int, dict[str, Any]]) -> tuple[list[str], float]:
    """Return the alarms in a stream where nothing changes, and what is lost by rehearsal."""
    seed, n_rows, parameters = job
    K, d = 3 + seed % 6, 2 + seed % 4
    mixture = world(d, K, seed)
    X, labels = mixture.sample(n_rows + HELD_OUT, 100_000 + seed)
    if seed % 2:  # heavy tails, that no mixture of so many components has
        longer = np.sqrt(4.0 / np.random.default_rng(seed).chisquare(4.0, len(X)))[:, np.newaxis]
        X = mixture.means[labels] + longer * (X - mixture.means[labels])
    rows, held_out = X[:n_rows], X[n_rows:]
    scores, alarms = [], []
    for more in (parameters, {**parameters, **without_memory()}):
        model = learn(OnlineGaussianMixture(K, random_state=seed, n_threads=1, **more), rows)
        scores.append(score(model, held_out))
        alarms.append([f"{event.reason} at {event.row}" for event in alarms_of(model)])
    return alarms[0], scores[1] - scores[0]


def stationary_check(arguments: Any) -> list[Row]:
    """Count alarms in streams where nothing changes: many short ones and a long one."""
    n_streams = arguments.seeds or 100
    jobs = [(n_streams, LONG, arguments.parameters)]
    jobs += [(seed, SHORT, arguments.parameters) for seed in range(n_streams)]
    n_alarmed, losses, long = 0, [], ""
    print("\nalarms in stationary streams, and nats a held-out row lost by rehearsal")
    for (seed, n_rows, _), (alarms, loss) in zip(jobs, side_by_side(stays, jobs), strict=True):
        if n_rows == LONG:
            long = f"{len(alarms)}, loss {loss:.4f}"
        else:
            n_alarmed += bool(alarms)
            losses.append(loss)
        if alarms or loss > MARGIN or n_rows == LONG:
            print(
                f"stream {seed}, {n_rows} rows: loss {loss:.4f}, {'; '.join(alarms) or 'no alarm'}",
                flush=True,
            )
    middle, worst = float(np.median(losses)), max(losses)
    limit = RATE * n_streams
    return [
        Row(
            f"stationary streams of {SHORT} rows with an alarm",
            f"at most {limit:.0f} of {n_streams}",
            f"{n_alarmed}",
            n_alarmed <= limit,
        ),
        Row("  lost by rehearsal, median", f"at most {MARGIN}", f"{middle:.4f}", middle <= MARGIN),
        Row("  worst", f"at most {MARGIN}", f"{worst:.4f}", worst <= MARGIN),
        Row(f"  alarms in one of {LONG} rows", "none", long, long.startswith("0")),
    ]
