"""Ratios against scikit-learn, measured side by side in one run: ``make bench``.

Every comparison alternates the two, several times, and prints the median of the paired ratios, since a
shared machine's speed drifts. ``--quick`` uses a tenth of the rows.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import streamgmm
from streamgmm import Mixture, OnlineGaussianMixture, datasets, rules
from streamgmm.fit.stream import Learner
from streamgmm.priors import options

E_STEPS = (
    (1_000_000, 2, 3, 25),
    (1_000_000, 2, 16, 50),
    (500_000, 8, 10, 15),
    (200_000, 16, 16, 10),
    (100_000, 32, 32, 6),
)


def seconds(work: Callable[[], object]) -> float:
    """Time one call, after a rest: BLAS threads go on spinning for a while after the other's call."""
    time.sleep(0.2)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float, float]:
    """Return the median seconds of both and the median of theirs / ours, after one warm-up."""
    ours()
    theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    ratio = statistics.median(b / a for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def mixture_of(n_features: int, n_components: int, seed: int, spread: float) -> Mixture:
    rng = np.random.default_rng(seed)
    means = rng.normal(0, spread, (n_components, n_features))
    roots = 0.6 * rng.normal(size=(n_components, n_features, n_features)) / np.sqrt(n_features)
    covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(n_features)
    return Mixture(rng.dirichlet(np.full(n_components, 5.0)), means, covariances)


def sklearn_em(mixture: Mixture, X: np.ndarray) -> Callable[[], float]:
    """Return one EM iteration of scikit-learn from this mixture; it returns the log-likelihood per row."""
    model = GaussianMixture(mixture.n_components)
    model.weights_, model.means_ = mixture.weights, mixture.means.copy()
    model.precisions_cholesky_ = mixture.kind.precisions_cholesky(mixture.factor)
    start = dict(vars(model))

    def iterate() -> float:
        vars(model).update(start)
        mean_log_prob, log_resp = model._e_step(X)
        model._m_step(X, log_resp)
        return float(mean_log_prob)

    return iterate


def streamgmm_em(mixture: Mixture, X: np.ndarray) -> Callable[[], float]:
    rule = rules.EM()

    def iterate() -> float:
        summary = streamgmm.e_step(mixture, X)
        rule.update(summary, rule.init(mixture, n_rows=summary.weight), mixture)
        return summary.log_likelihood / summary.weight

    return iterate


def compare_em(scale: int) -> None:
    print("\none EM iteration, full covariance, float64")
    print(
        f"{'n':>9} {'d':>3} {'K':>3} {'ours ns':>8} {'sklearn ns':>10} {'ratio':>6} {'asked':>6}   same log-likelihood"
    )
    for n, d, K, asked in E_STEPS:
        mixture = mixture_of(d, K, seed=0, spread=2.0)
        X, _ = mixture.sample(n // scale, 0)
        ours, theirs = streamgmm_em(mixture, X), sklearn_em(mixture, X)
        same = abs(ours() - theirs()) < 1e-8
        a, b, ratio = paired(ours, theirs, 7)
        unit = 1e9 / (len(X) * K)
        print(
            f"{len(X):>9} {d:>3} {K:>3} {a * unit:>8.2f} {b * unit:>10.1f} {ratio:>6.1f} {asked:>6}   {same}"
        )
    print("(nanoseconds for a row and a component)")


def compare_one_row(scale: int) -> None:
    print(
        "\none online pass at batch_size=1 on one core, against one EM iteration of scikit-learn on all cores"
    )
    print(
        f"{'rule':>10} {'d':>3} {'K':>3} {'ours ns/row':>12} {'sklearn ns/row':>14} {'ratio':>6} {'asked':>6}"
    )
    for name in rules.names():
        for d, K in ((2, 3), (2, 10), (8, 3), (8, 10)):
            mixture = mixture_of(d, K, seed=0, spread=2.0)
            X, _ = mixture.sample(500_000 // scale, 0)
            start = Learner.start(
                rules.get(name), mixture, n_rows=1000, batch_size=1, options=options(mixture.kind, K, d, 1e-6)
            )
            ours: Callable[[], object] = lambda start=start, X=X: start.learn(X, np.empty(0))  # noqa: E731
            a, b, ratio = paired(ours, sklearn_em(mixture, X), 3)
            asked = "> 1" if (name, d, K) == ("online-em", 2, 3) else ""
            print(
                f"{name:>10} {d:>3} {K:>3} {a * 1e9 / len(X):>12.0f} {b * 1e9 / len(X):>14.0f} {ratio:>6.2f} {asked:>6}"
            )


def compare_pass(scale: int) -> None:
    print(
        "\none online pass from its own start against scikit-learn's EM to convergence; d=2, K=16, overlapping"
    )
    print(
        f"{'seed':>4} {'ours s':>7} {'sklearn s':>9} {'ratio':>6} {'ours nats':>10} {'sklearn nats':>12} {'gain':>8}"
    )
    gains, ratios = [], []
    for seed in range(5):
        truth = mixture_of(2, 16, seed=seed, spread=2.0)
        X, _ = truth.sample(1_000_000 // scale, seed)
        held_out, _ = truth.sample(100_000, seed + 100)
        online = OnlineGaussianMixture(16, random_state=seed)
        batch = GaussianMixture(16, random_state=seed, max_iter=1000)
        a = seconds(lambda model=online, X=X: model.partial_fit(X))
        b = seconds(lambda model=batch, X=X: model.fit(X))
        gains.append(online.score(held_out) - batch.score(held_out))
        ratios.append(b / a)
        print(
            f"{seed:>4} {a:>7.2f} {b:>9.2f} {b / a:>6.0f} {online.score(held_out):>10.4f} "
            f"{batch.score(held_out):>12.4f} {gains[-1]:>8.4f}"
        )
    print(
        f"median gain {statistics.median(gains):.4f} nats a row (asked: at least -0.02), "
        f"median ratio {statistics.median(ratios):.0f} (asked: over 20)"
    )


_PEAK = """
import resource, sys
import pyarrow.parquet, sklearn.cluster
from streamgmm import OnlineGaussianMixture
from streamgmm.sources import open_source
def peak(): return int(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1]) / 1024
before = peak()
model = OnlineGaussianMixture(4, random_state=0)
for batch in open_source([sys.argv[1]]).batches():
    model.partial_fit(batch.rows)
print(model.n_samples_seen_, round(peak() - before))
"""


def measure_memory(scale: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    print("\nextra memory while fitting rows of 4 features from a Parquet file (asked: under 300 MB)")
    rng = np.random.default_rng(0)
    for n in (1_000_000 // scale, 10_000_000 // scale):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.parquet"
            schema = pa.schema([(name, pa.float64()) for name in "abcd"])
            with pq.ParquetWriter(path, schema) as writer:
                for _ in range(10):
                    block = rng.normal(size=(n // 10, 4))
                    writer.write_table(pa.table({name: block[:, i] for i, name in enumerate("abcd")}))
            out = subprocess.run(
                [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
            )
            rows, megabytes = out.stdout.split()
            print(f"{rows:>9} rows: {megabytes} MB above the imports")


def compare_fit(scale: int) -> None:
    print(
        "\nour default fit and scikit-learn's, full covariance (asked: 20 times faster, no lower likelihood)"
    )
    print(
        f"{'n':>9} {'d':>3} {'K':>3} {'ours s':>7} {'sklearn s':>9} {'ratio':>6} {'iterations':>10} {'theirs':>6} "
        f"{'ours nats':>10} {'sklearn nats':>12}"
    )
    for n, d, K in ((1_000_000, 2, 16), (500_000, 8, 10)):
        X, _ = mixture_of(d, K, seed=0, spread=2.0).sample(n // scale, 0)
        streamgmm.GaussianMixture(K, random_state=9).fit(X[:100_000])  # compile
        ratios, gains = [], []
        for seed in range(5):
            ours = streamgmm.GaussianMixture(K, random_state=seed)
            theirs = GaussianMixture(K, random_state=seed, max_iter=1000)
            a = seconds(lambda model=ours, X=X: model.fit(X))
            b = seconds(lambda model=theirs, X=X: model.fit(X))
            ratios.append(b / a)
            gains.append(ours.score(X) - theirs.score(X))
            print(
                f"{len(X):>9} {d:>3} {K:>3} {a:>7.2f} {b:>9.2f} {b / a:>6.1f} {ours.n_iter_:>10} "
                f"{theirs.n_iter_:>6} {ours.score(X):>10.5f} {theirs.score(X):>12.5f}",
                flush=True,
            )
        print(
            f"median ratio {statistics.median(ratios):.1f}, median gain {statistics.median(gains):.5f} nats"
        )


_MAPPED = """
import sys, warnings
import numpy as np, sklearn.cluster
from streamgmm import GaussianMixture
warnings.simplefilter("ignore")
GaussianMixture(2, init_params="best", max_iter=2).fit(np.random.default_rng(0).normal(size=(100, 8)))
def memory(name):
    return int(next(l for l in open("/proc/self/status") if l.startswith(name)).split()[1]) / 1024
before, anonymous = memory("VmHWM"), memory("RssAnon")
X = np.load(sys.argv[1], mmap_mode="r") if sys.argv[2] == "mapped" else sys.argv[1]
model = GaussianMixture(8, random_state=0, init_params="best", max_iter=5).fit(X)
print(model.n_iter_, round(memory("VmHWM") - before), round(memory("RssAnon") - anonymous))
"""


def measure_mapped(scale: int) -> None:
    n = 10_000_000 // scale
    print(f"\nextra memory while fitting {n} rows of 8 float32 features on disk (asked: under 500 MB)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, 8))
        rng = np.random.default_rng(0)
        for part in np.array_split(np.arange(n), 20):
            rows[part[0] : part[-1] + 1] = rng.normal(size=(len(part), 8))
        rows.flush()
        del rows
        for how in ("mapped", "path"):
            run = [sys.executable, "-c", _MAPPED, str(path), how]
            out = subprocess.run(run, capture_output=True, text=True, check=True)
            iterations, peak, kept = out.stdout.split()
            print(
                f"{how:>7}: {peak} MB at the peak, mapped pages of the file included; {kept} MB kept; "
                f"{iterations} iterations"
            )


def measure_start() -> None:
    print("\nstarting up (asked: under 1 s / 10 s / 1 s)")
    code = (
        "import time; t = time.perf_counter()\nimport streamgmm\nt_import = time.perf_counter() - t\n"
        "import numpy as np; X = np.random.default_rng(0).normal(size=(20000, 2))\n"
        "import streamgmm.estimators; t = time.perf_counter()\n"
        "streamgmm.OnlineGaussianMixture(3, random_state=0).fit(X)\nprint(t_import, time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        for label in ("never compiled", "later"):
            run = [sys.executable, "-c", code]
            out = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
            imported, fitted = (float(value) for value in out.stdout.split())
            print(f"{label:>15}: import {imported:.2f} s, first fit {fitted:.2f} s")


def measure_report(scale: int) -> None:
    from streamgmm.report import write_report

    print("\na report of a fit: its cost beside the fit, and its size (asked: under 5 MB)")
    for n, d, K in ((1_000_000, 2, 5), (1_000_000, 8, 10), (20_000, 5, 100)):
        X, _, _ = datasets.make_mixture(n // scale, d, K, "full", random_state=0)
        model = OnlineGaussianMixture(K, random_state=0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.html")
            alone, told, ratio = paired(
                lambda model=model, X=X: OnlineGaussianMixture(**model.get_params()).partial_fit(X),
                lambda model=model, X=X, path=path: write_report(path, model, X),
                5,
            )
            size = path.stat().st_size / 1e6
        print(
            f"{len(X):>9,} rows, d={d}, K={K:<3}: {alone:.2f} s, with a report {told:.2f} s "
            f"({ratio:.1f} times), {size:.2f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    names = ["em", "one-row", "pass", "fit", "memory", "mapped", "start", "report"]
    parser.add_argument("--only", choices=names)
    arguments = parser.parse_args()
    scale = 10 if arguments.quick else 1
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"streamgmm {streamgmm.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"
    )
    parts = {
        "start": measure_start,
        "em": lambda: compare_em(scale),
        "one-row": lambda: compare_one_row(scale),
        "pass": lambda: compare_pass(scale),
        "fit": lambda: compare_fit(scale),
        "mapped": lambda: measure_mapped(scale),
        "memory": lambda: measure_memory(scale),
        "report": lambda: measure_report(scale),
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()
            sys.stdout.flush()


if __name__ == "__main__":
    main()
