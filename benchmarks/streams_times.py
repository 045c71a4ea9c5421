"""In what time a stream is learned: with memory and without, and how long the longest call takes."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import sklearn.mixture

from optimum import Row
from streamgmm import OnlineGaussianMixture, datasets
from streamgmm.mixture import mixture_of
from streams_changes import without_memory
from streams_orders import learn

N_ROWS, N_FEATURES, N_COMPONENTS = 1_000_000, 10, 10
REPEATS = 3
SLOWER, FASTER = 4.0, 15.0
STARTS = 10  # of scikit-learn
CALL, N_CALLS, RUNS = 256, 400, 2
SHAPES = ((2, 5), (5, 10), (10, 10), (2, 31), (20, 8))  # features and components
LONGEST = 10.0  # times the median call


def seconds_of(model: OnlineGaussianMixture, X: np.ndarray) -> float:
    """Return the seconds of a pass, after a rest."""
    time.sleep(0.05)
    begin = time.perf_counter()
    learn(model, X)
    return time.perf_counter() - begin


def time_check(arguments: Any) -> list[Row]:
    """Learn a million rows with memory and without, in turn, and let scikit-learn find the best of ten."""
    X, _, truth = datasets.make_mixture(N_ROWS, N_FEATURES, N_COMPONENTS, "full", 0.7, random_state=0)
    best = float(truth.log_prob(X).mean())
    ways = {"with memory": arguments.parameters, "without": {**arguments.parameters, **without_memory()}}
    times: dict[str, list[float]] = {name: [] for name in ways}
    losses = {}
    for repeat in range(-1, REPEATS):  # the first compiles
        for name, parameters in ways.items():
            model = OnlineGaussianMixture(N_COMPONENTS, random_state=0, **parameters)
            seconds = seconds_of(model, X)
            if repeat >= 0:
                times[name].append(seconds)
                losses[name] = best - float(mixture_of(model).log_prob(X).mean())
    print(f"\n{N_ROWS} rows, d={N_FEATURES}, K={N_COMPONENTS}: seconds, and nats a row below the truth")
    for name, seconds_each in times.items():
        print(f"{name:<24} {statistics.median(seconds_each):>8.2f} {losses[name]:>9.4f}", flush=True)
    begin = time.perf_counter()
    other = sklearn.mixture.GaussianMixture(N_COMPONENTS, n_init=STARTS, random_state=0).fit(X)
    theirs = time.perf_counter() - begin
    print(f"{f'scikit-learn, best of {STARTS}':<24} {theirs:>8.2f} {best - float(other.score(X)):>9.4f}")
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    faster = theirs / statistics.median(times["with memory"])
    return [
        Row(
            "time of a pass with memory to one without",
            f"at most {SLOWER:g}",
            f"{ratio:.2f}",
            ratio <= SLOWER,
        ),
        Row(
            f"  scikit-learn's best of {STARTS} takes so many times as long",
            f"at least {FASTER:g}",
            f"{faster:.1f}",
            faster >= FASTER,
        ),
    ]


def longest_check(arguments: Any) -> list[Row]:
    """Time each call of 256 rows; what the machine does meanwhile is not in both runs of a call."""
    parameters = {"rehearsal": "spread"} if without_memory() else {}
    print(f"\ncalls of {CALL} rows, {N_CALLS * CALL} rows, rehearsal spread: milliseconds")
    print(f"{'d':>3} {'K':>3} {'median':>8} {'longest':>8} {'ratio':>6}  call")
    ratios = {}
    for d, K in SHAPES:
        X, _, _ = datasets.make_mixture(N_CALLS * CALL, d, K, "full", 0.8, random_state=d + K)
        runs = []
        for _ in range(RUNS + 1):  # the first compiles
            model = OnlineGaussianMixture(K, random_state=0, **{**parameters, **arguments.parameters})
            runs.append(call_times(model, X))
        calls = np.min(runs[1:], axis=0)
        middle, number = float(np.median(calls)), int(np.argmax(calls))
        ratios[d, K] = calls[number] / middle
        print(
            f"{d:>3} {K:>3} {1e3 * middle:>8.2f} {1e3 * calls[number]:>8.2f} {ratios[d, K]:>6.1f}  {number} of {N_CALLS}",
            flush=True,
        )
    (d, K), worst = max(ratios.items(), key=lambda item: item[1])
    return [
        Row(
            f"longest call of {CALL} rows, rehearsal spread, to the median",
            f"at most {LONGEST:g}",
            f"{worst:.1f}, d={d}, K={K}",
            worst <= LONGEST,
        )
    ]


def call_times(model: OnlineGaussianMixture, X: np.ndarray) -> np.ndarray:
    times = []
    for begin in range(0, len(X), CALL):
        before = time.perf_counter()
        model.partial_fit(X[begin : begin + CALL])
        times.append(time.perf_counter() - before)
    return np.array(times)
