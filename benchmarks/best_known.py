"""The best-known likelihoods of `optimum_sets`, by brute force: ``python benchmarks/best_known.py [set ...]``.

Each set gets up to 200 starts of nine kinds, each fitted by accelerated EM, and then random moves from the
best five: two components are merged, another is split, and EM runs again; what is likelier is kept, until
nothing has been gained for a while. A solution counts only if every component owns a volume: at least
n_features + 1 effective rows, unless it shares its covariance, and no eigenvalue of that, in units of the features' standard
deviations, below ten times the floor that is added to each variance (a millionth of the feature's). Otherwise
the likelihood has no maximum.

``best_known.json`` has for each set the mean log-likelihood of a row in nats, what it was found by, and the
fewest rows and the smallest eigenvalue of a component there: a few rows that happen to lie near a line are
a maximum, too, and count. Sets that have no value get one; ``--update`` also replaces values by better ones,
never by worse ones.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from threadpoolctl import threadpool_limits

from optimum_sets import SETS, Set, by_name
from streamgmm import Mixture, covariance, priors
from streamgmm.fit.accelerated import fit_accelerated
from streamgmm.fit.batch import m_step
from streamgmm.kernels.records import Options
from streamgmm.statistics import Statistics

PATH = Path(__file__).with_name("best_known.json")
FLOOR = 1e-6  # of each feature's variance
STARTS = (40, 200)
SECONDS_OF_STARTS, SECONDS_OF_MOVES = 18.0, 20.0  # of CPU, at most, for each set
KEPT = 5
GAIN = 1e-6  # nats a row: less is the same optimum


class Volumes(NamedTuple):
    """The effective rows of the smallest component, and the smallest eigenvalue of any covariance."""

    rows: float
    eigenvalue: float
    all_owned: bool


class Found(NamedTuple):
    """A solution that counts."""

    value: float
    mixture: Mixture
    volumes: Volumes
    how: str
    n_moves: int


def volumes_of(mixture: Mixture, X: np.ndarray) -> Volumes:
    """Say whether every component of a mixture owns a volume among rows."""
    deviations = X.std(axis=0)
    rows = float(mixture.responsibilities(X, n_threads=1).sum(axis=0).min())
    matrices = mixture.covariance_matrices() / np.outer(deviations, deviations)
    eigenvalue = float(np.linalg.eigvalsh(matrices).min())
    has_rows = mixture.kind.is_shared or rows >= X.shape[1] + 1
    return Volumes(rows, eigenvalue, has_rows and eigenvalue > 10 * FLOOR)


def read() -> dict[str, dict[str, Any]]:
    """Return the recorded values by the sets' names."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def record(one: Set, value: float, volumes: Volumes, how: str, n_starts: int = 0) -> None:
    """Write one set's value into the file."""
    known = read()
    n_starts = n_starts or known.get(one.name, {}).get("starts", 0)
    known[one.name] = {
        "value": round(value, 6),
        "starts": n_starts,
        "found_by": how,
        "fewest_rows": round(volumes.rows, 1),
        "smallest_eigenvalue": float(f"{volumes.eigenvalue:.2g}"),
        "date": datetime.date.today().isoformat(),
    }
    order = [s.name for s in SETS if s.name in known]
    PATH.write_text(json.dumps({name: known[name] for name in order}, indent=1) + "\n", encoding="utf-8")


