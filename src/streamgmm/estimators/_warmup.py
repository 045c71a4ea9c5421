"""The first rows of a stream: kept, and fitted by EM, until there are enough of them to go online."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from streamgmm import covariance, priors
from streamgmm._compat.functools import cached_property
from streamgmm.diagnostics.discrete import constant_columns, duplicate_rows
from streamgmm.fit.batch import BatchResult, fit_em
from streamgmm.fit.problem import Problem
from streamgmm.fit.rows import ArrayRows
from streamgmm.fit.size import size_on_sample
from streamgmm.fit.start import BEST, Given, feature_moments, initialize, initialize_cold
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK

_TOL = 1e-6
_MAX_ITER = 500
_SEVERAL = 10  # distinct rows for each component, where one row comes again and again,
_PATIENCE = 4  # or so many times as many rows as it would take without it


@dataclass(frozen=True)
class Settings:
    """What of an estimator's parameters the start depends on.

    With ``n_most`` the number of components is found, up to this; ``n_components`` is the least.
    """

    n_components: int
    n_most: int | None
    covariance_type: str
    init_params: str
    given: Given
    reg_covar: float | None
    prior: str | ConjugatePrior | None
    seed: int
    n_threads: int | None
    cold_start: bool
    size: int
    batch_size: int

    @property
    def n_enough(self) -> int:
        """Distinct rows to go online with at the first opportunity."""
        if self.n_components == 1 or self.cold_start:
            return self.n_components
        return min(_SEVERAL * self.n_components, self.size)


@dataclass(frozen=True, eq=False)
class WarmUp:
    """Rows kept so far, and, when it is asked for, the mixture fitted to them.

    The fit depends on the rows alone, not on when it was asked for. The first ``size`` rows are kept as they
    are. If most of them are equal, or too few distinct, more are waited for; from
    then on distinct rows are kept with their weights and counts, so that a million equal ones need no memory.
    """

    settings: Settings
    X: Array
    weights: Array
    n_rows: int = 0
    counts: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def add(self, X: Any, weights: Array) -> tuple[WarmUp, int]:
        """Return a warm-up with these rows too, as many as it takes to go online, and their number."""
        taken = min(max(self.settings.size - self.n_rows, 0), len(X))
        warm_up = self._keep(X[:taken], weights[:taken]) if taken else self
        while taken < len(X) and not warm_up.is_complete:
            warm_up, more = warm_up._wait(X[taken : taken + CHUNK], weights[taken : taken + CHUNK])
            taken += more
        return warm_up, taken

    @property
    def room(self) -> int:
        """How many more rows it takes at least."""
        more = self.settings.size - self.n_rows
        return more if more > 0 else self.settings.batch_size - self.n_rows % self.settings.batch_size

    @cached_property
    def is_complete(self) -> bool:
        """Whether the rows are enough to go online: whole mini-batches, with something for each component."""
        settings = self.settings
        if self.n_rows < settings.size or self.n_rows % settings.batch_size:
            return False
        waits = (self.counts is not None or self._is_dominated) and self.n_rows < _PATIENCE * settings.size
        return self.n_distinct >= (settings.n_enough if waits else settings.n_components)

    def _keep(self, X: Any, weights: Array) -> WarmUp:
        n_rows, X = self.n_rows + len(X), np.asarray(X, dtype=np.float64)
        if len(weights) or len(self.weights):
            weights = np.concatenate([_or_ones(self.weights, self.X), _or_ones(weights, X)])
        return replace(self, X=np.concatenate([self.X, X]), weights=weights, n_rows=n_rows)

    def _wait(self, X: Any, weights: Array) -> tuple[WarmUp, int]:
        """Take rows until the distinct ones are enough: equal ones are kept as one, with their weight."""
        settings = self.settings
        counts = np.ones(len(self.X), dtype=np.int64) if self.counts is None else self.counts
        rows = np.concatenate([self.X, np.asarray(X, dtype=np.float64)])
        w = np.concatenate([_or_ones(self.weights, self.X), _or_ones(weights, X)])
        counts = np.concatenate([counts, np.ones(len(X), dtype=np.int64)])
        place = np.maximum(np.arange(len(rows)) - len(self.X) + 1, 0)  # rows taken to have this one too
        used = w > 0
        rows, w, counts, place = rows[used], w[used], counts[used], place[used]
        first = np.sort(place[np.unique(rows, axis=0, return_index=True)[1]])
        wanted = min(
            _nth(first, settings.n_enough),
            max(_nth(first, settings.n_components), _PATIENCE * settings.size - self.n_rows),
        )
        end = settings.batch_size * np.ceil((self.n_rows + wanted) / settings.batch_size)
        taken = int(min(max(end - self.n_rows, 1), len(X)))
        inside = place <= taken
        distinct, index = np.unique(rows[inside], axis=0, return_inverse=True)
        index = index.ravel()
        warm_up = replace(
            self,
            X=distinct,
            weights=np.asarray(np.bincount(index, w[inside], len(distinct)), dtype=np.float64),
            counts=np.bincount(index, counts[inside], len(distinct)).astype(np.int64),
            n_rows=self.n_rows + taken,
        )
        return warm_up, taken

    @cached_property
    def n_distinct(self) -> int:
        """Number of distinct rows with a positive weight."""
        X = self.X[self.weights > 0] if len(self.weights) else self.X
        return len(np.unique(X, axis=0))

    @property
    def _is_dominated(self) -> bool:
        """Whether one row came more often than all others, before any were waited for."""
        return bool(2 * np.unique(self.X, axis=0, return_counts=True)[1].max() > len(self.X))

    @cached_property
    def fit_weights(self) -> Array:
        """Row weights for the fit, empty for ones.

        Where rows had to be waited for because one of them came again and again, as from a sensor that is
        stuck, and most came once, it counts like the others: no component is to sit on it.
        """
        if self.counts is None or self.n_distinct < self.settings.n_enough or np.median(self.counts) > 1:
            return self.weights
        return np.minimum(self.weights, np.median(self.weights))

    @property
    def total(self) -> float:
        """Weight of the rows in the fit."""
        return float(self.fit_weights.sum()) if len(self.fit_weights) else float(len(self.X))

    @property
    def shortage(self) -> str | None:
        """Say what is missing if there are fewer distinct rows than components."""
        n_components = self.settings.n_components
        if self.n_distinct >= n_components:
            return None
        return (
            f"{n_components} components need at least {n_components} distinct rows of positive weight, "
            f"got {self.n_distinct} in n_samples={self.n_rows} rows"
        )

    @cached_property
    def options(self) -> Options:
        """Regularization and prior for the rules that follow."""
        return self._options(self.settings.prior, self.result.mixture.n_components)

    def _options(self, choice: str | ConjugatePrior | None, n_components: int) -> Options:
        w = self.fit_weights
        X, w = (self.X[w > 0], w[w > 0]) if len(w) else (self.X, w)
        mean, scatter, deviations = feature_moments(X, w)
        variances = np.square(deviations)
        settings = self.settings
        floor = 1e-6 * variances if settings.reg_covar is None else np.full(len(mean), settings.reg_covar)
        # too few rows for a covariance matrix of full rank: only their variances are known
        width = scatter if len(X) > len(mean) else np.diag(variances)
        weak = priors.weak_prior(mean, width, n_components)
        prior = weak if isinstance(choice, str) else choice
        kind = covariance.get(settings.covariance_type)
        return priors.options(kind, n_components, len(mean), floor, prior)

    @cached_property
    def result(self) -> BatchResult:
        """EM's fit of the rows; with few rows and no prior, of the posterior under the weak prior.

        For a rule that starts cold, a mixture of the rows' scale, as no iteration of EM.
        """
        result = self.fitted()
        self._warn()
        return result

    def fitted(self) -> BatchResult:
        """Return the same, made anew and without a warning."""
        if self.shortage:
            raise NotFittedError(self.shortage)
        settings = self.settings
        shape = settings.n_components, settings.covariance_type
        how: dict[str, Any] = {"random_state": np.random.RandomState(settings.seed), "given": settings.given}
        if settings.cold_start:
            start = initialize_cold(self.X, self.fit_weights, *shape, **how)
            log_prob = start.log_prob(self.X, n_threads=settings.n_threads)
            weights = self.fit_weights if len(self.fit_weights) else None
            return BatchResult(start, False, 0, [float(np.average(log_prob, weights=weights))])
        if settings.init_params == BEST:
            start = self._best(how["random_state"])
        else:
            start = initialize(self.X, self.fit_weights, *shape, init_params=settings.init_params, **how)
        options = self._options(self._fit_prior, start.n_components)
        rows, n_threads = ArrayRows(self.X, self.fit_weights), settings.n_threads
        return fit_em(start, rows, options=options, tol=_TOL, max_iter=_MAX_ITER, n_threads=n_threads)

    def _best(self, random_state: np.random.RandomState) -> Mixture:
        """Return the best of several starts, or of several numbers of components."""
        settings = self.settings
        most = settings.n_most or settings.n_components
        problem = Problem(
            ArrayRows(self.X, self.fit_weights),
            most,
            settings.covariance_type,
            reg_covar=settings.reg_covar,
            prior=self._fit_prior,
            n_threads=settings.n_threads,
        )
        if settings.n_most is not None:
            return size_on_sample(problem, min(most, self.n_distinct), settings.seed).mixture
        return settings.given.replace_in(problem.start(most, random_state))

    @property
    def _fit_prior(self) -> str | ConjugatePrior | None:
        """The prior for the fit: of few rows the weak one."""
        settings = self.settings
        is_capped = self.fit_weights is not self.weights
        n_rows = len(self.X) if is_capped else self.n_rows
        few = n_rows < 10 * (self.X.shape[1] + 1) * settings.n_components or settings.n_most is not None
        return "weak" if few and settings.prior is None else settings.prior

    @property
    def statistics(self) -> Statistics:
        """The rows' statistics under the fit."""
        rows = ArrayRows(self.X, self.fit_weights)
        return rows.e_step(self.result.mixture, n_threads=self.settings.n_threads)

    def _warn(self) -> None:
        n_rows = self.n_rows
        constant = tuple(int(a) for a in np.flatnonzero(np.ptp(self.X, axis=0) == 0))
        if constant and n_rows > 1:
            where = "the first {rows} rows: {columns}; each is given a small variance (`reg_covar`)"
            warnings.warn(constant_columns(constant, n_rows, where), UserWarning, stacklevel=2)
        n_used = int(np.count_nonzero(self.weights)) if len(self.weights) and self.counts is None else n_rows
        if 2 * self.n_distinct <= n_used and n_used > 1:
            rows, index = np.unique(self.X, axis=0, return_inverse=True)
            counts = np.bincount(index.ravel(), self.counts).astype(np.int64)
            most = int(np.argmax(counts))
            found = duplicate_rows(rows[most], int(counts[most]), self.n_distinct, n_rows, "the first {rows}")
            warnings.warn(found, UserWarning, stacklevel=2)


def _or_ones(weights: Array, X: Any) -> Array:
    return weights if len(weights) else np.ones(len(X))


def _nth(places: Array, n: int) -> float:
    """Return the n-th smallest place, infinite if there are not so many."""
    return float(places[n - 1]) if n <= len(places) else np.inf
