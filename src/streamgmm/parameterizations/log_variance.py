"""Softmax weights, means, and the logarithms of the variances."""

from __future__ import annotations

import numpy as np

from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.kernels._jit import exact_kernel

from ._base import Parameterization, Parts
from ._theta import add_logarithms, read_logarithms


@exact_kernel
def _direction_diagonal(k, place, precondition, rank_one, n, s1, s2, means, scale, theta, change, scratch, j):
    """Add that by log v."""
    add_logarithms(1.0, k, place, precondition, n, s1, s2, means, scale, change)


@exact_kernel
def _retract_diagonal(k, place, theta, means, scale, scratch, j):
    """Exponentiate."""
    return read_logarithms(1.0, k, place, theta, means, scale)


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
    is_stable = True
    _parts = (
        Parts(
            DiagonalForm, lambda mixture: 2 * np.log(mixture.factor), _direction_diagonal, _retract_diagonal
        ),
    )
