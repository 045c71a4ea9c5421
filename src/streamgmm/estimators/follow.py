"""Learning with an eye on it: the mixture as it was on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from streamgmm._compat.sklearn import num_samples, safe_indexing
from streamgmm.algebra import bhattacharyya
from streamgmm.fit.world import World
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import as_weights

from ._fitting import AUTO
from ._progress import Progress
from ._warmup import WarmUp
from .online import OnlineGaussianMixture

_GROWTH = 1.2
_FIRST = 10

Places = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, eq=False)
class Trail:
    """The mixtures through which an estimator went.

    Parameters
    ----------
    rows : ndarray of shape (n_snapshots,)
        Rows seen at each snapshot.
    mixtures : tuple of Mixture
        The snapshots.
    places : tuple of ndarray of shape (n_components,), optional
        Of each snapshot, which components its own are, in rising order: component k of the last is k in all
        of them. A place that a snapshot leaves out is empty there, as it may be where the number of
        components changes; and it may be taken by others later. By default 0, 1, 2, ...
    """

    rows: Array
    mixtures: tuple[Mixture, ...]
    places: tuple[Places, ...] = ()

    def __post_init__(self) -> None:
        if not self.places:
            places = tuple(np.arange(mixture.n_components) for mixture in self.mixtures)
            object.__setattr__(self, "places", places)

    @property
    def n_places(self) -> int:
        """One more than the largest place."""
        return 1 + max((int(places.max()) for places in self.places), default=-1)

    def at_places(self, values: Callable[[Mixture], Array]) -> Array:
        """Return an array of each mixture's components, by snapshot and place; NaN where a place is empty.

        Examples
        --------
        >>> import numpy as np
        >>> from streamgmm import Mixture
        >>> from streamgmm.estimators import Trail
        >>> one, two = Mixture([1.0], [[0.0]], [[[1.0]]]), Mixture([0.5, 0.5], [[0.0], [4.0]], [[[1.0]]] * 2)
        >>> Trail(np.array([10.0, 20.0]), (one, two)).at_places(lambda mixture: mixture.weights)
        array([[1. , nan],
               [0.5, 0.5]])
        """
        found = [values(mixture) for mixture in self.mixtures]
        filled = np.full((len(found), self.n_places, *found[0].shape[1:]), np.nan)
        for row, places, value in zip(filled, self.places, found, strict=True):
            row[places] = value
        return filled


def follow(
    estimator: OnlineGaussianMixture, X: Any, sample_weight: Any = None, *, trail: Trail | None = None
) -> Trail:
    """Learn from more rows, as `partial_fit` does, and keep the mixture on the way.

    A snapshot is taken whenever the number of rows has grown by a fifth, between mini-batches: about 13 while
    it grows tenfold. The estimator learns what it would have learned without. While it keeps its first rows,
    a snapshot is EM's fit of the rows so far. So the first rows cost some twenty fits instead of one, and one
    more for each call: give many rows at once. So does each snapshot of rows that were found to be in some
    order.

    Where components may have been renumbered, or their number is another (in the first rows, and after an
    event), each is matched to the nearest in the snapshot before.

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
    begin = 0
    with estimator._all_or_nothing():
        while begin < n_samples:
            end = min(n_samples, begin + _room(estimator))
            before: Progress | None = getattr(estimator, "_progress", None)
            rows = slice(begin, end)
            estimator.partial_fit(safe_indexing(X, rows), None, weights[rows] if len(weights) else None)
            begin = end
            trail = _with_snapshot(trail, before, estimator._progress)
    return _renamed(trail)


