"""Mixtures from mixtures: marginals, conditionals, merged components, entropy and divergence, on arrays.

`Mixture` has the methods; here a component's covariance is its factor, (n_components, n_features,
n_features or 1): lower triangular matrices or standard deviations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

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


def checked_features(features: Any, n_features: int, *, name: str = "features") -> list[int]:
    """Return distinct feature numbers; negative ones count from the end.

    Raises
    ------
    ValueError
        If there are none, one is repeated, or one is no feature.
    """
    numbers: list[Any] = [features] if isinstance(features, int | np.integer) else list(features)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(f"`{name}` must be integers, got {number!r}")
        if not -n_features <= number < n_features:
            raise ValueError(f"`{name}` must lie between 0 and {n_features - 1}, got {number}")
    numbers = [int(number) % n_features for number in numbers]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"`{name}` must be distinct, at least one, got {numbers}")
    return numbers


def condition_component(
    mean: Array, root: Array, known: list[int], unknown: list[int], values: Array
) -> tuple[float, Array, Array]:
    """Return log N(values), and mean and Cholesky factor of the other features given the values.

    With the features ordered (known, unknown) and S = L L', the conditional factor is the lower right block
    of L: no covariance is subtracted from another.
    """
    order = known + unknown
    factor = triangular(root[order])
    n = len(known)
    z = solve_triangular(factor[:n, :n], values - mean[known], lower=True)
    log_prob = -0.5 * (z @ z + n * _LOG_2PI) - np.log(np.diag(factor)[:n]).sum()
    return float(log_prob), mean[unknown] + factor[n:, :n] @ z, factor[n:, n:]


def triangular(root: Array) -> Array:
    """Return the Cholesky factor of root root'."""
    factor: Array = np.asarray(np.linalg.qr(root.T, mode="r")).T
    signs = np.where(np.diag(factor) < 0, -1.0, 1.0)
    return factor[: len(root), : len(root)] * signs


def entropy_bounds(log_weights: Array, means: Array, factors: Array) -> Bounds:
    """Return bounds of -E log p(x), in nats (see `Mixture.entropy_bounds`)."""
    used = np.isfinite(log_weights)
    log_weights, means, factors = log_weights[used], means[used], factors[used]
    weights = np.exp(log_weights)
    n_features = means.shape[1]
    dense = np.array([f @ f.T if f.shape[1] == n_features else np.diag(f[:, 0] ** 2) for f in factors])
    log_det = np.linalg.slogdet(dense)[1]
    conditional = float(weights @ (0.5 * (log_det + n_features * (1 + _LOG_2PI))))
    n_components = len(weights)
    near, far = np.zeros((n_components, n_components)), np.zeros((n_components, n_components))
    for i in range(n_components):
        for j in range(n_components):
            shift = means[i] - means[j]
            middle = 0.5 * (dense[i] + dense[j])
            between = np.linalg.slogdet(middle)[1] - 0.5 * (log_det[i] + log_det[j])
            near[i, j] = 0.125 * shift @ np.linalg.solve(middle, shift) + 0.5 * between  # Bhattacharyya
            ratio = np.linalg.solve(dense[j], np.column_stack([dense[i], shift]))
            trace = np.trace(ratio[:, :-1]) - n_features
            far[i, j] = 0.5 * (trace + shift @ ratio[:, -1] + log_det[j] - log_det[i])  # Kullback-Leibler
    lower, upper = (
        conditional - float(weights @ np.logaddexp.reduce(log_weights - distance, axis=1))
        for distance in (near, far)
    )
    between = means - weights @ means
    whole = np.einsum("k,kab->ab", weights, dense) + (weights[:, np.newaxis] * between).T @ between
    gaussian = 0.5 * (np.linalg.slogdet(whole)[1] + n_features * (1 + _LOG_2PI))
    return Bounds(max(lower, conditional), min(upper, float(gaussian)))
