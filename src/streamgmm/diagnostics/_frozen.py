"""Frozen: rows that the mixture does not expect keep coming, and the mixture does not follow them."""

from __future__ import annotations

from typing import Any

import numpy as np


from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from ._speed import scale_free, step_size
from ._words import along
from .finding import Finding
from .runs import Run

STRANGE = 3.0  # standard deviations of a row's log-likelihood, for the median mini-batch
STILL = 1.0  # standard deviations of a component
FLAT = 1e-3  # standard deviation in some direction, relative to those of the features
_LEAST = 20  # mini-batches
_DRAWS = 1000


def findings(per_row: Array, rule: Any, mixture: Mixture | None, moved: float | None = None) -> list[Finding]:
    """Compare the last quarter of a history without NaN with what the last mixture expects of its rows.

    Rule and mixture are None where they are not known, and how far it moved, from `distance`, too.
    """
    if mixture is None or len(per_row) < _LEAST or not (moved is None or moved <= STILL):
        return []
    finite = np.isfinite(mixture.means).all() and np.isfinite(mixture.kernel_factor()).all()
    if not finite or step_size(rule, float(len(per_row)), start=0.0, batch_size=1) == 1:
        return []  # a rule that forgets all but the last mini-batch follows, even if that holds too few rows
    drawn = mixture.log_prob(mixture.sample(_DRAWS, random_state=0)[0])
    last = per_row[3 * len(per_row) // 4 :]
    expected, seen = float(drawn.mean()), float(np.median(last))
    before, after = (float(np.median(half)) for half in np.array_split(last, 2))
    if not expected - seen > STRANGE * drawn.std() or after - before > 0.1 * (expected - seen):
        return []  # as expected, or soon to be
    subject = "The mixture does not follow the rows" if moved is None else "The run is frozen"
    still = "" if moved is None else ", and no component moved by more than {moved} standard deviations"
    components, features, cause, remedies = _cause(mixture, rule)
    message = (
        f"{subject}: the last quarter of the mini-batches has {{seen}} nats a row where the mixture expects "
        f"{{expected}}{still}. {cause}"
    )
    values = {"seen": seen, "expected": expected, "moved": moved}
    return [Finding("frozen", message, values, remedies, components, features)]


def distance(run: Run) -> float:
    """Return how far any component moved or widened in the last quarter, in its standard deviations."""
    final, learned = run.mixtures[-1], run.rows - run.rows[0]
    earlier = run.mixtures[np.flatnonzero(learned <= 0.75 * learned[-1])[-1]]
    with np.errstate(all="ignore"):  # a run may end in parameters that are not finite
        old, new = earlier.standard_deviations, final.standard_deviations
        moved = np.abs(final.means - earlier.means) / np.maximum(old, new)
        return float(np.maximum(moved, np.abs(np.log(new / old))).max())


def _cause(mixture: Mixture, rule: Any) -> tuple[tuple[int, ...], tuple[int, ...], str, tuple[str, ...]]:
    """Blame the flattest component, if one is flat; return it, its features, the cause and the remedies."""
    sds = mixture.standard_deviations
    correlations = mixture.covariance_matrices() / (sds[:, :, np.newaxis] * sds[:, np.newaxis, :])
    values, vectors = np.linalg.eigh(correlations)
    k = int(values[:, 0].argmin())
    if values[k, 0] < FLAT**2:
        where, features = along(vectors[k, :, 0])
        cause = (
            f"Component {{components}} is flat{where}, where steps towards the rows are cut short or lost."
        )
        return (k,), features, cause, ("a larger reg_covar", 'prior="weak"', "drop a redundant feature")
    cause = "The steps are too small for rows that have changed, or cut short because these are so far away."
    remedies = ("a larger rate, or one that does not decay", *scale_free(rule), "start again from these rows")
    return (), (), cause, remedies
