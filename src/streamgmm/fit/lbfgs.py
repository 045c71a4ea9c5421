"""L-BFGS over theta: a driver that sees log-likelihoods and gradients alone, wherever the rows are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from streamgmm import parameterizations
from streamgmm.mixture import Mixture
from streamgmm.parameterizations import Parameterization
from streamgmm.statistics import Array

from .batch import BatchResult
from .rows import RowsChangedError, rows_of
from .units import units_of

__all__ = ["fit_lbfgs", "log_likelihood_of"]

Objective = Callable[[Mixture], tuple[float, Array]]

_FLAT = 100  # times the square root of the tolerance: the largest slope that counts as an optimum
_LINE_SEARCH = 40  # trial points of one line search
_DRAWS = 256  # rows for the Fisher information, and an eighth as many for each component


def log_likelihood_of(
    X: Any,
    weights: Any = None,
    *,
    parameterization: str | Parameterization = "cholesky",
    n_threads: int | None = None,
) -> Objective:
    """Return the objective of rows: mixture -> (log-likelihood, gradient by theta).

    Both are sums over the rows, so that the objectives of two parts of the data add up.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), path, or batches
        Whatever `GaussianMixture.fit` takes.
    weights : array-like of shape (n_samples,), optional
    parameterization : str or Parameterization, default="cholesky"
        What theta is; the same as that of `fit_lbfgs`.
    n_threads : int, optional

    Returns
    -------
    callable
        It raises ValueError for rows that are too far from every component.

    Raises
    ------
    ValueError
        For bad rows or weights.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.fit.lbfgs import log_likelihood_of
    >>> objective = log_likelihood_of([[1.0], [2.0]])
    >>> value, gradient = objective(Mixture([1.0], [[0.0]], [[[1.0]]]))
    >>> round(value, 4), gradient  # by the logit, the mean and the logarithm of the standard deviation
    (-4.3379, array([0., 3., 3.]))
    """
    rows = rows_of(X, weights, at_least=0)
    theta_of = parameterizations.get(parameterization)

    def objective(mixture: Mixture) -> tuple[float, Array]:
        statistics = rows.e_step(mixture, n_threads=n_threads)
        return statistics.log_likelihood, theta_of.gradient(statistics, mixture)

    return objective


def fit_lbfgs(
    mixture: Mixture,
    objective: Objective,
    *,
    parameterization: str | Parameterization = "cholesky",
    n_rows: float = 1.0,
    tol: float = 1e-9,
    max_iter: int = 1000,
) -> BatchResult:
    """Climb an objective by L-BFGS from a mixture (Byrd, Lu, Nocedal and Zhu, 1995).

    It sees no rows. Where EM is slow, because components overlap, it needs far fewer evaluations. A step that
    leaves the valid mixtures is shortened. The best mixture seen is returned: never worse than the start.

    The likelihood has no maximum when a component may shrink onto one row: add the logarithm of a prior, and
    its gradient, to the objective if that happens.

    "natural" and "augmented" hold second moments about zero: far from the origin they move with the means,
    and the search ends early. Center the rows first, or take another parameterization.

    Each entry of theta is measured in units of 1 / sqrt(its Fisher information), estimated at the start from
    rows drawn from the mixture itself, so that the scales of the features do not matter.

    Parameters
    ----------
    mixture : Mixture
        The start; no weight may be zero.
    objective : callable
        mixture -> (log-likelihood, its gradient by theta at the mixture), such as `log_likelihood_of(X)`, or
        the sum of such pairs over parts of the data. An infinite value, NaN or ValueError means that the
        mixture is not valid; at the start it is an error.
    parameterization : str or Parameterization, default="cholesky"
        What theta is; the objective must give the gradient by the same theta.
    n_rows : float, default=1
        Weight of the rows behind the objective, for ``lower_bounds`` to be means per row.
    tol : float, default=1e-9
        Stop when an iteration changes the objective by less than this in proportion to its size.
    max_iter : int, default=1000

    Returns
    -------
    BatchResult
        ``lower_bounds`` are the objective divided by ``n_rows`` at the start and after each iteration;
        ``converged`` is True if the gradient, in those units, is small at the end: not after too few
        iterations, nor if the gradient is not that of the log-likelihood.

    Raises
    ------
    ValueError
        For an argument that makes no sense, a start without finite theta, log-likelihood and gradient, or a
        gradient of another shape than theta's.

    Examples
    --------
    >>> from streamgmm import Mixture, datasets
    >>> from streamgmm.fit.lbfgs import fit_lbfgs, log_likelihood_of
    >>> X = datasets.load_faithful().data
    >>> start = Mixture([0.5, 0.5], [[2.0, 50.0], [4.0, 80.0]], [[[1.0, 0.0], [0.0, 100.0]]] * 2)
    >>> result = fit_lbfgs(start, log_likelihood_of(X), n_rows=len(X))
    >>> round(result.lower_bounds[-1] * len(X), 2)
    -1130.26
    """
    if not isinstance(mixture, Mixture):
        raise ValueError(f"`mixture` must be a Mixture, got {mixture!r}")
    if not callable(objective):
        raise ValueError(f"`objective` must be a function of a mixture, got {objective!r}")
    for name, value in (("n_rows", n_rows), ("tol", tol)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be positive and finite, got {value}")
    if not (max_iter >= 1 and float(max_iter).is_integer()):
        raise ValueError(f"`max_iter` must be a positive integer, got {max_iter}")
    climb = _Climb(mixture, objective, parameterizations.get(parameterization))
    lower_bounds = [climb.best.value / n_rows]
    scale = max(abs(climb.best.value), n_rows)

    def accepted(_: Array) -> None:
        climb.here = climb.last
        lower_bounds.append(climb.best.value / n_rows)

    while True:
        before = climb.best
        units = climb.units()
        max_steps = max_iter - len(lower_bounds) + 1
        climb.search(units, scale, tol=tol, max_iter=max_steps, callback=accepted)
        if climb.best.value / n_rows > lower_bounds[-1]:  # a trial point of a line search that failed
            lower_bounds.append(climb.best.value / n_rows)
        n_iter = len(lower_bounds) - 1
        slope = np.abs(climb.best.gradient * units).max() / scale
        converged = bool(slope <= _FLAT * np.sqrt(tol))
        # With new units and no memory of old gradients, a search may go on where the last one ended.
        if converged or n_iter >= max_iter or climb.best.value - before.value <= tol * scale:
            return BatchResult(climb.best.mixture, converged, n_iter, lower_bounds)


class _Point(NamedTuple):
    """A valid mixture, its log-likelihood and the gradient by theta."""

    theta: Array
    mixture: Mixture
    value: float
    gradient: Array


class _Climb:
    """What L-BFGS evaluates, and the points to remember: `here` the iterate, `last` and `best` of all."""

    def __init__(self, mixture: Mixture, objective: Objective, parameterization: Parameterization) -> None:
        self.objective = objective
        self.parameterization = parameterization
        theta = parameterization.pack(mixture)
        if not np.isfinite(theta).all():
            raise ValueError("`mixture` must have finite parameters in theta: leave out weights of zero")
        start = self.evaluate(theta, mixture)
        if start is None:
            raise ValueError("`objective` must be finite, and its gradient too, at the starting mixture")
        self.here = self.last = self.best = start

    def evaluate(self, theta: Array, mixture: Mixture) -> _Point | None:
        """Return the point, or None where log-likelihood or gradient is not finite."""
        value, gradient = self.objective(mixture)
        gradient = np.asarray(gradient, dtype=np.float64)
        if gradient.shape != theta.shape:
            raise ValueError(
                f"`objective` must return a gradient of shape {theta.shape}, got {gradient.shape}"
            )
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return None
        return _Point(theta, mixture, float(value), gradient)

    def units(self) -> Array:
        """Return 1 / sqrt(Fisher information) at the best mixture, its components made equally frequent."""
        mixture = self.best.mixture
        log_weights = np.full(mixture.n_components, -np.log(mixture.n_components))
        equal = Mixture.from_factor(log_weights, mixture.means, mixture.factor, mixture.covariance_type)
        X, _ = equal.sample(_DRAWS + _DRAWS // 8 * mixture.n_components, random_state=0)
        return units_of(self.parameterization, equal, X, 1.0)

    def search(
        self, units: Array, scale: float, *, tol: float, max_iter: int, callback: Callable[[Array], None]
    ) -> None:
        """Run L-BFGS-B from the best point until it stops."""
        self.here = self.best

        def scaled(x: Array) -> tuple[float, Array]:
            value, gradient = self.loss(x * units)
            return value / scale, gradient * units / scale

        minimize(
            scaled,
            self.best.theta / units,
            jac=True,
            method="L-BFGS-B",
            callback=callback,
            options={
                "maxiter": max_iter,
                "maxfun": np.iinfo(np.int32).max,
                "maxls": _LINE_SEARCH,
                "ftol": tol,
                "gtol": 0.0,
            },
        )

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Return what is minimized, and its gradient.

        Where there is no valid mixture they are those of a slope that rises as fast as the loss falls at the
        iterate: the interpolation of the line search then divides the step by 7. An infinite or huge value
        would leave it no step at all.
        """
        point = None
        with np.errstate(all="ignore"):
            try:
                mixture = self.parameterization.unpack(theta, self.here.mixture)
                point = self.evaluate(theta, mixture)
            except RowsChangedError:
                raise
            except ValueError:  # so are numpy.linalg.LinAlgError and what `e_step` raises for an overflow
                pass
        if point is None:
            gain = float(abs(self.here.gradient @ (theta - self.here.theta)))
            return gain - self.here.value, self.here.gradient
        self.last = point
        if point.value > self.best.value:
            self.best = point
        return -point.value, -point.gradient
