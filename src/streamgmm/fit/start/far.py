"""Few rows far from all others: they are one component, and the others are found among the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.mixture import Mixture

from .clusters import Sample
from .moments import quantile

_SMALL = 0.1  # of an equal share: components with less may be themselves of the few
_USUAL = 0.05  # of the rows are less likely than this quantile


def far_rows(mixture: Mixture, sample: Sample, n_samples: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which rows the large components of a mixture would not have drawn, not once in ``n_samples``^2.

    Log densities below a quantile fall about exponentially: one row in n lies log n below, in many features
    somewhat more.

    Parameters
    ----------
    mixture : Mixture
        A fit to the sample, or to part of it.
    sample : Sample
    n_samples : float
        Rows that the sample stands for.
    """
    large = np.flatnonzero(mixture.weights * mixture.n_components >= _SMALL)
    log_prob = mixture.select(large).log_prob(sample.X, n_threads=1)
    usual = quantile(log_prob[:, np.newaxis], sample.weights, _USUAL)[0]
    return np.asarray(log_prob < usual - 2.0 * np.log(n_samples))


def with_far(others: Mixture, rest: Sample, far: Sample) -> Mixture:
    """Return a mixture of others, which were fitted to the rest, and a broad component on rows far away.

    k-means gives few rows far away a component for each direction, or none at all: their squared distances
    are everything or nothing.
    """
    kind = others.kind
    widths = np.sqrt(np.diag(rest.covariance) + np.diag(far.covariance))
    alone = kind.from_variances(np.square(np.maximum(widths, rest.deviations))[np.newaxis])
    total = far.row_weights.sum() + rest.row_weights.sum()
    shares = np.log([rest.row_weights.sum() / total, far.row_weights.sum() / total])
    log_weights = np.append(others.log_weights + shares[0], shares[1])
    means = np.concatenate([others.means, far.mean[np.newaxis]])
    factor = kind.split(others.factor, 0, np.concatenate([others.factor[:1], alone]))
    return Mixture.from_factor(log_weights, means, factor, kind.name)
