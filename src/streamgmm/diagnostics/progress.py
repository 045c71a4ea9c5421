"""Why a run does not converge, in plain sentences: the component, the cause and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import rules
from streamgmm.mixture import Mixture
from streamgmm.rules.schedules import HalfLife
from streamgmm.statistics import Array

from . import _crawling, _frozen, _jumps
from ._speed import is_gradient
from .finding import Finding
from .runs import Run

_BLOCKS = 10
_FALL, _FALL_ERRORS = 0.5, 5.0  # nats a row, and in standard errors


def explain_run(history: Any) -> list[Finding]:
    """Say why a run does not converge, and what to do about it.

    Of a `Run` all of this is looked for, of an array or an estimator only what the log-likelihood shows. No
    remedy is the rule that was used, where it is known.

    - failed: what stopped the run;
    - refused: mini-batches that were passed over;
    - steps too large for the scale: within one mini-batch a variance changed 8-fold or more, or a mean moved
      by more than 3 standard deviations;
    - frozen: the median mini-batch of the last quarter has a log-likelihood below what the last mixture
      expects by more than 3 standard deviations of a row, and does not get better, while no component of a
      `Run` moved by more than one standard deviation; an array alone does not show it;
    - fell: the log-likelihood of the last tenth is below that of an earlier tenth by more than 0.5 nats a
      row and 5 standard errors;
    - crawling: a step of EM would still move a mean by 0.3 standard deviations or more, or a variance
      1.5-fold or more, and at the rate, parameterization and scale that gap takes more rows than the run has
      seen. Where a step does not follow the gradient's size (adaptive optimizers, `clip`) it is not judged;
    - still moving: the log-likelihood of the last quarter is above that of the quarter before by more than
      0.001 nats a row and 2 standard errors, as in an estimator's ``converged_``.

    What is wrong with the mixture that a run ended with says ``explain(run.mixtures[-1], run.statistics)``.

    Parameters
    ----------
    history : Run, array-like of shape (n_batches,), or estimator
        A `Run` from `trace`; mean log-likelihoods of successive mini-batches in nats a row, NaN for those
        without rows; or a fitted estimator with ``history_``.

    Returns
    -------
    list of Finding
        Strings of one sentence or more, which are data too; empty if the run went well.

    Raises
    ------
    ValueError
        If `history` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, rules
    >>> from streamgmm.diagnostics import explain_run, trace
    >>> X = np.random.default_rng(0).normal(size=(5000, 1))
    >>> rule = rules.GradientAscent(learning_rate=0.002)
    >>> explain_run(trace(rule, Mixture([1.0], [[0.5]], [[[1.0]]]), X))
    []
    >>> print(explain_run(trace(rule, Mixture([1.0], [[400.0]], [[[1e4]]]), X + 500.0))[0])
    Component 0 crawls: its mean is 100 standard deviations from where the rows ask for it. At the rate of \
