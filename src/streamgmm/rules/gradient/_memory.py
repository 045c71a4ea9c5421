"""What gradient ascent remembers, and what it is set to, under the names that its compiled step uses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

COUNTERS = np.dtype(
    [("window", "f8"), ("count", "f8"), ("pending", "f8"), ("share", "f8"), ("averaged", "f8")]
)
SETTINGS = np.dtype(
    [
        ("guard", "i8"),
        ("weights", "i8"),
        ("precondition", "?"),
        ("diagonal_floor", "f8"),
        ("average_from", "f8"),
        ("block", "i8"),
        ("stride", "i8"),
        ("triangle", "i8"),
    ]
)


class Ascent(NamedTuple):
    """The memory of the rule.

    Attributes
    ----------
    counters : record of `COUNTERS`
        ``window`` counts rows, ``count`` updates; ``pending`` updates since regularization and prior were
        last applied, ``share`` what is due of the prior since then; ``averaged`` updates in the average.
    weights : (n_components,)
    debt : (n_components,)
        Rows for which the floor is due.
    theta, average : (n_theta,)
    slots : (n_slots, n_theta)
        What the transforms remember, one after the other.
    """

    counters: Any
    weights: Any
    debt: Any
    theta: Any
    average: Any
    slots: Any


class Tools(NamedTuple):
    """Settings, and addresses of what the parameterization and the transforms do.

    Attributes
    ----------
    settings : record of `SETTINGS`
        ``diagonal_floor`` is the least diagonal entry of theta's covariances, or minus infinity; ``block``
        and ``stride`` say how theta holds covariances (`streamgmm.kernels.theta.Place`), ``triangle`` is the
        size of the triangles there, 0 if there are none.
    direction, retract, project : int
    transforms : (n_transforms,)
    numbers : (n_transforms, most settings)
        The transforms' settings.
    ends : (n_transforms + 1,)
        The slots of transform i are ends[i] ... ends[i + 1].
    """

    settings: Any
    direction: Any
    retract: Any
    project: Any
    transforms: Any
    numbers: Any
    ends: Any


class Room(NamedTuple):
    """What a step works in.

    Attributes
    ----------
    counts : (n_components,)
    factors : (n_components,)
        By which steps were shortened.
    trial, change : (n_theta,)
    means, scale : a mixture on trial
    matrices : (SCRATCH, n_features, n_moments)
    """

    counts: Any
    factors: Any
    trial: Any
    change: Any
    means: Any
    scale: Any
    matrices: Any