class Search:
    """The brute-force search on one set."""

    def __init__(self, one: Set, seed: int) -> None:
        self.set, self.X, self.K = one, one.X, one.n_components
        self.kind = covariance.get(one.covariance_type)
        self.rng = np.random.default_rng(seed)
        self.deviations = self.X.std(axis=0)
        self.options: Options = priors.options(self.kind, self.K, self.X.shape[1], FLOOR * self.deviations**2)
        self.best: list[Found] = []
        self.n_discarded = 0

    def run(self) -> tuple[Found | None, int, int]:
        """Return the best solution, and the numbers of starts and of fits that did not count."""
        n_starts = 0
        until = time.process_time() + SECONDS_OF_STARTS
        kinds = list(_STARTS)
        while n_starts < STARTS[0] or (n_starts < STARTS[1] and time.process_time() < until):
            how = kinds[n_starts % len(kinds)]
            self.try_from(_STARTS[how](self), how, 0)
            n_starts += 1
        until = time.process_time() + SECONDS_OF_MOVES
        n_idle, patience = 0, 40 + 4 * self.K if self.K > 1 and self.best else 0
        while n_idle < patience and time.process_time() < until:
            start = self.best[min(self.rng.geometric(0.5), len(self.best)) - 1]
            gained = self.try_from(self.moved(start.mixture), start.how, start.n_moves + 1)
            n_idle = 0 if gained else n_idle + 1
        return (self.best[0] if self.best else None), n_starts, self.n_discarded

    def try_from(self, start: Mixture, how: str, n_moves: int) -> bool:
        """Fit from a start, keep what counts among the best few, and say whether it is the best."""
        settings: dict[str, Any] = {"options": self.options, "n_threads": 1}
        fit = fit_accelerated(start, self.X, tol=1e-6, max_iter=400, **settings)
        least = self.best[-1].value if len(self.best) == KEPT else -np.inf
        if fit.lower_bounds[-1] < least - 0.01:
            return False
        fit = fit_accelerated(fit.mixture, self.X, tol=1e-9, max_iter=3000, **settings)
        value = float(fit.mixture.log_prob(self.X, n_threads=1).mean())
        volumes = volumes_of(fit.mixture, self.X)
        if not volumes.all_owned:
            self.n_discarded += 1
            return False
        if any(abs(value - other.value) < GAIN for other in self.best):
            return False
        is_best = not self.best or value > self.best[0].value
        self.best.append(Found(value, fit.mixture, volumes, how, n_moves))
        self.best = sorted(self.best, key=lambda found: -found.value)[:KEPT]
        return is_best

    def moved(self, mixture: Mixture) -> Mixture:
        """Merge two components, most likely two that share rows, and split another in a random direction."""
        resp = mixture.responsibilities(self.X, n_threads=1)
        shared = resp.T @ resp
        lengths = np.sqrt(np.diag(shared))
        shared = shared / np.outer(lengths, lengths) + 0.1 / self.K
        i, j = np.triu_indices(self.K, 1)
        pair = self.rng.choice(len(i), p=shared[i, j] / shared[i, j].sum())
        merged = mixture.merge(int(i[pair]), int(j[pair]))
        n_left, n_features = merged.means.shape
        k = int(self.rng.integers(n_left))
        root = self.kind.roots(merged.factor, n_left, n_features)[k]
        axis = np.linalg.svd(root)[0][:, 0] * np.linalg.svd(root)[1][0]
        direction = self.rng.normal(size=n_features)
        step = axis if self.rng.random() < 0.5 else root @ (direction / np.linalg.norm(direction))
        step = step * self.rng.uniform(0.3, 1.5)
        share = self.rng.uniform(0.2, 0.8)
        log_weights = np.append(merged.log_weights, merged.log_weights[k] + np.log(1 - share))
        log_weights[k] += np.log(share)
        means = np.vstack([merged.means, merged.means[k] + share * step])
        means[k] -= (1 - share) * step
        factor = self.kind.select(merged.factor, np.append(np.arange(n_left), k))
        return Mixture.from_factor(log_weights, means, factor, self.kind.name)

    def from_labels(self, labels: np.ndarray) -> Mixture:
        """Return the M-step on labels; n_features + 1 rows of the pooled covariance keep it regular."""
        n_features = self.X.shape[1]
        nk = np.bincount(labels, minlength=self.K).astype(float)
        means = np.array(
            [self.X[labels == k].mean(axis=0) if nk[k] else self.draw(1)[0] for k in range(self.K)]
        )
        moments = np.empty(self.kind.moments_shape(self.K, n_features))
        for k in range(self.K):
            difference = self.X[labels == k] - means[k]
            moments[k] = self.kind.products(difference, difference)
        moments += moments.sum(axis=0) / len(self.X) * (n_features + 1)
        nk += n_features + 1
        return m_step(
            Statistics(nk.sum(), 0.0, nk, np.zeros_like(means), moments, means),
            self.around(means),
            self.options,
        )

    def around(self, means: np.ndarray, width: float = 1.0) -> Mixture:
        """Return a mixture of these means with widths in the features' standard deviations."""
        deviations = np.broadcast_to(width * self.deviations, means.shape)
        factor = self.kind.from_variances(deviations**2)
        return Mixture.from_factor(np.full(self.K, -np.log(self.K)), means, factor, self.kind.name)

    def draw(self, size: int) -> np.ndarray:
        """Return rows drawn at random, none twice."""
        return self.X[self.rng.choice(len(self.X), size, replace=False)]

    def k_means(self, Z: np.ndarray) -> np.ndarray:
        """Return the labels that k-means gives rows in the metric of choice."""
        state = int(self.rng.integers(2**31))
        return KMeans(self.K, n_init=1, random_state=state).fit(Z).labels_


def _standardized(search: Search) -> np.ndarray:
    return (search.X - search.X.mean(axis=0)) / search.deviations


