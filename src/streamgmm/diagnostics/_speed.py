"""How fast a rule closes the gap between a mixture and the rows, from rate, parameterization and scale.

For one feature, with rate g, share p of the rows, variance v, and w the variance that the rows ask for, a
mini-batch closes these fractions of the gap (the mean gradient of a mini-batch times g, divided by the gap
in the coordinate that moves; q = log(w / v)):

=====================  ======  ==========================
parameterization       mean    covariance
=====================  ======  ==========================
covariance             g p/v   g p / (2 v^2)
precision              g p/v   g p v w / 2
cholesky (log sigma)   g p/v   2 g p (e^q - 1) / q
log-covariance         g p/v   (g p / 2) (e^q - 1) / q
log-variance           g p/v   (g p / 2) (e^q - 1) / q
preconditioned         g p     g p
natural gradient, EM   g       g
=====================  ======  ==========================

For more features it holds along each principal axis, up to the factor 2 by which a symmetric packing counts
entries off the diagonal. A tied covariance has all rows (p = 1); a spherical one gets the gradients of all
features at once. Momentum m divides by 1 - m. Of any other parameterization it is measured by a small step:
of natural parameters it is g p v for the mean and, around a mean of zero, 2 g p v^2 for the covariance;
elsewhere one moves the other.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from streamgmm import parameterizations
from streamgmm.mixture import Mixture
from streamgmm.rules import transforms
from streamgmm.statistics import Array, Statistics

LOGARITHMIC = {"cholesky": 2.0, "log-covariance": 0.5, "log-variance": 0.5}
_MEAN_IS_A_COORDINATE = (*LOGARITHMIC, "covariance", "precision")
_NUDGE = 1e-6


def step_size(rule: Any, t: float, *, start: float, batch_size: int) -> float:
    """Return the step of a full mini-batch at a time, momentum included; NaN for a rule without one."""
    schedule: Any = getattr(rule, "learning_rate", None) or getattr(rule, "schedule", None)
    if not hasattr(schedule, "steps") or getattr(rule, "clip", None) is not None:
        return float("nan")
    decay = getattr(rule, "momentum", 0.0)
    for link in transforms.get(getattr(rule, "optimizer", "sgd")):
        if not isinstance(link, transforms.Momentum):
            return float("nan")
        decay = 1.0 - (1.0 - decay) * (1.0 - link.decay)
    step = float(schedule.steps(np.array([t]), start=start, batch_size=batch_size)[0])
    return step / (1.0 - decay)


def is_gradient(rule: Any) -> bool:
    """Tell whether a rule takes gradient steps whose size depends on the scale."""
    return hasattr(rule, "parameterization") and not getattr(rule, "precondition", False)


def scale_free(rule: Any) -> tuple[str, ...]:
    """Return the steps to take in place of a rule's, if they depend on the scale; all if it is not known."""
    if rule is not None and not is_gradient(rule):
        return ()
    free = ("a preconditioned step (precondition=True)", "rules.NaturalGradient")
    logarithmic = getattr(rule, "parameterization", "") in LOGARITHMIC
    return free if logarithmic else (*free, 'a log parameterization such as "cholesky"')


def fractions(
    rule: Any, step: float, mixture: Mixture, statistics: Statistics, target: Mixture, k: int, axes: Array
) -> tuple[Array, Array]:
    """Return the fraction of the gap to a target that a mini-batch closes along axes (columns).

    Of component k, for its mean and for its covariance (n_features,); NaN where it is not known.
    """
    rates = getattr(rule, "relative_rates", None)
    if rates:
        rest = SimpleNamespace(**{**vars(rule), "relative_rates": None})
        mean, covariance = fractions(rest, step, mixture, statistics, target, k, axes)
        return _rated(rates, "means") * mean, _rated(rates, "covariances") * covariance
    ones = np.ones(mixture.n_features)
    if not hasattr(rule, "learning_rate"):
        return step * ones, step * ones
    share = statistics.nk[k] / statistics.weight
    kind = mixture.kind
    shared = 1.0 if kind.is_shared else share
    if getattr(rule, "precondition", False):
        return step * share * ones, step * shared * ones
    name = getattr(rule, "parameterization", "")
    if name not in _MEAN_IS_A_COORDINATE:
        return _measured(name, step, mixture, statistics, target, k, axes)
    variance, wanted = along_axes(mixture, k, axes), along_axes(target, k, axes)
    times = 1 if kind.is_shared else kind.pool_size(*mixture.means.shape)
    covariance = step * shared * times * covariance_factor(name, variance, wanted)
    return step * share / variance, covariance


def _rated(rates: Any, group: str) -> float:
    """Return the rate of a group, NaN for one that is held fixed on purpose or has a schedule of its own."""
    rate = rates.get(group, 1.0)
    return float(rate) if isinstance(rate, (int, float)) and rate > 0 else float("nan")


def covariance_factor(name: str, variance: Array, wanted: Array) -> Array:
    """Return the covariance's column of the table above for g p = 1."""
    if name == "covariance":
        return np.array(0.5 / np.square(variance))
    if name == "precision":
        return np.array(0.5 * variance * wanted)
    gap = np.log(wanted / variance)
    gap = np.where(np.abs(gap) < 1e-8, 1e-8, gap)  # (e^q - 1) / q tends to 1
    return np.array(LOGARITHMIC[name] * np.expm1(gap) / gap)


def along_axes(mixture: Mixture, k: int, axes: Array) -> Array:
    """Return a component's variance along each axis (n_features,)."""
    kind = mixture.kind
    root = kind.roots(kind.select(mixture.factor, [k]), 1, mixture.n_features)[0]
    return np.square(axes.T @ root).sum(axis=1)


def _measured(
    name: str, step: float, mixture: Mixture, statistics: Statistics, target: Mixture, k: int, axes: Array
) -> tuple[Array, Array]:
    """Nudge theta along its gradient and see how much of the gap that closes: for any parameterization."""
    unknown = np.full(mixture.n_features, np.nan)
    if isinstance(name, str) and name not in parameterizations.names():
        return unknown, unknown
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    gradient = parameterization.gradient(statistics, mixture) / statistics.weight
    nudge = _NUDGE * np.linalg.norm(theta) / max(float(np.linalg.norm(gradient)), 1e-300)
    try:
        moved = parameterization.unpack(theta + nudge * gradient, mixture)
    except (ValueError, np.linalg.LinAlgError):  # nearer to singular than the nudge
        return unknown, unknown
    mean = axes.T @ (moved.means[k] - mixture.means[k])
    old = along_axes(mixture, k, axes)
    log_variance = np.log(along_axes(moved, k, axes) / old)
    gap = axes.T @ (target.means[k] - mixture.means[k])
    gap_log_variance = np.log(along_axes(target, k, axes) / old)
    with np.errstate(divide="ignore", invalid="ignore"):
        return step / nudge * mean / gap, step / nudge * log_variance / gap_log_variance
