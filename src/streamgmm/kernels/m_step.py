"""The memory of the rules of the EM family, and how a mini-batch is blended into it, as compiled code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._jit import inlined
from .records import IDLE, LEARNED, REFUSED

NEGLIGIBLE = 1e-16  # a component with less of a mini-batch keeps its mean and covariance
COUNTERS = np.dtype([("window", "f8")])


class Moments(NamedTuple):
    """The rows' running moments, before regularization and prior.

    Attributes
    ----------
    counters : record of `COUNTERS`
        ``window`` is the number of rows that the moments stand for.
    weights : (n_components,)
    means : (n_components, n_features)
    covariances : (n_components, n_features, n_moments)
    """

    counters: Any
    weights: Any
    means: Any
    covariances: Any


class Room(NamedTuple):
    """What an update of the EM family works in.

    Attributes
    ----------
    weights : (n_components,)
    pooled : (1, n_features, n_moments)
    """

    weights: Any
    pooled: Any


@inlined
def fate(batch):
    """Return what must become of a mini-batch: REFUSED if its moments overflow, IDLE without weight."""
    if not batch.log_likelihood > -np.inf:
        return REFUSED
    if not batch.weight > 0.0:
        return IDLE
    return LEARNED


@inlined
def blend_weights(step, batch, memory):
    """Move the window and the running weights."""
    # Kish's effective sample size of the exponentially weighted average
    keep = 1.0 - step
    window = memory.counters.window
    memory.counters.window = 1.0 / (keep * keep / window + step * step / batch.weight)
    share = step / batch.weight
    nk, weights = batch.nk, memory.weights
    for k in range(nk.size):
        weights[k] = keep * weights[k] + share * nk[k]


@inlined
def write_mode(memory, options, weights):
    """Write the weights' posterior mode under the Dirichlet prior."""
    running, concentration, window = memory.weights, options.concentration, memory.counters.window
    total = 0.0
    for k in range(weights.size):
        weights[k] = running[k] + concentration[k] / window
        total += weights[k]
    for k in range(weights.size):
        weights[k] /= total
