"""What a fit to few rows consists of: ``python benchmarks/few_rows.py``.

For some sets of `optimum_sets`, medians of alternated runs: an iteration of EM in runs of compiled code (`Climb`),
with a call of Python for each pass and M-step (`fit_em`), and in scikit-learn; k-means, ours beside
scikit-learn's; from the default start to the end, EM and accelerated EM; and the parts of a default fit.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Other
from threadpoolctl import threadpool_limits

from optimum_sets import by_name
from streamgmm import GaussianMixture
from streamgmm.fit.batch import fit_em
from streamgmm.fit.problem import Problem
from streamgmm.fit.rows import rows_of
from streamgmm.fit.solvers import solver_of
from streamgmm.fit.start.clusters import Sample, clustered
from streamgmm.mixture import Mixture

NAMES = ("iris-3-full", "small-2-full", "barney-f12-10-full", "digits-pca5-10-full", "many-31-full")
ITERATIONS, REPEATS = 200, 9
TOL, MAX_ITER = 1e-5, 1000


def medians(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each way, alternated, after a first run that may compile."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(REPEATS):
        for name, run in ways.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def iterations(problem: Problem, start: Mixture, X: np.ndarray) -> dict[str, float]:
    """Return the seconds of one iteration of EM."""
    K, options = start.n_components, problem.options(start.n_components)
    given = {
        "weights_init": start.weights,
        "means_init": start.means,
        "precisions_init": np.linalg.inv(start.covariance_matrices()),
    }
    ways: dict[str, Callable[[], Any]] = {
        "compiled": lambda: problem.climb(start).run(ITERATIONS),
        "in Python": partial(
            fit_em, start, problem.rows, options=options, tol=0.0, max_iter=ITERATIONS, n_threads=1
        ),
        "scikit-learn": lambda: Other(K, tol=0.0, max_iter=ITERATIONS, **given).fit(X),
    }
    return {name: seconds / ITERATIONS for name, seconds in medians(ways).items()}


def k_means(sample: Sample, K: int) -> dict[str, float]:
    """Return the seconds of a mixture around the centers of k-means, and of scikit-learn's k-means alone."""

    def ours() -> Any:
        return next(clustered(sample, K, "full", ["standardized"], np.random.RandomState(0)))

    def theirs() -> Any:
        return KMeans(K, n_init=1, max_iter=20, random_state=0).fit(sample.standardized)

    return medians({"compiled": ours, "scikit-learn": theirs})


def ends(problem: Problem, start: Mixture) -> dict[str, tuple[float, int, float]]:
    """Return seconds, iterations and mean log-likelihood of EM, and of accelerated EM."""
    how: dict[str, Any] = {"options": problem.options(start.n_components), "tol": TOL, "max_iter": MAX_ITER}
    ways: dict[str, Callable[[], Any]] = {
        name: partial(solver_of(name, n_threads=1, **how), start, problem.rows)
        for name in ("auto", "accelerated-em")
    }
    results = {name: run() for name, run in ways.items()}
    seconds = medians(ways)
    return {name: (seconds[name], one.n_iter, one.lower_bounds[-1]) for name, one in results.items()}


def show(name: str) -> None:
    """Print what a fit to one set consists of."""
    one = by_name(name)
    X, K = one.X, one.n_components
    rows = rows_of(X, None, estimator=GaussianMixture(K), reset=True, at_least=2, learns=True)
    problem = Problem(rows, K, "full", n_threads=1)
    start = problem.start(K, np.random.RandomState(0))
    print(f"\n{name}, {X.shape[0]} rows, {X.shape[1]} features")
    with threadpool_limits(1):
        found = iterations(problem, start, X)
        print(
            "  an iteration, microseconds: " + ", ".join(f"{way} {1e6 * s:.1f}" for way, s in found.items())
        )
        found = k_means(problem.sample, K)
        print("  k-means, milliseconds: " + ", ".join(f"{way} {1e3 * s:.2f}" for way, s in found.items()))
    for solver, (seconds, n_iter, value) in ends(problem, start).items():
        print(
            f"  from the start by {solver}: {1e3 * seconds:.2f} ms, {n_iter} iterations, {value:.5f} nats a row"
        )
    model = GaussianMixture(K, random_state=0, n_threads=1)
    parts = medians(
        {
            "its start": lambda: problem.start(K, np.random.RandomState(0)),
            "all of it": lambda: model.set_params(search=False).fit(X),
            "with search": lambda: model.set_params(search=True).fit(X),
        }
    )
    print("  a default fit, milliseconds: " + ", ".join(f"{way} {1e3 * s:.2f}" for way, s in parts.items()))


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in NAMES:
        show(name)


if __name__ == "__main__":
    main()
