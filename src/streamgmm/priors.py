"""Conjugate priors: the posterior mode exists where the likelihood is unbounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import covariance
from .kernels.records import FLAGS, Options, record
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
    prior: ConjugatePrior | Sequence[ConjugatePrior] | None = None,
) -> Options:
    """Return regularization and prior as the record that the compiled updates take.

    Parameters
    ----------
    kind : CovarianceType
    n_components, n_features : int
    floor : array-like of shape (n_features,) or float
        The variance added to each feature.
    prior : ConjugatePrior or sequence of them, optional
        One for all components, or one for each.
    """
    floor = kind.pool_features(np.array(np.broadcast_to(floor, (n_features,)), dtype=np.float64))
    has_prior = prior is not None
    flags = record(
        FLAGS,
        is_pooled=kind.pooled,
        has_prior=has_prior,
        is_regular=has_prior or floor.any(),
        is_joint=has_prior or kind.is_shared,
    )
    zeros = kind.empty_batch(n_components, n_features)
    counts = np.zeros((3, n_components))
    made = Options(flags, floor, counts[0], counts[1], counts[2], zeros.s1, zeros.s2)
    if prior is None:
        return made
    priors = [prior] * n_components if isinstance(prior, ConjugatePrior) else list(prior)
    if len(priors) != n_components:
        raise ValueError(
            f"`prior` must be one, or one for each of {n_components} components, got {len(priors)}"
        )
    for k, one in enumerate(priors):
        if len(one.mean) != n_features:
            raise ValueError(f"`prior.mean` must have shape ({n_features},), got ({len(one.mean)},)")
        made.concentration[k], made.mean_count[k] = one.concentration - 1.0, one.mean_count
        count, scale = kind.prior_terms(n_components, float(one.degrees_of_freedom or 0), one.scale)
        made.covariance_count[k] = count / kind.pool_size(n_components, n_features)
        made.scatter[k] = scale.reshape(zeros.s2.shape[1:]) / (n_components if kind.is_shared else 1)
        made.mean[k] = one.mean
    return made


def carried(kind: covariance.CovarianceType, options: Options, index: Any) -> Options:
    """Return the options of a mixture whose components go on from these; -1 takes the components' mean."""
    flags, floor, *parts = options
    chosen = []
    for part in parts:
        shape = (len(index),) + (1,) * (part.ndim - 1)
        chosen.append(np.where((index >= 0).reshape(shape), part[index], part.mean(axis=0)))
    made = Options(flags, floor, *chosen)
    if kind.is_shared and flags.has_prior:  # the components' shares of one prior
        (n_old, n_features), n_new = options.mean.shape, len(index)
        old, new = (kind.prior_terms(n, 0.0, np.eye(n_features))[0] for n in (n_old, n_new))
        count = (options.covariance_count.sum() - old + new) / n_new
        made.covariance_count[:] = count
        made.scatter[:] = options.scatter.sum(axis=0) / n_new
    return made
