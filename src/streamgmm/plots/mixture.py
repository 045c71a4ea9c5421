"""A mixture in the plane of two features, or along one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _draw
from ._colors import TOTAL
from ._density import peaks, reach
from ._inputs import ComponentsDisplay, axes_for, checked_coverage

_MESH = 120


class MixtureDisplay(ComponentsDisplay):
    """Rows, and the ellipses that hold given shares of each component's rows.

    Of one feature: a histogram of the rows, each component's part of the density, and the whole density.
    Create it by `from_estimator`.

    Parameters
    ----------
    mixture : Mixture
        Of one or two features.
    X : ndarray of shape (n_samples, 1 or 2), optional
        Rows to draw.
    feature_names : sequence of str, optional

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    rows_ : matplotlib PathCollection or None
        The rows of two features.
    ellipses_ : list of list of matplotlib Ellipse
        ``ellipses_[k][j]`` is component k's with the j-th largest coverage; empty for one feature.
    labels_ : list of matplotlib Text
        The components' numbers, at their means.
    lines_ : list of matplotlib Line2D
        Of one feature: the components' densities, then their sum.
    contours_ : matplotlib QuadContourSet or None
    marginal_axes_ : tuple of matplotlib Axes
        Above and to the right, if they were asked for.

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.plots import MixtureDisplay
    >>> X = datasets.load_faithful().data
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = MixtureDisplay.from_estimator(model, X, feature_names=["eruption (min)", "waiting (min)"])
    >>> display.ax_.get_xlabel(), [len(of_one) for of_one in display.ellipses_]
    ('eruption (min)', [2, 2])
    """

    most = 2

    @staticmethod
    def require(n_features: int) -> None:  # noqa: D102
        if n_features > 2:
            raise ValueError(
                f"`mixture` must have 1 or 2 features, got {n_features}: take its marginal, or draw a "
                "PairDisplay"
            )

    def plot(
        self,
        ax: Any = None,
        *,
        coverage: float | Sequence[float] = (0.5, 0.95),
        contours: bool = False,
        marginals: bool = False,
    ) -> MixtureDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        coverage : float or sequence of float, default=(0.5, 0.95)
            The shares of each component's rows inside its ellipses: the quantiles of chi-squared with 2
            degrees of freedom.
        contours : bool, default=False
            Whether to draw lines of equal density that hold these shares of the whole mixture's rows.
        marginals : bool, default=False
            Whether to draw each feature alone along its axis.

        Returns
        -------
        MixtureDisplay
        """
        shares = checked_coverage(coverage)
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.rows_ = self.contours_ = None
        self.ellipses_: list[list[Any]] = []
        self.labels_: list[Any] = []
        self.lines_: list[Any] = []
        self.marginal_axes_: tuple[Any, ...] = ()
        if self.mixture.n_features == 1:
            self._plot_line()
            return self
        if self.X is not None:
            self.rows_ = _draw.rows(self.ax_, self.X)
        self.ellipses_ = _draw.component_ellipses(self.ax_, self.mixture, shares)
        self.labels_ = [_draw.label(self.ax_, x, y, k) for k, (x, y) in enumerate(self.mixture.means)]
        limits = (reach(None if self.X is None else self.X[:, a], self.mixture.marginal(a)) for a in range(2))
        self.ax_.set(**dict(zip(("xlim", "ylim"), limits, strict=True)))
        if contours:
            self.contours_ = self._plot_contours(shares)
        if marginals:
            self.marginal_axes_ = self._plot_marginals()
        _draw.name_axes(self.ax_, *self.feature_names)
        return self

    def _plot_line(self) -> None:
        X = None if self.X is None else self.X[:, 0]
        self.lines_ = _draw.densities(self.ax_, self.mixture, X)
        tops = np.minimum(peaks(self.mixture), 0.95 * self.ax_.get_ylim()[1])
        means = self.mixture.means[:, 0]
        self.labels_ = [_draw.label(self.ax_, means[k], tops[k], k) for k in range(len(means))]
        _draw.name_axes(self.ax_, self.feature_names[0], "density")

    def _plot_contours(self, shares: Sequence[float]) -> Any:
        """Lines at the densities that these shares of the mixture's own rows exceed."""
        log_prob = self.mixture.log_prob(self.mixture.sample(20_000, 0)[0])
        (left, right), (bottom, top) = self.ax_.get_xlim(), self.ax_.get_ylim()
        x, y = np.meshgrid(np.linspace(left, right, _MESH), np.linspace(bottom, top, _MESH))
        height = self.mixture.log_prob(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
        levels = np.quantile(log_prob, [1 - share for share in shares])
        return self.ax_.contour(
            x, y, height, np.unique(levels), colors=TOTAL, linestyles="solid", linewidths=0.8, zorder=3
        )

    def _plot_marginals(self) -> tuple[Any, Any]:
        formatter = self.ax_.yaxis.get_major_formatter()
        formatter.set_locs(self.ax_.get_yticks())
        gap = 0.1 if formatter.get_offset() else 0.03  # of the axis' power of ten, which stands above it
        top = self.ax_.inset_axes((0.0, 1.0 + gap, 1.0, 0.22), sharex=self.ax_)
        right = self.ax_.inset_axes((1.03, 0.0, 0.22, 1.0), sharey=self.ax_)
        for feature, axes in enumerate((top, right)):
            X = None if self.X is None else self.X[:, feature]
            _draw.densities(axes, self.mixture.marginal(feature), X, upright=feature == 1)
            axes.set_axis_off()
        return top, right
