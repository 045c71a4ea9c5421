"""Mixture: an immutable Gaussian mixture; densities, responsibilities, samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import covariance, sweep
from .statistics import Array


class Mixture:
    """A Gaussian mixture p(x) = sum_k weight_k N(x; mean_k, S_k), which never changes.

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Not negative; they sum to one.
    means : array-like of shape (n_components, n_features)
    covariances : array-like
        (n_components, n_features, n_features) for "full", (n_features, n_features) for "tied",
        variances (n_components, n_features) for "diag" and (n_components,) for "spherical".
    covariance_type : {"full", "tied", "diag", "spherical"}

    Attributes
    ----------
    log_weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_features)
    factor : ndarray, same shape as the covariances
        Lower triangular L with S = L L' ("full", "tied") or standard deviations ("diag", "spherical"). No
        inverse is ever stored.
    covariance_type : str

    Raises
    ------
    ValueError
        If a shape is wrong, a number is not finite, the weights do not sum to one, or a covariance is not
        positive definite.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([0.3, 0.7], [[0.0, 0.0], [4.0, 4.0]], [1.0, 2.0], "spherical")
    >>> mixture.log_prob([[0.0, 0.0], [4.0, 4.0]]).round(4)
    array([-3.0415, -2.8877])
    >>> mixture.predict([[0.5, 0.0], [3.0, 5.0]])
    array([0, 1])
    """

    __slots__ = ("_kernel_form", "covariance_type", "factor", "log_weights", "means")

    covariance_type: str
    log_weights: Array
    means: Array
    factor: Array

    def __init__(self, weights: Any, means: Any, covariances: Any, covariance_type: str = "full") -> None:
        kind = covariance.get(covariance_type)
        weights = _finite("weights", weights)
        means = _finite("means", means)
        if weights.ndim != 1 or len(weights) == 0:
            raise ValueError(f"`weights` must have shape (n_components,), got {weights.shape}")
        if means.ndim != 2 or means.shape[0] != len(weights) or means.shape[1] == 0:
            raise ValueError(f"`means` must have shape ({len(weights)}, n_features), got {means.shape}")
        if (weights < 0).any() or abs(weights.sum() - 1.0) > 1e-6:
            raise ValueError(
                f"`weights` must not be negative and must sum to one, got {weights.tolist()} "
                f"with sum {weights.sum():.6g}"
            )
        covariances = _finite("covariances", covariances)
        shape = kind.shape(*means.shape)
        if covariances.shape != shape:
            raise ValueError(
                f"`covariances` must have shape {shape} for {covariance_type!r}, got {covariances.shape}"
            )
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights / weights.sum())
        self._set(log_weights, means, kind.factor(covariances), covariance_type)

    @classmethod
    def from_factor(cls, log_weights: Any, means: Any, factor: Any, covariance_type: str = "full") -> Mixture:
        """Return the mixture with these parameters as they are stored, unchecked: for rules and files."""
        mixture = cls.__new__(cls)
        log_weights, means, factor = (np.array(v, dtype=np.float64) for v in (log_weights, means, factor))
        mixture._set(log_weights, means, factor, covariance_type)
        return mixture

    @classmethod
    def from_kernel_form(cls, offset: Array, means: Array, scale: Array, covariance_type: str) -> Mixture:
        """Return the mixture whose `kernel_form` these arrays are."""
        kind = covariance.get(covariance_type)
        log_weights = offset + kind.log_scale(scale)
        log_weights -= np.logaddexp.reduce(log_weights)
        return cls.from_factor(log_weights, means, kind.collapse(scale), covariance_type)

    def _set(self, log_weights: Array, means: Array, factor: Array, covariance_type: str) -> None:
        for array in (log_weights, means, factor):
            array.flags.writeable = False
        kind = covariance.get(covariance_type)
        scale = kind.expand(factor, *means.shape)
        form = (log_weights - kind.log_scale(scale), means.copy(), scale)
        for name, value in (
            ("log_weights", log_weights),
            ("means", means),
            ("factor", factor),
            ("covariance_type", covariance_type),
            ("_kernel_form", form),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Mixture is immutable: make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Mixture is immutable: make a new one")

    def __reduce__(self) -> tuple[Any, ...]:
        return Mixture.from_factor, (self.log_weights, self.means, self.factor, self.covariance_type)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Mixture)
            and self.covariance_type == other.covariance_type
            and np.array_equal(self.log_weights, other.log_weights)
            and np.array_equal(self.means, other.means)
            and np.array_equal(self.factor, other.factor)
        )

    def __hash__(self) -> int:
        return hash((self.covariance_type, (self.means + 0.0).tobytes()))  # + 0.0: -0.0 equals 0.0

    def __repr__(self) -> str:
        return (
            f"Mixture(n_components={self.n_components}, n_features={self.n_features}, "
            f"covariance_type={self.covariance_type!r})"
        )

    @property
    def kind(self) -> covariance.CovarianceType:
        """What this covariance type knows (see `streamgmm.covariance`)."""
        return covariance.get(self.covariance_type)

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.means.shape[1])

    @property
    def weights(self) -> Array:
        """The mixing weights (n_components,)."""
        return np.exp(self.log_weights)

    @property
    def covariances(self) -> Array:
        """The covariances, in the shape of the covariance type."""
        return self.kind.covariances(self.factor)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        n_components, n_features = self.means.shape
        covariances = self.kind.n_parameters(n_components, n_features)
        return n_components - 1 + n_components * n_features + covariances

    def kernel_form(self) -> tuple[Array, Array, Array]:
        """Return (offset, means, scale) as the kernels take them (see `kernels`); not to be changed."""
        return self._kernel_form  # type: ignore[attr-defined]

    def kernel_factor(self) -> Array:
        """Return a copy of the factor for each component, (n_components, n_features, n_features or 1)."""
        return self.kind.spread(self.factor, *self.means.shape)

    def log_prob(self, X: Any, *, n_threads: int | None = None) -> Array:
        """Return log p(x) of each row (n_samples,), in nats.

        A row so far away that its squared distance overflows has -1e300.
        """
        return sweep.densities(self, X, responsibilities=False, n_threads=n_threads)[0]

    def responsibilities(self, X: Any, *, n_threads: int | None = None) -> Array:
        """Return p(component | row), (n_samples, n_components)."""
        return sweep.densities(self, X, responsibilities=True, n_threads=n_threads)[1]

    def predict(self, X: Any, *, n_threads: int | None = None) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Return the most probable component of each row (n_samples,)."""
        return np.argmax(self.responsibilities(X, n_threads=n_threads), axis=1)

    def sample(
        self, n_samples: int, random_state: int | np.random.Generator | None = None
    ) -> tuple[Array, np.ndarray[Any, np.dtype[np.intp]]]:
        """Draw rows.

        Parameters
        ----------
        n_samples : int
        random_state : int or numpy.random.Generator, optional

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        labels : ndarray of shape (n_samples,)
            The component that each row came from.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> X, labels = Mixture([1.0], [[5.0]], [[[1e-8]]]).sample(3, random_state=0)
        >>> X.round(3).ravel(), labels
        (array([5., 5., 5.]), array([0, 0, 0]))
        """
        if n_samples < 1:
            raise ValueError(f"`n_samples` must be at least 1, got {n_samples}")
        rng = np.random.default_rng(random_state)
        weights = self.weights
        labels = rng.choice(self.n_components, size=n_samples, p=weights / weights.sum())
        X = rng.standard_normal((n_samples, self.n_features))
        factor = self.factor
        for k in range(self.n_components):
            rows = labels == k
            if self.kind.has_matrices:
                X[rows] = self.means[k] + X[rows] @ (factor[k] if factor.ndim == 3 else factor).T
            else:
                X[rows] = self.means[k] + X[rows] * factor[k]
        return X, labels


def _finite(name: str, value: Any) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be an array of numbers, got {value!r}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array.tolist()}")
    return array
