"""Everything that a report shows, as one record, and what the diagnostics say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamgmm import rules
from streamgmm._compat.functools import cached_property
from streamgmm.diagnostics import Finding, Optimality, explain, optimality
from streamgmm.diagnostics.progress import judged
from streamgmm.estimators import Trail
from streamgmm.fit.events import Event
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import TOO_FAR, e_step

from .summary import Summary


@dataclass(frozen=True, eq=False)
class Report:
    """What a page shows of a fit, in the units of the data.

    Parameters
    ----------
    title : str
    feature_names : tuple of str
    summary : Summary
        Of the rows, each counted once.
    mixture : Mixture
        What was learned.
    trail : Trail
        The mixture on the way; the last one is ``mixture``.
    history : ndarray of shape (n_batches,)
        Log-likelihood in nats a row of successive mini-batches, each before it was learned.
    history_rows : ndarray of shape (n_batches,)
        Rows seen after each.
    log_likelihood : float
        In nats a row; NaN if it is not known yet.
    settings : mapping
        What the mixture was learned with.
    warnings : tuple of str
        What was said while it was learned.
    events : tuple of Event
        What the learner did beside learning.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import OnlineGaussianMixture
    >>> from streamgmm.report import Report, Watch
    >>> X = np.random.default_rng(0).normal(size=(500, 1))
    >>> model = OnlineGaussianMixture(random_state=0)
    >>> watch = Watch().learn(model, X, X)
    >>> report = Report("One", ("x",), watch.summary, model.to_mixture(), watch.trail,
    ...                 model.history_, model.history_rows_, model.lower_bound_)
    >>> report.n_rows, report.findings
    (500, ())
    """

    title: str
    feature_names: tuple[str, ...]
    summary: Summary
    mixture: Mixture
    trail: Trail
    history: Array
    history_rows: NDArray[Any]
    log_likelihood: float
    settings: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows seen, as often as they were read."""
        return int(self.trail.rows[-1])

    @property
    def findings(self) -> tuple[str, ...]:
        """What the diagnostics find wrong with the mixture and with the run, with the features' names."""
        rule = self.settings.get("rule")
        rule = rules.get(rule) if isinstance(rule, rules.Rule) or rule in rules.names() else None
        found = [
            *_explain(self.mixture, self.summary, self.optimality),
            *judged(self.history, rule, self.mixture),
        ]
        return tuple(finding.text(self.feature_names) for finding in found)

    @cached_property
    def optimality(self) -> Optimality | None:
        """What one more component could gain, by the sample; None for a mixture that does not fit at all."""
        mixture, sample = self.mixture, self.summary.sample
        if not np.isfinite(mixture.kernel_factor()).all() or mixture.kind.is_singular(mixture.factor):
            return None
        near = mixture.log_prob(sample) > TOO_FAR
        return optimality(mixture, sample[near]) if near.any() else None


def _explain(mixture: Mixture, summary: Summary, optimality: Optimality | None) -> list[Finding]:
    """Judge the mixture by the sample, as if it were all rows."""
    sample = summary.sample
    near = mixture.log_prob(sample) > TOO_FAR
    if not near.any():
        message = "No row has a density under the mixture: the run diverged, or the rows are too far apart"
        remedies = ("standardize the rows", "a smaller learning rate")
        return [Finding("strange", f"{message} for float64.", {}, remedies)]
    statistics = e_step(mixture, sample[near])
    return explain(mixture, statistics.scale(summary.n_rows / len(sample)), optimality)


def separating(mixture: Mixture, n_features: int) -> list[int]:
    """Return the features along which the components differ most, in their order.

    These have the largest share of the variance between components in the variance of the mixture.

    Examples
    --------
    >>> mixture = Mixture([0.5, 0.5], [[0.0, 0.0, 0.0], [0.1, 5.0, 2.0]], [1.0, 1.0], "spherical")
    >>> separating(mixture, 2)
    [1, 2]
    """
    weights = mixture.weights
    between = weights @ np.square(mixture.means - weights @ mixture.means)
    within = weights @ np.square(mixture.standard_deviations)
    with np.errstate(invalid="ignore"):
        share = between / (between + within)
    chosen = np.argsort(-np.nan_to_num(share), kind="stable")[:n_features]
    return sorted(int(feature) for feature in chosen)
