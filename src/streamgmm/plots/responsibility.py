"""To which component each row belongs, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streamgmm.statistics import Array

from . import _draw
from ._colors import look
from ._inputs import MAX_ROWS, axes_for, names_of, subject

_GRID = 400


class ResponsibilityDisplay:
    """Each row in the color of its component, blended where it belongs to several.

    Of one feature: the responsibility of each component along it. Create it by `from_estimator`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, 1 or 2)
        The features to draw.
    responsibilities : ndarray of shape (n_samples, n_components)
    feature_names : sequence of str, optional

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    rows_ : matplotlib PathCollection or None
        The rows of two features.
    lines_ : list of matplotlib Line2D
        Of one feature: one for each component.
    labels_ : list of matplotlib Text
        The components' numbers: where their rows are, or where they are surest.

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.plots import ResponsibilityDisplay
    >>> X = datasets.load_faithful().data
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = ResponsibilityDisplay.from_estimator(model, X)
    >>> display.rows_.get_facecolors().shape
    (272, 4)
    """

    def __init__(
        self, X: Array, responsibilities: Array, *, feature_names: Sequence[str] | None = None
    ) -> None:
        X, responsibilities = np.asarray(X), np.asarray(responsibilities)
        if X.ndim != 2 or X.shape[1] > 2 or len(X) != len(responsibilities):
            raise ValueError(
                f"`X` must have shape ({len(responsibilities)}, 1 or 2), as many rows as `responsibilities`, "
                f"got {X.shape}"
            )
        self.X = X
        self.responsibilities = responsibilities
        self.feature_names = names_of(feature_names, None, None, X.shape[1])

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        features: Any = None,
        feature_names: Iterable[str] | None = None,
        max_rows: int = MAX_ROWS,
        ax: Any = None,
    ) -> ResponsibilityDisplay:
        """Draw the responsibilities of rows under a fitted estimator's mixture.

        Parameters
        ----------
        estimator : GaussianMixture, OnlineGaussianMixture, Mixture, or scikit-learn's GaussianMixture
        X : array-like of shape (n_samples, n_features)
        features : int or str, or one or two of them, optional
            Which features to draw; by default the first two. Two: the responsibilities are those of whole
            rows. One: those of the mixture's marginal, on a fine grid between the extremes of the rows drawn.
        feature_names : iterable of str, optional
            Of all features; by default the estimator's or the frame's, or x0, x1, ...
        max_rows : int, default=2000
            Of more rows a random sample is drawn.
        ax : matplotlib Axes, optional

        Returns
        -------
        ResponsibilityDisplay

        Raises
        ------
        ValueError
            If the rows, the features or their names do not fit the mixture.
        """
        mixture, rows, chosen, names = subject(estimator, X, features, feature_names, max_rows, 2)
        if rows is None:
            raise ValueError("`X` must hold rows, got None")
        if len(chosen) == 1:
            low, high = rows[:, chosen[0]].min(), rows[:, chosen[0]].max()
            drawn = np.linspace(low, high, _GRID)[:, np.newaxis]
            resp = mixture.marginal(chosen).responsibilities(drawn)
        else:
            drawn, resp = rows[:, chosen], mixture.responsibilities(rows)
        return cls(drawn, resp, feature_names=names).plot(ax)

    def plot(self, ax: Any = None) -> ResponsibilityDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        ResponsibilityDisplay
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.rows_ = None
        self.lines_: list[Any] = []
        self.labels_: list[Any] = []
        if self.X.shape[1] == 1:
            self._plot_line()
        else:
            self._plot_plane()
        return self

    def _plot_line(self) -> None:
        order = np.argsort(self.X[:, 0], kind="stable")
        x, resp = self.X[order, 0], self.responsibilities[order]
        for k in range(resp.shape[1]):
            color, dash = look(k)
            self.lines_ += self.ax_.plot(x, resp[:, k], color=color, linestyle=dash, linewidth=1.6)
            surest = np.flatnonzero(resp[:, k] >= 0.999 * resp[:, k].max())
            at = surest[len(surest) // 2]
            self.labels_.append(_draw.label(self.ax_, x[at], resp[at, k], k))
        self.ax_.set_ylim(-0.05, 1.08)
        _draw.name_axes(self.ax_, self.feature_names[0], "responsibility")

    def _plot_plane(self) -> None:
        from matplotlib.colors import to_rgb

        palette = np.array([to_rgb(look(k).color) for k in range(self.responsibilities.shape[1])])
        colors = np.clip(self.responsibilities @ palette, 0, 1)
        self.rows_ = self.ax_.scatter(self.X[:, 0], self.X[:, 1], s=12, c=colors, alpha=0.8, linewidths=0)
        weight = self.responsibilities.sum(axis=0)
        for k in np.flatnonzero(weight > 0):
            x, y = self.responsibilities[:, k] @ self.X / weight[k]
            self.labels_.append(_draw.label(self.ax_, x, y, int(k)))
        _draw.name_axes(self.ax_, *self.feature_names)
