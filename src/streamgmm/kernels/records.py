"""The records that kernels take and fill: arrays under names, the same in Python and in compiled code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# What became of a mini-batch. STOPPED - k: the step of component k left the valid mixtures.
REFUSED, IDLE, LEARNED, SHORTENED, STOPPED = -1, 0, 1, 2, -2
# One mini-batch in the stream's account of what happened.
INFO = np.dtype([("weight", "f8"), ("log_likelihood", "f8"), ("outcome", "i8")])


class Batch(NamedTuple):
    """Statistics of a mini-batch, or of a row, about the means; of s2 the entries that the family keeps.

    Attributes
    ----------
    weight, log_likelihood : float
    nk : (n_components,)
    s1 : (n_components, n_features)
    s2 : (n_components, n_features, n_moments)
    """

    weight: Any
    log_likelihood: Any
    nk: Any
    s1: Any
    s2: Any


class Options(NamedTuple):
    """Regularization and prior of each component, as the compiled updates take them.

    Attributes
    ----------
    flags : record of `FLAGS`
        Whether a family's covariances are pooled (over components or features), whether there is a prior, and
        whether there is that or a floor.
    floor : (n_features,)
        The variance added to each feature.
    concentration : (n_components,)
        Of the Dirichlet prior, less one.
    mean_count : (n_components,)
        How many rows the prior means are worth.
    covariance_count : (n_components,)
        How many rows the inverse-Wishart priors are worth; pooled over components, these add up.
    mean : (n_components, n_features)
    scatter : (n_components, n_features, n_moments)
        The inverse-Wishart priors' scale matrices.
    """

    flags: Any
    floor: Any
    concentration: Any
    mean_count: Any
    covariance_count: Any
    mean: Any
    scatter: Any


FLAGS = np.dtype([("is_pooled", "?"), ("has_prior", "?"), ("is_regular", "?")])


def record(kind: np.dtype[Any], **values: Any) -> Any:
    """Return one record of numbers under names, zero unless given; compiled code changes it in place."""
    made = np.zeros(1, dtype=kind).view(np.recarray)[0]
    for name, value in values.items():
        made[name] = value
    return made


def copied(arrays: Any) -> Any:
    """Return a record of arrays with a copy of each."""
    return type(arrays)(*(array.copy() for array in arrays))
