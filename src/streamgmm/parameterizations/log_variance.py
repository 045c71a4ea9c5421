"""Softmax weights, means, and the logarithms of the variances."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import log_variance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


class LogVariance(Parameterization):
    """theta = [logits, means, log variances], for `diag` and `spherical`.

    The gradient by a log variance, (s2 / v - N) / 2, is half of that by the log standard deviation
    ("cholesky"): a step of the same rate moves the variance by a quarter. For matrices there is
    "log-covariance".

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, parameterizations
    >>> log_variance = parameterizations.get("log-variance")
    >>> log_variance.pack(Mixture([1.0], [[2.0, 3.0]], [[1.0, np.e]], "diag"))
    array([0., 2., 3., 0., 1.])
    """

    name = "log-variance"
    covariance_types = ("diag", "spherical")
    is_stable = True
    _kernels = log_variance

    def _pack_covariances(self, mixture: Mixture) -> Array:
        return 2 * np.log(mixture.factor)
