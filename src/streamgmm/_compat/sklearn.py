"""The private names of scikit-learn that estimators and displays need, without their underscores."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, Hidden, Interval, StrOptions
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "StrOptions",
    "check_feature_names",
    "fit_context",
    "num_samples",
    "safe_indexing",
    "validate_params",
]


def validate_params(estimator: BaseEstimator) -> None:
    """Raise an error if a parameter of an estimator is not what its ``_parameter_constraints`` allow."""
    estimator._validate_params()
