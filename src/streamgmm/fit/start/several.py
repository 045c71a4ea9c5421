"""The best of several starts: k-means in several metrics, a few steps of EM each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import cycle, islice

import numpy as np

from streamgmm.fit.climb import Climb
from streamgmm.fit.volume import Judge
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture

from .clusters import Sample, clustered, metrics_of
from .far import far_rows, with_far

OptionsOf = Callable[[int], Options]  # of so many components

_LEAST, _MOST = 2, 8  # starts: so many beside one for each component, and at most
_FEW, _SOME = 5, 15  # iterations of EM from every start, and from the best of them
_KEPT = 3
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

    From each clustering EM makes five steps, and from the best three fifteen more (emEM; Biernacki, Celeux
    and Govaert, 2003), on some of the rows if there are many; the best two go on with all rows, beside what
    k-means finds in all rows, where the others may have missed the few. Rows that are far from all that was
    found are worth a start of their own: as one component, beside the best start for the rest.

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

    References
    ----------
    Biernacki, Celeux and Govaert (2003), Choosing starting values for the EM algorithm for getting the
    highest likelihood in multivariate Gaussian mixture models, Computational Statistics & Data Analysis 41,
    561-575.
    """
    shape, options = (n_components, covariance_type), options_of(n_components)
    if n_components == 1:
        return _tried(Judge(sample), clustered(sample, *shape, ["standardized"], random_state), options, 1)[0]
    some, few = max(_ROWS, _ROWS_EACH * n_components), sample
    if len(sample.X) > some:
        few = sample.take(np.sort(random_state.permutation(len(sample.X))[:some]))
    judge = Judge(few)
    metrics = islice(cycle(metrics_of(covariance_type)), min(_MOST, _LEAST + n_components))
    climbs = _tried(judge, clustered(few, *shape, metrics, random_state), options, _KEPT)
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


def _tried(judge: Judge, mixtures: Iterable[Mixture], options: Options, n: int) -> list[Climb]:
    """Return the n best climbs after a few iterations, the best first."""
    sample = judge.sample
    climbs = [Climb(mixture, sample.X, sample.weights, options) for mixture in mixtures]
    for climb in climbs:
        climb.run(_FEW)
    return judge.best(climbs, n)
