"""EM: each mini-batch replaces the mixture by the one that fits it best."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.statistics import Array

from .online_em import OnlineEM
from .schedules import Constant


class EM(OnlineEM):
    """The M-step: online EM with a step of 1, which forgets all that came before the mini-batch.

    For a batch of all rows it is EM itself (Dempster, Laird and Rubin, 1977). On small mini-batches it
    forgets too much: use `OnlineEM`.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, e_step, rules
    >>> mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    >>> em = rules.EM()
    >>> mixture, state = em.update(e_step(mixture, [[1.0], [3.0]]), em.init(mixture), mixture)
    >>> mixture.means, mixture.covariances
    (array([[2.]]), array([[[1.]]]))
    """

    name = "em"
    rehearses = False

    def __init__(self) -> None:
        super().__init__(Constant(1.0))

    def steps(self, t: Array, fraction: Array, *, start: float, batch_size: int) -> Array:
        """Return ones."""
        return np.ones_like(t)

    def half_life(self, batch_size: int) -> float | None:
        """Return None: each mini-batch counts as all rows that there are."""
        return None

    def is_averaged(self, batch_size: int) -> bool:
        """Return False: what was learned before the last mini-batch is of no use."""
        return False

    def settings(self) -> dict[str, Any]:
        """Return no arguments."""
        return {}

    def __repr__(self) -> str:
        return "EM()"
