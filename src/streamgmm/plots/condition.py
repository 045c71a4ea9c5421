"""Whether a covariance's shape is more than noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm.diagnostics import condition_numbers, marchenko_pastur_condition
from streamgmm.mixture import mixture_of
from streamgmm.statistics import Array
from streamgmm.sweep import e_step

from . import _draw
from ._colors import ROWS, look
from ._inputs import axes_for, require_columns

_MOST = 1e16
_SHORT = 50.0  # an axis


class ConditionDisplay:
    """Condition numbers against effective rows, with the line that white noise would show.

    A sample covariance of n rows of white noise in d features has about the condition number of the line
    (`diagnostics.marchenko_pastur_condition`), though the truth is 1: a component near it or below has a
    shape that may be noise. Create it by `from_estimator`.

    Parameters
    ----------
    rows : ndarray of shape (n_components,)
        Effective rows of each covariance.
    condition_numbers : ndarray of shape (n_components,)
    n_features : int

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    points_ : list of matplotlib Line2D
        One for each component, or one for all if they share a covariance.
    line_ : matplotlib Line2D
        Of Marchenko and Pastur.
    labels_ : list of matplotlib Text

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.plots import ConditionDisplay
    >>> X, _, _ = datasets.make_mixture(300, 10, 3, "full", random_state=0)
    >>> display = ConditionDisplay.from_estimator(GaussianMixture(3, random_state=0).fit(X), X)
    >>> len(display.points_), display.ax_.get_xscale(), display.ax_.get_yscale()
    (3, 'log', 'log')
    """

    def __init__(self, rows: Array, condition_numbers: Array, n_features: int) -> None:
        self.rows = np.asarray(rows, dtype=np.float64)
        self.condition_numbers = np.asarray(condition_numbers, dtype=np.float64)
        self.n_features = n_features

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, sample_weight: Any = None, ax: Any = None
    ) -> ConditionDisplay:
        """Draw the condition numbers of a fitted estimator's covariances.

        Parameters
        ----------
        estimator : GaussianMixture, OnlineGaussianMixture, Mixture, or scikit-learn's GaussianMixture
        X : array-like of shape (n_samples, n_features)
            The rows that it learned, of which the effective rows of each component are counted. A "tied"
            covariance has them all.
        sample_weight : array-like of shape (n_samples,), optional
        ax : matplotlib Axes, optional

        Returns
        -------
        ConditionDisplay

        Raises
        ------
        ValueError
            If the rows do not fit the mixture.
        """
        mixture = mixture_of(estimator, "estimator")
        require_columns(estimator, X)
        rows = e_step(mixture, X, sample_weight).nk
        if mixture.kind.is_shared:
            rows = np.full(len(rows), rows.sum())
        return cls(rows, condition_numbers(mixture), mixture.n_features).plot(ax)

    def plot(self, ax: Any = None) -> ConditionDisplay:
        """Draw, on logarithmic axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        ConditionDisplay
        """
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        counted = np.clip(self.rows, 0.1, None)
        grid = np.geomspace(1.02 * self.n_features, max(counted.max(), 2 * self.n_features) * 5, 300)
        line = [marchenko_pastur_condition(n, self.n_features) for n in grid]
        (self.line_,) = self.ax_.plot(
            grid, line, color="black", linewidth=1.0, label="white noise (Marchenko and Pastur)"
        )
        self.ax_.axvline(self.n_features, color=ROWS, linewidth=0.8, linestyle="dotted")
        self.points_: list[Any] = []
        self.labels_: list[Any] = []
        heights = np.clip(self.condition_numbers, 1.0, _MOST)
        shared = len(heights) > 1 and bool(np.ptp(heights) == np.ptp(counted) == 0)
        for k, (n, height) in enumerate(zip(counted, heights, strict=True)):
            if k and shared:
                continue
            self.points_ += self.ax_.plot(n, height, "o", color=look(k).color, markersize=13, alpha=0.35)
            self.labels_.append(_draw.label(self.ax_, n, height, k))
        if shared:
            self.labels_[0].set_text("all")
        self.ax_.set(xscale="log", yscale="log", ylim=(0.8, max(100.0, 3 * heights.max())))
        self.ax_.set(xlabel="effective rows", ylabel="condition number")
        low, high = self.ax_.get_xlim()
        few = (1.0, 2.0, 5.0) if high < _SHORT * low else (1.0,)  # else labels overlap, or there is only one
        self.ax_.xaxis.set_major_locator(LogLocator(subs=few))
        self.ax_.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        self.ax_.xaxis.set_minor_formatter(NullFormatter())
        self.ax_.legend()
        return self
