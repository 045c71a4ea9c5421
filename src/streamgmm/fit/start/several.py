"""The best of several starts: k-means in several metrics, a few steps of EM each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from streamgmm import covariance
from streamgmm.fit.climb import Climb
from streamgmm.fit.volume import Judge
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture

from .clusters import METRICS, Sample, clustered
from .far import far_rows, with_far

OptionsOf = Callable[[int], Options]  # of so many components

_UNITLESS = ("standardized", "within", "whitened", "within")
_ROUNDS = 2
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
    k-means finds in all rows, where the others may have missed the few. The features' units matter only where
    the covariance type makes them matter. Rows that are far from all that was
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
    judge, metrics = Judge(sample), METRICS if covariance.get(covariance_type).units_matter else _UNITLESS
    if n_components == 1:
        return _tried(judge, clustered(sample, *shape, ["standardized"], random_state), options, 1)[0]
    some, few, judge_few = max(_ROWS, _ROWS_EACH * n_components), sample, judge
    if len(sample.X) > some:
        few = sample.take(np.sort(random_state.permutation(len(sample.X))[:some]))
        judge_few = Judge(few)
    climbs = _tried(judge_few, clustered(few, *shape, metrics * _ROUNDS, random_state), options, _KEPT)
    for climb in climbs:
        climb.run(_SOME)
    climbs = judge_few.best(climbs, _KEPT - 1)
    far = far_rows(climbs[0].mixture, sample, n_samples or len(sample.X))
    has_far = bool(far.any()) and np.count_nonzero(~far) > n_components
    if few is sample and not has_far:
        return climbs[0]
    mixtures = [climb.mixture for climb in climbs]
    if few is not sample:
        mixtures += clustered(sample, *shape, metrics[:3:2], random_state)
    if has_far:
        rest = sample.take(np.flatnonzero(~far))
        how: dict[str, Any] = {"options_of": options_of, "random_state": random_state, "n_samples": n_samples}
        others = find_start(rest, n_components - 1, covariance_type, **how).mixture
        mixtures.append(with_far(others, rest, sample.take(np.flatnonzero(far))))
    return _tried(judge, mixtures, options, 1)[0]


def _tried(judge: Judge, mixtures: Iterable[Mixture], options: Options, n: int) -> list[Climb]:
    """Return the n best climbs after a few iterations, the best first."""
    sample = judge.sample
    climbs = [Climb(mixture, sample.X, sample.weights, options) for mixture in mixtures]
    for climb in climbs:
        climb.run(_FEW)
    return judge.best(climbs, n)
