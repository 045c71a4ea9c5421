"""A sample that keeps the few: rows that a mixture explains poorly, and rows of its small components."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import densities

from .memory import NO_WEIGHTS, draws_of

_SEED = (
    0x666F6375,
    0x736564,
    0x6D,
)  # not the memory's: the mixture may have been fitted to what that kept
POOR = 0.05  # a row is poorly explained if it is less likely than this share of the rows
_HUGE = 1e150  # nats; times the largest weight it is still finite


@dataclass(frozen=True, eq=False)
class Measure:
    """How much a row matters for the next fit, from a mixture that was fitted to a uniform sample.

    Parameters
    ----------
    mixture : Mixture
    bar : float
        The log density below which rows are poorly explained.
    most : float
        What a row of a small component may count more than another.
    """

    mixture: Mixture
    bar: float
    most: float

    @classmethod
    def of(cls, mixture: Mixture, X: Any, *, n_threads: int | None = None) -> Measure:
        """Return the measure that a mixture gives, with the bar from a uniform sample X."""
        log_prob, _ = densities(mixture, X, responsibilities=False, n_threads=n_threads)
        return cls(mixture, float(np.quantile(log_prob, POOR)), max(1.0, len(X) / mixture.n_components))

    def sizes(self, X: Any, weights: Array, *, n_threads: int | None = None) -> Array:
        """Return two sizes of each row (n_samples, 2), each times its weight.

        The first is one, plus the density if all components had the same weight over what it is: components
        share the rows. The second is the nats that the log density lacks to the bar.
        """
        mixture, equal = self.mixture, np.full(self.mixture.n_components, -np.log(self.mixture.n_components))
        even = Mixture.from_factor(equal, mixture.means, mixture.factor, mixture.covariance_type)
        log_prob, log_even = (
            densities(model, X, responsibilities=False, n_threads=n_threads)[0] for model in (mixture, even)
        )
        with np.errstate(invalid="ignore"):  # of rows too far to be squared both are minus infinity
            share = 1.0 + np.exp(np.fmin(log_even - log_prob, np.log(self.most)))
            lack = np.maximum(np.fmin(self.bar - log_prob, _HUGE), 0.0)
        sizes = np.stack([share, lack], axis=1)
        return sizes * weights[:, np.newaxis] if len(weights) else sizes


@dataclass(frozen=True, eq=False)
class Focus:
    r"""Rows chosen by two sizes at once, with weights whose expectations are the rows' own.

    Every row draws a number u, always the same for the same place. For each size s the ``bound`` rows with
    the smallest u / s are kept. Let t be the smallest number such that the row would not have been kept had
    its u / s been t: a matter of the other rows alone. Then it is kept with probability
    :math:`p = \min(1, \max_j s_j t_j)`, and a weight w / p is w in expectation, for each row and so for each
    region. For a size that keeps the row, t is the smallest u / s that is not kept; with that, the product
    for another size is less than the row's u, and does not matter. A row with s t > 1 is kept for certain,
    with its own weight, and takes nothing from the others.

    Priority sampling (Duffield, Lund and Thorup, Journal of the ACM 54, 2007) for two sizes; that rows are
    to be drawn by the part that they have in the cost is from Lucic, Faulkner, Krause and Feldman (Journal
    of Machine Learning Research 18, 2018).

    Parameters
    ----------
    bound : int
        Rows that are kept for each size.
    n_seen : int
    rows : ndarray of shape (n_kept, n_features) or None
        None until rows come.
    weights : ndarray of shape (n_kept,) or (0,)
        Their own; empty for ones.
    draws : ndarray of shape (n_kept,)
    sizes : ndarray of shape (n_kept, 2)
    limits : ndarray of shape (2,)
        What u / s must be below, for each size, to be among the smallest ``bound`` + 1.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.fit.focus import Focus
    >>> X = np.arange(100.0).reshape(100, 1)
    >>> sizes = np.ones((100, 2))
    >>> sizes[7, 1] = 1e9
    >>> rows, weights = Focus(10).add(X, np.empty(0), sizes).sample()
    >>> weights[rows.ravel() == 7.0]
    array([1.])
    """

    bound: int
    n_seen: int = 0
    rows: Any = None
    weights: Array = field(default_factory=lambda: NO_WEIGHTS)
    draws: Array = field(default_factory=lambda: NO_WEIGHTS)
    sizes: Array = field(default_factory=lambda: np.empty((0, 2)))
    limits: Array = field(default_factory=lambda: np.full(2, np.inf))

    def add(self, X: Any, weights: Array, sizes: Array) -> Focus:
        """Return what is kept after more rows (n_samples, n_features) with sizes (n_samples, 2)."""
        draws = draws_of(_SEED, self.n_seen, len(X))
        near = np.logical_or(*(_ranks(draws, sizes) < self.limits).T)
        rows = np.array(X[near]) if self.rows is None else np.concatenate([self.rows, X[near]])
        weights = np.concatenate([self.weights, weights[near] if len(weights) else weights])
        draws = np.concatenate([self.draws, draws[near]])
        sizes = np.concatenate([self.sizes, sizes[near]])
        limits = self.limits
        if len(draws) > self.bound + 1:
            ranks = _ranks(draws, sizes)
            limits = np.partition(ranks, self.bound, axis=0)[self.bound]
            kept = ((ranks <= limits) & (ranks < np.inf)).any(axis=1)
            rows, draws, sizes = rows[kept], draws[kept], sizes[kept]
            weights = weights[kept] if len(weights) else weights
        return replace(
            self,
            n_seen=self.n_seen + len(X),
            rows=rows,
            weights=weights,
            draws=draws,
            sizes=sizes,
            limits=limits,
        )

    def sample(self) -> tuple[Any, Array]:
        """Return the rows, at most twice ``bound``, in their order, and what each stands for."""
        ranks = _ranks(self.draws, self.sizes)
        following = np.concatenate([np.sort(ranks, axis=0), np.full((self.bound + 1, 2), np.inf)])[self.bound]
        chosen = (ranks < following).any(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):  # a size of 0 where all others are kept
            probability = np.fmin(np.fmax(*(self.sizes[chosen] * following).T), 1.0)
        own = self.weights[chosen] if len(self.weights) else 1.0
        return self.rows[chosen], own / probability


def _ranks(draws: Array, sizes: Array) -> Array:
    with np.errstate(divide="ignore", over="ignore"):
        return draws[:, np.newaxis] / sizes
