"""Steps too large for the scale: jumps within a mini-batch, and steps that leave the valid covariances."""

from __future__ import annotations

import numpy as np

from streamgmm.statistics import Array

from ._speed import is_gradient
from ._words import number
from .runs import Run

FOLD = 8.0  # a guarded step changes a standard deviation at most e-fold, a variance 7.4-fold
DEVIATIONS = 3.0
REMEDY = (
    'precondition=True, rules.NaturalGradient, a log parameterization such as "cholesky", or standardize the '
    "rows and take a smaller rate"
)


def sentences(run: Run) -> list[str]:
    """Name each component's largest jump between snapshots that are one mini-batch apart.

    Snapshots are that close at the start alone, which is where steps are too large; what happens later shows
    in the log-likelihood. Rules that do not take raw gradient steps may jump: EM does, rightly.
    """
    if not is_gradient(run.rule):
        return []
    means = np.array([mixture.means for mixture in run.mixtures])
    with np.errstate(all="ignore"):  # a run may end in parameters that are not finite
        variances = np.array([mixture.standard_deviations**2 for mixture in run.mixtures])
        fold = np.abs(np.diff(np.log(variances), axis=0))
        moved = np.abs(np.diff(means, axis=0)) / np.sqrt(np.maximum(variances[1:], variances[:-1]))
    near = np.diff(run.rows) <= run.batch_size * (1 + 1e-9)
    found = []
    for k in range(means.shape[1]):
        folds = np.where(near[:, np.newaxis] & np.isfinite(fold[:, k]), fold[:, k], 0.0)
        steps = np.where(near[:, np.newaxis] & np.isfinite(moved[:, k]), moved[:, k], 0.0)
        if folds.max(initial=0.0) > np.log(FOLD):
            at, a = (int(index) for index in np.unravel_index(folds.argmax(), folds.shape))
            old, new = variances[at, k, a], variances[at + 1, k, a]
            what = (
                f"its variance{_feature(a, means)} went from {number(old)} to {number(new)}, "
                f"{number(max(new / old, old / new))}-fold,"
            )
            found.append(_sentence(run, k, at, what, _why(run, float(old))))
        elif steps.max(initial=0.0) > DEVIATIONS:
            at, a = (int(index) for index in np.unravel_index(steps.argmax(), steps.shape))
            what = f"its mean{_feature(a, means)} moved by {number(steps[at, a])} standard deviations"
            why = "The gradient by a mean grows as 1 / variance."
            found.append(_sentence(run, k, at, what, why))
    return found


def why_cone(run: Run, name: str | None) -> str:
    """Say when a raw step leaves the positive definite matrices; empty where it cannot."""
    with np.errstate(all="ignore"):
        variances = run.mixtures[-1].standard_deviations ** 2
    if name in ("covariance", "augmented"):
        k = int(variances.min(axis=1).argmin())
        return (
            "A raw step by the covariance can take away up to rate / (2 variance), more than all of a "
            f"variance below sqrt(rate / 2); the smallest, of component {k}, was "
            f"{number(float(variances.min()))}. "
        )
    if name in ("precision", "natural"):
        k = int(variances.max(axis=1).argmax())
        return (
            "A raw step by the precision takes away rate / 2 times the squared distance of a row from the "
            f"mean, more than all of a small precision; the largest variance, of component {k}, was"
            f" {number(float(variances.max()))}. "
        )
    return ""


def _sentence(run: Run, k: int, at: int, what: str, why: str) -> str:
    return (
        f"The steps are too large for the scale of component {k}: {what} in one mini-batch, after "
        f"{number(run.rows[at])} rows. {why} Remedy: {REMEDY}."
    )


def _why(run: Run, variance: float) -> str:
    name = getattr(run.rule, "parameterization", "")
    if name in ("covariance", "augmented"):
        size = number(1 / variance**2)
        return f"The raw gradient by a covariance grows as 1 / variance^2, here {size}."
    if name in ("precision", "natural"):
        return "Relative to a precision, a raw step grows as variance times squared distances."
    return f"The gradient grows with squared distances over the variance, here {number(variance)}."


def _feature(a: int, means: Array) -> str:
    return f" along feature {a}" if means.shape[2] > 1 else ""
