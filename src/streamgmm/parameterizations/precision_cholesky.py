"""Softmax weights, means, and the triangular root of the precision with a logarithmic diagonal."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import precision_cholesky
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization
from .cholesky import with_log_diagonal


class PrecisionCholesky(Parameterization):
    """theta = [logits, means, roots].

    Roots are the lower triangles A of P = A' A, row by row, with log A_ii on the diagonal, or, for `diag` and
    `spherical`, minus the logarithms of the standard deviations. A is the inverse of the Cholesky factor of
    S. Any vector is a valid mixture.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> root = parameterizations.get("precision-cholesky")
    >>> root.pack(Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]]))
    array([ 0. ,  2. ,  3. ,  0. , -0.5,  0. ])
    """

    name = "precision-cholesky"
    is_stable = True
    _kernels = precision_cholesky

    def _pack_covariances(self, mixture: Mixture) -> Array:
        root = mixture.kind.precisions_cholesky(mixture.factor)
        return with_log_diagonal(np.swapaxes(root, -1, -2)) if mixture.kind.has_matrices else np.log(root)
