"""Softmax weights, means, standard deviations and correlations."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import standard_deviation
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


class StandardDeviation(Parameterization):
    """theta = [logits, means, standard deviations and correlations].

    S_ab = s_a s_b c_ab: of a matrix theta holds the lower triangle, row by row, with s_a on its diagonal and
    c_ab below. In one and two dimensions its gradient is that of the models of how speech categories are
    learned: dl/ds = r ((x - mean)^2 / s^3 - 1 / s). A step can make a standard deviation negative, or the
    correlations no correlations.

    References
    ----------
    Toscano and McMurray (2010), Cue integration with categories, Cognitive Science 34, 434-464.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> deviation = parameterizations.get("standard-deviation")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 4.0]]])
    >>> deviation.pack(mixture)
    array([0.  , 2.  , 3.  , 1.  , 0.25, 2.  ])
    """

    name = "standard-deviation"
    _kernels = standard_deviation

    def _pack_covariances(self, mixture: Mixture) -> Array:
        if not mixture.kind.has_matrices:
            return mixture.factor
        factor = mixture.factor
        deviations = np.sqrt(np.sum(factor**2, axis=-1))
        unit = factor / deviations[..., np.newaxis]
        entries = unit @ np.swapaxes(unit, -1, -2)
        index = np.arange(mixture.n_features)
        entries[..., index, index] = deviations
        return entries

    def diagonal_floor(self, floor: float) -> float:
        """Return the least diagonal entry of theta's matrices: the least standard deviation itself."""
        return floor
