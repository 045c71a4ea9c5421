"""The logarithm of a prior as an objective: what gradient methods climb beside the log-likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamgmm import parameterizations
from streamgmm.kernels.m_step import FLOOR, HAS_PRIOR
from streamgmm.mixture import Mixture
from streamgmm.parameterizations import Parameterization
from streamgmm.statistics import Array, Statistics

__all__ = ["penalty_of"]

_SOME = 1e-300  # a component without rows would be passed over, and the added variance with it


def penalty_of(
    options: Array,
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
    options : ndarray
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
        pseudo, concentration = _pseudo_rows(options, mixture, n_rows)
        log_det = mixture.kind.log_det(mixture.kernel_form()[2])
        traces = mixture.kind.traces(mixture.factor, pseudo.s2)
        value = -0.5 * float((pseudo.nk * log_det + traces).sum())
        gradient = theta_of.gradient(pseudo, mixture)
        weights = mixture.weights
        gradient[: len(weights)] = concentration * (1.0 - len(weights) * weights)
        if concentration:
            value += concentration * float(mixture.log_weights.sum())
        return value, gradient

    return penalty


def _pseudo_rows(options: Array, mixture: Mixture, n_rows: float) -> tuple[Statistics, float]:
    """Return the rows that the prior is worth, as statistics, and the Dirichlet concentration less one."""
    kind, means = mixture.kind, mixture.means
    n_components, n_features = means.shape
    shape = kind.moments_shape(n_components, n_features)
    nk, s1, s2 = np.zeros(n_components), np.zeros(means.shape), np.zeros(shape)
    concentration = 0.0
    if options[HAS_PRIOR]:
        at = FLOOR + n_features
        concentration, mean_count, count = options[at : at + 3]
        shift = options[at + 3 : at + 3 + n_features] - means
        scale = options[at + 3 + n_features :].reshape(shape[1:])
        s1 += mean_count * shift
        nk += count / kind.pool_size(n_components, n_features)
        s2 += scale / (n_components if kind.is_shared else 1) + mean_count * kind.outer(shift, shift)
    s2 += kind.from_squares(n_rows / n_components * options[FLOOR : FLOOR + n_features])
    nk = np.maximum(nk, _SOME)
    return Statistics(0.0, 0.0, nk, s1, s2, means), float(concentration)
