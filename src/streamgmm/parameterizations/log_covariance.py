"""Softmax weights, means, and the matrix logarithm of the covariance."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import log_covariance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


class LogCovariance(Parameterization):
    """theta = [logits, means, entries of log S], the matrix logarithm.

    Any vector is a valid mixture, and inverting S changes the sign of log S: the scale of the data matters
    least here. Each step needs an eigendecomposition for each component. For `diag` and `spherical` it is
    "log-variance".

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> logarithm = parameterizations.get("log-covariance")
    >>> logarithm.pack(Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.0], [0.0, 1.0]]]))
    array([0., 2., 3., 0., 0., 0.])
    """

    name = "log-covariance"
    covariance_types = ("full", "tied")
    is_stable = True
    _kernels = log_covariance

    def _pack_covariances(self, mixture: Mixture) -> Array:
        vectors, singular, _ = np.linalg.svd(mixture.factor)
        return (vectors * (2 * np.log(singular))[..., np.newaxis, :]) @ np.swapaxes(vectors, -1, -2)
