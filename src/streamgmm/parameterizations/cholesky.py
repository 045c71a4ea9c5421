"""Softmax weights, means, and the Cholesky factor with a logarithmic diagonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import priors
from streamgmm.covariance import CovarianceType
from streamgmm.kernels import cholesky
from streamgmm.kernels._jit import UPDATE, pointer
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._base import Parameterization


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

    def pack(self, mixture: Mixture) -> Array:
        """Return theta; the logits are the logarithms of the weights."""
        factor = mixture.factor
        if mixture.kind.has_matrices:
            factors = factor.reshape(-1, mixture.n_features, mixture.n_features)
            rows, columns = np.tril_indices(mixture.n_features)
            entries = factors[:, rows, columns]
            diagonal = rows == columns
            entries[:, diagonal] = np.log(entries[:, diagonal])
        else:
            entries = np.log(factor)
        return np.concatenate([mixture.log_weights, mixture.means.ravel(), entries.ravel()])

    def unpack(self, theta: Array, like: Mixture) -> Mixture:
        """Return the mixture of theta; ``like`` gives sizes and covariance type."""
        n_components, n_features = like.means.shape
        theta = np.asarray(theta, dtype=np.float64)
        size = len(self.pack(like))
        if theta.shape != (size,):
            raise ValueError(f"`theta` must have shape ({size},), got {theta.shape}")
        first = n_components * (1 + n_features)
        logits = theta[:n_components]
        means = theta[n_components:first].reshape(n_components, n_features)
        if like.kind.has_matrices:
            rows, columns = np.tril_indices(n_features)
            entries = theta[first:].reshape(-1, len(rows)).copy()
            diagonal = rows == columns
            entries[:, diagonal] = np.exp(entries[:, diagonal])
            factor = np.zeros((len(entries), n_features, n_features))
            factor[:, rows, columns] = entries
        else:
            factor = np.exp(theta[first:])
        log_weights = logits - np.logaddexp.reduce(logits)
        return Mixture.from_factor(
            log_weights, means, factor.reshape(like.factor.shape), like.covariance_type
        )

    def gradient(self, statistics: Statistics, mixture: Mixture) -> Array:
        """Return d log-likelihood / d theta; no matrix is inverted."""
        factor = mixture.kernel_factor()
        shape = factor.shape
        factor = np.concatenate([factor, np.zeros((2, *shape[1:]))])
        gradient = np.zeros(len(self.pack(mixture)))
        fill: Any = cholesky.gradient_triangular if mixture.kind.has_matrices else cholesky.gradient_diagonal
        fill(
            float(statistics.weight),
            0.0,
            statistics.nk,
            statistics.s1,
            statistics.s2.reshape(shape),
            mixture.log_weights[np.newaxis],
            mixture.means,
            factor,
            priors.options(mixture.kind, mixture.n_components, mixture.n_features),
            gradient,
            0,
        )
        return gradient

    def step(self, kind: CovarianceType) -> Any:
        """Return the compiled gradient step for a covariance type."""
        return pointer(cholesky.step_triangular if kind.has_matrices else cholesky.step_diagonal, UPDATE)
