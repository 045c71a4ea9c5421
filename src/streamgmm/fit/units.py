"""Units for the entries of theta."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.parameterizations import Parameterization
from streamgmm.statistics import Array
from streamgmm.sweep import e_step


def units_of(parameterization: Parameterization, mixture: Mixture, X: Any, otherwise: Any) -> Array:
    """Return 1 / sqrt(mean squared gradient of a row) for each entry of theta, or otherwise where it is 0."""
    rows = (e_step(mixture, row[np.newaxis], n_threads=1) for row in X)
    root = np.sqrt(np.mean([np.square(parameterization.gradient(row, mixture)) for row in rows], axis=0))
    usable = np.isfinite(root) & (root > 0)
    return np.where(usable, 1.0 / np.where(usable, root, 1.0), otherwise)
