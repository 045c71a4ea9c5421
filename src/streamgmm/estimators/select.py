"""How many components, and which covariances: many fits, ranked."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from streamgmm import covariance
from streamgmm.diagnostics import Finding, discrete
from streamgmm.fit.rows import ArrayRows, Rows, RowsChangedError, rows_of
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.sweep import CHUNK, thread_count

from ._fitting import fitted_along, may_follow
from .batch import GaussianMixture

CRITERIA = ("bic", "aic", "icl", "held-out")
_BAR = 30
Progress = Callable[[int, int], None]


class Failure(NamedTuple):
    """A mixture that could not be fitted.

    Attributes
    ----------
    n_components : int
    covariance_type : str
    why : str
    """

    n_components: int
    covariance_type: str
    why: str


class Candidate(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    n_components : int
    covariance_type : str
    value : float
        Of the criterion: the lowest is best for "bic", "aic" and "icl", the highest for "held-out".
    log_likelihood : float
        Of all rows that were fitted, in nats.
    n_parameters : int
    converged : bool
    """

    n_components: int
    covariance_type: str
    value: float
    log_likelihood: float
    n_parameters: int
    converged: bool


@dataclass(frozen=True, eq=False)
class Selection:
    """What `select` found.

    Parameters
    ----------
    criterion : str
    table : tuple of Candidate
        The best first; ``pandas.DataFrame(selection.table)`` is a frame of it.
    best : GaussianMixture
        The winner, fitted to all rows.
    failures : tuple of Failure
        What could not be fitted, and why.
    findings : tuple of Finding
        Values and rows that come again and again (`streamgmm.diagnostics.discrete`): what a component could
        sit on.
    """

    criterion: str
    table: tuple[Candidate, ...]
    best: GaussianMixture
    failures: tuple[Failure, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        lines = [
            f"{'K':>4} {'covariances':>11} {self.criterion:>14} {'log-likelihood':>15} {'parameters':>10}"
        ]
        for row in self.table:
            lines.append(
                f"{row.n_components:>4} {row.covariance_type:>11} {row.value:>14.6g} "
                f"{row.log_likelihood:>15.6g} {row.n_parameters:>10}"
                + ("" if row.converged else "  not converged")
            )
        names = getattr(self.best, "feature_names_in_", None)
        lines += [finding.text(names) for finding in self.findings]
        return "\n".join(lines)


def select(
    X: Any,
    n_components: Iterable[int] = range(1, 11),
    *,
    covariance_types: Iterable[str] = covariance.names(),
    criterion: str = "bic",
    sample_weight: Any = None,
    held_out: float = 0.2,
    prior: str | ConjugatePrior | None = "weak",
    random_state: Any = None,
    n_threads: int | None = None,
    progress: bool | Progress = False,
    **params: Any,
) -> Selection:
    """Fit mixtures with different numbers of components and covariances, and rank them.

    Each fit begins where that with one component more ended, with two of its components merged: a range of
    numbers costs little more than its largest (`streamgmm.fit.path.path`). If scikit-learn's arguments for a
    fit are among the parameters, each is a fit of its own, from scikit-learn's start.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), path, or batches
        Whatever `GaussianMixture.fit` takes; for "held-out", rows at hand.
    n_components : iterable of int, default=range(1, 11)
    covariance_types : iterable of str, default=("full", "tied", "diag", "spherical")
    criterion : {"bic", "aic", "icl", "held-out"}, default="bic"
        The information criteria of Schwarz and Akaike; BIC plus twice the entropy of the responsibilities
        (Biernacki, Celeux and Govaert, 2000), which asks for components that do not overlap; or the mean log
        density of rows that were not fitted. The winner of "held-out" is then fitted to all rows, from where
        it was.
    sample_weight : array-like of shape (n_samples,), optional
    held_out : float, default=0.2
        The share of rows held out.
    prior : {"weak", None} or ConjugatePrior, default="weak"
        Without one, the winner may be a mixture with a component on a few rows, where the likelihood has no
        bound.
    random_state : int, RandomState instance or None, default=None
        The same for all fits.
    n_threads : int, optional
        All cores by default: on few rows each fit runs on one, on many rows they share each fit.
    progress : bool or callable, default=False
        True draws a bar on standard error; a function is called with the fits done and their number.
    **params
        Of `GaussianMixture`, such as ``search=True`` or ``solver="accelerated-em"``.

    Returns
    -------
    Selection

    Raises
    ------
    ValueError
        For arguments that make no sense, or if no mixture could be fitted.

    Examples
    --------
    >>> from streamgmm import datasets, select
    >>> found = select(datasets.load_faithful().data, random_state=0)
    >>> found.best.n_components, found.best.covariance_type
    (3, 'tied')
    """
    covariance_types = [covariance_types] if isinstance(covariance_types, str) else list(covariance_types)
    sizes = list(dict.fromkeys(n_components)) if np.iterable(n_components) else [n_components]
    if not all(isinstance(K, Integral) for K in sizes):
        raise ValueError(f"`n_components` must hold integers, got {sizes}")
    grid = [(int(K), kind) for kind in covariance_types for K in sizes]
    if criterion not in CRITERIA:
        raise ValueError(f"`criterion` must be one of {', '.join(map(repr, CRITERIA))}, got {criterion!r}")
    if not grid or min(K for K, _ in grid) < 1:
        raise ValueError("`n_components` and `covariance_types` must hold something to try, from 1 component")
    if not 0 < held_out < 1:
        raise ValueError(f"`held_out` must lie between 0 and 1, got {held_out}")
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(2**31 - 1))
    largest = GaussianMixture(max(K for K, _ in grid))
    rows = rows_of(X, sample_weight, estimator=largest, **largest._how_to_read())
    fitted = tested = rows
    if criterion == "held-out":
        fitted, tested = _split(rows, held_out, random_state)
    params |= {"prior": prior, "random_state": random_state}
    work = _Work(fitted, tested, criterion, params, _Counter(progress, len(grid)))
    n_workers = thread_count(n_threads)
    is_small = isinstance(rows, ArrayRows) and rows.n_samples <= CHUNK
    with warnings.catch_warnings(), ThreadPoolExecutor(n_workers if is_small else 1) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table says so
        each = max(1, n_workers // len(covariance_types)) if is_small else n_workers
        one = partial(work.of_type, sizes, n_threads=each)
        done = [fit for fits in pool.map(one, covariance_types) for fit in fits]
    models = [fit for fit in done if not isinstance(fit, Failure)]
    failures = tuple(fit for fit in done if isinstance(fit, Failure))
    if not models:
        raise ValueError(f"no mixture could be fitted: {failures[0].why}")
    sign = -1.0 if criterion == "held-out" else 1.0
    models.sort(key=lambda pair: (sign * pair[0].value, pair[0].n_parameters))
    best = models[0][1].set_params(n_threads=n_threads)
    if criterion == "held-out":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            best.set_params(warm_start=True).fit(rows)
        best.set_params(warm_start=params.get("warm_start", False))
    table = tuple(candidate for candidate, _ in models)
    return Selection(criterion, table, best, failures, tuple(discrete(rows.sample[0])))


Fitted = tuple[Candidate, GaussianMixture]


class _Counter:
    """Says how many fits are done, whichever thread did them."""

    def __init__(self, progress: bool | Progress, total: int) -> None:
        self._report = progress if callable(progress) else _draw if progress else lambda done, total: None
        self._lock, self._done, self._total = Lock(), 0, total
        self._report(0, total)

    def __call__(self) -> None:
        with self._lock:
            self._done += 1
            self._report(self._done, self._total)


class _Work(NamedTuple):
    """What all fits have in common."""

    fitted: Rows
    tested: Rows
    criterion: str
    params: dict[str, Any]
    done: _Counter

    def of_type(self, sizes: list[int], covariance_type: str, *, n_threads: int) -> list[Fitted | Failure]:
        """Return the fits of one covariance type: along a path, unless starts were asked for."""
        models = {
            K: GaussianMixture(K, covariance_type=covariance_type, n_threads=n_threads, **self.params)
            for K in sizes
        }
        fits: dict[int, Fitted | Failure] = {}
        able = {K: model for K, model in models.items() if self.fitted.n_samples >= K}
        if able and all(may_follow(model) for model in able.values()):
            for K, result in fitted_along(able, self.fitted, self.done).items():
                able[K]._keep(result, self.fitted)
                fits[K] = self._ranked(able[K])
        for K in models.keys() - fits.keys():
            try:
                fits[K] = self._ranked(models[K].fit(self.fitted))
            except RowsChangedError:
                raise
            except ValueError as error:
                fits[K] = Failure(K, covariance_type, str(error))
            self.done()
        return [fits[K] for K in sizes]

    def _ranked(self, model: GaussianMixture) -> Fitted:
        """Return a fitted model with its row of the table."""
        mixture = model.to_mixture()
        sums = self.fitted.e_step(mixture, n_threads=model.n_threads)
        n_parameters = mixture.n_parameters
        bic = -2 * sums.log_likelihood + n_parameters * np.log(sums.weight)
        if self.criterion == "held-out":
            held = self.tested.e_step(mixture, n_threads=model.n_threads)
            value = held.log_likelihood / held.weight
        elif self.criterion == "aic":
            value = -2 * sums.log_likelihood + 2 * n_parameters
        else:
            value = bic + (2 * _entropy(mixture, self.fitted) if self.criterion == "icl" else 0.0)
        candidate = Candidate(
            mixture.n_components,
            mixture.covariance_type,
            float(value),
            sums.log_likelihood,
            n_parameters,
            model.converged_,
        )
        return candidate, model


def _entropy(mixture: Mixture, rows: Rows) -> float:
    """Return the sum of the entropies of the rows' responsibilities."""
    total = 0.0
    for X, weights in rows.parts():
        for begin in range(0, len(X), CHUNK):
            resp = mixture.responsibilities(X[begin : begin + CHUNK], n_threads=1)
            entropies = -(resp * np.log(np.where(resp > 0, resp, 1.0))).sum(axis=1)
            total += float(entropies @ weights[begin : begin + CHUNK] if len(weights) else entropies.sum())
    return total


def _split(rows: Rows, share: float, random_state: Any) -> tuple[ArrayRows, ArrayRows]:
    """Return the rows to fit and the rows held out."""
    if not isinstance(rows, ArrayRows):
        raise ValueError("criterion 'held-out' must have the rows at hand as `X`, got files or batches")
    n_held = max(1, round(share * rows.n_samples))
    order = check_random_state(random_state).permutation(rows.n_samples)
    fitted, held = np.sort(order[n_held:]), np.sort(order[:n_held])
    return ArrayRows(*rows.take(fitted), rows.names), ArrayRows(*rows.take(held), rows.names)


def _draw(done: int, total: int) -> None:
    filled = _BAR * done // total
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (_BAR - filled)}] {done} of {total} mixtures{end}")
    sys.stderr.flush()
