"""How components moved while rows came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import clone

from streamgmm.estimators.follow import Trail, follow
from streamgmm.statistics import Array

from . import _draw
from ._colors import ROWS, look
from ._inputs import COLUMN, axes_for, features_of, names_of, panels

if TYPE_CHECKING:
    from streamgmm.diagnostics import Run

PARAMETERS = ("weights", "means", "deviations")


class _Panel(NamedTuple):
    title: str
    values: Array  # (n_snapshots, n_components)


class ComponentTraceDisplay:
    """Weights, means and standard deviations of all components against the rows seen.

    Create it by `from_estimator` or `from_trail`.

    Parameters
    ----------
    rows : ndarray of shape (n_snapshots,)
        Rows seen at each snapshot.
    weights : ndarray of shape (n_snapshots, n_components)
        NaN where a snapshot does not have the component.
    means, deviations : ndarray of shape (n_snapshots, n_components, n_features)
    feature_names : sequence of str, optional

    Attributes
    ----------
    ax_ : matplotlib Axes, or ndarray of them
        One for each panel, from the top.
    figure_ : matplotlib Figure
    lines_ : list of list of matplotlib Line2D
        ``lines_[panel][k]`` is component k's.

    Examples
    --------
    >>> from streamgmm import OnlineGaussianMixture, datasets
    >>> from streamgmm.plots import ComponentTraceDisplay
    >>> X, _, truth = datasets.make_mixture(5000, random_state=0)
    >>> display = ComponentTraceDisplay.from_estimator(OnlineGaussianMixture(3, random_state=0), X)
    >>> [axes.get_ylabel() for axes in display.ax_]
    ['weight', 'mean of x0', 'mean of x1', 'sd of x0', 'sd of x1']
    """

    def __init__(
        self,
        rows: Array,
        weights: Array,
        means: Array,
        deviations: Array,
        *,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.rows = np.asarray(rows)
        self.weights = np.asarray(weights)
        self.means = np.asarray(means)
        self.deviations = np.asarray(deviations)
        self.feature_names = names_of(feature_names, None, None, self.means.shape[2])

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        sample_weight: Any = None,
        feature_names: Iterable[str] | None = None,
        ax: Any = None,
        **kw: Any,
    ) -> ComponentTraceDisplay:
        """Let a clone of an estimator learn rows from the start, and draw how its components moved.

        Parameters
        ----------
        estimator : OnlineGaussianMixture
            It is not changed.
        X : array-like of shape (n_samples, n_features)
        sample_weight : array-like of shape (n_samples,), optional
        feature_names : iterable of str, optional
        ax : matplotlib Axes, optional
        **kw
            Of `plot`: ``parameters``, ``features``, ``components``.

        Returns
        -------
        ComponentTraceDisplay

        Raises
        ------
        ValueError
            If the rows cannot be learned, or the estimator does not learn from streams.
        """
        trail = follow(clone(estimator), X, sample_weight)
        if not trail.mixtures:
            raise ValueError("`X` must hold at least as many distinct rows as there are components")
        names = names_of(feature_names, None, X, trail.mixtures[0].n_features)
        return cls.from_trail(trail, feature_names=names, ax=ax, **kw)

    @classmethod
    def from_trail(
        cls, trail: Trail | Run, *, feature_names: Iterable[str] | None = None, ax: Any = None, **kw: Any
    ) -> ComponentTraceDisplay:
        """Draw what `estimators.follow` or `diagnostics.trace` kept.

        Parameters
        ----------
        trail : Trail or Run
        feature_names : iterable of str, optional
        ax : matplotlib Axes, optional
        **kw
            Of `plot`: ``parameters``, ``features``, ``components``.

        Returns
        -------
        ComponentTraceDisplay
        """
        if not trail.mixtures:
            raise ValueError("`trail` must hold a snapshot, got none: too few rows were learned")
        kept = trail if isinstance(trail, Trail) else Trail(trail.rows, trail.mixtures)
        names = names_of(feature_names, None, None, trail.mixtures[0].n_features)
        display = cls(
            trail.rows,
            kept.at_places(lambda mixture: mixture.weights),
            kept.at_places(lambda mixture: mixture.means),
            kept.at_places(lambda mixture: mixture.standard_deviations),
            feature_names=names,
        )
        return display.plot(ax, **kw)

    def plot(
        self,
        ax: Any = None,
        *,
        parameters: str | Sequence[str] = PARAMETERS,
        features: Any = None,
        components: Sequence[int] | None = None,
    ) -> ComponentTraceDisplay:
        """Draw, with rows seen on a logarithmic axis where they grow more than fiftyfold.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            For one panel the axes; for more, their place is divided.
        parameters : {"weights", "means", "deviations"} or several of them
            By default all three.
        features : int or str, or a sequence of them, optional
            By default the first two.
        components : sequence of int, optional
            Drawn in color and numbered from 0, in this order; the others thin and gray. By default all.

        Returns
        -------
        ComponentTraceDisplay

        Raises
        ------
        ValueError
            If there is no such parameter, feature or component.
        """
        drawn = self._panels(parameters, features)
        if len(drawn) == 1:
            self.ax_ = axes_for(ax)
            self.figure_ = self.ax_.figure
            all_axes = [self.ax_]
        else:
            size = (COLUMN[0], 0.8 + 1.2 * len(drawn))
            self.figure_, grid = panels(ax, len(drawn), 1, size)
            all_axes = [self.figure_.add_subplot(grid[0, 0])]
            all_axes += [self.figure_.add_subplot(g, sharex=all_axes[0]) for g in list(grid)[1:]]
            self.ax_ = np.array(all_axes, dtype=object)
            self.figure_.align_ylabels(all_axes)
        order = self._order(components)
        self.lines_ = [self._draw(axes, panel, order) for axes, panel in zip(all_axes, drawn, strict=True)]
        for axes in all_axes[:-1]:
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
        return self

    def _panels(self, parameters: str | Sequence[str], features: Any) -> list[_Panel]:
        wanted = [parameters] if isinstance(parameters, str) else list(parameters)
        if not wanted or not set(wanted) <= set(PARAMETERS):
            raise ValueError(f"`parameters` must be among {', '.join(PARAMETERS)}, got {parameters!r}")
        names = self.feature_names
        chosen = features_of(features, names, range(min(2, len(names))))
        found = []
        for parameter in wanted:
            if parameter == "weights":
                found.append(_Panel("weight", self.weights))
                continue
            word = "mean" if parameter == "means" else "sd"
            values = getattr(self, parameter)
            found += [_Panel(f"{word} of {_draw.clipped(names[a], 12)}", values[:, :, a]) for a in chosen]
        return found

    def _order(self, components: Sequence[int] | None) -> dict[int, int]:
        """Return which color each component in color has."""
        n_components = self.weights.shape[1]
        chosen = list(range(n_components) if components is None else components)
        whole = all(isinstance(k, int | np.integer) and not isinstance(k, bool) for k in chosen)
        if not whole or not all(0 <= k < n_components for k in chosen) or len(set(chosen)) < len(chosen):
            raise ValueError(
                f"`components` must be distinct and lie between 0 and {n_components - 1}, got {chosen}"
            )
        return {int(k): index for index, k in enumerate(chosen)}

    def _draw(self, axes: Any, panel: _Panel, order: dict[int, int]) -> list[Any]:
        lines = []
        for k in range(panel.values.shape[1]):
            style: dict[str, Any] = {"color": ROWS, "linewidth": 0.6, "alpha": 0.6, "zorder": 1}
            if k in order:
                color, dash = look(order[k])
                style = {"color": color, "linestyle": dash, "linewidth": 1.6, "zorder": 2}
            lines += axes.plot(self.rows, panel.values[:, k], **style)
            if k in order:
                last = np.flatnonzero(np.isfinite(panel.values[:, k]))[-1:]
                for i in last:
                    _draw.label(axes, self.rows[i], panel.values[i, k], order[k]).set_fontsize(8)
        _draw.rows_seen(axes, self.rows)
        _draw.name_axes(axes, y=panel.title)
        if panel.title == "weight":
            axes.set_ylim(0, None)
        return lines
