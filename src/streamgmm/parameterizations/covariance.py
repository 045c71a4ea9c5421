"""Softmax weights, means, and the entries of the covariances."""

from __future__ import annotations

from streamgmm.kernels.parameterizations import covariance
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


class Covariance(Parameterization):
    """theta = [logits, means, entries of S].

    The textbook's gradient, (S^-1 s2 S^-1 - N S^-1) / 2, with the entries off the diagonal counted twice. Its
    size goes as 1 / S^2: it crawls where S is large and explodes where S is small, and a step can leave the
    positive definite matrices. Precondition it, or take another parameterization.

    References
    ----------
    Petersen and Pedersen (2008), The Matrix Cookbook, section 8.3.

    Examples
    --------
    >>> from streamgmm import Mixture, e_step, parameterizations
    >>> covariance = parameterizations.get("covariance")
    >>> mixture = Mixture([1.0], [[2.0, 3.0]], [[[1.0, 0.5], [0.5, 1.25]]])
    >>> covariance.pack(mixture)
    array([0.  , 2.  , 3.  , 1.  , 0.5 , 1.25])
    """

    name = "covariance"
    _kernels = covariance

    def _pack_covariances(self, mixture: Mixture) -> Array:
        return mixture.covariances
