"""A parameterization's gradient against central differences of the log-likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamgmm import parameterizations, sweep
from streamgmm.fit.units import units_of
from streamgmm.mixture import Mixture
from streamgmm.parameterizations import Parameterization
from streamgmm.statistics import Array

from ._words import require_mixture

_STEPS = 0.1 * 0.25 ** np.arange(11)  # in units of what the rows can tell about an entry; down to 1e-7
_UNIT_ROWS = 64
_SMALL = 1e-2


def check_gradient(
    parameterization: str | Parameterization, mixture: Mixture, X: Any, sample_weight: Any = None
) -> float:
    """Return the largest relative error of an analytic gradient of the log-likelihood.

    The analytic gradient a, from the statistics of `e_step`, is compared with b, central differences of the
    log-likelihood of ``unpack(theta)`` by the five-point stencil. The error of an entry is
    ``abs(a - b) / max(abs(b), 0.01 * max(abs(b)))``: relative to the entry, and to a hundredth of the largest
    entry where an entry cancels. A correct gradient has about 1e-8, a wrong one 1e-2 or more. Near a
    maximum of the likelihood all entries cancel and the number says little: take a mixture away from it.

    Each entry of theta is moved by a tenth of its unit, and by 10 steps that are each a quarter of the one
    before; of two neighboring steps that agree best the smaller is taken. The unit is 1 / sqrt(mean squared
    gradient of a row), so that location and scale of the rows do not matter. Steps that leave the valid
    mixtures are passed over.

    Parameters
    ----------
    parameterization : str or Parameterization
        A name (see `streamgmm.parameterizations`) or an object with `pack`, `unpack` and `gradient`.
    mixture : Mixture
        Where the gradient is taken; no weight may be zero.
    X : array-like of shape (n_samples, n_features)
        At least one row.
    sample_weight : array-like of shape (n_samples,), optional

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an argument is invalid, the gradient's shape is not that of theta or it is not finite, or no step
        from an entry of theta stays within the valid mixtures.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.diagnostics import check_gradient
    >>> mixture = Mixture([0.4, 0.6], [[0.0, 0.0], [3.0, 1.0]], [[[1.0, 0.5], [0.5, 2.0]]] * 2)
    >>> check_gradient("cholesky", mixture, [[0.5, 1.0], [2.0, 2.5], [4.0, -1.0]]) < 1e-7
    True
    """
    require_mixture(mixture)
    if isinstance(parameterization, str):
        parameterization = parameterizations.get(parameterization)
    if not isinstance(parameterization, Parameterization):
        raise ValueError(
            f"`parameterization` must be a name or a Parameterization, got {type(parameterization).__name__}"
        )
    if not np.isfinite(mixture.log_weights).all():
        raise ValueError(f"`mixture` must have no weight of zero, got {mixture.weights.tolist()}")
    X = sweep.as_rows(X, mixture.n_features)
    weights = sweep.as_weights(sample_weight, len(X))
    if len(X) == 0 or (len(weights) and not weights.any()):
        raise ValueError("`X` must hold at least one row of positive weight, got none")
    theta = parameterization.pack(mixture)
    gradient = np.asarray(parameterization.gradient(sweep.e_step(mixture, X, sample_weight), mixture))
    if gradient.shape != theta.shape:
        raise ValueError(f"the gradient must have the shape of theta, {theta.shape}, got {gradient.shape}")
    if not np.isfinite(gradient).all():
        raise ValueError(f"the gradient must be finite, got {gradient.tolist()}")
    owner = parameterization

    def log_likelihood(theta: Array) -> float:
        return sweep.sum_rows(owner.unpack(theta, mixture), X, weights, n_threads=1).log_likelihood

    some = X[:: max(1, len(X) // _UNIT_ROWS)]
    units = units_of(owner, mixture, some, np.maximum(1.0, np.abs(theta)))
    differences = np.array(
        [_derivative(log_likelihood, theta, index, units[index]) for index in range(len(theta))]
    )
    size = np.abs(differences)
    error = np.abs(gradient - differences)
    if not error.any():
        return 0.0
    smallest = np.finfo(np.float64).tiny  # all differences may be zero
    return float((error / np.maximum(size, max(_SMALL * size.max(), smallest))).max())


def _derivative(function: Callable[[Array], float], theta: Array, index: int, unit: float) -> float:
    """Return the derivative by one entry, at the step from which a smaller one changes it least."""
    with np.errstate(all="ignore"):  # large steps may leave the valid mixtures: they are passed over
        steps = unit * _STEPS
        estimates = np.array([_stencil(function, theta, index, step) for step in steps])
        change = np.abs(np.diff(estimates))
    if not np.isfinite(change).any():
        raise ValueError(f"the log-likelihood must be finite around theta, but not along entry {index}")
    return float(estimates[np.nanargmin(np.where(np.isfinite(change), change, np.nan)) + 1])


def _stencil(function: Callable[[Array], float], theta: Array, index: int, step: float) -> float:
    """Return the five-point estimate, whose error is of order step^4; NaN outside the valid mixtures."""
    values = []
    for multiple in (-2, -1, 1, 2):
        moved = theta.copy()
        moved[index] += multiple * step
        try:
            values.append(function(moved))
        except (ValueError, np.linalg.LinAlgError):
            return float("nan")
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)
