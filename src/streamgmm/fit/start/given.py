"""Parameters that users give for the start, checked under scikit-learn's names and with its messages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array

from streamgmm import covariance
from streamgmm.covariance import CovarianceType
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

_DTYPES = [np.float64, np.float32]


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
            found.factor if self.precisions is None else _inverse(self.precisions, found.kind),
            found.covariance_type,
        )

    def mixture(self, covariance_type: str) -> Mixture:
        """Return the mixture, all of which is given."""
        assert self.weights is not None
        assert self.means is not None
        assert self.precisions is not None
        factor = _inverse(self.precisions, covariance.get(covariance_type))
        return Mixture.from_factor(_log(self.weights), self.means, factor, covariance_type)


def check_given(
    weights: Any, means: Any, precisions: Any, covariance_type: str, n_components: int, n_features: int
) -> Given:
    """Return the checked start, in float64.

    Raises
    ------
    ValueError
        As scikit-learn raises it: for a wrong shape, weights that are not proportions, or precisions that are
        not symmetric and positive definite.
    """
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
    if not covariance.get(covariance_type).has_matrices:
        if (precisions <= 0).any():
            raise ValueError(f"'{name}' should be positive")
        return precisions
    matrices = precisions.reshape(-1, shape[-1], shape[-1])
    if not (np.allclose(matrices, np.swapaxes(matrices, 1, 2)) and (np.linalg.eigvalsh(matrices) > 0).all()):
        raise ValueError(f"'{name}' should be symmetric, positive-definite")
    return precisions


def _log(weights: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(weights / weights.sum())


def _inverse(precisions: Array, kind: CovarianceType) -> Array:
    """Return the factor of the covariances that are the inverses of validated precisions."""
    if not kind.has_matrices:
        return 1.0 / np.sqrt(precisions)
    inverse = np.linalg.inv(precisions)
    return kind.factor(np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)), dtype=np.float64))