def _whitened(Z: np.ndarray) -> np.ndarray:
    """Return rows whose covariance is the identity."""
    Z = Z - Z.mean(axis=0)
    values, axes = np.linalg.eigh(Z.T @ Z / len(Z))
    return Z @ axes / np.sqrt(np.maximum(values, 1e-9 * values[-1]))


def _within_whitened(search: Search) -> Mixture:
    """k-means again and again in the metric of the last clusters' pooled covariance."""
    Z = _standardized(search)
    labels = search.k_means(Z if search.rng.random() < 0.5 else _whitened(Z))
    for _ in range(5):
        centers = np.array([Z[labels == k].mean(axis=0) for k in range(search.K)])
        within = (Z - centers[labels]).T @ (Z - centers[labels]) / len(Z)
        values, axes = np.linalg.eigh(within)
        labels = search.k_means(Z @ axes / np.sqrt(np.maximum(values, 1e-6)))
    return search.from_labels(labels)


def _stretched(search: Search) -> Mixture:
    """k-means where each principal axis counts as much as chance has it."""
    Z = _whitened(_standardized(search))
    return search.from_labels(search.k_means(Z * np.exp(search.rng.normal(size=Z.shape[1]))))


def _seeded(search: Search, Z: np.ndarray) -> Mixture:
    state = int(search.rng.integers(2**31))
    centers = kmeans_plusplus(Z, search.K, random_state=state)[0]
    distances = ((Z[:, np.newaxis] - centers) ** 2).sum(axis=2)
    return search.from_labels(distances.argmin(axis=1))


def _subsets(search: Search) -> Mixture:
    """Each component from a few rows near a row drawn at random."""
    Z = _standardized(search)
    size = int(search.rng.integers(2, max(3, len(Z) // (2 * search.K)) + 1)) + search.X.shape[1]
    means = [
        search.X[np.argsort(((Z - z) ** 2).sum(axis=1))[:size]].mean(axis=0)
        for z in Z[search.rng.choice(len(Z), search.K, replace=False)]
    ]
    return search.around(np.array(means), float(search.K ** (-1 / Z.shape[1])))


_STARTS = {
    "k-means": lambda search: search.from_labels(search.k_means(search.X)),
    "k-means, standardized": lambda search: search.from_labels(search.k_means(_standardized(search))),
    "k-means, whitened": lambda search: search.from_labels(search.k_means(_whitened(_standardized(search)))),
    "k-means, whitened within clusters": _within_whitened,
    "k-means, stretched": _stretched,
    "k-means++": lambda search: _seeded(search, _standardized(search)),
    "k-means++, whitened": lambda search: _seeded(search, _whitened(_standardized(search))),
    "random rows": lambda search: search.around(
        search.draw(search.K), float(search.K ** (-1 / search.X.shape[1]))
    ),
    "random subsets": _subsets,
}


def climbed_from(labels: np.ndarray, X: np.ndarray, kind: str) -> Mixture:
    """Return what EM makes of the true labels."""
    search_on = Search(Set("", "", lambda: X, int(labels.max()) + 1, kind), 0)
    start = search_on.from_labels(labels)
    return fit_accelerated(start, X, options=search_on.options, tol=1e-9, max_iter=1000).mixture


def search(name: str, seed: int) -> tuple[str, Found | None, int, int, float]:
    begin = time.perf_counter()
    with threadpool_limits(1), np.errstate(all="ignore"):
        found, n_starts, n_discarded = Search(by_name(name), seed).run()
    return name, found, n_starts, n_discarded, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", help="all by default")
    parser.add_argument("--update", action="store_true", help="replace recorded values by better ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    names = [by_name(name).name for name in arguments.sets] or [one.name for one in SETS]
    known = read()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=spawn) as pool:
        for future in as_completed([pool.submit(search, name, arguments.seed) for name in names]):
            name, found, n_starts, n_discarded, seconds = future.result()
            if found is None:
                print(f"{name:<28} nothing that counts in {n_starts} starts", flush=True)
                continue
            old = known.get(name, {}).get("value")
            how = found.how + (f", then {found.n_moves} merges and splits" if found.n_moves else "")
            better = old is None or found.value > old + GAIN
            if better and (old is None or arguments.update):
                record(by_name(name), found.value, found.volumes, how, n_starts)
            print(
                f"{name:<28} {found.value:>12.6f}  before {'-' if old is None else old:>12}  "
                f"{'better' if better else ''}  {n_starts} starts, {n_discarded} of no volume, {how}; "
                f"fewest rows {found.volumes.rows:.1f}, eigenvalue {found.volumes.eigenvalue:.2g}, {seconds:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
