"""Reading a fitted mixture: what all estimators share."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.mixture import GaussianMixture as SklearnGaussianMixture
from sklearn.utils.validation import check_is_fitted

from streamgmm import covariance
from streamgmm._compat.sklearn import Interval, StrOptions
from streamgmm.fit.rows import Rows, rows_of
from streamgmm.fit.start import BEST, METHODS, Given, check_given
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array
from streamgmm.sweep import as_weights

# Beside the estimators, not in them: a lock is no state to pickle, to clone or to put back.
_LOCKS: WeakKeyDictionary[BaseEstimator, Any] = WeakKeyDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOCKS.clear)  # whoever held one is not there

CONSTRAINTS: dict[str, list[Any]] = {  # of the parameters that both estimators have
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "covariance_type": [StrOptions(set(covariance.names()))],
    "init_params": [StrOptions(set(METHODS))],
    **{name: ["array-like", None] for name in ("weights_init", "means_init", "precisions_init")},
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "prior": [StrOptions({"weak"}), ConjugatePrior, None],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
}

Labels = np.ndarray[Any, np.dtype[np.intp]]


class ReadingMixin(DensityMixin, BaseEstimator):
    """Scores, labels and criteria of an estimator that knows its mixture, and how rows come into it.

    ``X`` may be whatever `fit` takes; what comes in batches is read once.
    """

    n_threads: int | None

    @abstractmethod
    def to_mixture(self) -> Mixture:
        """Return the mixture learned so far."""

    def score_samples(self, X: Any) -> Array:
        """Return the log density of each row (n_samples,), in nats."""
        mixture = self.to_mixture()
        return self._read(X, lambda rows: mixture.log_prob(rows, n_threads=self.n_threads))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean log density of the rows, in nats."""
        total, weight = _weighted_sum(self.score_samples(X), sample_weight)
        return total / weight

    def predict(self, X: Any) -> Labels:
        """Return the most probable component of each row (n_samples,)."""
        mixture = self.to_mixture()
        return self._read(X, lambda rows: mixture.predict(rows, n_threads=self.n_threads))

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Labels:
        """Fit the mixture to rows and return the most probable component of each."""
        return self.fit(X, y, sample_weight).predict(X)

    def predict_proba(self, X: Any) -> Array:
        """Return the responsibilities (n_samples, n_components)."""
        mixture = self.to_mixture()
        return self._read(X, lambda rows: mixture.responsibilities(rows, n_threads=self.n_threads))

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Return the Bayesian information criterion on rows (the lower, the better)."""
        total, weight = _weighted_sum(self.score_samples(X), sample_weight)
        return float(-2 * total + self.to_mixture().n_parameters * np.log(weight))

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Return Akaike's information criterion on rows (the lower, the better)."""
        total, _ = _weighted_sum(self.score_samples(X), sample_weight)
        return float(-2 * total + 2 * self.to_mixture().n_parameters)

    def to_sklearn(self) -> SklearnGaussianMixture:
        """Return scikit-learn's estimator with the same fitted parameters, which needs no streamgmm.

        It is "full" where scikit-learn does not have the covariance type.

        Examples
        --------
        >>> import numpy as np
        >>> from streamgmm import OnlineGaussianMixture
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> model = OnlineGaussianMixture(random_state=0).fit(X)
        >>> bool(np.isclose(model.to_sklearn().score(X), model.score(X)))
        True
        """
        mixture = self.to_mixture()
        if not mixture.kind.in_sklearn:
            mixture = Mixture(mixture.weights, mixture.means, mixture.covariance_matrices())
        names = SklearnGaussianMixture().get_params()
        params = {name: value for name, value in self.get_params(deep=False).items() if name in names}
        params |= {"n_components": mixture.n_components, "covariance_type": mixture.covariance_type}
        if params.get("init_params") == BEST:
            del params["init_params"]
        model = SklearnGaussianMixture(**{name: value for name, value in params.items() if value is not None})
        for name, value in attributes_of(mixture).items():
            setattr(model, name, value)
        model.converged_, model.n_iter_ = self.converged_, self.n_iter_
        model.lower_bound_ = self.lower_bound_
        model.lower_bounds_ = list(getattr(self, "lower_bounds_", []))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        return model

    def _read(self, X: Any, work: Callable[[Any], Any]) -> Any:
        """Return the results of work on the rows, joined."""
        check_is_fitted(self)
        done = [work(rows) for rows, _ in rows_of(X, estimator=self).parts()]
        return done[0] if len(done) == 1 else np.concatenate(done)

    def _given(self, n_features: int) -> Given:
        """Return the start that the user gives, checked."""
        start = (self.weights_init, self.means_init, self.precisions_init)
        return check_given(*start, self.covariance_type, self.n_components, n_features)

    def _take_columns(self, rows: Rows) -> None:
        """Remember the columns of rows, as scikit-learn does those of arrays."""
        self.n_features_in_ = rows.n_features
        self.__dict__.pop("feature_names_in_", None)
        if rows.names is not None:
            self.feature_names_in_ = np.array(rows.names, dtype=object)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Let one thread at a time change the estimator, and put it back as it was if anything fails."""
        with _LOCKS.setdefault(self, threading.RLock()):
            before = self.__dict__.copy()
            try:
                yield
            except BaseException:
                self.__dict__ = before
                raise


def require_same(values: dict[str, tuple[Any, Any]], remedy: str) -> None:
    """Raise ValueError where what a model was fitted with, and what would go on with it, are not the same."""
    for name, (before, now) in values.items():
        if not (before is now or np.array_equal(before, now)):
            raise ValueError(
                f"`{name}` must be what the model was fitted with, {before!r}, for it to go on, got {now!r}: "
                f"{remedy}, or set it back"
            )


def attributes_of(mixture: Mixture, dtype: Any = np.float64) -> dict[str, Array]:
    """Return scikit-learn's fitted parameters of a mixture."""
    kind = mixture.kind
    attributes = {
        "weights_": mixture.weights,
        "means_": mixture.means,
        "covariances_": mixture.covariances,
        "precisions_": kind.precisions(mixture.factor),
        "precisions_cholesky_": kind.precisions_cholesky(mixture.factor),
    }
    return {name: np.array(value, dtype=dtype) for name, value in attributes.items()}


def _weighted_sum(values: Array, sample_weight: Any) -> tuple[float, float]:
    """Return the sum of weighted values and of weights."""
    weights = as_weights(sample_weight, len(values))
    if not len(weights):
        return float(values.sum()), float(len(values))
    if not weights.any():
        raise ValueError("`sample_weight` must hold a positive weight, got only zero")
    return float(np.dot(weights, values)), float(weights.sum())
