"""Parameters that users give for the start, checked under scikit-learn's names and with its messages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from streamgmm import covariance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

BEST = "best"  # of several starts
METHODS = ("k-means++", "kmeans", "random", "random_from_data")
_DTYPES = [np.float64, np.float32]


def one_thread() -> threadpool_limits:
    """Return a context in which scikit-learn's k-means runs on one thread.

    OpenMP's threads do not live through a fork, and a child process that asks for them again waits for ever.
    One thread leaves none behind; starts run side by side instead.
    """
    return threadpool_limits(1, user_api="openmp")


class Given(NamedTuple):
    """Parameters that the user gives for the start, already validated; None is found from rows.

    Attributes
    ----------
    weights : ndarray of shape (n_components,) or None
    means : ndarray of shape (n_components, n_features) or None
    precisions : ndarray or None
        Inverse covariances, in the shape of the covariance type.
    """

    weights: Array | None = None
    means: Array | None = None
    precisions: Array | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether all is to be found."""
        return all(value is None for value in self)

    @property
    def is_all(self) -> bool:
        """Whether nothing is to be found."""
        return not any(value is None for value in self)

    def replace_in(self, found: Mixture) -> Mixture:
        """Return what was found, with what is given in its place."""
        if self.is_nothing:
            return found
        return Mixture.from_factor(
            found.log_weights if self.weights is None else _log(self.weights),
            found.means if self.means is None else self.means,
            found.factor if self.precisions is None else found.kind.from_precisions(self.precisions),
            found.covariance_type,
        )

    def mixture(self, covariance_type: str) -> Mixture:
        """Return the mixture, all of which is given."""
        assert self.weights is not None
        assert self.means is not None
        assert self.precisions is not None
        factor = covariance.get(covariance_type).from_precisions(self.precisions)
        return Mixture.from_factor(_log(self.weights), self.means, factor, covariance_type)


def check_given(
    weights: Any, means: Any, precisions: Any, covariance_type: str, n_components: int, n_features: int
) -> Given:
    """Return the checked start, in float64; what is wrong raises scikit-learn's ValueErrors."""
    kind = covariance.get(covariance_type)
    shape = kind.shape(n_components, n_features)
    return Given(
        None if weights is None else _check_weights(weights, n_components),
        None if means is None else _checked(means, "means", (n_components, n_features)),
        None if precisions is None else _check_precisions(precisions, covariance_type, shape),
    )


def _checked(value: Any, name: str, shape: tuple[int, ...]) -> Array:
    array = check_array(value, dtype=_DTYPES, ensure_2d=False, allow_nd=len(shape) == 3)
    if array.shape != shape:
        raise ValueError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}")
    return np.asarray(array, dtype=np.float64)


def _check_weights(value: Any, n_components: int) -> Array:
    weights = _checked(value, "weights", (n_components,))
    if (weights < 0).any() or (weights > 1).any():
        raise ValueError(
            "The parameter 'weights' should be in the range [0, 1], "
            f"but got max value {weights.min():.5f}, min value {weights.max():.5f}"
        )
    single = getattr(value, "dtype", None) == np.float32
    if abs(1.0 - weights.sum()) > (1e-6 if single else 1e-8):
        raise ValueError(
            f"The parameter 'weights' should be normalized, but got sum(weights) = {weights.sum():.5f}"
        )
    return weights


def _check_precisions(value: Any, covariance_type: str, shape: tuple[int, ...]) -> Array:
    name = f"{covariance_type} precision"
    precisions = _checked(value, name, shape)
    kind = covariance.get(covariance_type)
    if not kind.allows(precisions):
        raise ValueError(f"'{name}' should be {kind.requirement}")
    return precisions


def _log(weights: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(weights / weights.sum())
