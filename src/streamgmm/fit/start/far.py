"""A start for few rows far away: they are one component, k-means finds the others among the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.cluster import KMeans

from streamgmm.fit.focus import POOR
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture

from .batch import _from_responsibilities
from .given import one_thread

if TYPE_CHECKING:
    from streamgmm.fit.rows import ArrayRows, Rows

_SMALL = 0.1  # of an equal share: components with less may be themselves of the few


def far_start(
    mixture: Mixture,
    rows: Rows,
    focused: ArrayRows,
    *,
    random_state: np.random.RandomState,
    options: Options,
    n_threads: int | None = None,
) -> Mixture | None:
    """Return the start in which all rows far away are one component, or None if there are none.

    k-means gives few rows far away a component for each direction, or none at all: their squared distances
    are everything or nothing. As one broad component they leave the others to the rest.

    Parameters
    ----------
    mixture : Mixture
        Fitted to ``rows.sample``; its number of components and covariance type are the start's.
    rows : Rows
    focused : ArrayRows
        ``rows.focused(mixture)``.
    random_state : RandomState
        For k-means.
    options : Options
        Of the M-step.
    n_threads : int, optional
    """
    n_components = mixture.n_components
    near = _is_near(mixture, rows, focused, n_threads)
    if n_components == 1 or near.all() or np.count_nonzero(near) < n_components:
        return None
    X, weights = focused.take(near)
    with one_thread():
        labels = KMeans(n_components - 1, n_init=1, random_state=random_state).fit_predict(
            X, sample_weight=weights if len(weights) else None
        )
    resp = np.zeros((len(near), n_components))
    resp[:, -1] = ~near
    resp[np.flatnonzero(near), labels] = 1.0
    X = np.asarray(focused.X, dtype=np.float64)
    return _from_responsibilities(X, focused.weights, resp, mixture.covariance_type, options)


def _is_near(
    mixture: Mixture, rows: Rows, focused: ArrayRows, n_threads: int | None
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows (n_kept,) the large components might have drawn, one in n_samples.

    Log densities below a quantile fall about exponentially: one in n lies log n below.
    """
    large = np.flatnonzero(mixture.weights * mixture.n_components >= _SMALL)
    log_weights = mixture.log_weights[large]
    main = Mixture.from_factor(
        log_weights - np.logaddexp.reduce(log_weights),
        mixture.means[large],
        mixture.kind.select(mixture.factor, large),
        mixture.covariance_type,
    )
    usual = np.quantile(main.log_prob(rows.sample[0], n_threads=n_threads), POOR)
    near: Any = main.log_prob(focused.X, n_threads=n_threads) >= usual - np.log(rows.n_samples)
    return near
