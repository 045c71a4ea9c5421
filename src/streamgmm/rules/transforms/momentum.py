"""Momentum, plain or Nesterov's."""

from __future__ import annotations

from dataclasses import dataclass

from streamgmm.kernels._jit import exact_kernel

from ._base import Transform, require_fraction


@exact_kernel
def _follow(settings, time, n_weights, n_means, n_features, change, memory):
    decay, looks_ahead = settings[0], settings[1] > 0.0
    velocity = memory[0]
    for i in range(change.size):
        velocity[i] = decay * velocity[i] + change[i]
        change[i] = change[i] + decay * velocity[i] if looks_ahead else velocity[i]


@dataclass(frozen=True)
class Momentum(Transform):
    """Follow a decaying sum of the gradients: v <- decay v + g (Polyak, 1964).

    The steps add up to 1 / (1 - decay) times the rate: divide the rate by as much.

    Parameters
    ----------
    decay : float, default=0.9
        In [0, 1).
    nesterov : bool, default=False
        Look ahead: follow g + decay v (Nesterov, 1983).

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> momentum = transforms.Momentum(0.5)
    >>> first, state = momentum.update(np.ones(1), momentum.init(np.zeros(1)))
    >>> momentum.update(np.ones(1), state)[0]
    array([1.5])
    """

    decay: float = 0.9
    nesterov: bool = False
    slots = ("velocity",)
    compiled = _follow

    def __post_init__(self) -> None:
        require_fraction("momentum", self.decay)
