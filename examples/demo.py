"""The main job, from start to end: vowels one row at a time, then millions of rows from a file.

Run it with ``make demo``.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from streamgmm import Mixture, OnlineGaussianMixture, datasets, save
from streamgmm.sources import open_source

OUTPUT = Path("demo-output")
N_ROWS = 3_000_000


def progress_bar() -> Progress:
    """Return a progress bar on standard error; it shows on a terminal alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def stream(model: OnlineGaussianMixture, batches: Iterator[np.ndarray], n_rows: int, what: str) -> float:
    """Feed batches to the model; return the rows learned per second."""
    learning = 0.0
    with progress_bar() as progress:
        task = progress.add_task(what, total=n_rows)
        for rows in batches:
            start = time.perf_counter()
            model.partial_fit(rows)
            learning += time.perf_counter() - start
            progress.advance(task, len(rows))
    return n_rows / learning


def report(
    model: OnlineGaussianMixture, names: list[str], rate: float, training: np.ndarray, held_out: np.ndarray
) -> None:
    """Print the mixture, its held-out log-likelihood beside EM's on the same rows, and its speed."""
    mixture = model.to_mixture()
    covariances = mixture.covariances
    variances = np.diagonal(covariances, axis1=1, axis2=2) if covariances.ndim == 3 else covariances
    print("  weight   " + "".join(f"{name:>20}" for name in names) + "   (mean ± standard deviation)")
    for k in np.argsort(-mixture.weights):
        cells = (f"{m:.2f} ± {s:.2f}" for m, s in zip(mixture.means[k], np.sqrt(variances[k]), strict=True))
        print(f"  {mixture.weights[k]:6.3f}   " + "".join(f"{cell:>20}" for cell in cells))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        em = GaussianMixture(mixture.n_components, covariance_type=mixture.covariance_type, random_state=0)
        em.fit(training)
    seconds = time.perf_counter() - start
    print(f"  held-out log-likelihood per row: {model.score(held_out):.4f}")
    theirs = f"{em.score(held_out):.4f}  ({em.n_iter_} passes, {seconds:.1f} s)"
    print(f"      scikit-learn's EM, same rows: {theirs}")
    print(f"  {rate:,.0f} rows per second, {model.n_samples_seen_:,} rows in all")


def vowels() -> None:
    """Learn the first two formants of American English vowels, one row at a time."""
    data = datasets.load_vowels("hillenbrand")
    X = np.random.default_rng(0).permutation(data.data[:, 2:4])
    training, held_out = X[:1400], X[1400:]
    print(f"Hillenbrand et al. (1995): {len(training)} vowels, F1 and F2 in Hz, one row at a time")
    model = OnlineGaussianMixture(5, batch_size=1, init_size=200, random_state=0)
    model.partial_fit(training[:200]).score(held_out)  # compile before the clock starts
    rate = stream(model, (row[np.newaxis] for row in training[200:]), 1200, "vowels")
    report(model, ["F1 (Hz)", "F2 (Hz)"], rate, training, held_out)
    path = OUTPUT / "vowels.safetensors"
    save(model, path)
    print(f"  model: {path}\n")


def millions() -> None:
    """Generate a Parquet file of several million rows and learn it in one pass."""
    rng = np.random.default_rng(1)
    roots = 0.6 * rng.normal(size=(4, 2, 2))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.2 * np.eye(2)
    truth = Mixture(rng.dirichlet(np.full(4, 5.0)), rng.normal(0, 3, (4, 2)), covariances)
    path = OUTPUT / "rows.parquet"
    schema = pa.schema([("x", pa.float64()), ("y", pa.float64())])
    with progress_bar() as progress, pq.ParquetWriter(path, schema) as writer:
        for part in progress.track(range(20), description="writing"):
            rows = truth.sample(N_ROWS // 20, part)[0]
            writer.write_table(pa.table({"x": rows[:, 0], "y": rows[:, 1]}))
    print(f"{path}: {N_ROWS:,} rows from 4 Gaussians, one pass")
    model = OnlineGaussianMixture(4, random_state=0)
    rate = stream(model, (batch.rows for batch in open_source([str(path)]).batches()), N_ROWS, "rows")
    table = pq.read_table(path)
    training = np.column_stack([table["x"], table["y"]])
    held_out = truth.sample(100_000, 999)[0]
    report(model, ["x", "y"], rate, training, held_out)
    print(f"  the truth that made them:         {truth.log_prob(held_out).mean():.4f}")
    path = OUTPUT / "millions.safetensors"
    save(model, path)
    print(f"  model: {path}")


if __name__ == "__main__":
    OUTPUT.mkdir(exist_ok=True)
    vowels()
    millions()
