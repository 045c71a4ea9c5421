"""Learning with an eye on it: the mixture as it was on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from streamgmm._compat.sklearn import num_samples, safe_indexing
from streamgmm.algebra import bhattacharyya
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import as_weights

from ._fitting import AUTO
from ._warmup import WarmUp
from .online import OnlineGaussianMixture

_GROWTH = 1.2
_FIRST = 10


@dataclass(frozen=True, eq=False)
class Trail:
    """The mixtures through which an estimator went.

    Parameters
    ----------
    rows : ndarray of shape (n_snapshots,)
        Rows seen at each snapshot.
    mixtures : tuple of Mixture
        The snapshots. Component k is the same component in all of them.
    """

    rows: Array
    mixtures: tuple[Mixture, ...]


def follow(
    estimator: OnlineGaussianMixture, X: Any, sample_weight: Any = None, *, trail: Trail | None = None
) -> Trail:
    """Learn from more rows, as `partial_fit` does, and keep the mixture on the way.

    A snapshot is taken whenever the number of rows has grown by a fifth, between mini-batches: about 13 while
    it grows tenfold. The estimator learns what it would have learned without. While it keeps its first rows,
    a snapshot is EM's fit of the rows so far, with its components matched to those of the start. So the first
    rows cost some twenty fits instead of one, and one more for each call: give many rows at once.

    Parameters
    ----------
    estimator : OnlineGaussianMixture
        It is changed.
    X : array-like of shape (n_samples, n_features)
    sample_weight : array-like of shape (n_samples,), optional
    trail : Trail, optional
        Of earlier rows, to be continued. It ends with the end of the earlier call, which is left out where
        the snapshots before and after it are near enough: many short calls leave a short trail.

    Returns
    -------
    Trail
        Empty as long as there are fewer distinct rows than components.

    Raises
    ------
    ValueError
        As `partial_fit`. The estimator stays as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import OnlineGaussianMixture
    >>> from streamgmm.estimators import follow
    >>> model = OnlineGaussianMixture(random_state=0)
    >>> trail = follow(model, np.random.default_rng(0).normal(5.0, 1.0, size=(2000, 1)))
    >>> trail.rows[-4:], trail.mixtures[-1] == model.to_mixture()
    (array([1024., 1280., 1536., 2000.]), True)
    """
    if not isinstance(estimator, OnlineGaussianMixture):
        raise ValueError(
            f"`estimator` must be an OnlineGaussianMixture, which learns from a stream, got {estimator!r}"
        )
    n_samples = num_samples(X)
    weights = as_weights(sample_weight, n_samples)
    trail = trail or Trail(np.empty(0), ())
    if not n_samples:
        estimator.partial_fit(X)  # which says so
    begin = n_permuted = 0
    with estimator._all_or_nothing():
        while begin < n_samples:
            end = min(n_samples, begin + _room(estimator))
            progress = getattr(estimator, "_progress", None)
            may_permute = progress is None or isinstance(progress.stage, WarmUp)
            rows = slice(begin, end)
            estimator.partial_fit(safe_indexing(X, rows), None, weights[rows] if len(weights) else None)
            begin = end
            trail = _with_snapshot(trail, estimator)
            n_permuted = len(trail.mixtures) - 1 if may_permute else n_permuted
    return _in_order(trail, n_permuted)


def _room(estimator: OnlineGaussianMixture) -> int:
    """Return how many rows are learned before the next snapshot: from the start on, whole mini-batches."""
    progress = getattr(estimator, "_progress", None)
    if progress is None:
        return max(_FIRST, 2 * (1 if estimator.n_components == AUTO else int(estimator.n_components)))
    more = max(1, int(np.ceil((_GROWTH - 1) * progress.n_rows)))
    if isinstance(progress.stage, WarmUp):
        return min(more, progress.stage.room)
    return int(progress.plan.batch_size * -(-more // progress.plan.batch_size))


def _with_snapshot(trail: Trail, estimator: OnlineGaussianMixture) -> Trail:
    progress = estimator._progress
    if isinstance(progress.stage, WarmUp):
        if progress.stage.shortage:
            return trail
        mixture = progress.stage.fitted().mixture  # made again when somebody asks, and then it warns
    else:
        mixture = progress.mixture
    rows, earlier = trail.rows, trail.mixtures
    if len(rows) > 1 and progress.n_rows < _GROWTH * rows[-2]:
        rows, earlier = rows[:-1], earlier[:-1]
    return Trail(np.append(rows, progress.n_rows), (*earlier, mixture))


def _in_order(trail: Trail, n_permuted: int) -> Trail:
    """Give EM's fits of the first rows the order of the mixture that came of them."""
    mixtures = trail.mixtures
    first = tuple(_ordered_as(one, mixtures[n_permuted]) for one in mixtures[: max(n_permuted, 0)])
    return Trail(trail.rows, (*first, *mixtures[len(first) :]))


def _ordered_as(mixture: Mixture, other: Mixture) -> Mixture:
    """Return the mixture in the order of another, as it is if that has not as many components."""
    return reorder(mixture, match(mixture, other)) if mixture.n_components == other.n_components else mixture


def match(mixture: Mixture, other: Mixture) -> list[int]:
    """Return which component of a mixture is nearest to each of another, each taken once.

    The sum of the Bhattacharyya distances is smallest.
    """
    shift = mixture.means - other.means[:, np.newaxis]
    ours, theirs = mixture.covariance_matrices(), other.covariance_matrices()
    distances = bhattacharyya(shift, theirs[:, np.newaxis], ours)
    far = np.finfo(np.float64).max / mixture.n_components  # an infinite distance would have no assignment
    return [int(j) for j in linear_sum_assignment(np.minimum(distances, far))[1]]


def reorder(mixture: Mixture, order: list[int]) -> Mixture:
    """Return the mixture with its components in another order."""
    factor = mixture.kind.select(mixture.factor, order)
    return Mixture.from_factor(
        mixture.log_weights[order], mixture.means[order], factor, mixture.covariance_type
    )
