"""Mixture: an immutable Gaussian mixture; densities, responsibilities, samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from . import algebra, covariance, sweep
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
    def from_kernel_form(cls, model: Any, covariance_type: str) -> Mixture:
        """Return the mixture whose `kernel_form` this is."""
        kind = covariance.get(covariance_type)
        log_weights = model.offset + kind.log_scale(model.scale)
        log_weights -= np.logaddexp.reduce(log_weights)
        return cls.from_factor(log_weights, model.means, kind.collapse(model.scale), covariance_type)

    def _set(self, log_weights: Array, means: Array, factor: Array, covariance_type: str) -> None:
        for array in (log_weights, means, factor):
            array.flags.writeable = False
        kind = covariance.get(covariance_type)
        scale = kind.expand(factor, *means.shape)
        form = kind.form(log_weights - kind.log_scale(scale), means.copy(), scale)
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
    def standard_deviations(self) -> Array:
        """Standard deviation of each feature in each component (n_components, n_features)."""
        return self.kind.standard_deviations(self.factor, *self.means.shape)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        n_components, n_features = self.means.shape
        covariances = self.kind.n_parameters(n_components, n_features)
        return n_components - 1 + n_components * n_features + covariances

    def kernel_form(self) -> Any:
        """Return the record (offset, means, scale) that the kernels take; not to be changed."""
        return self._kernel_form  # type: ignore[attr-defined]

    def kernel_factor(self) -> Array:
        """Return a copy of the factor for each component, (n_components, n_features, n_scales)."""
        return self.kind.spread(self.factor, *self.means.shape)

    def covariance_matrices(self) -> Array:
        """Return the covariance matrix of each component (n_components, n_features, n_features)."""
        return self.kind.dense(self.factor, *self.means.shape)

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
        for k in range(self.n_components):
            rows = labels == k
            X[rows] = self.means[k] + self.kind.sample(self.factor, k, X[rows])
        return X, labels

    def marginal(self, features: int | Iterable[int]) -> Mixture:
        """Return the mixture of some of the features, in the order given.

        Parameters
        ----------
        features : int or iterable of int

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> Mixture([1.0], [[1.0, 2.0]], [[[4.0, 1.0], [1.0, 9.0]]]).marginal(1).covariances
        array([[[9.]]])
        """
        chosen = algebra.checked_features(features, self.n_features)
        factor = self.kind.marginal(self.factor, chosen)
        return Mixture.from_factor(self.log_weights, self.means[:, chosen], factor, self.covariance_type)

    def condition(self, values: Mapping[int, float]) -> Mixture:
        """Return the mixture of the other features where some have known values: regression, imputation.

        The conditional mean is ``weights @ means``.

        Parameters
        ----------
        values : mapping of int to float
            Feature numbers and what they are known to be.

        Raises
        ------
        ValueError
            If no feature is known, none is left, or a value is not finite.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> mixture = Mixture([0.5, 0.5], [[0.0, 0.0], [9.0, 5.0]], [[[1.0, 0.5], [0.5, 1.0]]] * 2)
        >>> given = mixture.condition({0: 9.5})
        >>> (given.weights @ given.means).round(3), given.covariances[1]
        (array([5.25]), array([[0.75]]))
        """
        known = algebra.checked_features(values.keys(), self.n_features, name="values")
        unknown = [feature for feature in range(self.n_features) if feature not in known]
        if not unknown:
            raise ValueError("`values` must leave at least one feature unknown, got all")
        given = _finite("values", list(values.values()))
        log_prob, means, factor = self.kind.condition(self.factor, self.means, known, unknown, given)
        log_weights = self.log_weights + log_prob
        if not log_weights.max() > sweep.TOO_FAR:
            raise ValueError("the given values are too far from every component: their squares overflow")
        log_weights = log_weights - log_weights.max()  # which may be so low that a sum would be lost in it
        log_weights = log_weights - np.logaddexp.reduce(log_weights)
        return Mixture.from_factor(log_weights, means, factor, self.covariance_type)

    def merge(self, i: int, j: int) -> Mixture:
        """Return the mixture whose components i and j are replaced by one, which comes where i was.

        The new component has the pair's weight, mean and covariance, as far as the covariance type can
        express it; it is the closest one in Kullback-Leibler divergence from the pair. The covariance that
        `tied` components share takes in what separated the two.

        Parameters
        ----------
        i, j : int

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> merged = Mixture([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]]).merge(0, 1)
        >>> merged.means, merged.covariances
        (array([[0.]]), array([[[2.]]]))
        """
        i, j = algebra.checked_features([i, j], self.n_components, name="i and j", what="components")
        pair = self.log_weights[[i, j]]
        log_weight = np.logaddexp.reduce(pair)
        share = np.exp(pair - log_weight) if np.isfinite(log_weight) else np.array([0.5, 0.5])
        shift = self.means[j] - self.means[i]
        log_weights, means = self.log_weights.copy(), self.means.copy()
        log_weights[i], means[i] = log_weight, self.means[i] + share[1] * shift
        factor = self.kind.merge(self.factor, i, j, share, np.exp(log_weight), shift)
        return Mixture.from_factor(
            np.delete(log_weights, j), np.delete(means, j, axis=0), factor, self.covariance_type
        )

    def select(self, components: Iterable[int]) -> Mixture:
        """Return the mixture of some of the components, in the order given.

        Parameters
        ----------
        components : iterable of int
            Not all of weight zero.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> mixture = Mixture([0.6, 0.3, 0.1], [[0.0], [1.0], [2.0]], [1.0, 2.0, 3.0], "spherical")
        >>> mixture.select([2, 0]).weights.round(3), mixture.select([2, 0]).covariances
        (array([0.143, 0.857]), array([3., 1.]))
        """
        chosen = algebra.checked_features(components, self.n_components, name="components", what="components")
        log_weights = self.log_weights[chosen]
        if not np.isfinite(log_weights.max()):
            raise ValueError("`components` must have weight, got only components of weight zero")
        return Mixture.from_factor(
            log_weights - np.logaddexp.reduce(log_weights),
            self.means[chosen],
            self.kind.select(self.factor, chosen),
            self.covariance_type,
        )

    def split(self, k: int, pair: Mixture) -> Mixture:
        """Return the mixture whose component k is replaced by those of another mixture.

        The first comes where k was, the others at the end; together they have its weight. A covariance that
        all components share stays as it is.

        Parameters
        ----------
        k : int
        pair : Mixture
            Of the same covariance type and features, with any number of components.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> mixture = Mixture([0.6, 0.4], [[0.0], [9.0]], [4.0, 1.0], "spherical")
        >>> parts = mixture.split(0, Mixture([0.5, 0.5], [[-1.0], [1.0]], [3.0, 3.0], "spherical"))
        >>> parts.weights, parts.means.ravel(), parts.covariances
        (array([0.3, 0.4, 0.3]), array([-1.,  9.,  1.]), array([3., 1., 3.]))
        """
        [k] = algebra.checked_features(k, self.n_components, name="k", what="components")
        if (pair.covariance_type, pair.n_features) != (self.covariance_type, self.n_features):
            raise ValueError(
                f"`pair` must be a mixture of {self.n_features} features and `covariance_type` "
                f"{self.covariance_type!r}, got {pair.n_features} and {pair.covariance_type!r}"
            )
        added = self.log_weights[k] + pair.log_weights
        log_weights = np.concatenate([self.log_weights, added[1:]])
        means = np.concatenate([self.means, pair.means[1:]])
        log_weights[k], means[k] = added[0], pair.means[0]
        factor = self.kind.split(self.factor, k, pair.factor)
        return Mixture.from_factor(log_weights, means, factor, self.covariance_type)

    def entropy_bounds(self) -> algebra.Bounds:
        """Return (lower, upper) bounds of the entropy -E log p(x), in nats; neither draws a sample.

        They are the pairwise-distance estimators with Bhattacharyya and Kullback-Leibler distances
        (Kolchinsky and Tracey, 2017, Entropy 19, 361, eqs. 10, 13 and 15), and no worse than the components'
        mean entropy and the entropy of one Gaussian with the mixture's covariance.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> bounds = Mixture([0.5, 0.5], [[-9.0], [9.0]], [1.0, 1.0], "spherical").entropy_bounds()
        >>> round(bounds.lower, 4), round(bounds.upper, 4)  # log 2 more than each component's
        (2.1121, 2.1121)
        """
        return algebra.entropy_bounds(self.log_weights, self.means, self.covariance_matrices())

    def kl_divergence(
        self,
        other: Mixture,
        *,
        n_samples: int = 100_000,
        random_state: int | np.random.Generator | None = 0,
    ) -> algebra.Estimate:
        """Return an estimate of E log p(x) / q(x) over rows drawn from this mixture, in nats.

        Parameters
        ----------
        other : Mixture
            q, with as many features.
        n_samples : int, default=100000
            At least 2.
        random_state : int or numpy.random.Generator, default=0

        Returns
        -------
        Estimate
            ``value``, which may be a little negative for nearly the same mixtures, and its standard
            ``error``.

        Examples
        --------
        >>> from streamgmm import Mixture
        >>> p, q = Mixture([1.0], [[0.0]], [[[1.0]]]), Mixture([1.0], [[1.0]], [[[1.0]]])
        >>> round(p.kl_divergence(q).value, 1)
        0.5
        """
        if not isinstance(other, Mixture):
            raise ValueError(f"`other` must be a Mixture, got {type(other).__name__}")
        if n_samples < 2:
            raise ValueError(f"`n_samples` must be at least 2, to know the error, got {n_samples}")
        if other.n_features != self.n_features:
            raise ValueError(f"`other` must have {self.n_features} features, got {other.n_features}")
        X, _ = self.sample(n_samples, random_state)
        log_ratio = self.log_prob(X) - other.log_prob(X)
        error = float(log_ratio.std(ddof=1) / np.sqrt(len(log_ratio)))
        return algebra.Estimate(float(log_ratio.mean()), error)


def mixture_of(model: Any, name: str = "model") -> Mixture:
    """Return a mixture itself, or that of a fitted estimator, ours or scikit-learn's.

    Raises
    ------
    TypeError
        If the model has none; an estimator that is not fitted raises its own error.
    """
    if isinstance(model, Mixture):
        return model
    mixture = model.to_mixture() if hasattr(model, "to_mixture") else None
    if mixture is None and all(hasattr(model, key) for key in ("weights_", "means_", "covariances_")):
        mixture = Mixture(model.weights_, model.means_, model.covariances_, model.covariance_type)
    if not isinstance(mixture, Mixture):
        raise TypeError(f"`{name}` must be a Mixture or a fitted estimator, got {type(model).__name__}")
    return mixture


def _finite(name: str, value: Any) -> Array:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be an array of numbers, got {value!r}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array.tolist()}")
    return array
