"""EM in fewer passes: Anderson acceleration, which falls back to EM where the log-likelihood would fall."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from streamgmm import parameterizations
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .batch import BatchResult, Callback, m_step, statistics_of
from .convergence import left_to_gain
from .rows import RowsChangedError

__all__ = ["fit_accelerated"]

_MEMORY = 10
_RCOND = 1e-10  # of the least squares that combine the last steps


def fit_accelerated(
    mixture: Mixture,
    X: Any,
    weights: Array | None = None,
    *,
    options: Options | None = None,
    penalty: Callable[[Mixture], tuple[float, Array]] | None = None,
    tol: float = 1e-4,
    max_iter: int = 200,
    n_threads: int | None = None,
    callback: Callback | None = None,
) -> BatchResult:
    """Run EM with Anderson acceleration, as DAAREM does (Henderson and Varadhan, 2019).

    Where components overlap, EM converges linearly, at a rate near 1: each step is almost a multiple of the
    last. The next point is the combination of the last ten EM steps whose changes cancel best, in theta =
    logits, means, and Cholesky factors with logarithmic diagonals: any combination is a valid mixture. A
    point whose log-likelihood is lower than the last one's is not taken: EM's own step from the last is.
    Where steps grow, on the way off a plateau, that combination would lead back; there EM's step is taken
    two, four, eight ... times as long (Salakhutdinov and Roweis, 2003).

    Parameters
    ----------
    mixture : Mixture
    X : array-like of shape (n_samples, n_features), Rows or callable
        Rows, or a function mixture -> Statistics.
    weights : ndarray of shape (n_samples,), optional
    options : Options, optional
        Regularization and prior, from `streamgmm.priors.options`.
    penalty : callable, optional
        The prior's logarithm, `streamgmm.fit.penalty.penalty_of`: with a prior, the log posterior never
        falls.
    tol : float, default=1e-4
        Stop when the mean log-likelihood has changed by less, and less is left to gain (`left_to_gain`),
        twice in a row.
    max_iter : int, default=200
        Passes over the rows.
    n_threads : int, optional
    callback : callable, optional
        Called with the number and the change of each pass that was taken.

    Returns
    -------
    BatchResult
        ``lower_bounds`` of the points taken; ``n_iter`` counts all passes.

    References
    ----------
    Henderson and Varadhan (2019), Damped Anderson acceleration with restarts and monotonicity control for
    accelerating EM and EM-like algorithms, Journal of Computational and Graphical Statistics 28, 834-846.
    Salakhutdinov and Roweis (2003), Adaptive overrelaxed bound optimization methods, ICML.

    Examples
    --------
    >>> from streamgmm import Mixture, datasets
    >>> from streamgmm.fit.accelerated import fit_accelerated
    >>> X = datasets.load_faithful().data
    >>> start = Mixture([0.5, 0.5], [[2.0, 50.0], [4.0, 80.0]], [[[1.0, 0.0], [0.0, 100.0]]] * 2)
    >>> round(fit_accelerated(start, X, tol=1e-9).lower_bounds[-1] * len(X), 3)
    -1130.264
    """
    sums = statistics_of(X, weights, n_threads)
    lower_bounds: list[float] = []
    memory = Anderson()
    best, before, n_small = -np.inf, -np.inf, 0
    image = mixture  # what EM makes of the last point taken
    current, is_proposed = mixture, False
    for n_iter in range(1, max_iter + 1):
        try:
            statistics = sums(current)
            value = statistics.log_likelihood + (penalty(current)[0] if penalty else 0.0)
            is_lower = not value >= best
        except ValueError as error:  # rows too far away to be squared
            if not is_proposed or isinstance(error, RowsChangedError):
                raise
            is_lower = True
        if is_lower and is_proposed:
            memory.refuse()
            current, is_proposed = image, False
            continue
        best = value
        bound = statistics.log_likelihood / statistics.weight
        lower_bounds.append(bound)
        change, before = bound - before, bound
        if callback is not None:
            callback(n_iter, change)
        image = m_step(statistics, current, options)
        n_small = n_small + 1 if abs(change) < tol and left_to_gain(lower_bounds) < tol else 0
        if n_small == 2:
            return BatchResult(image, True, n_iter, lower_bounds)
        proposed = memory.propose(current, image)
        current, is_proposed = (image, False) if proposed is None else (proposed, True)
    return BatchResult(image, False, max_iter, lower_bounds)


class Anderson:
    """The last points and EM's steps from them."""

    def __init__(self) -> None:
        self.theta_of = parameterizations.get("cholesky")
        self.steps: deque[Array] = deque(maxlen=_MEMORY + 1)
        self.images: deque[Array] = deque(maxlen=_MEMORY + 1)
        self.stretch = 2.0

    def refuse(self) -> None:
        """Start again after a proposal that lost."""
        self.steps.clear()
        self.images.clear()
        self.stretch = max(2.0, self.stretch / 4)

    def propose(self, mixture: Mixture, image: Mixture) -> Mixture | None:
        """Return the combination of EM's images whose step is the shortest; None for EM's own step."""
        theta, there = self.theta_of.pack(mixture), self.theta_of.pack(image)
        if not (np.isfinite(theta).all() and np.isfinite(there).all()):  # a weight of zero
            self.refuse()
            return None
        self.steps.append(there - theta)
        self.images.append(there)
        if len(self.steps) < 2:
            return None
        units = _units(image)
        step = self.steps[-1]
        changes = np.diff(np.array(self.steps), axis=0).T
        lengths = np.linalg.norm(changes * units[:, np.newaxis], axis=0)
        lengths = np.where(lengths > 0, lengths, 1.0)
        gamma = np.linalg.lstsq(changes * units[:, np.newaxis] / lengths, step * units, _RCOND)[0]
        combined = there - np.diff(np.array(self.images), axis=0).T @ (gamma / lengths)
        if np.dot((combined - theta) * units, step * units) < np.dot(step * units, step * units):
            combined = theta + self.stretch * step
            self.stretch *= 2
        try:
            with np.errstate(all="ignore"):
                return self.theta_of.unpack(combined, image)
        except ValueError:
            return None


def _units(mixture: Mixture) -> Array:
    """Return the square root of about the complete-data Fisher information of each entry of theta."""
    weights = np.maximum(mixture.weights, 1e-12)
    means = np.sqrt(weights)[:, np.newaxis] / mixture.standard_deviations
    covariances = mixture.kind.information(mixture.factor, weights, mixture.n_features)
    return np.concatenate([np.sqrt(weights), means.ravel(), np.sqrt(covariances)])
