"""The average of the mixtures on the way, the late ones counting most: what a stream has converged to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamgmm.covariance import get
from streamgmm.mixture import Mixture
from streamgmm.statistics import Statistics

from .batch import m_step

__all__ = ["Average", "moments_of"]


@dataclass(frozen=True, eq=False)
class Average:
    r"""Mixtures averaged by their moments, each by the rows behind it.

    Online, a mixture wanders around the optimum by as much as its steps are large, and its average does not
    (Polyak and Juditsky, 1992; for online EM Cappe and Moulines, 2009). The mixture after row n counts in
    proportion to n, so that the first ones, far from the optimum, are soon forgotten: the average stands for
    three quarters of the rows.

    Parameters
    ----------
    sums : Statistics
        Of weight 1: what a mixture would make of its own rows.
    n_rows : float
        Rows behind it.

    Examples
    --------
    >>> from streamgmm import Mixture
    >>> from streamgmm.fit.average import Average
    >>> first, second = (Mixture([1.0], [[mean]], [[[1.0]]]) for mean in (0.0, 4.0))
    >>> average = Average.of(first, 100.0).add(second, 100.0)
    >>> average.mixture(second).means
    array([[3.]])
    """

    sums: Statistics
    n_rows: float

    @classmethod
    def of(cls, mixture: Mixture, n_rows: float) -> Average:
        """Return the average that begins with a mixture fitted to ``n_rows`` rows."""
        return cls(moments_of(mixture), float(n_rows))

    def add(self, mixture: Mixture, n_rows: float) -> Average:
        """Return the average after ``n_rows`` more rows led to another mixture of as many components."""
        if n_rows <= 0:
            return self
        total = self.n_rows + n_rows
        share = 1.0 - (self.n_rows / total) ** 2
        old = self.sums.recenter(mixture.means).scale(1.0 - share)
        return replace(self, sums=old + moments_of(mixture).scale(share), n_rows=total)

    @property
    def n_effective(self) -> float:
        """How many rows the average is worth: those that late mixtures have seen count most."""
        return 0.75 * self.n_rows

    def mixture(self, like: Mixture) -> Mixture:
        """Return the mixture with the average moments, of the covariance type of another."""
        there = Mixture.from_factor(like.log_weights, self.sums.origin, like.factor, like.covariance_type)
        return m_step(self.sums, there)


def moments_of(mixture: Mixture) -> Statistics:
    """Return the statistics, of weight 1, that rows of exactly these moments would have."""
    kind, weights = get(mixture.covariance_type), mixture.weights
    form = mixture.kernel_form()
    scatter = kind.scatter(form.scale)
    s2 = kind.public_moments(weights.reshape(-1, 1, 1) * scatter)
    return Statistics(1.0, 0.0, weights, np.zeros_like(mixture.means), s2, mixture.means)
