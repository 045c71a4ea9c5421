"""A mixture of many features, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _draw
from ._density import reach
from ._inputs import ComponentsDisplay, checked_coverage, panels

_PANEL = 1.7  # inches
_LETTERS = 18  # of a name below a panel


class PairDisplay(ComponentsDisplay):
    """Each feature alone on the diagonal, each pair of features below it.

    Create it by `from_estimator`.

    Parameters
    ----------
    mixture : Mixture
        Of two features or more.
    X : ndarray of shape (n_samples, n_features), optional
        Rows to draw.
    feature_names : sequence of str, optional

    Attributes
    ----------
    axes_ : ndarray of shape (n_features, n_features)
        matplotlib Axes; None above the diagonal.
    ax_ : ndarray
        The same.
    figure_ : matplotlib Figure
    ellipses_ : dict
        ``ellipses_[i, j][k]`` are component k's in the panel of row i and column j, the largest first.

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.plots import PairDisplay
    >>> X = datasets.load_vowels().data[:, 2:]
    >>> model = GaussianMixture(3, random_state=0).fit(X)
    >>> display = PairDisplay.from_estimator(model, X, feature_names=["F1", "F2", "F3"])
    >>> display.axes_.shape, display.axes_[2, 0].get_xlabel(), display.axes_[2, 0].get_ylabel()
    ((3, 3), 'F1', 'F3')
    """

    most = 8

    @staticmethod
    def require(n_features: int) -> None:  # noqa: D102
        if n_features < 2:
            raise ValueError("`mixture` must have 2 features or more, got 1: draw a MixtureDisplay")

    def plot(self, ax: Any = None, *, coverage: float | Sequence[float] = (0.5, 0.95)) -> PairDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Whose place the panels take.
        coverage : float or sequence of float, default=(0.5, 0.95)
            The shares of each component's rows inside its ellipses.

        Returns
        -------
        PairDisplay
        """
        shares = checked_coverage(coverage)
        size = self.mixture.n_features
        self.figure_, grid = panels(ax, size, size, (_PANEL * size, _PANEL * size))
        self.axes_ = self.ax_ = np.full((size, size), None, dtype=object)
        self.ellipses_: dict[tuple[int, int], list[list[Any]]] = {}
        for i in range(size):
            for j in range(i + 1):
                above = self.axes_[i - 1, j] if i > j else None
                beside = self.axes_[i, j - 1] if 0 < j < i else None
                axes = self.figure_.add_subplot(grid[i, j], sharex=above, sharey=beside)
                self.axes_[i, j] = axes
                self._panel(axes, i, j, shares)
                axes.tick_params(labelbottom=i == size - 1, labelleft=j == 0 and i > 0, labelsize=8)
        for index, name in enumerate(self.feature_names):
            _draw.name_axes(self.axes_[-1, index], x=_draw.clipped(name, _LETTERS))
            if index:
                _draw.name_axes(self.axes_[index, 0], y=_draw.clipped(name, _LETTERS))
        self.figure_.align_ylabels(self.axes_[1:, 0])
        return self

    def _panel(self, axes: Any, i: int, j: int, shares: Sequence[float]) -> None:
        if i == j:
            _draw.densities(axes, self.mixture.marginal(i), None if self.X is None else self.X[:, i])
            axes.set_yticks([])
            return
        pair = self.mixture.marginal([j, i])
        if self.X is not None:
            _draw.rows(axes, self.X[:, [j, i]])
        self.ellipses_[i, j] = _draw.component_ellipses(axes, pair, shares)
        for k, (x, y) in enumerate(pair.means):
            _draw.label(axes, x, y, k).set_fontsize(8)
        axes.set_ylim(reach(None if self.X is None else self.X[:, i], self.mixture.marginal(i)))
