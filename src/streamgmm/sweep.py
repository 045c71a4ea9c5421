"""Run the kernels over rows: spans, threads, and sums in a fixed order.

Rows are cut into at most 64 spans whose size depends on the number of rows alone, each span is summed by one
thread, and the spans' sums are added in their order: the result is bitwise the same for any number of
threads. Memory beyond the rows is constant: what is not float64, contiguous and writable is converted 65536
rows at a time. The kernels are compiled for float64 rows alone: a second copy of them for float32 might add
up in another order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ._pieces import breathe
from .kernels import rows as kernels
from .kernels.records import Batch
from .statistics import Array, Statistics

if TYPE_CHECKING:
    from .mixture import Mixture

CHUNK = 65536
TOO_FAR = -1e299  # log densities of rows whose squared distance overflows are below
_MAX_SPANS = 64
_NO_WEIGHTS = np.empty(0)
# A few rows in the form that the kernels are compiled for: contiguous, aligned, writable, of no subclass.
kernel_rows: Callable[[Any], Any] = partial(np.require, dtype=np.float64, requirements="CAWE")


def e_step(
    mixture: Mixture, X: Any, sample_weight: Any = None, *, n_threads: int | None = None
) -> Statistics:
    """Reduce rows to sufficient statistics under a mixture.

    Parameters
    ----------
    mixture : Mixture
        Gives the responsibilities, and the means at which the moments are centered.
    X : array-like of shape (n_samples, n_features)
        Finite numbers; float32 is read as it is and summed in float64.
    sample_weight : array-like of shape (n_samples,), optional
        Not negative; ones by default. A weight of 2 is the row twice.
    n_threads : int, optional
        All cores by default. The result does not depend on it.

    Returns
    -------
    Statistics

    Raises
    ------
    ValueError
        For a wrong shape, a number that is not finite, or a negative weight.

    Examples
    --------
    >>> from streamgmm import Mixture, e_step
    >>> statistics = e_step(Mixture([0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0], "spherical"), [[-1.0], [1.0]])
    >>> statistics.nk
    array([1., 1.])
    """
    X = as_rows(X, mixture.n_features)
    return require_sums(sum_rows(mixture, X, as_weights(sample_weight, len(X)), n_threads=n_threads), X)


def sum_rows(mixture: Mixture, X: Any, weights: Array, *, n_threads: int | None = None) -> Statistics:
    """Do the work of `e_step` for an array of numbers; empty weights are ones.

    The log-likelihood is NaN or minus infinity where rows are not finite or too far away to be squared.
    """
    _require_columns(X.shape, mixture.n_features)
    model = mixture.kernel_form()

    def run(start: int, stop: int) -> Batch:
        sums = mixture.kind.empty_batch(*mixture.means.shape)
        for begin, end in _chunks(start, stop):
            part = weights[begin:end] if len(weights) else _NO_WEIGHTS
            weight, log_likelihood = kernels.statistics(kernel_rows(X[begin:end]), part, model, sums)
            sums = sums._replace(
                weight=sums.weight + weight, log_likelihood=sums.log_likelihood + log_likelihood
            )
        return sums

    total = mixture.kind.empty_batch(*mixture.means.shape)
    with _spread(len(X), n_threads) as (apply, starts, stops):
        for part in apply(run, starts, stops):
            total = Batch(*(whole + added for whole, added in zip(total, part, strict=True)))
    s2 = mixture.kind.public_moments(total.s2)
    breathe(len(X))
    return Statistics(total.weight, total.log_likelihood, total.nk, total.s1, s2, mixture.means)


def require_sums(statistics: Statistics, X: Any) -> Statistics:
    """Return what `sum_rows` made of rows, or raise ValueError if it is not finite."""
    if not np.isfinite(statistics.log_likelihood):
        require_finite(X)
        raise ValueError("rows of `X` are too far from every component: their squares overflow")
    return statistics


def densities(
    mixture: Mixture, X: Any, *, responsibilities: bool, n_threads: int | None = None
) -> tuple[Array, Array]:
    """Return the rows' log densities (n_samples,) and responsibilities (n_samples, n_components).

    Without ``responsibilities`` the second array has no rows.
    """
    X = as_rows(X, mixture.n_features)
    model = mixture.kernel_form()
    log_prob = np.empty(len(X))
    resp = np.empty((len(X) if responsibilities else 0, mixture.n_components))

    def run(start: int, stop: int) -> None:
        for begin, end in _chunks(start, stop):
            kernels.densities(kernel_rows(X[begin:end]), model, log_prob[begin:end], resp[begin:end])

    with _spread(len(X), n_threads) as (apply, starts, stops):
        list(apply(run, starts, stops))
    breathe(len(X))
    if not (log_prob > TOO_FAR).all():
        require_finite(X)
    return log_prob, resp


def as_rows(X: Any, n_features: int) -> Any:
    """Return X as an array of numbers with ``n_features`` columns; nothing is copied without need."""
    X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise ValueError(f"`X` must hold real numbers, got an array of dtype {X.dtype}")
    _require_columns(X.shape, n_features)
    return X


def as_weights(sample_weight: Any, n_samples: int) -> Array:
    """Return the row weights as float64 (n_samples,), or an empty array for None."""
    if sample_weight is None:
        return _NO_WEIGHTS
    try:
        weights = np.array(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`sample_weight` must be an array of numbers, got {sample_weight!r}") from None
    if weights.shape != (n_samples,):
        raise ValueError(f"`sample_weight` must have shape ({n_samples},), got {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise ValueError(
            f"`sample_weight` must be finite and not negative, got {weights[bad[0]]} for row {bad[0]}"
        )
    return weights


def require_finite(X: Any) -> None:
    """Raise ValueError naming the first row of X that holds NaN or infinity."""
    for begin, end in _chunks(0, len(X)):
        bad = np.argwhere(~np.isfinite(X[begin:end]))
        if len(bad):
            row, column = (int(index) for index in bad[0])
            raise ValueError(
                f"`X` must be finite, got {X[begin + row, column]} in row {begin + row}, column {column}"
            )


def thread_count(n_threads: int | None) -> int:
    """Return the number of threads to use; None means the cores that this process may use."""
    if n_threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if n_threads < 1:
        raise ValueError(f"`n_threads` must be at least 1, got {n_threads}")
    return n_threads


def _require_columns(shape: tuple[int, ...], n_features: int) -> None:
    if len(shape) != 2 or shape[1] != n_features:
        raise ValueError(f"`X` must have shape (n_samples, {n_features}), got {shape}")


def _chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for begin in range(start, stop, CHUNK):
        yield begin, min(begin + CHUNK, stop)


@contextmanager
def _spread(n_samples: int, n_threads: int | None) -> Iterator[tuple[Callable[..., Any], range, list[int]]]:
    """Give `map`, or the same with threads, and where the spans of rows start and stop."""
    n_chunks = -(-n_samples // CHUNK)
    span = CHUNK * max(1, -(-n_chunks // _MAX_SPANS))
    starts = range(0, n_samples, span)
    stops = [min(start + span, n_samples) for start in starts]
    workers = min(thread_count(n_threads), len(stops))
    if workers <= 1:
        yield map, starts, stops
        return
    with ThreadPoolExecutor(workers) as pool:
        yield pool.map, starts, stops
