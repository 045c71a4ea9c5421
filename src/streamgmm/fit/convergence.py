"""When to stop: not where a step gains little, but where little is left to gain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["left_to_gain"]

_NOISE = 1e-12  # relative: changes below are rounding, which may come again and again


def left_to_gain(bounds: Sequence[float]) -> float:
    """Return how much the log-likelihood will still change if its last steps shrink as they did.

    EM converges linearly in the end: each change is the one before times a constant a below 1, and the rest
    is the last change times a / (1 - a) (Aitken; Boehning and others, 1994). On a plateau, where changes do
    not shrink, that is infinite: steps are small there, but it is not the end. One large step before a small
    one says nothing about a, so that at least the last change counts. EM does not go back and forth, but
    rounding does, where covariances are nearly singular: no more is left than the larger of two such steps.

    Parameters
    ----------
    bounds : sequence of float
        Log-likelihoods, of which the last three count.

    Returns
    -------
    float
        Infinite for fewer than three.

    References
    ----------
    Boehning, Dietz, Schaub, Schlattmann and Lindsay (1994), The distribution of the likelihood ratio for
    mixtures of densities from the one-parameter exponential family, Annals of the Institute of Statistical
    Mathematics 46, 373-388.

    Examples
    --------
    >>> from streamgmm.fit.convergence import left_to_gain
    >>> left_to_gain([-4.0, -3.0, -2.25])
    2.25
    >>> left_to_gain([-4.0, -3.9, -3.7])
    inf
    """
    if len(bounds) < 3:
        return np.inf
    changes = bounds[-2] - bounds[-3], bounds[-1] - bounds[-2]
    before, last = map(abs, changes)
    noise = _NOISE * abs(bounds[-1])
    if last <= noise:
        return 0.0
    if min(changes) < 0.0 < max(changes):
        return max(before, last)
    return max(last, last * last / (before - last)) if last < before else np.inf
