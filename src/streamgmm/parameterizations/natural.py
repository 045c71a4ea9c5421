"""Softmax weights and the natural parameters of the Gaussians."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import natural
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization
from .precision import precisions


class Natural(Parameterization):
    """theta = [logits, P mean, entries of -P / 2], the natural parameters of the exponential family.

    The gradient is the rows' sufficient statistics minus their expectation, sum r (x, xx') - N (mean,
    S + mean mean'), with the entries off the diagonal counted twice. A step can leave the positive definite
    matrices.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> natural = parameterizations.get("natural")
    >>> natural.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([ 0.   ,  0.5  , 12.   , -0.125, -2.   ])
    """

    name = "natural"
    _kernels = natural

    def _pack_means(self, mixture: Mixture) -> Array:
        matrices = precisions(mixture)
        if mixture.kind.has_matrices:
            return (matrices @ mixture.means[:, :, np.newaxis])[:, :, 0]
        return mixture.means * matrices.reshape(mixture.n_components, -1)

    def _pack_covariances(self, mixture: Mixture) -> Array:
        return -0.5 * precisions(mixture)
