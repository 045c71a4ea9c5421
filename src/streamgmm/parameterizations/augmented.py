"""Softmax weights and the augmented second-moment matrices of Hosseini and Sra."""

from __future__ import annotations

import numpy as np

from streamgmm.kernels.parameterizations import augmented
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._base import Parameterization


class Augmented(Parameterization):
    """theta = [logits, means, entries of S + mean mean'], for `full` and `diag`.

    With y = [x; 1] each component is one zero-mean Gaussian of covariance T = [[S + mean mean', mean],
    [mean', 1]]. The last entry of T is 1 at every maximum of the likelihood; here it is 1 throughout, which
    makes the map one to one. Preconditioned, a step is T + eta r (y y' - T), which stays positive definite.
    For `diag`, each feature has a T of two rows.

    References
    ----------
    Hosseini and Sra (2015), Matrix manifold optimization for Gaussian mixtures, NIPS.

    Examples
    --------
    >>> from streamgmm import Mixture, parameterizations
    >>> augmented = parameterizations.get("augmented")
    >>> augmented.pack(Mixture([1.0], [[2.0, 3.0]], [[4.0, 0.25]], "diag"))
    array([0.  , 2.  , 3.  , 8.  , 9.25])
    """

    name = "augmented"
    covariance_types = ("full", "diag")
    _kernels = augmented

    def _pack_covariances(self, mixture: Mixture) -> Array:
        means = mixture.means
        if mixture.kind.has_matrices:
            return mixture.covariances + means[:, :, np.newaxis] * means[:, np.newaxis, :]
        return mixture.covariances + np.square(means)
