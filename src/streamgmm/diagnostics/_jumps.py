"""Steps too large for the scale: jumps within a mini-batch, and steps that leave the valid covariances."""

from __future__ import annotations

from typing import Any

import numpy as np


from ._speed import is_gradient, scale_free
from .finding import Finding
from .runs import Run

FOLD = 8.0  # a guarded step changes a standard deviation at most e-fold, a variance 7.4-fold
DEVIATIONS = 3.0


def remedies(rule: Any) -> tuple[str, ...]:
    """Return what to do about a rule's steps, if they are too large for the scale."""
    return (*scale_free(rule), "standardize the rows and take a smaller rate")


def findings(run: Run) -> list[Finding]:
    """Name each component's largest jump between snapshots that are one mini-batch apart.

    Snapshots are that close at the start alone, which is where steps are too large; what happens later shows
    in the log-likelihood. Rules that do not take raw gradient steps may jump: EM does, rightly.
    """
    if not is_gradient(run.rule):
        return []
    means = np.array([mixture.means for mixture in run.mixtures])
    with np.errstate(all="ignore"):  # a run may end in parameters that are not finite
        variances = np.array([mixture.standard_deviations**2 for mixture in run.mixtures])
        slopes = 1.0 / np.square(variances)
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
            what = "its variance{along} went from {{old}} to {{new}}, {{fold}}-fold,"
            values = {"old": old, "new": new, "fold": max(new / old, old / new), "slope": slopes[at, k, a]}
            found.append(_finding(run, k, a, at, what, _why(run), values))
        elif steps.max(initial=0.0) > DEVIATIONS:
            at, a = (int(index) for index in np.unravel_index(steps.argmax(), steps.shape))
            what = "its mean{along} moved by {{moved}} standard deviations"
            why = "The gradient by a mean grows as 1 / variance."
            found.append(_finding(run, k, a, at, what, why, {"moved": steps[at, a]}))
    return found


def why_cone(run: Run, name: str | None) -> tuple[str, dict[str, Any]]:
    """Say when a raw step leaves the positive definite matrices, and the numbers; empty where it cannot."""
    with np.errstate(all="ignore"):
        variances = run.mixtures[-1].standard_deviations ** 2
    if name in ("covariance", "augmented"):
        return (
            " A raw step by the covariance can take away up to rate / (2 variance), more than all of a "
            "variance below sqrt(rate / 2); the smallest, of component {component}, was {variance}.",
            {"component": int(variances.min(axis=1).argmin()), "variance": float(variances.min())},
        )
    if name in ("precision", "natural"):
        return (
            " A raw step by the precision takes away rate / 2 times the squared distance of a row from the "
            "mean, more than all of a small precision; the largest variance, of component {component}, was "
            "{variance}.",
            {"component": int(variances.max(axis=1).argmax()), "variance": float(variances.max())},
        )
    return "", {}


def _finding(run: Run, k: int, a: int, at: int, what: str, why: str, values: dict[str, Any]) -> Finding:
    what = what.format(along=" along {features}" if run.mixtures[0].n_features > 1 else "")
    return Finding(
        "jump",
        "The steps are too large for the scale of component {components}: "
        f"{what} in one mini-batch, after {{rows}} rows. {why}",
        {"rows": run.rows[at], **values},
        remedies(run.rule),
        (k,),
        (a,),
    )


def _why(run: Run) -> str:
    name = getattr(run.rule, "parameterization", "")
    if name in ("covariance", "augmented"):
        return "The raw gradient by a covariance grows as 1 / variance^2, here {slope}."
    if name in ("precision", "natural"):
        return "Relative to a precision, a raw step grows as variance times squared distances."
    return "The gradient grows with squared distances over the variance, here {old}."
