"""Softmax weights, means, and the entries of the precisions."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import precision
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


def precisions(mixture: Mixture) -> Array:
    """Return the inverse covariances, in the shape of the covariance type."""
    root = mixture.kind.precisions_cholesky(mixture.factor)
    return root @ np.swapaxes(root, -1, -2) if mixture.kind.has_matrices else np.square(root)


class Precision(Parameterization):
    """theta = [logits, means, entries of P], where P is the inverse of the covariance.

    The gradient is (N S - s2) / 2, with the entries off the diagonal counted twice. Its size goes as S: too
    large where the covariance is large. A step can leave the positive definite matrices.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> precision = parameterizations.get("precision")
    >>> precision.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([0.  , 2.  , 3.  , 0.25, 4.  ])
    """

    name = "precision"
    _kernels = precision

    def _pack_covariances(self, mixture: Mixture) -> Array:
        return precisions(mixture)
