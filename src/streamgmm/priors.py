"""Conjugate priors: the posterior mode exists where the likelihood is unbounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import covariance
from .statistics import Array

__all__ = ["ConjugatePrior", "weak_prior"]


@dataclass(frozen=True, eq=False)
class ConjugatePrior:
    """Dirichlet prior on the weights, normal-inverse-Wishart prior on each mean and covariance.

    Parameters
    ----------
    mean : array-like of shape (n_features,)
        Where the components' means are expected.
    scale : array-like of shape (n_features, n_features)
        Scale matrix Psi of the inverse Wishart distribution; its diagonal serves diagonal covariances, the
        mean of its diagonal spherical ones.
    mean_count : float, default=0.01
        How many rows the prior mean is worth.
    degrees_of_freedom : float, optional
        Of the inverse Wishart distribution; n_features + 2 by default.
    concentration : float, default=1.0
        Of the Dirichlet distribution, at least 1; 1 leaves the weights alone.

    References
    ----------
    Fraley and Raftery (2007), Bayesian regularization for normal mixture estimation and model-based
    clustering, Journal of Classification 24, 155-181.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.priors import ConjugatePrior
    >>> ConjugatePrior(mean=np.zeros(2), scale=np.eye(2)).degrees_of_freedom
    4.0
    """

    mean: Array
    scale: Array
    mean_count: float = 0.01
    degrees_of_freedom: float | None = None
    concentration: float = 1.0

    def __post_init__(self) -> None:
        mean = np.array(self.mean, dtype=np.float64)
        scale = np.array(self.scale, dtype=np.float64)
        if mean.ndim != 1 or not np.isfinite(mean).all():
            raise ValueError(f"`mean` must be finite with shape (n_features,), got {self.mean!r}")
        if scale.shape != (len(mean), len(mean)) or not np.isfinite(scale).all():
            raise ValueError(f"`scale` must be finite with shape {(len(mean),) * 2}, got {self.scale!r}")
        if not np.allclose(scale, scale.T) or np.linalg.eigvalsh(scale)[0] < -1e-9 * abs(scale).max():
            raise ValueError(f"`scale` must be symmetric and positive semidefinite, got {scale.tolist()}")
        if not (np.isfinite(self.mean_count) and self.mean_count > 0):
            raise ValueError(f"`mean_count` must be positive and finite, got {self.mean_count}")
        if not (np.isfinite(self.concentration) and self.concentration >= 1):
            raise ValueError(f"`concentration` must be at least 1 and finite, got {self.concentration}")
        df = len(mean) + 2.0 if self.degrees_of_freedom is None else float(self.degrees_of_freedom)
        if not (np.isfinite(df) and df > len(mean) - 1):
            raise ValueError(f"`degrees_of_freedom` must be finite and above {len(mean) - 1}, got {df}")
        for name, value in (("mean", mean), ("scale", scale), ("degrees_of_freedom", df)):
            object.__setattr__(self, name, value)


def weak_prior(mean: Array, covariance: Array, n_components: int) -> ConjugatePrior:
    """Return mclust's default prior for rows with this mean and covariance."""
    return ConjugatePrior(mean, covariance / n_components ** (2 / len(mean)))


def options(
    kind: covariance.CovarianceType,
    n_components: int,
    n_features: int,
    floor: Any = 0.0,
    prior: ConjugatePrior | None = None,
) -> Array:
    """Return regularization and prior as the flat array that the compiled updates take (see `m_step`).

    Parameters
    ----------
    kind : CovarianceType
    n_components, n_features : int
    floor : array-like of shape (n_features,) or float
        The variance added to each feature.
    prior : ConjugatePrior, optional
    """
    floor = np.broadcast_to(np.asarray(floor, dtype=np.float64), (n_features,))
    head = np.concatenate([[float(kind.pooled), float(prior is not None)], kind.pool_features(floor)])
    if prior is None:
        return head
    if len(prior.mean) != n_features:
        raise ValueError(f"`prior.mean` must have shape ({n_features},), got ({len(prior.mean)},)")
    count, scale = kind.prior_terms(n_components, float(prior.degrees_of_freedom or 0), prior.scale)
    return np.concatenate(
        [head, [prior.concentration - 1.0, prior.mean_count, count], prior.mean, scale.ravel()]
    )
