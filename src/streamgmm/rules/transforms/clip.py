"""A bound on the gradient's length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamgmm.kernels._jit import kernel

from ._base import Transform, require_positive


@kernel
def _clip(settings, time, n_weights, n_means, n_features, change, memory):
    norm = settings[0]
    squared = 0.0
    for i in range(change.size):
        squared += change[i] * change[i]
    if squared > norm * norm:
        factor = norm / np.sqrt(squared)
        for i in range(change.size):
            change[i] *= factor


@dataclass(frozen=True)
class Clip(Transform):
    """Shorten a gradient that is longer than this.

    Parameters
    ----------
    norm : float, default=1.0
        The largest Euclidean norm of a mini-batch's mean gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> clip = transforms.Clip(1.0)
    >>> clip.update(np.array([3.0, 4.0]), clip.init(np.zeros(2)))[0]
    array([0.6, 0.8])
    """

    norm: float = 1.0
    compiled = _clip

    def __post_init__(self) -> None:
        require_positive("norm", self.norm)
