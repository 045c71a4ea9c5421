"""Transforms that divide the gradient by its own size, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamgmm.kernels._jit import exact_kernel, inlined

from ._base import Transform, require_fraction, require_positive


@inlined
def _blend(decay, old, new):
    return decay * old + (1.0 - decay) * new


@exact_kernel
def _adagrad(settings, time, n_weights, n_means, n_features, change, memory):
    epsilon = settings[0]
    squares = memory[0]
    for i in range(change.size):
        squares[i] += change[i] * change[i]
        change[i] /= np.sqrt(squares[i]) + epsilon


@exact_kernel
def _rmsprop(settings, time, n_weights, n_means, n_features, change, memory):
    decay, epsilon = settings[0], settings[1]
    squares = memory[0]
    for i in range(change.size):
        squares[i] = _blend(decay, squares[i], change[i] * change[i])
        change[i] /= np.sqrt(squares[i]) + epsilon


@exact_kernel
def _adam(settings, time, n_weights, n_means, n_features, change, memory):
    first, second, epsilon = settings[0], settings[1], settings[2]
    means, squares = memory[0], memory[1]
    unbias = 1.0 / (1.0 - first**time)
    unbias_squares = 1.0 / (1.0 - second**time)
    for i in range(change.size):
        means[i] = _blend(first, means[i], change[i])
        squares[i] = _blend(second, squares[i], change[i] * change[i])
        change[i] = (unbias * means[i]) / (np.sqrt(unbias_squares * squares[i]) + epsilon)


@dataclass(frozen=True)
class AdaGrad(Transform):
    """Divide by the root of the sum of squared gradients (Duchi, Hazan and Singer, 2011).

    Parameters
    ----------
    epsilon : float, default=1e-8
        Added to the root.
    """

    epsilon: float = 1e-8
    slots = ("squares",)
    compiled = _adagrad
    is_adaptive = True

    def __post_init__(self) -> None:
        require_positive("epsilon", self.epsilon)


@dataclass(frozen=True)
class RMSProp(Transform):
    """Divide by the root of a running mean of squared gradients (Hinton, 2012).

    Parameters
    ----------
    decay : float, default=0.9
        In [0, 1).
    epsilon : float, default=1e-8
        Added to the root.
    """

    decay: float = 0.9
    epsilon: float = 1e-8
    slots = ("squares",)
    compiled = _rmsprop
    is_adaptive = True

    def __post_init__(self) -> None:
        require_fraction("decay", self.decay)
        require_positive("epsilon", self.epsilon)


@dataclass(frozen=True)
class Adam(Transform):
    """Divide a running mean of gradients by the root of that of their squares (Kingma and Ba, 2015).

    Parameters
    ----------
    first, second : float, default=0.9 and 0.999
        Decays of the two running means, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm.rules import transforms
    >>> adam = transforms.Adam()
    >>> adam.update(np.array([1e-3, -1e3]), adam.init(np.zeros(2)))[0].round(4)
    array([ 1., -1.])
    """

    first: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-8
    slots = ("means", "squares")
    compiled = _adam
    is_adaptive = True

    def __post_init__(self) -> None:
        require_fraction("first", self.first)
        require_fraction("second", self.second)
        require_positive("epsilon", self.epsilon)
