"""Softmax weights, means, and the Cholesky factor with a logarithmic diagonal."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import cholesky
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


def with_log_diagonal(factor: Array) -> Array:
    """Return triangular matrices with the logarithms of their diagonals."""
    factor = factor.copy()
    index = np.arange(factor.shape[-1])
    factor[..., index, index] = np.log(factor[..., index, index])
    return factor


class Cholesky(Parameterization):
    """theta = [logits, means, factors].

    Factors are the lower triangles of S = L L', row by row, with log L_ii on the diagonal, or, for `diag`
    and `spherical`, the logarithms of the standard deviations. Any vector is a valid mixture: without the
    logarithm diagonal entries cross zero, and the density is singular on the way.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> cholesky = parameterizations.get("cholesky")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]])
    >>> cholesky.pack(mixture)
    array([0. , 2. , 3. , 0. , 0.5, 0. ])
    """

    name = "cholesky"
    is_stable = True
    _kernels = cholesky

    def _pack_covariances(self, mixture: Mixture) -> Array:
        return with_log_diagonal(mixture.factor) if mixture.kind.has_matrices else np.log(mixture.factor)

    def diagonal_floor(self, floor: float) -> float:
        """Return the least diagonal entry of theta's matrices, a logarithm.

        A standard deviation is at least L_aa, the one given the features before it.
        """
        return float(np.log(floor))
