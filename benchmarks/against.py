"""Times of this checkout beside those of an earlier commit, in one run: ``python benchmarks/against.py COMMIT``.

Both are run in turn, three times each, one process after the other; a row shows the least nanoseconds a row of
either (processor time, so that a busy machine matters less) and how many times faster this checkout is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SIZES = ((2, 3), (8, 10))


def measure() -> dict[str, float]:
    """Return nanoseconds a row of each rule, and of the E-step, in the streamgmm that is on the path."""
    from streamgmm import Mixture, e_step, rules
    from streamgmm.fit.stream import Learner
    from streamgmm.priors import options

    def mixture_of(d: int, K: int, kind: str) -> Mixture:
        rng = np.random.default_rng(0)
        means = rng.normal(0, 2, (K, d))
        roots = 0.6 * rng.normal(size=(K, d, d)) / np.sqrt(d)
        covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
        if kind == "diag":
            covariances = np.diagonal(covariances, axis1=1, axis2=2).copy()
        return Mixture(rng.dirichlet(np.full(K, 5.0)), means, covariances, kind)

    def least(work, n_rows: int) -> float:
        work()
        times = []
        for _ in range(5):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return 1e9 * min(times) / n_rows

    found = {}
    for kind in ("full", "diag"):
        for d, K in SIZES:
            mixture = mixture_of(d, K, kind)
            X, _ = mixture.sample(50_000, 0)
            found[f"E-step {kind} {d},{K}"] = least(lambda m=mixture, X=X: e_step(m, X, n_threads=1), len(X))
            for name in rules.names():
                if name == "annealed-sgd" and kind == "full":
                    continue
                for size, n in ((1, 20_000), (256, 50_000)):
                    settings = options(mixture.kind, K, d, 1e-6)
                    learner = Learner.start(
                        rules.get(name), mixture, n_rows=100.0, batch_size=size, options=settings
                    )
                    work = lambda learner=learner, X=X, n=n: learner.learn(X[:n], np.empty(0))  # noqa: E731
                    found[f"{name} {kind} {d},{K} batch_size={size}"] = least(work, n)
    return found


def run(source: Path, cache: Path) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(source / "src"), "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, __file__, "--measure"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--measure", action="store_true", help="print the times of this process as JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure()))
        return
    with tempfile.TemporaryDirectory() as folder:
        old, caches = Path(folder, "old"), [Path(folder, "cache-old"), Path(folder, "cache-new")]
        subprocess.run(
            ["git", "worktree", "add", "-q", "--detach", old, arguments.commit], check=True, cwd=ROOT
        )
        try:
            runs = [[run(old, caches[0]), run(ROOT, caches[1])] for _ in range(3)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", old], check=True, cwd=ROOT)
    print(f"{'nanoseconds a row':<44} {'then':>8} {'now':>8} {'times faster':>13}")
    for name in runs[0][0]:
        then, now = (min(pair[side][name] for pair in runs) for side in (0, 1))
        print(f"{name:<44} {then:>8.1f} {now:>8.1f} {then / now:>13.2f}")


if __name__ == "__main__":
    main()
