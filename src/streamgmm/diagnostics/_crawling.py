"""Crawling: the rows want the parameters far away, and the steps are tiny at this rate and scale."""

from __future__ import annotations

import numpy as np

from streamgmm import rules
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from . import _speed
from ._words import along, number
from .runs import Run

MEAN_GAP = 0.3  # standard deviations
VARIANCE_GAP = np.log(1.5)
_LOGARITHMS = 'a log parameterization such as "cholesky"'
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


def sentences(run: Run) -> list[str]:
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


def _mean(run: Run, step: float, k: int, axes: Array, target: Mixture, fraction: Array) -> list[str]:
    final = run.mixtures[-1]
    gap = np.abs(axes.T @ (target.means[k] - final.means[k]))
    gap /= np.sqrt(_speed.along_axes(target, k, axes))
    worst = _worst(gap, MEAN_GAP, fraction, run)
    if worst is None:
        return []
    variance = _speed.along_axes(final, k, axes)[worst]
    scale = _MEAN_SCALES.get(getattr(run.rule, "parameterization", ""), "")
    return [
        f"Component {k} crawls: its mean is {number(gap[worst])} standard deviations"
        f"{along(axes[:, worst], len(gap))} from where the rows ask for it. "
        f"{_speed_sentence(run, step, k, variance, fraction[worst], scale)}"
    ]


def _variance(run: Run, step: float, k: int, axes: Array, target: Mixture, fraction: Array) -> list[str]:
    scale = _VARIANCE_SCALES.get(getattr(run.rule, "parameterization", ""), "")
    variance = _speed.along_axes(run.mixtures[-1], k, axes)
    wanted = _speed.along_axes(target, k, axes)
    worst = _worst(np.abs(np.log(wanted / variance)), VARIANCE_GAP, fraction, run)
    if worst is None:
        return []
    return [
        f"Component {k} crawls: its variance{along(axes[:, worst], len(wanted))} is "
        f"{number(variance[worst])} where the rows ask for {number(wanted[worst])}. "
        f"{_speed_sentence(run, step, k, variance[worst], fraction[worst], scale)}"
    ]


def _worst(gap: Array, least: float, fraction: Array, run: Run) -> int | None:
    """Return the axis with a gap that is left and closes slowest; None if none takes longer than the run."""
    learned = (run.rows[-1] - run.rows[0]) / run.batch_size
    slow = (gap > least) & (fraction * learned < 1)
    if not slow.any():
        return None
    return int(np.argmin(np.where(slow, fraction, np.inf)))


def _speed_sentence(run: Run, step: float, k: int, variance: float, fraction: float, scale: str) -> str:
    """Say what the speed is, what it comes from, and what to do."""
    rate = getattr(run.rule, "learning_rate", None)
    share = run.statistics.nk[k] / run.statistics.weight
    name = getattr(run.rule, "parameterization", "")
    scaled = rate is not None and not getattr(run.rule, "precondition", False)
    at = f"At the {'rate' if rate is not None else 'step'} of {number(step)}"
    if scaled:
        at += f", its variance of {number(variance)} and its share of {number(share)} of the rows"
    learned = number(run.rows[-1] - run.rows[0])
    if fraction > 0:
        needed = f"about {number(float(f'{run.batch_size / fraction:.2g}'))} more rows at this speed"
        speed = f"a mini-batch closes a fraction of {number(fraction)} of the gap: {needed}, after {learned}."
    else:
        speed = f"the steps do not close the gap at all for now, after {learned} rows."
    return f"{at}, {speed} {_cause_and_remedy(name, scaled, fraction / (step * share), share, scale)}."


def _cause_and_remedy(name: str, scaled: bool, by_scale: float, share: float, scale: str) -> str:
    """Blame the smallest of three factors of the speed: scale, share of the rows, and the rate itself."""
    if scaled and by_scale < 0.5 and by_scale <= share:
        because = f"The scale hides the rate: {scale}. " if scale else ""
        logarithms = [] if name in _speed.LOGARITHMIC else [_LOGARITHMS]
        remedies = ["a preconditioned step (precondition=True)", "rules.NaturalGradient", *logarithms]
        return f"{because}Remedy: {', '.join(remedies)}, or standardize the rows"
    if name and share < 0.5:  # gradient steps shrink with the share, preconditioned or not
        return (
            "Its small share of the rows hides the rate. Remedy: rules.NaturalGradient, whose steps do not "
            "shrink with the share, a larger rate, or fewer components"
        )
    return "Remedy: a larger rate, or more rows"
