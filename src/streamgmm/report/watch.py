"""An eye on a learner: what a report will need of the rows and of the way, kept while they go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from streamgmm.estimators import OnlineGaussianMixture, Trail, follow
from streamgmm.mixture import Mixture

from .summary import Summary


@dataclass(frozen=True, eq=False)
class Watch:
    """What was seen of a stream and of its learner. It begins empty; `learn` returns the next one.

    Parameters
    ----------
    summary : Summary
        Of the rows.
    trail : Trail
        The mixture on the way.

    Examples
    --------
    >>> from streamgmm import OnlineGaussianMixture, datasets
    >>> from streamgmm.report import Watch
    >>> X, model = datasets.load_faithful().data, OnlineGaussianMixture(2, random_state=0)
    >>> watch = Watch().learn(model, X[:100], X[:100])
    >>> watch = watch.learn(model, X[100:], X[100:])
    >>> watch.summary.n_rows, watch.trail.mixtures[-1] == model.to_mixture()
    (272, True)
    """

    summary: Summary = field(default_factory=Summary)
    trail: Trail = field(default_factory=lambda: Trail(np.empty(0), ()))

    def learn(self, estimator: OnlineGaussianMixture, X: Any, rows: Any = None) -> Watch:
        """Let the estimator learn rows as `partial_fit` does, and return what was seen.

        Parameters
        ----------
        estimator : OnlineGaussianMixture
            It is changed.
        X : array-like of shape (n_samples, n_features)
            At least one row.
        rows : array-like of shape (n_samples, n_features), optional
            The same rows in the data's units, for the summary; None leaves them out of it, as on a second
            pass.
        """
        trail = follow(estimator, X, trail=self.trail)
        return Watch(self.summary if rows is None else self.summary.add(rows), trail)

    def moved(self, move: Callable[[Mixture], Mixture]) -> Watch:
        """Return what was seen with every mixture in other units."""
        return Watch(self.summary, replace(self.trail, mixtures=tuple(map(move, self.trail.mixtures))))
