"""Mixtures made to order, and streams of rows from mixtures that drift."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from numbers import Integral, Real
from typing import Any

import numpy as np

from streamgmm import covariance
from streamgmm.mixture import Mixture, mixture_of
from streamgmm.statistics import Array

Labels = np.ndarray[Any, np.dtype[np.intp]]
Seed = int | np.random.Generator | None

DRIFTS = (None, "abrupt", "gradual")
_DEVIATIONS = (0.5, 1.5)
_TRIES = 20
_MOST_SEPARATED = 1e100


def make_mixture(
    n_samples: int = 1000,
    n_features: int = 2,
    n_components: int = 3,
    covariance_type: str = "diag",
    separation: float = 2.0,
    random_state: Seed = None,
) -> tuple[Array, Labels, Mixture]:
    """Make a random mixture, and draw rows from it.

    Standard deviations lie between 0.5 and 1.5, weights between a half and twice each other's, and the
    directions of "full" and "tied" covariances are random. Means are drawn from a normal distribution around
    zero, the most even of twenty draws, and then stretched until the two nearest components are
    ``separation``-separated.

    Parameters
    ----------
    n_samples, n_features : int, default=1000, 2
    n_components : int, default=3
    covariance_type : {"full", "tied", "diag", "spherical"}, default="diag"
    separation : float, default=2.0
        The smallest c of any two components for which they are c-separated (see `separation`). In a few
        features components overlap much at 1 and little at 3.
    random_state : int or numpy.random.Generator, optional

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    labels : ndarray of shape (n_samples,)
        The component of each row.
    mixture : Mixture
        The truth.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> from streamgmm.datasets import make_mixture, separation
    >>> X, labels, mixture = make_mixture(500, n_features=3, separation=1.5, random_state=0)
    >>> X.shape, labels.shape, mixture
    ((500, 3), (500,), Mixture(n_components=3, n_features=3, covariance_type='diag'))
    >>> round(separation(mixture), 6)
    1.5
    """
    _require_count("n_samples", n_samples)
    rng = np.random.default_rng(random_state)
    mixture = _random_mixture(n_features, n_components, covariance_type, separation, rng)
    X, labels = mixture.sample(n_samples, rng)
    return X, labels, mixture


def make_stream(
    n_features: int = 2,
    n_components: int = 3,
    covariance_type: str = "diag",
    separation: float = 2.0,
    *,
    drift: str | None = None,
    drift_every: int = 10_000,
    batch_size: int = 1000,
    random_state: Seed = None,
) -> Iterator[tuple[Array, Labels, Mixture]]:
    """Draw rows without end, in batches, from a random mixture that may drift.

    Parameters
    ----------
    n_features, n_components, covariance_type, separation
        Of each mixture, as in `make_mixture`.
    drift : {None, "abrupt", "gradual"}, default=None
        "abrupt" replaces means, covariances and weights after every ``drift_every`` rows; "gradual" moves
        them from one mixture to the next in as many rows, in a straight line (covariances by their factors,
        weights by their logarithms), and then on to another. On the way components may come nearer than
        ``separation``.
    drift_every : int, default=10000
    batch_size : int, default=1000
        A batch is drawn from one mixture: that of its first row.
    random_state : int or numpy.random.Generator, optional

    Returns
    -------
    iterator of (X, labels, mixture)
        X (batch_size, n_features), labels (batch_size,), and the mixture that this batch was drawn from.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> from streamgmm.datasets import make_stream
    >>> stream = make_stream(drift="abrupt", drift_every=2000, random_state=0)
    >>> mixtures = [next(stream)[2] for _ in range(4)]
    >>> mixtures[0] == mixtures[1], mixtures[1] == mixtures[2], mixtures[2] == mixtures[3]
    (True, False, True)
    """
    if drift not in DRIFTS:
        raise ValueError(f"`drift` must be one of {', '.join(map(repr, DRIFTS))}, got {drift!r}")
    _require_count("drift_every", drift_every)
    _require_count("batch_size", batch_size)
    rng = np.random.default_rng(random_state)
    made = (n_features, n_components, covariance_type, separation, rng)
    return _draw(_random_mixture(*made), made, drift, drift_every, batch_size)


def separation(mixture: Mixture) -> float:
    """Return the largest c for which any two components of a mixture are c-separated.

    Two Gaussians are c-separated if the distance of their means is at least c sqrt(n_features) times the
    larger of their largest standard deviations in any direction (Dasgupta, 1999, Learning mixtures of
    Gaussians, 40th Symposium on Foundations of Computer Science, 634-644).

    Parameters
    ----------
    mixture : Mixture

    Returns
    -------
    float
        Infinity for one component.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.datasets import separation
    >>> separation(Mixture([0.5, 0.5], [[0.0] * 4, [3.0] * 4], [1.0, 4.0], "spherical"))
    1.5
    """
    mixture = mixture_of(mixture, "mixture")
    widest = mixture.kind.axis_lengths(mixture.factor, *mixture.means.shape).max(axis=1)
    return float(_separations(mixture.means, widest).min())


def _separations(means: Array, widest: Array) -> Array:
    """Return c of each pair of components (n_components, n_components), with infinity for itself."""
    n_features = means.shape[1]
    distances = np.linalg.norm(means[:, np.newaxis] - means, axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.array(distances / (np.sqrt(n_features) * np.maximum.outer(widest, widest)))


def _random_mixture(
    n_features: int, n_components: int, covariance_type: str, separation: float, rng: np.random.Generator
) -> Mixture:
    _require_count("n_features", n_features)
    _require_count("n_components", n_components)
    is_number = isinstance(separation, Real) and not isinstance(separation, bool)
    if not is_number or not 0 <= separation <= _MOST_SEPARATED:
        raise ValueError(f"`separation` must lie between 0 and {_MOST_SEPARATED:g}, got {separation!r}")
    kind = covariance.get(covariance_type)
    log_weights = rng.uniform(0, np.log(2), n_components)
    log_weights -= np.logaddexp.reduce(log_weights)
    factor = kind.random_factor(rng, n_components, n_features, *_DEVIATIONS)
    widest = kind.axis_lengths(factor, n_components, n_features).max(axis=1)
    tries = rng.normal(size=(_TRIES, n_components, n_features))
    nearest = [float(_separations(means, widest).min()) for means in tries]
    best = int(np.argmax(nearest))  # or two means that are near by chance would blow up all distances
    means = tries[best] * (separation / nearest[best])
    return Mixture.from_factor(log_weights, means, factor, covariance_type)


def _draw(
    mixture: Mixture, made: tuple[Any, ...], drift: str | None, drift_every: int, batch_size: int
) -> Iterator[tuple[Array, Labels, Mixture]]:
    rng = made[-1]
    ahead = mixture if drift is None else _random_mixture(*made)
    n_reached = 0
    for n_rows in count(0, batch_size):
        while drift is not None and n_rows // drift_every > n_reached:
            mixture, ahead = ahead, _random_mixture(*made)
            n_reached += 1
        share = n_rows % drift_every / drift_every if drift == "gradual" else 0.0
        now = mixture if share == 0.0 else _between(mixture, ahead, share)
        X, labels = now.sample(batch_size, rng)
        yield X, labels, now


def _between(first: Mixture, second: Mixture, share: float) -> Mixture:
    """Return the mixture on the way: a sum of Cholesky factors is one."""
    log_weights, means, factor = (
        (1 - share) * getattr(first, name) + share * getattr(second, name)
        for name in ("log_weights", "means", "factor")
    )
    log_weights -= np.logaddexp.reduce(log_weights)
    return Mixture.from_factor(log_weights, means, factor, first.covariance_type)


def _require_count(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer, got {value!r}")
