"""How well each row was predicted before it was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from streamgmm.diagnostics import Run
from streamgmm.statistics import Array

from . import _draw
from ._colors import look
from ._inputs import axes_for

_BLOCKS = 100


class Curve(NamedTuple):
    """The log-likelihood of successive mini-batches.

    Attributes
    ----------
    rows : ndarray of shape (n_batches,)
        Rows seen after each.
    log_likelihood : ndarray of shape (n_batches,)
        Mean of its rows, before they were learned, in nats a row.
    """

    rows: Array
    log_likelihood: Array


class LikelihoodDisplay:
    """Prequential log-likelihood: each mini-batch scored before it was learned, of one learner or several.

    Create it by `from_estimator` or `from_estimators`.

    Parameters
    ----------
    curves : mapping of str to Curve

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : dict of str to matplotlib Line2D
        Means of up to 100 blocks of mini-batches.
    raw_lines_ : dict of str to matplotlib Line2D
        Each mini-batch, pale.

    Examples
    --------
    >>> from streamgmm import OnlineGaussianMixture, datasets
    >>> from streamgmm.plots import LikelihoodDisplay
    >>> X, _, _ = datasets.make_mixture(20_000, random_state=0)
    >>> names = ["online-em", "gradient"]
    >>> learners = {name: OnlineGaussianMixture(3, rule=name, random_state=0) for name in names}
    >>> display = LikelihoodDisplay.from_estimators(learners, X)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['online-em', 'gradient']
    """

    def __init__(self, curves: Mapping[str, Curve]) -> None:
        if not curves:
            raise ValueError("`curves` must hold at least one learner's, got none")
        hidden = [name for name in curves if str(name).startswith("_")]
        if hidden:
            raise ValueError(f"names must not begin with '_', which legends leave out, got {hidden}")
        self.curves = dict(curves)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, *, name: str | None = None, ax: Any = None, **kw: Any
    ) -> LikelihoodDisplay:
        """Draw one learner's curve, beside those that the axes already hold.

        Parameters
        ----------
        estimator : OnlineGaussianMixture or Run
        X : array-like of shape (n_samples, n_features), optional
            Rows that a clone of the estimator learns from the start; without them its own ``history_`` is
            drawn.
        name : str, optional
            For the legend; by default the rule's name.
        ax : matplotlib Axes, optional
        **kw
            Of `plot`: ``raw``.

        Returns
        -------
        LikelihoodDisplay

        Raises
        ------
        ValueError
            If the estimator has no history, since it does not learn from streams or is still keeping its
            first rows.
        """
        rule = getattr(estimator, "rule", None)
        default = rule if isinstance(rule, str) else getattr(rule, "name", type(estimator).__name__)
        return cls.from_estimators({default if name is None else name: estimator}, X, ax=ax, **kw)

    @classmethod
    def from_estimators(
        cls, estimators: Mapping[str, Any], X: Any = None, *, ax: Any = None, **kw: Any
    ) -> LikelihoodDisplay:
        """Draw the curves of several learners.

        Parameters
        ----------
        estimators : mapping of str to OnlineGaussianMixture or Run
            By the name that the legend shows.
        X : array-like of shape (n_samples, n_features), optional
            Rows that a clone of each estimator learns from the start; without them their own ``history_`` is
            drawn.
        ax : matplotlib Axes, optional
        **kw
            Of `plot`: ``raw``.

        Returns
        -------
        LikelihoodDisplay

        Raises
        ------
        ValueError
            If an estimator has no history.
        """
        return cls({name: _curve(name, one, X) for name, one in estimators.items()}).plot(ax, **kw)

    def plot(self, ax: Any = None, *, raw: bool = True) -> LikelihoodDisplay:
        """Draw, with rows seen on a logarithmic axis where they grow more than fiftyfold.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        raw : bool, default=True
            Whether to draw each mini-batch, pale, behind the means.

        Returns
        -------
        LikelihoodDisplay
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, Any] = {}
        self.raw_lines_: dict[str, Any] = {}
        before = sum(not str(line.get_label()).startswith("_") for line in self.ax_.lines)
        for index, (name, curve) in enumerate(self.curves.items(), start=before):
            color, dash = look(index)
            rows, means = _blocks(curve)
            if raw and len(rows) < len(curve.rows):
                (self.raw_lines_[name],) = self.ax_.plot(
                    *curve, color=color, alpha=0.15, linewidth=0.6, zorder=1
                )
            (self.lines_[name],) = self.ax_.plot(
                rows, means, color=color, linestyle=dash, linewidth=1.6, label=name, zorder=2
            )
        _draw.rows_seen(self.ax_, np.concatenate([curve.rows for curve in self.curves.values()]))
        self.ax_.set_ylabel("log-likelihood (nats a row)")
        if len(self.ax_.get_legend_handles_labels()[0]) > 1:
            for text in self.ax_.legend().get_texts():
                text.set_parse_math(False)
        return self


def _curve(name: str, source: Any, X: Any) -> Curve:
    if isinstance(source, Run):
        with np.errstate(divide="ignore", invalid="ignore"):
            per_row = source.log_likelihood / source.weight
        return _known(name, source.rows[0] + np.cumsum(source.weight), per_row)
    if X is not None:
        source = clone(source)
        if not hasattr(source, "partial_fit"):
            raise ValueError(f"{name}: must learn from a stream (partial_fit), got {type(source).__name__}")
        source.partial_fit(X)
    if not hasattr(source, "history_"):
        raise ValueError(f"{name}: must be a fitted OnlineGaussianMixture or a Run, got {source!r}")
    return _known(name, source.history_rows_, source.history_)


def _known(name: str, rows: Array, per_row: Array) -> Curve:
    known = np.isfinite(per_row)
    if not known.any():
        raise ValueError(f"{name}: no mini-batch was learned online yet: all rows are kept for the start")
    return Curve(rows[known], per_row[known])


def _blocks(curve: Curve) -> Curve:
    """Return the means of blocks of mini-batches, weighted by their rows."""
    size = -(-len(curve.rows) // _BLOCKS)
    begins = np.arange(0, len(curve.rows), size)
    if len(begins) > 1 and 2 * (len(curve.rows) - begins[-1]) < size:
        begins = begins[:-1]  # a short last block would be a spike: a mean of few rows
    weight = np.diff(curve.rows, prepend=0.0) if len(curve.rows) > 1 else np.ones(1)
    weight[0] = weight[1:].mean() if len(weight) > 1 else 1.0  # the rows of the start were not scored
    means = np.add.reduceat(curve.log_likelihood * weight, begins) / np.add.reduceat(weight, begins)
    ends = np.append(begins[1:], len(curve.rows)) - 1
    return Curve(curve.rows[ends], means)
