"""The moves by which a mixture leaves an optimum for a better one: components are split and merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from streamgmm.algebra import merging_losses
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture

from .climb import Climb
from .start.clusters import Sample, clustered
from .start.far import with_far
from .start.several import OptionsOf

_SHARE = 0.01  # a row with a smaller responsibility does not say how to split a component
_STEPS = 20  # of EM for two components, on the rows of one
_WAYS = ("standardized", "whitened")  # the metrics in which its rows are parted
_SPARE = 3  # pairs that are looked at, beside one for every two components


class Split(NamedTuple):
    """A component as two.

    Attributes
    ----------
    gain : float
        About how much the log-likelihood of all rows would rise, in nats.
    component : int
    pair : Mixture
        Of two components.
    """

    gain: float
    component: int
    pair: Mixture


class Merge(NamedTuple):
    """Two components as one.

    Attributes
    ----------
    loss : float
        How much the log-likelihood of all rows would fall at first, in nats.
    first, second : int
    """

    loss: float
    first: int
    second: int


def splits(
    mixture: Mixture, sample: Sample, options_of: OptionsOf, random_state: np.random.RandomState
) -> list[Split]:
    """Return the best way found to split each component, those that gain most first.

    EM fits two components to the rows of one, weighted by their responsibilities, from clusters of these rows
    in two metrics, and from the row that is least likely and the others. Components of too few rows for two
    are left out.
    """
    responsibilities = mixture.responsibilities(sample.X, n_threads=1)
    least = 1 if mixture.kind.is_shared else mixture.n_features + 1
    found = []
    for k in range(mixture.n_components):
        own = np.flatnonzero(responsibilities[:, k] > _SHARE)
        w = sample.row_weights[own] * responsibilities[own, k]
        if w.sum() < 2 * least or len(own) < 2 * least:
            continue
        part = Sample(np.ascontiguousarray(sample.X[own]), w)
        log_prob = mixture.select([k]).log_prob(part.X, n_threads=1)
        before = float(w @ log_prob)
        best = None
        for pair in _pairs(part, mixture.covariance_type, int(np.argmin(log_prob)), random_state):
            climb = Climb(pair, part.X, w, options_of(2))
            gain = climb.total * climb.run(_STEPS) - before
            if climb.nk.min() >= least and (best is None or gain > best.gain):
                best = Split(gain, k, climb.mixture)
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda split: -split.gain)


def _pairs(
    part: Sample, covariance_type: str, unlikely: int, random_state: np.random.RandomState
) -> Iterator[Mixture]:
    """Yield two components on the rows of one."""
    yield from clustered(part, 2, covariance_type, _WAYS, random_state)
    rest = part.take(np.delete(np.arange(len(part.X)), unlikely))
    [one] = clustered(rest, 1, covariance_type, _WAYS[:1], random_state)
    yield with_far(one, rest, part.take(np.array([unlikely])))


def merges(mixture: Mixture, sample: Sample, options: Options) -> list[Merge]:
    """Return pairs of components that lose least as one, the least first.

    What a merge loses at most is known without rows (Runnalls, 2007, IEEE Transactions on Aerospace and
    Electronic Systems 43, 989-999); the best by that are tried on the rows.
    """
    first, second = np.triu_indices(mixture.n_components, 1)
    bounds = merging_losses(mixture.weights, mixture.means, mixture.covariance_matrices(), first, second)
    before = Climb(mixture, sample.X, sample.weights, options)
    before.run(1)
    found = []
    for at in np.argsort(bounds, kind="stable")[: _SPARE + mixture.n_components // 2]:
        i, j = int(first[at]), int(second[at])
        after = Climb(mixture.merge(i, j), sample.X, sample.weights, options)
        found.append(Merge(before.total * (before.bounds[-1] - after.run(1)), i, j))
    return sorted(found)