def _room(estimator: OnlineGaussianMixture) -> int:
    """Return how many rows are learned before the next snapshot: from the start on, whole mini-batches."""
    progress = getattr(estimator, "_progress", None)
    if progress is None:
        return max(_FIRST, 2 * (1 if estimator.n_components == AUTO else int(estimator.n_components)))
    more = max(1, int(np.ceil((_GROWTH - 1) * progress.n_rows)))
    if isinstance(progress.stage, WarmUp):
        return min(more, progress.stage.room)
    return int(progress.plan.batch_size * -(-more // progress.plan.batch_size))


def _with_snapshot(trail: Trail, before: Progress | None, progress: Progress) -> Trail:
    """Return the trail with another snapshot, whose components take the places of those before."""
    if isinstance(progress.stage, WarmUp):
        if progress.stage.shortage:
            return trail
        mixture = progress.stage.fitted().mixture  # made again when somebody asks, and then it warns
    else:
        mixture = progress.mixture
    rows, mixtures, places = trail.rows, trail.mixtures, trail.places
    taken = np.arange(mixture.n_components)
    if mixtures:
        kept = before is not None and before.n_rows == rows[-1] and _is_continued(before, progress)
        taken = places[-1] if kept else _places(mixture, mixtures[-1], places[-1])
    if len(rows) > 1 and progress.n_rows < _GROWTH * rows[-2]:
        rows, mixtures, places = rows[:-1], mixtures[:-1], places[:-1]
    return Trail(np.append(rows, progress.n_rows), (*mixtures, mixture), (*places, taken))


def _is_continued(before: Progress, progress: Progress) -> bool:
    """Tell whether nothing but the rule has changed the mixture, so that each component is what it was."""
    if not (isinstance(before.stage, World) and isinstance(progress.stage, World)):
        return False
    was, now = (
        (world.began, world.due, len(world.events), world.task, world.ordered > 0)
        for world in (before.stage, progress.stage)
    )
    return was == now and not progress.stage.ordered


def _places(mixture: Mixture, other: Mixture, others: Places) -> Places:
    """Return the places of components: those of the nearest of another mixture, or the first free ones."""
    taken = np.full(mixture.n_components, -1)
    for ours, theirs in _pairs(mixture, other):
        taken[ours] = others[theirs]
    free = np.setdiff1d(np.arange(mixture.n_components), taken)
    rest = np.flatnonzero(taken < 0)
    taken[rest] = free[: len(rest)]
    return taken


def _renamed(trail: Trail) -> Trail:
    """Return the trail with the last mixture's components at places 0, 1, 2, ... and all in rising order."""
    if not trail.mixtures:
        return trail
    last = trail.places[-1]
    names = np.empty(trail.n_places, dtype=np.intp)
    names[last] = np.arange(len(last))
    names[np.setdiff1d(np.arange(len(names)), last)] = np.arange(len(last), len(names))
    mixtures, places = [], []
    for mixture, old in zip(trail.mixtures, trail.places, strict=True):
        new = names[old]
        order = np.argsort(new)
        mixtures.append(mixture if (order[:-1] < order[1:]).all() else reorder(mixture, order.tolist()))
        places.append(new[order])
    return Trail(trail.rows, tuple(mixtures), tuple(places))


def match(mixture: Mixture, other: Mixture) -> list[int]:
    """Return which component of a mixture is nearest to each of another with as many, each taken once.

    The sum of the Bhattacharyya distances is smallest.
    """
    return [ours for ours, _ in sorted(_pairs(mixture, other), key=itemgetter(1))]


def _pairs(mixture: Mixture, other: Mixture) -> list[tuple[int, int]]:
    """Return pairs of a component and another's, as many as there are in the smaller mixture."""
    shift = mixture.means - other.means[:, np.newaxis]
    ours, theirs = mixture.covariance_matrices(), other.covariance_matrices()
    distances = bhattacharyya(shift, theirs[:, np.newaxis], ours)
    far = np.finfo(np.float64).max / max(distances.shape)  # an infinite distance would have no assignment
    at, of = linear_sum_assignment(np.minimum(distances, far))
    return list(zip(of.tolist(), at.tolist(), strict=True))


def reorder(mixture: Mixture, order: list[int]) -> Mixture:
    """Return the mixture with its components in another order."""
    factor = mixture.kind.select(mixture.factor, order)
    return Mixture.from_factor(
        mixture.log_weights[order], mixture.means[order], factor, mixture.covariance_type
    )
