"""The logarithm of a prior as an objective: what gradient methods climb beside the log-likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgmm import parameterizations
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.parameterizations import Parameterization
from streamgmm.statistics import Array, Statistics

__all__ = ["log_prior", "penalty_of"]

_SOME = 1e-300  # a component without rows would be passed over, and the added variance with it


def penalty_of(
    options: Options,
    *,
    n_rows: float = 0.0,
    parameterization: str | Parameterization = "cholesky",
) -> Callable[[Mixture], tuple[float, Array]]:
    """Return the function mixture -> (log prior, gradient by theta) for options of the M-step.

    The prior is normal-inverse-Wishart and Dirichlet (see `streamgmm.priors`), up to a constant. With the
    variance v that the M-step adds to each feature goes a penalty of its own: -1/2 v (n_rows / n_components)
    times the traces of the inverse covariances. Its maximum is that of EM where components are equally
    frequent, and for the covariance type `tied`.

    Parameters
    ----------
    options : Options
        From `streamgmm.priors.options`.
    n_rows : float, default=0
        Weight of all rows; 0 leaves out what stands for the added variance.
    parameterization : str or Parameterization, default="cholesky"

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture
    >>> from streamgmm.fit.penalty import penalty_of
    >>> from streamgmm.priors import ConjugatePrior, options
    >>> mixture = Mixture([1.0], [[0.0]], [[[2.0]]])
    >>> prior = ConjugatePrior(mean=[0.0], scale=[[12.0]], degrees_of_freedom=3.0)
    >>> value, gradient = penalty_of(options(mixture.kind, 1, 1, prior=prior))(mixture)
    >>> bool(abs(gradient).max() < 1e-12)  # 12 / (3 + 1 + 2) is the mode
    True
    """
    theta_of = parameterizations.get(parameterization)

    def penalty(mixture: Mixture) -> tuple[float, Array]:
        gradient = theta_of.gradient(_pseudo_rows(options, mixture, n_rows), mixture)
        weights = mixture.weights
        concentration = options.concentration
        gradient[: len(weights)] = concentration - concentration.sum() * weights
        return log_prior(options, mixture, n_rows=n_rows), gradient

    return penalty


def log_prior(options: Options, mixture: Mixture, *, n_rows: float = 0.0) -> float:
    """Return the logarithm of the prior density, up to a constant: the first that `penalty_of` gives.

    Parameters
    ----------
    options : Options
        From `streamgmm.priors.options`.
    mixture : Mixture
    n_rows : float, default=0
        As for `penalty_of`.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.fit.penalty import log_prior
    >>> from streamgmm.priors import ConjugatePrior, options
    >>> prior = ConjugatePrior(mean=[0.0], scale=[[12.0]], degrees_of_freedom=3.0)
    >>> mixtures = [Mixture([1.0], [[0.0]], [[[variance]]]) for variance in (1.0, 2.0, 4.0)]
    >>> [round(log_prior(options(one.kind, 1, 1, prior=prior), one), 2) for one in mixtures]
    [-6.0, -5.08, -5.66]
    """
    pseudo = _pseudo_rows(options, mixture, n_rows)
    log_det = mixture.kind.log_det(mixture.kernel_form().scale)
    traces = mixture.kind.traces(mixture.factor, pseudo.s2)
    value = -0.5 * float((pseudo.nk * log_det + traces).sum())
    if options.concentration.any():
        value += float(options.concentration @ mixture.log_weights)
    return value


def _pseudo_rows(options: Options, mixture: Mixture, n_rows: float) -> Statistics:
    """Return the rows that the prior on means and covariances is worth, as statistics."""
    kind, means = mixture.kind, mixture.means
    shift = options.mean - means if options.flags.has_prior else np.zeros_like(means)
    s1 = options.mean_count[:, np.newaxis] * shift
    s2 = kind.public_moments(options.scatter) + kind.outer(s1, shift)
    s2 = s2 + kind.from_squares(n_rows / len(means) * options.floor)
    return Statistics(0.0, 0.0, np.maximum(options.covariance_count, _SOME), s1, s2, means)
