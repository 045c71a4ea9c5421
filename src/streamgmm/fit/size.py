"""How many components: as many as the lowest BIC has, from fits along a path of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from streamgmm.mixture import Mixture

from .batch import BatchResult
from .path import path
from .problem import Problem

__all__ = ["FEW", "best_size", "size_on_sample"]

FEW = 10  # components that are tried at first
_NEARLY = 0.7  # of those tried: then more are
_TOL, _MAX_ITER = 1e-4, 300


class Fitted(NamedTuple):
    """A fit, and what its log-likelihood is of how much weight."""

    result: BatchResult
    log_likelihood: float
    weight: float

    @property
    def bic(self) -> float:
        """Schwarz's criterion; less is better."""
        return float(-2 * self.log_likelihood + self.result.mixture.n_parameters * np.log(self.weight))


def best_size(fitted: Callable[[range], Iterable[Fitted]], n_most: int) -> BatchResult:
    """Return the fit with the lowest BIC: of up to ten components, or of more if nearly as many are best.

    Parameters
    ----------
    fitted : callable
        Fits for each of a range of numbers.
    n_most : int
        The largest number that makes sense.
    """
    best: Fitted | None = None
    least, most = 1, min(FEW, n_most)
    while True:
        for fit in fitted(range(least, most + 1)):
            if best is None or fit.bic < best.bic:
                best = fit
        assert best is not None
        if best.result.mixture.n_components < _NEARLY * most or most == n_most:
            return best.result
        least, most = most + 1, min(2 * most, n_most)


def size_on_sample(problem: Problem, n_most: int, seed: int, *, n_threads: int = 1) -> BatchResult:
    """Return the fit to the sample of a problem with the lowest BIC.

    Examples
    --------
    >>> from streamgmm import datasets
    >>> from streamgmm.fit.problem import Problem
    >>> from streamgmm.fit.rows import rows_of
    >>> from streamgmm.fit.size import size_on_sample
    >>> problem = Problem(rows_of(datasets.load_faithful().data), 10, "tied", prior="weak")
    >>> size_on_sample(problem, 10, seed=0).mixture.n_components
    3
    """
    weights = problem.sample.row_weights

    def fit(start: Mixture) -> BatchResult:
        climb = problem.climb(start)
        converged = climb.finish(_TOL, _MAX_ITER)
        return BatchResult(climb.mixture, converged, len(climb.bounds), climb.bounds)

    def fitted(sizes: range) -> Iterable[Fitted]:
        total = float(weights.sum())
        for result in path(problem, sizes, fit, seed, n_threads=n_threads).values():
            yield Fitted(result, total * result.lower_bounds[-1], total)

    return best_size(fitted, n_most)
