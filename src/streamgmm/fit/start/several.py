"""The best of several starts: k-means in several metrics, a few steps of EM each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np

from streamgmm.algebra import merging_losses
from streamgmm.fit.climb import Climb
from streamgmm.fit.volume import Judge
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .clusters import Sample, clustered, metrics_of
from .far import far_rows, with_far

__all__ = ["find_start"]

OptionsOf = Callable[[int], Options]  # of so many components

_LEAST, _MOST = 2, 8  # starts: so many beside one for each component, and at most
_FEW, _SOME = 5, 10  # iterations of EM from every start, and from the best of them
_KEPT = 3
_ROWS_FOR_MORE = 5  # for each component
_ROWS, _ROWS_EACH = 1000, 20  # all starts are tried on so many rows, or so many for each component


def find_start(
    sample: Sample,
    n_components: int,
    covariance_type: str,
    *,
    options_of: OptionsOf,
    random_state: np.random.RandomState,
    n_samples: float | None = None,
) -> Climb:
    """Return the best of several short climbs.

    They begin at clusters, in several metrics (`clustered`), and at half as many clusters again, after five
    steps of EM merged to the number that is asked for: where two components share what is one, and one has
    what is two, EM alone does not mend it. From each EM makes five steps, and from the best three ten more
    (emEM; Biernacki, Celeux and Govaert, 2003), on some of the rows if there are many. Rows that are far from
    all that was found are worth a start of their own: as one component, beside the best start for the rest.

    Parameters
    ----------
    sample : Sample
    n_components : int
    covariance_type : str
    options_of : callable
        Regularization and prior of so many components.
    random_state : RandomState
    n_samples : float, optional
        Rows that the sample stands for, its own by default.

    Returns
    -------
    Climb
        On all rows of the sample, near an optimum.

    References
    ----------
    Biernacki, Celeux and Govaert (2003), Choosing starting values for the EM algorithm for getting the
    highest likelihood in multivariate Gaussian mixture models, Computational Statistics & Data Analysis 41,
    561-575.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import covariance, datasets, priors
    >>> from streamgmm.fit.start.clusters import Sample
    >>> from streamgmm.fit.start.several import find_start
    >>> sample = Sample(datasets.load_faithful().data, np.empty(0))
    >>> def options_of(n_components):
    ...     return priors.options(covariance.get("full"), n_components, 2)
    >>> how = {"options_of": options_of, "random_state": np.random.RandomState(0)}
    >>> climb = find_start(sample, 2, "full", **how)
    >>> np.sort(climb.mixture.means[:, 0]).round(1)
    array([2. , 4.3])
    """
    shape, options = (n_components, covariance_type), options_of(n_components)
    if n_components == 1:
        return _tried(Judge(sample), clustered(sample, *shape, ["standardized"], random_state), options, 1)[0]
    some, few = max(_ROWS, _ROWS_EACH * n_components), sample
    if len(sample.X) > some:
        few = sample.take(np.sort(random_state.permutation(len(sample.X))[:some]))
    judge = Judge(few)
    mixtures = _found(few, *shape, options_of, random_state)
    climbs = _tried(judge, mixtures, options, _KEPT)
    for climb in climbs:
        climb.run(_SOME)
    best = judge.best(climbs, 1)[0]
    far = far_rows(best.mixture, sample, len(sample.X) if n_samples is None else n_samples)
    if not far.any() or np.count_nonzero(~far) <= n_components:
        return best if few is sample else Climb(best.mixture, sample.X, sample.weights, options)
    rest = sample.take(np.flatnonzero(~far))
    others = find_start(
        rest,
        n_components - 1,
        covariance_type,
        options_of=options_of,
        random_state=random_state,
        n_samples=np.inf,  # none is far from these
    ).mixture
    rivals = [best.mixture, with_far(others, rest, sample.take(np.flatnonzero(far)))]
    return _tried(Judge(sample), rivals, options, 1)[0]


def _found(
    sample: Sample,
    n_components: int,
    covariance_type: str,
    options_of: OptionsOf,
    random_state: np.random.RandomState,
) -> Iterator[Mixture]:
    """Yield what k-means finds: half of it at once, half with more components, some of which merge."""
    n_starts = min(_MOST, _LEAST + n_components)
    n_more = n_components + n_components // 2
    n_merged = n_starts // 2 if n_components > 2 and len(sample.X) > _ROWS_FOR_MORE * n_more else 0
    metrics = metrics_of(covariance_type)
    plain = islice(cycle(metrics), n_starts - n_merged)
    yield from clustered(sample, n_components, covariance_type, plain, random_state)
    for mixture in clustered(sample, n_more, covariance_type, islice(cycle(metrics), n_merged), random_state):
        climb = Climb(mixture, sample.X, sample.weights, options_of(n_more))
        climb.run(_FEW)
        yield _merged(climb.mixture, n_components)


def _merged(mixture: Mixture, n_components: int) -> Mixture:
    """Return the mixture after merging those two components again and again that lose least.

    Only pairs with the new component are looked at anew, though a covariance for all changes with each.
    """
    n_before = mixture.n_components
    first, second = np.triu_indices(n_before, 1)
    losses = np.full((n_before, n_before), np.inf)
    losses[first, second] = _losses(mixture, first, second)
    while mixture.n_components > n_components:
        i, j = (int(k) for k in np.unravel_index(np.argmin(losses), losses.shape))
        mixture = mixture.merge(i, j)
        losses = np.delete(np.delete(losses, j, axis=0), j, axis=1)
        others = np.delete(np.arange(len(losses)), i)
        first, second = np.minimum(i, others), np.maximum(i, others)
        losses[first, second] = _losses(mixture, first, second)
    return mixture


def _losses(mixture: Mixture, first: Any, second: Any) -> Array:
    return merging_losses(mixture.weights, mixture.means, mixture.covariance_matrices(), first, second)


def _tried(judge: Judge, mixtures: Iterable[Mixture], options: Options, n: int) -> list[Climb]:
    """Return the n best climbs after a few iterations, the best first."""
    sample = judge.sample
    climbs = [Climb(mixture, sample.X, sample.weights, options) for mixture in mixtures]
    for climb in climbs:
        climb.run(_FEW)
    return judge.best(climbs, n)
