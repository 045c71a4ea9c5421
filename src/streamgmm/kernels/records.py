"""The records that kernels take and fill: arrays under names, the same in Python and in compiled code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# What became of a mini-batch. LEARNED + n: a guard shortened n steps on the way. STOPPED - k: the step of
# component k left the valid mixtures, and the rule stopped.
REFUSED, IDLE, LEARNED, STOPPED = -1, 0, 1, -2
# Regularization and prior are of full rank, single rows of rank one: for these they are added now and then,
# for all rows since the last time. So many single rows, times n_features, share one addition.
REST = 4
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
        Whether a family's covariances are pooled (over components or features), whether there is a prior,
        whether there is that or a floor, and whether all components must be refitted together.
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


class JointOptions(Options):
    """Options under which EM refits all components, whatever rows came: a prior, or a covariance for all.

    A type of its own, so that the code for them is not in the way of rows where it is of no use.
    """


FLAGS = np.dtype([(name, "?") for name in ("is_pooled", "has_prior", "is_regular", "is_joint")])


def record(kind: np.dtype[Any], **values: Any) -> Any:
    """Return one record of numbers under names, zero unless given; compiled code changes it in place."""
    made = np.zeros(1, dtype=kind).view(np.recarray)[0]
    for name, value in values.items():
        made[name] = value
    return made


def copied(arrays: Any) -> Any:
    """Return a record of arrays, and of records of them, with a copy of each."""
    return type(arrays)(*(copied(a) if isinstance(a, tuple) else a.copy() for a in arrays))


def flattened(arrays: Any, prefix: str = "") -> dict[str, Any]:
    """Return what is in a record under names like "anchor.means" and "counters.window", as arrays."""
    flat: dict[str, Any] = {}
    for name, value in zip(arrays._fields, arrays, strict=True):
        if isinstance(value, tuple):
            flat |= flattened(value, f"{prefix}{name}.")
        elif isinstance(value, np.record):
            flat |= {f"{prefix}{name}.{key}": np.asarray(value[key]) for key in value.dtype.names or ()}
        else:
            flat[prefix + name] = value
    return flat


def unflattened(like: Any, flat: Mapping[str, Any], prefix: str = "") -> Any:
    """Return the record that `flattened` took apart; ``like`` is one with the same names, shapes and types.

    Raises
    ------
    ValueError
        If an array is missing, or its shape or type is another.
    """
    values = []
    for name, value in zip(like._fields, like, strict=True):
        if isinstance(value, tuple):
            values.append(unflattened(value, flat, f"{prefix}{name}."))
        elif isinstance(value, np.record):
            kind = value.dtype
            numbers = {
                key: _array(flat, f"{prefix}{name}.{key}", np.asarray(value[key])) for key in kind.names or ()
            }
            values.append(record(kind, **numbers))
        else:
            values.append(_array(flat, prefix + name, value))
    return type(like)(*values)


def _array(flat: Mapping[str, Any], name: str, like: Any) -> Any:
    array = np.array(flat.get(name))
    if array.shape != like.shape or array.dtype != like.dtype:
        received = f"{array.dtype} {array.shape}" if name in flat else "nothing"
        raise ValueError(f"`{name}` must be an array {like.dtype} {like.shape}, got {received}")
    return array
