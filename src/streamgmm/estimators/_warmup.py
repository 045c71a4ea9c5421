"""The first rows of a stream: kept, and fitted by EM, until there are enough of them to go online."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from streamgmm import covariance, priors
from streamgmm.diagnostics import Finding
from streamgmm.fit.batch import BatchResult, fit_em
from streamgmm.fit.initialize import feature_moments, initialize, initialize_cold, typical
from streamgmm.kernels.records import Options
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import e_step

_TOL = 1e-6
_MAX_ITER = 500


@dataclass(frozen=True)
class Settings:
    """What of an estimator's parameters the start depends on."""

    n_components: int
    covariance_type: str
    init_params: str
    weights_init: Any
    means_init: Any
    precisions_init: Any
    reg_covar: float | None
    prior: str | ConjugatePrior | None
    seed: int
    n_threads: int | None
    cold_start: bool


@dataclass(frozen=True, eq=False)
class WarmUp:
    """Rows kept so far, and, when it is asked for, the mixture fitted to them.

    The fit depends on the rows alone, not on when it was asked for.
    """

    settings: Settings
    X: Array
    weights: Array

    def add(self, X: Array, weights: Array) -> WarmUp:
        """Return a warm-up with these rows too."""
        if len(weights) != len(self.weights) or len(weights):
            old = self.weights if len(self.weights) else np.ones(len(self.X))
            new = weights if len(weights) else np.ones(len(X))
            merged = np.concatenate([old, new])
        else:
            merged = weights
        return replace(self, X=np.concatenate([self.X, X]), weights=merged)

    @property
    def n_distinct(self) -> int:
        """Number of distinct rows with a positive weight."""
        X = self.X[self.weights > 0] if len(self.weights) else self.X
        return len(np.unique(X, axis=0))

    @property
    def shortage(self) -> str | None:
        """Say what is missing if there are fewer distinct rows than components."""
        n_components = self.settings.n_components
        if self.n_distinct >= n_components:
            return None
        return (
            f"{n_components} components need at least {n_components} distinct rows of positive weight, "
            f"got {self.n_distinct} in n_samples={len(self.X)} rows"
        )

    @cached_property
    def options(self) -> Options:
        """Regularization and prior for the rules that follow."""
        return self._options(self.settings.prior)

    def _options(self, choice: str | ConjugatePrior | None) -> Options:
        mean, scatter = feature_moments(self.X, self.weights)
        variances = np.diag(scatter)
        constant = np.ptp(self.X, axis=0) == 0
        variances = np.where(constant, typical(np.sqrt(variances[~constant])) ** 2, variances)
        settings = self.settings
        floor = 1e-6 * variances if settings.reg_covar is None else np.full(len(mean), settings.reg_covar)
        # too few rows for a covariance matrix of full rank: only their variances are known
        width = scatter if len(self.X) > len(mean) else np.diag(variances)
        weak = priors.weak_prior(mean, width, settings.n_components)
        prior = weak if isinstance(choice, str) else choice
        kind = covariance.get(settings.covariance_type)
        return priors.options(kind, settings.n_components, len(mean), floor, prior)

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
        if settings.cold_start:
            return self._cold()
        start = initialize(
            self.X,
            self.weights,
            settings.n_components,
            settings.covariance_type,
            init_params=settings.init_params,
            random_state=np.random.RandomState(settings.seed),
            weights_init=settings.weights_init,
            means_init=settings.means_init,
            precisions_init=settings.precisions_init,
        )
        few = len(self.X) < 10 * (self.X.shape[1] + 1) * settings.n_components
        options = self._options("weak") if few and settings.prior is None else self.options
        return fit_em(
            start,
            self.X,
            self.weights if len(self.weights) else None,
            options=options,
            tol=_TOL,
            max_iter=_MAX_ITER,
            n_threads=settings.n_threads,
        )

    def _cold(self) -> BatchResult:
        settings = self.settings
        start = initialize_cold(
            self.X,
            self.weights,
            settings.n_components,
            settings.covariance_type,
            random_state=np.random.RandomState(settings.seed),
            weights_init=settings.weights_init,
            means_init=settings.means_init,
            precisions_init=settings.precisions_init,
        )
        weights = self.weights if len(self.weights) else None
        log_prob = start.log_prob(self.X, n_threads=settings.n_threads)
        return BatchResult(start, False, 0, [float(np.average(log_prob, weights=weights))])

    @property
    def statistics(self) -> Statistics:
        """The rows' statistics under the fit."""
        weights = self.weights if len(self.weights) else None
        return e_step(self.result.mixture, self.X, weights, n_threads=self.settings.n_threads)

    def _warn(self) -> None:
        n_rows = len(self.X)
        constant = tuple(int(a) for a in np.flatnonzero(np.ptp(self.X, axis=0) == 0))
        if constant and n_rows > 1:
            say = (
                "constant columns in the first {rows} rows: {columns}; each is given a small variance "
                "(`reg_covar`)"
            )
            finding = Finding("constant-columns", say, {"rows": n_rows}, features=constant)
            warnings.warn(finding, UserWarning, stacklevel=2)
        if 2 * self.n_distinct <= n_rows and n_rows > 1:
            rows, counts = np.unique(self.X, axis=0, return_counts=True)
            most = int(np.argmax(counts))
            say = (
                "duplicate rows: only {distinct} of the first {rows} rows are distinct; {row} occurs {times} "
                "times"
            )
            values = {"row": rows[most].tolist(), "times": int(counts[most])}
            values |= {"distinct": self.n_distinct, "rows": n_rows}
            warnings.warn(Finding("duplicate-rows", say, values), UserWarning, stacklevel=2)
