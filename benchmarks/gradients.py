"""What gradient ascent reaches, beside EM: ``python benchmarks/gradients.py``.

Four tables: one Gaussian from far starts at a fixed rate, mini-batch SGD against EM's optimum, every stable
parameterization from 2 to 50 features, and rows per second at ``batch_size=1``. ``--quick`` uses fewer seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import numpy as np

from compare import mixture_of
from streamgmm import Mixture, OnlineGaussianMixture, diagnostics, parameterizations, rules
from streamgmm.fit.batch import fit_em
from streamgmm.fit.start import initialize
from streamgmm.fit.stream import Learner
from streamgmm.priors import options
from streamgmm.rules import GradientAscent
from streamgmm.rules.schedules import Constant

NO_WEIGHTS = np.empty(0)
RATE = 0.002
ONE_GAUSSIAN = {
    "raw covariance": GradientAscent("covariance", RATE, guard="raise"),
    "precision": GradientAscent("precision", RATE, guard="raise"),
    "cholesky (log)": GradientAscent("cholesky", RATE, guard="raise"),
    "preconditioned": GradientAscent("covariance", RATE, precondition=True, guard="raise"),
    "natural gradient": rules.NaturalGradient(Constant(RATE)),
}


def learner_of(rule: rules.Rule, mixture: Mixture, n_rows: float, batch_size: int) -> Learner:
    setting = options(mixture.kind, mixture.n_components, mixture.n_features)
    return Learner.start(rule, mixture, n_rows=n_rows, batch_size=batch_size, options=setting)


def samples_until_near(rule: rules.Rule, mixture: Mixture, X: np.ndarray, piece: int = 20) -> str:
    """Learn row by row until mean and variance are within 5 %; say how many rows that took, or what failed."""
    learner = learner_of(rule, mixture, 0.0, 1)
    for begin in range(0, len(X), piece):
        try:
            learner = learner.learn(X[begin : begin + piece], NO_WEIGHTS)[0]
        except np.linalg.LinAlgError:
            return f"fails by row {begin + piece}"
        there = learner.mixture
        mean, variance = there.means.item(), there.covariances.item()
        if abs(mean) < 0.05 and abs(variance - 1.0) < 0.05:
            return f"{begin + piece}"
    return f"mean {mean:.2g}, variance {variance:.2g}"


def one_gaussian(quick: bool) -> None:
    n = 50_000 if quick else 200_000
    print(f"\none Gaussian, true N(0, 1), fixed rate {RATE}, start mean 5: rows until mean and variance are")
    print(f"within 5 %, or where it stands after {n} rows")
    starts = (0.01, 0.1, 1.0, 10.0, 100.0)
    print(f"{'start variance':>18}", *(f"{v:>26g}" for v in starts))
    X = np.random.default_rng(0).normal(size=(n, 1))
    told = {}
    for name, rule in ONE_GAUSSIAN.items():
        cells = []
        for variance in starts:
            start = Mixture([1.0], [[5.0]], [[[variance]]])
            cells.append(samples_until_near(rule, start, X))
            told[name, variance] = diagnostics.explain_run(diagnostics.trace(rule, start, X))
        print(f"{name:>18}", *(f"{cell:>26}" for cell in cells), flush=True)
    print("what `diagnostics.explain_run` says:")
    for (name, variance), sentences in told.items():
        print(f"  {name}, {variance:g}: {' '.join(sentences) or '(nothing wrong)'}")


def sgd_of_three(quick: bool) -> None:
    """Three components, three features, diagonal: SGD by log sigma and softmax against EM from one start."""
    print("\n3 components, 3 features, diag, 3000 rows: nats a row below EM's optimum from the same start")
    print("(mini-batches of 50 rows, 600 passes, theta averaged over the second half; asked: at most 0.01)")
    gaps: dict[str, list[float]] = {}
    for seed in range(4 if quick else 20):
        rng = np.random.default_rng(seed)
        means = rng.normal(0, 2.0, (3, 3))
        truth = Mixture(rng.dirichlet([5.0] * 3), means, rng.uniform(0.3, 2.0, (3, 3)), "diag")
        X, _ = truth.sample(3000, seed)
        seeds = np.random.RandomState(seed)
        start = initialize(X, NO_WEIGHTS, 3, "diag", init_params="k-means++", random_state=seeds)
        best = fit_em(start, X, tol=1e-10, max_iter=5000).lower_bounds[-1]
        for name, rule in (
            ("plain, rate 0.3", GradientAscent(learning_rate=0.3, averaging=18_000)),
            ("adam, rate 0.02", GradientAscent(learning_rate=0.02, optimizer="adam", averaging=18_000)),
            ("natural, step 0.02", rules.NaturalGradient(Constant(0.02))),
        ):
            learner = learner_of(rule, start, 0.0, 50)
            for _ in range(600):
                learner = learner.learn(rng.permutation(X), NO_WEIGHTS)[0]
            gaps.setdefault(name, []).append(best - learner.mixture.log_prob(X).mean())
    for name, values in gaps.items():
        print(f"{name:>20}: median {statistics.median(values):.5f}, largest {max(values):.5f}")
        print(" " * 21, *(f"{gap:.4f}" for gap in values))


def dimensions(quick: bool) -> None:
    """Every stable parameterization online, with its default settings, against EM."""
    seeds = range(3 if quick else 20)
    print(
        f"\nonline, K=5, 20 000 rows, default settings, {len(seeds)} seeds: held-out nats a row minus EM's, median"
    )
    print("(lowest); failures are errors, invalid mixtures or refused mini-batches")
    sizes = (2, 5, 10, 20, 50)
    rows: dict[str, list[str]] = {}
    failures = 0
    for d in sizes:
        gains: dict[str, list[float]] = {}
        for seed in seeds:
            truth = mixture_of(d, 5, seed=seed, spread=2.0)
            X, _ = truth.sample(20_000, seed)
            held_out, _ = truth.sample(10_000, seed + 1000)
            for kind in ("full", "diag"):
                learners = {
                    f"{kind} {name}{' preconditioned' if precondition else ''}": GradientAscent(
                        name, precondition=precondition
                    )
                    for name in parameterizations.names()
                    if parameterizations.get(name).is_stable
                    and kind in parameterizations.get(name).covariance_types
                    for precondition in (False, True)
                }
                learners[f"{kind} natural-gradient"] = rules.NaturalGradient()
                learners[f"{kind} online-em"] = rules.OnlineEM()
                best = None
                for name, rule in learners.items():
                    model = OnlineGaussianMixture(5, covariance_type=kind, rule=rule, random_state=seed)
                    try:
                        model.fit(X)
                        score = model.score(held_out)
                    except Exception as error:
                        print(f"d={d}, seed {seed}, {name}: {error}")
                        score = -np.inf
                    failures += not np.isfinite(score) or model.n_refused_ > 0
                    if best is None:
                        start = fit_em(model._progress.start.mixture, X, tol=1e-6, max_iter=300)
                        best = start.mixture.log_prob(held_out).mean()
                    gains.setdefault(name, []).append(score - best)
        for name, values in gains.items():
            cell = f"{statistics.median(values):.4f} ({min(values):.4f})"
            rows.setdefault(name, []).append(cell)
    print(f"{'':>38}", *(f"{f'd={d}':>20}" for d in sizes))
    for name, cells in rows.items():
        print(f"{name:>38}", *(f"{cell:>20}" for cell in cells))
    print(f"failures: {failures}")


def every_rule() -> dict[str, rules.Rule]:
    """Return every rule, and gradient ascent in every way that changes its cost."""
    found = {name: rules.get(name) for name in rules.names() if name not in ("em", "gradient")}
    for name in parameterizations.names():
        for precondition in (False, True):
            label = f"gradient {name}{', preconditioned' if precondition else ''}"
            found[label] = GradientAscent(name, precondition=precondition)
    for optimizer in ("adagrad", "rmsprop", "adam"):
        found[f"gradient cholesky, {optimizer}"] = GradientAscent(optimizer=optimizer)
    found["gradient cholesky, momentum"] = GradientAscent(momentum=0.9)
    return found


def one_row(quick: bool) -> None:
    """Nanoseconds a row at batch_size=1, and how many times online EM's, measured in turn."""
    cases = ((2, 3), (2, 10), (8, 3), (8, 10))
    print(
        "\nbatch_size=1 on one core: nanoseconds a row (times those of online EM of the same covariance type)"
    )
    print(f"{'':>42}", *(f"{f'd={d}, K={K}':>14}" for d, K in cases))
    n = 5_000 if quick else 20_000
    found = every_rule()
    for kind in ("full", "diag"):
        starts = {}
        for d, K in cases:
            full = mixture_of(d, K, seed=0, spread=2.0)
            X, _ = full.sample(n, 0)
            variances = np.diagonal(full.covariances, axis1=1, axis2=2)
            mixture = full if kind == "full" else Mixture(full.weights, full.means, variances, "diag")
            starts[d, K] = mixture, X
        for name, rule in found.items():
            try:
                rule.require_fit(starts[2, 3][0].kind)
            except ValueError:
                continue
            cells = []
            for case in cases:
                mixture, X = starts[case]
                setting = options(mixture.kind, case[1], case[0], 1e-6)
                ours, base = (
                    Learner.start(r, mixture, n_rows=1000, batch_size=1, options=setting)
                    for r in (rule, rules.OnlineEM())
                )
                ours.learn(X[:100], NO_WEIGHTS)
                pairs = [(_seconds(ours, X), _seconds(base, X)) for _ in range(5)]
                ratio = statistics.median(a / b for a, b in pairs)
                fastest = min(a for a, _ in pairs)
                cells.append(f"{fastest * 1e9 / len(X):.0f} ({ratio:.1f})")
            print(f"{kind + ' ' + name:>42}", *(f"{cell:>14}" for cell in cells), flush=True)


def _seconds(learner: Learner, X: np.ndarray) -> float:
    start = time.perf_counter()
    learner.learn(X, NO_WEIGHTS)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = {"one-gaussian": one_gaussian, "sgd": sgd_of_three, "dimensions": dimensions, "rows": one_row}
    parser.add_argument("--quick", action="store_true", help="fewer seeds and rows")
    parser.add_argument("--only", choices=list(tables))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, table in tables.items():
        if arguments.only in (None, name):
            table(arguments.quick)


if __name__ == "__main__":
    main()
