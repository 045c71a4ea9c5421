"""A hundred clusters in the order of a file, and how many components a stream finds by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from optimum import Row
from streamgmm import GaussianMixture, OnlineGaussianMixture, datasets
from streams_orders import learn, side_by_side

N_CLUSTERS, N_ROWS = 100, 100_000
NEAR = 0.03
N_RIGHT, N_SEEDS = 18, 20
SMALLEST, LARGEST = 3, 12  # components


# A hundred clusters.


def grid(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return clusters on a grid, six standard deviations apart, row by row, and 2 % noise (labels of -1)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLUSTERS), N_ROWS // N_CLUSTERS)
    X = 6.0 * np.column_stack([labels // 10, labels % 10]) + rng.normal(size=(N_ROWS, 2))
    is_noise = rng.random(N_ROWS) < 0.02
    X[is_noise] = rng.uniform(-4.0, 58.0, size=(int(is_noise.sum()), 2))
    return X, np.where(is_noise, -1, labels)


def scattered(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return clusters of several sizes at random places, some of which overlap."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0.0, 140.0, size=(N_CLUSTERS, 2))
    widths = rng.uniform(0.5, 1.5, size=(N_CLUSTERS, 1))
    labels = np.sort(rng.choice(N_CLUSTERS, size=N_ROWS, p=rng.dirichlet(np.full(N_CLUSTERS, 10.0))))
    return centers[labels] + widths[labels] * rng.normal(size=(N_ROWS, 2)), labels


MAKINGS = {"grid with noise": grid, "random centers": scattered}


def rand_index(model: Any, X: np.ndarray, labels: np.ndarray) -> float:
    """Return the adjusted Rand index, in which noise does not count."""
    is_cluster = labels >= 0
    found = model.to_mixture().predict(X[is_cluster], n_threads=1)
    return float(adjusted_rand_score(labels[is_cluster], found))


def of_clusters(job: tuple[str, int, dict[str, Any]]) -> tuple[float, float]:
    """Return the Rand indices of a stream in the order of the clusters and of a batch fit."""
    making, seed, parameters = job
    X, labels = MAKINGS[making](seed)
    stream = learn(OnlineGaussianMixture(N_CLUSTERS, random_state=seed, n_threads=1, **parameters), X)
    batch = GaussianMixture(N_CLUSTERS, random_state=seed, n_threads=1).fit(X)
    return rand_index(stream, X, labels), rand_index(batch, X, labels)


def clusters_check(arguments: Any) -> list[Row]:
    """Learn a hundred clusters, one after the other."""
    jobs = [
        (making, seed, arguments.parameters) for making in MAKINGS for seed in range(arguments.seeds or 1)
    ]
    print(f"\nadjusted Rand index of {N_CLUSTERS} clusters in the plane, {N_ROWS} rows in their order")
    print(f"{'clusters':<16} {'seed':>4} {'stream':>8} {'batch':>8}")
    rows = []
    for (making, seed, _), (stream, batch) in zip(jobs, side_by_side(of_clusters, jobs), strict=True):
        print(f"{making:<16} {seed:>4} {stream:>8.4f} {batch:>8.4f}", flush=True)
        rows.append(
            Row(
                f"Rand index, {N_CLUSTERS} clusters in order, {making}, seed {seed}",
                f"at least {batch - NEAR:.3f}",
                f"{stream:.3f}",
                stream >= batch - NEAR,
            )
        )
    return rows


# The number of components.


def number_found(job: tuple[str, int, dict[str, Any]]) -> int:
    """Return how many components a stream finds."""
    order, seed, parameters = job
    X, labels = separated(seed, 50_000)
    if order == "by component":
        X = X[np.argsort(labels, kind="stable")]
    model = OnlineGaussianMixture("auto", random_state=seed, n_threads=1, **parameters)
    return learn(model, X).to_mixture().n_components


def truth_of(seed: int) -> int:
    return SMALLEST + seed % (LARGEST - SMALLEST + 1)


def separated(seed: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a mixture whose number of components BIC finds in 20 000 rows."""
    return datasets.make_mixture(n_rows, 2 + seed % 3, truth_of(seed), "full", 1.7, random_state=500 + seed)[
        :2
    ]


def number_of_batch(seed: int) -> int:
    """Return how many components BIC finds in 20 000 rows."""
    X, _ = separated(seed, 20_000)
    return GaussianMixture("auto", random_state=seed, n_threads=1).fit(X).to_mixture().n_components


def auto_check(arguments: Any) -> list[Row]:
    """Find the number of components."""
    seeds = range(arguments.seeds or N_SEEDS)
    orders = ("shuffled", "by component")
    batch = list(side_by_side(number_of_batch, seeds))
    jobs = [(order, seed, arguments.parameters) for order in orders for seed in seeds]
    found = list(side_by_side(number_found, jobs))
    print("\nnumbers of components that a stream finds by itself")
    print(f"{'seed':>4} {'truth':>6} {'batch':>6}" + "".join(f" {order:>14}" for order in orders))
    of_order = {order: found[number * len(seeds) :][: len(seeds)] for number, order in enumerate(orders)}
    for seed in seeds:
        numbers = "".join(f" {of_order[order][seed]:>14}" for order in orders)
        print(f"{seed:>4} {truth_of(seed):>6} {batch[seed]:>6}{numbers}")
    asked = N_RIGHT * len(seeds) // N_SEEDS
    rows = []
    for order, numbers_found in {**of_order, "batch, 20 000 rows": batch}.items():
        n_right = sum(number == truth_of(seed) for seed, number in zip(seeds, numbers_found, strict=True))
        is_asked = order in orders
        rows.append(
            Row(
                f"number of components, {order}",
                f"right in {asked} of {len(seeds)}" if is_asked else "",
                f"{n_right} of {len(seeds)}",
                n_right >= asked if is_asked else None,
            )
        )
    return rows
