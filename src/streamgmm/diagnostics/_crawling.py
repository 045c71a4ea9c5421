"""Crawling: the rows want the parameters far away, and the steps are tiny at this rate and scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import rules
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from . import _speed
from ._words import along
from .finding import Finding
from .runs import Run

MEAN_GAP = 0.3  # standard deviations
VARIANCE_GAP = np.log(1.5)
_MEAN_SCALES = {  # how the relative step depends on the variance
    **dict.fromkeys(
        ("covariance", "precision", *_speed.LOGARITHMIC), "a step of the mean shrinks as 1 / variance"
    ),
    "natural": "a step of the mean shrinks with the variance",
}
_VARIANCE_SCALES = {
    "natural": "a step of the covariance shrinks with variance^2",
    "covariance": "a step of the covariance shrinks as 1 / variance^2",
    "precision": "a step of the precision shrinks with the variance",
}


def findings(run: Run) -> list[Finding]:
    """Compare the last mixture with a step of EM on the run's statistics, and the gap with the speed."""
    if run.failure is not None:
        return []  # it was not given the time
    final, statistics = run.mixtures[-1], run.statistics
    step = _speed.step_size(
        run.rule, run.rows[-1] / run.batch_size, start=run.rows[0] / run.batch_size, batch_size=run.batch_size
    )
    finite = np.isfinite(final.means).all() and np.isfinite(final.kernel_factor()).all()
    if not (step > 0 and finite and statistics.weight > 0):
        return []
    em = rules.EM()
    with np.errstate(all="ignore"):  # components of a row or two become singular, and are passed over below
        target = em.update(statistics, em.init(final, n_rows=statistics.weight), final)[0]
    shared = final.kind.is_shared
    covariances = final.covariance_matrices()
    found = []
    for k in range(final.n_components):
        if statistics.nk[k] <= final.n_features + 1:
            continue  # starved: where the rows ask it to go is noise
        axes = np.linalg.eigh(covariances[k])[1]
        fractions = _speed.fractions(run.rule, step, final, statistics, target, k, axes)
        found += _mean(run, step, k, axes, target, fractions[0])
        if k == 0 or not shared:
            found += _variance(run, step, k, axes, target, fractions[1])
    return found


def _mean(run: Run, step: float, k: int, axes: Array, target: Mixture, fraction: Array) -> list[Finding]:
    final = run.mixtures[-1]
    gap = np.abs(axes.T @ (target.means[k] - final.means[k]))
    gap /= np.sqrt(_speed.along_axes(target, k, axes))
    worst = _worst(gap, MEAN_GAP, fraction, run)
    if worst is None:
        return []
    what = "mean is {gap} standard deviations{along} from where the rows ask for it"
    values = {"gap": gap[worst], "variance": _speed.along_axes(final, k, axes)[worst]}
    return [_finding(run, step, k, axes[:, worst], fraction[worst], what, values, _MEAN_SCALES)]


def _variance(run: Run, step: float, k: int, axes: Array, target: Mixture, fraction: Array) -> list[Finding]:
    variance = _speed.along_axes(run.mixtures[-1], k, axes)
    wanted = _speed.along_axes(target, k, axes)
    worst = _worst(np.abs(np.log(wanted / variance)), VARIANCE_GAP, fraction, run)
    if worst is None:
        return []
    what = "variance{along} is {variance} where the rows ask for {wanted}"
    values = {"wanted": wanted[worst], "variance": variance[worst]}
    return [_finding(run, step, k, axes[:, worst], fraction[worst], what, values, _VARIANCE_SCALES)]


def _worst(gap: Array, least: float, fraction: Array, run: Run) -> int | None:
    """Return the axis with a gap that is left and closes slowest; None if none takes longer than the run."""
    learned = (run.rows[-1] - run.rows[0]) / run.batch_size
    slow = (gap > least) & (fraction * learned < 1)
    if not slow.any():
        return None
    return int(np.argmin(np.where(slow, fraction, np.inf)))


def _finding(
    run: Run,
    step: float,
    k: int,
    axis: Array,
    fraction: float,
    what: str,
    values: dict[str, Any],
    scales: dict[str, str],
) -> Finding:
    """Say what the gap is, what the speed, what that comes from, and what to do."""
    has_rate = hasattr(run.rule, "learning_rate")
    share = run.statistics.nk[k] / run.statistics.weight
    scaled = has_rate and not getattr(run.rule, "precondition", False)
    where, features = along(axis)
    at = f"At the {'rate' if has_rate else 'step'} of {{step}}"
    if scaled:
        at += ", its variance of {variance} and its share of {share} of the rows"
    values |= {"step": step, "share": share, "learned": run.rows[-1] - run.rows[0]}
    speed = "the steps do not close the gap at all for now, after {learned} rows."
    if fraction > 0:
        values |= {"fraction": fraction, "needed": float(f"{run.batch_size / fraction:.2g}")}
        speed = (
            "a mini-batch closes a fraction of {fraction} of the gap: about {needed} more rows at this "
            "speed, after {learned}."
        )
    scale = scales.get(getattr(run.rule, "parameterization", ""), "")
    cause, remedies = _cause_and_remedies(run.rule, scaled, fraction / (step * share), share, scale)
    message = f"Component {{components}} crawls: its {what.replace('{along}', where)}. {at}, {speed}{cause}"
    return Finding("crawling", message, values, remedies, (k,), features)


def _cause_and_remedies(
    rule: Any, scaled: bool, by_scale: float, share: float, scale: str
) -> tuple[str, tuple[str, ...]]:
    """Blame the smallest of three factors of the speed: scale, share of the rows, and the rate itself."""
    if scaled and by_scale < 0.5 and by_scale <= share:
        because = f" The scale hides the rate: {scale}." if scale else ""
        return because, (*_speed.scale_free(rule), "standardize the rows")
    if hasattr(rule, "parameterization") and share < 0.5:  # steps shrink with it, preconditioned or not
        natural = "rules.NaturalGradient, whose steps do not shrink with the share"
        return " Its small share of the rows hides the rate.", (natural, "a larger rate", "fewer components")
    return "", ("a larger rate", "more rows")