0.002, its variance of 9988 and its share of 1 of the rows, a mini-batch closes a fraction of 2e-07 of the \
gap: about 5e+06 more rows at this speed, after 5000. The scale hides the rate: a step of the mean shrinks \
as 1 / variance. Remedy: a preconditioned step (precondition=True), rules.NaturalGradient, or \
standardize the rows.
    """
    if not isinstance(history, Run):
        per_row = _as_history(getattr(history, "history_", history))
        rule = rules.get(history.rule) if hasattr(history, "rule") else None
        is_learner = len(per_row) and hasattr(history, "to_mixture")
        return judged(per_row, rule, history.to_mixture() if is_learner else None)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_row = history.log_likelihood / history.weight
    stopped = [*_failed(history), *_refused(history), *_jumps.findings(history)]
    crawling = _crawling.findings(history)
    if crawling or history.failure is not None:
        return [*stopped, *_fell(per_row, history.rule), *crawling]
    moved = _frozen.distance(history)
    return [*stopped, *judged(per_row, history.rule, history.mixtures[-1], moved)]


def judged(
    per_row: Array, rule: Any = None, mixture: Mixture | None = None, moved: float | None = None
) -> list[Finding]:
    """Return what a history shows, given the rule and the last mixture, and how far it moved, if known."""
    frozen = _frozen.findings(per_row[np.isfinite(per_row)], rule, mixture, moved)
    return frozen or [*_fell(per_row, rule), *_still_moving(per_row)]


def _as_history(history: Any) -> Array:
    try:
        per_row = np.asarray(history, dtype=np.float64)
    except (TypeError, ValueError):
        per_row = np.empty((0, 0))
    if per_row.ndim != 1:
        raise ValueError(
            "`history` must be a Run, an array of shape (n_batches,) or a fitted estimator with `history_`, "
            f"got {type(history).__name__}"
        )
    return per_row


def _failed(run: Run) -> list[Finding]:
    if run.failure is None:
        return []
    why, values = _jumps.why_cone(run, getattr(run.rule, "parameterization", None))
    values |= {"rows": run.rows[-1], "failure": run.failure.rstrip(".")}
    message = f"The run stopped after {{rows}} rows: {{failure}}.{why}"
    return [Finding("failed", message, values, _jumps.remedies(run.rule))]


def _refused(run: Run) -> list[Finding]:
    if not run.n_refused:
        return []
    message = (
        "{refused} of {batches} mini-batches were passed over: they hold rows so far from every component "
        "that their squares overflow, or the run diverged."
    )
    remedies = ("remove such rows", "standardize them; if the rows are sound, take a smaller step")
    return [Finding("refused", message, {"refused": run.n_refused, "batches": len(run.weight)}, remedies)]


def _fell(per_row: Array, rule: Any) -> list[Finding]:
    """Compare the last tenth of the history with the best of the tenths before it."""
    diverged = np.flatnonzero(np.isneginf(per_row))
    per_row = per_row[np.isfinite(per_row)]
    if len(per_row) < 2 * _BLOCKS:
        if len(diverged) and diverged[-1] >= len(per_row):
            message = "The log-likelihood is minus infinity at the end: the run diverged."
            return [Finding("diverged", message, {}, ("smaller steps",))]
        return []
    blocks = np.array_split(per_row, _BLOCKS)
    means = np.array([block.mean() for block in blocks])
    with np.errstate(over="ignore"):  # rows that are far away have log densities down to -1e300
        errors = np.array([block.std() / np.sqrt(len(block)) for block in blocks])
    best = int(np.argmax(means[:-1]))
    fall = means[best] - means[-1]
    if fall <= _FALL + _FALL_ERRORS * np.hypot(errors[best], errors[-1]):
        return []
    why, remedies = "the rows changed, or the steps are too large", _follow_or_settle(rule)
    if rule is None or is_gradient(rule):
        why = "the steps are too large for the scale of the rows, or the rows changed"
        remedies = ("a smaller or decaying rate", "larger mini-batches", *_jumps.remedies(rule))
    message = f"The log-likelihood fell from {{best}} to {{last}} nats a row: {why}."
    return [Finding("fell", message, {"best": means[best], "last": means[-1]}, remedies)]


def _follow_or_settle(rule: Any) -> tuple[str, ...]:
    """Return what to do where steps have no scale, as far as the rule has settings for it."""
    schedule = getattr(rule, "schedule", None)
    if schedule is None or isinstance(rule, rules.EM):
        return ("larger mini-batches",)
    follow = () if isinstance(schedule, HalfLife) else ("the schedule HalfLife for rows that change",)
    return ("a smaller or decaying rate", "larger mini-batches", *follow)


def rise_of(per_row: Array) -> float:
    """Return how much better a history's last quarter is than the one before; 0 if that may be noise.

    NaN for a history of less than four known entries.
    """
    per_row = per_row[np.isfinite(per_row)]
    if len(per_row) < 4:
        return float("nan")
    first, second = np.array_split(per_row[len(per_row) // 2 :], 2)
    with np.errstate(over="ignore"):  # rows that are far away have log densities down to -1e300
        error = np.sqrt(first.var() / len(first) + second.var() / len(second))
    rise = float(second.mean() - first.mean())
    return rise if rise > 1e-3 + 2 * error else 0.0


def _still_moving(per_row: Array) -> list[Finding]:
    rise = rise_of(per_row)
    if not rise > 0:
        return []
    message = (
        "The run was still improving when it stopped: the last quarter has {rise} nats a row more than the "
        "quarter before."
    )
    remedies = ("more rows", "several passes over them", "a larger rate")
    return [Finding("moving", message, {"rise": rise}, remedies)]
