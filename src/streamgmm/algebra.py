"""What is asked of mixtures as a whole: moments, overlap, entropy; on arrays, with covariance matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
_LOG_2PI = float(np.log(2 * np.pi))


class Estimate(NamedTuple):
    """A Monte Carlo estimate.

    Attributes
    ----------
    value : float
    error : float
        Its standard error.
    """

    value: float
    error: float


class Bounds(NamedTuple):
    """A lower and an upper bound.

    Attributes
    ----------
    lower, upper : float
    """

    lower: float
    upper: float


def checked_features(
    features: Any, n_features: int, *, name: str = "features", what: str = "features"
) -> list[int]:
    """Return distinct feature (or other) numbers; negative ones count from the end.

    Raises
    ------
    ValueError
        If there are none, one is repeated, or one is out of range.
    """
    numbers: list[Any] = list(features) if np.iterable(features) else [features]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(f"`{name}` must be integers, got {number!r}")
        if not -n_features <= number < n_features:
            raise ValueError(f"`{name}` must name {what} between 0 and {n_features - 1}, got {number}")
    numbers = [int(number) % n_features for number in numbers]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"`{name}` must be distinct, at least one, got {numbers}")
    return numbers


def moments(weights: Array, means: Array, covariances: Array) -> tuple[Array, Array]:
    """Return the mean and the covariance of a mixture as a whole, for covariance matrices."""
    mean = weights @ means
    between = means - mean
    within = np.einsum("k,kab->ab", weights, covariances)
    return mean, within + (weights[:, np.newaxis] * between).T @ between


def bhattacharyya(shift: Array, first: Array, second: Array) -> Array:
    """Return the Bhattacharyya distances of pairs of Gaussians; exp(-distance) is their overlap.

    Bhattacharyya (1943); Fukunaga (1990), Introduction to Statistical Pattern Recognition, equation 3.152.

    Parameters
    ----------
    shift : ndarray of shape (..., n_features)
        Between their means.
    first, second : ndarray of shape (..., n_features, n_features)
        Their covariances.

    Returns
    -------
    ndarray of shape (...)
        Of two that are flat to the last digit: 0 at the same place, else infinity.
    """
    middle = 0.5 * (first + second)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_dets = [np.linalg.slogdet(matrices)[1] for matrices in (middle, first, second)]
        between = log_dets[0] - 0.5 * (log_dets[1] + log_dets[2])
    flat = np.isneginf(log_dets[0])
    solvable = np.where(flat[..., np.newaxis, np.newaxis], np.eye(shift.shape[-1]), middle)
    squared = np.sum(shift * np.linalg.solve(solvable, shift[..., np.newaxis])[..., 0], axis=-1)
    far = np.where(shift.any(axis=-1), np.inf, 0.0)
    return np.where(flat, far, 0.125 * squared + 0.5 * between)


def merging_losses(weights: Array, means: Array, covariances: Array, first: Any, second: Any) -> Array:
    """Return bounds of the Kullback-Leibler divergences from a mixture to that with a pair merged, in nats.

    Runnalls (2007), Kullback-Leibler approach to Gaussian mixture reduction, IEEE Transactions on Aerospace
    and Electronic Systems 43, 989-999, equation 21.

    Parameters
    ----------
    weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_features)
    covariances : ndarray of shape (n_components, n_features, n_features)
    first, second : ndarray of int, of shape (n_pairs,)
        The pairs.

    Returns
    -------
    ndarray of shape (n_pairs,)
        Of two that are flat to the last digit as one, too: 0 at the same place, else infinity.
    """
    together = weights[first] + weights[second]
    with np.errstate(invalid="ignore"):
        share = np.where(together > 0, weights[second] / together, 0.5)[:, np.newaxis, np.newaxis]
    shift = (means[second] - means[first])[:, :, np.newaxis]
    between = share * (1 - share) * shift * np.swapaxes(shift, 1, 2)
    merged = (1 - share) * covariances[first] + share * covariances[second] + between
    log_dets, log_det = np.linalg.slogdet(covariances)[1], np.linalg.slogdet(merged)[1]
    flat = np.isneginf(log_det)
    with np.errstate(invalid="ignore"):
        parts = np.where(weights > 0, weights * log_dets, 0.0)
        losses = 0.5 * (together * np.where(flat, 0.0, log_det) - parts[first] - parts[second])
    return np.where(flat, np.where(between.any(axis=(1, 2)), np.inf, 0.0), losses)


def entropy_bounds(log_weights: Array, means: Array, covariances: Array) -> Bounds:
    """Return bounds of -E log p(x), in nats (see `Mixture.entropy_bounds`)."""
    used = np.isfinite(log_weights)
    log_weights, means, covariances = log_weights[used], means[used], covariances[used]
    weights = np.exp(log_weights)
    n_features = means.shape[1]
    log_det = np.linalg.slogdet(covariances)[1]
    conditional = float(weights @ (0.5 * (log_det + n_features * (1 + _LOG_2PI))))
    n_components = len(weights)
    near, far = np.zeros((n_components, n_components)), np.zeros((n_components, n_components))
    for i in range(n_components):
        for j in range(n_components):
            shift = means[i] - means[j]
            near[i, j] = bhattacharyya(shift, covariances[i], covariances[j])
            ratio = np.linalg.solve(covariances[j], np.column_stack([covariances[i], shift]))
            trace = np.trace(ratio[:, :-1]) - n_features
            far[i, j] = 0.5 * (trace + shift @ ratio[:, -1] + log_det[j] - log_det[i])  # Kullback-Leibler
    lower, upper = (
        conditional - float(weights @ np.logaddexp.reduce(log_weights - distance, axis=1))
        for distance in (near, far)
    )
    _, whole = moments(weights, means, covariances)
    gaussian = 0.5 * (np.linalg.slogdet(whole)[1] + n_features * (1 + _LOG_2PI))
    return Bounds(max(lower, conditional), min(upper, float(gaussian)))
