"""Reading a fitted mixture: what all estimators share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.mixture import GaussianMixture as SklearnGaussianMixture
from sklearn.utils.validation import check_is_fitted, validate_data

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import as_weights

from ._out_of_core import batches_of

_DTYPES = (np.float64, np.float32)
Labels = np.ndarray[Any, np.dtype[np.intp]]


class ReadingMixin(DensityMixin, BaseEstimator):
    """Scores, labels and criteria of an estimator that knows its mixture.

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
        log_prob = self.score_samples(X)
        total, weight = _weighted_sum(log_prob, sample_weight)
        return total / weight

    def predict(self, X: Any) -> Labels:
        """Return the most probable component of each row (n_samples,)."""
        mixture = self.to_mixture()
        return self._read(X, lambda rows: mixture.predict(rows, n_threads=self.n_threads))

    def predict_proba(self, X: Any) -> Array:
        """Return the responsibilities (n_samples, n_components)."""
        mixture = self.to_mixture()
        return self._read(X, lambda rows: mixture.responsibilities(rows, n_threads=self.n_threads))

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Return the Bayesian information criterion on rows (the lower, the better)."""
        total, weight = _weighted_sum(self.score_samples(X), sample_weight)
        return float(-2 * total + self._n_parameters() * np.log(weight))

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Return Akaike's information criterion on rows (the lower, the better)."""
        total, _ = _weighted_sum(self.score_samples(X), sample_weight)
        return float(-2 * total + 2 * self._n_parameters())

    def to_sklearn(self) -> SklearnGaussianMixture:
        """Return scikit-learn's estimator with the same fitted parameters, which needs no streamgmm.

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
        names = SklearnGaussianMixture().get_params()
        params = {name: value for name, value in self.get_params(deep=False).items() if name in names}
        if params.get("reg_covar", 0.0) is None:
            del params["reg_covar"]
        model = SklearnGaussianMixture(**params)
        for name, value in attributes_of(mixture).items():
            setattr(model, name, value)
        model.converged_, model.n_iter_ = self.converged_, self.n_iter_
        model.lower_bound_ = self.lower_bound_
        model.lower_bounds_ = list(getattr(self, "lower_bounds_", []))
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        return model

    def _n_parameters(self) -> int:
        return self.to_mixture().n_parameters

    def _read(self, X: Any, work: Callable[[Any], Any]) -> Any:
        """Return the results of work on the rows, joined."""
        check_is_fitted(self)
        found = batches_of(X)
        if found is None:
            return work(validate_data(self, X, dtype=_DTYPES, reset=False))
        return np.concatenate([work(np.asarray(rows)) for rows in found[0]()])


def attributes_of(mixture: Mixture, dtype: Any = np.float64) -> dict[str, Array]:
    """Return scikit-learn's fitted parameters of a mixture."""
    root = mixture.kind.precisions_cholesky(mixture.factor)
    attributes = {
        "weights_": mixture.weights,
        "means_": mixture.means,
        "covariances_": mixture.covariances,
        "precisions_": mixture.kind.covariances(root),
        "precisions_cholesky_": root,
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
