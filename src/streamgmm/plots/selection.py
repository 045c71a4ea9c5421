"""Which number of components, and which covariances, a criterion prefers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamgmm import covariance
from streamgmm.estimators import GaussianMixture
from streamgmm.estimators.select import Selection, select

from ._colors import look
from ._inputs import axes_for

_MARKERS = ("o", "s", "^", "D")
_LABELS = {"bic": "BIC", "aic": "AIC", "icl": "ICL", "held-out": "held-out log-likelihood (nats a row)"}


class SelectionDisplay:
    """A criterion against the number of components, a curve for each covariance type.

    Create it by `from_estimator` or `from_selection`.

    Parameters
    ----------
    selection : Selection
        From `select`.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : dict of str to matplotlib Line2D
        By covariance type.
    best_ : matplotlib Line2D
        The ring around the winner.

    Examples
    --------
    >>> from streamgmm import GaussianMixture, datasets
    >>> from streamgmm.plots import SelectionDisplay
    >>> estimator = GaussianMixture(n_init=3, tol=1e-6, random_state=0)
    >>> X = datasets.load_faithful().data
    >>> display = SelectionDisplay.from_estimator(estimator, X, n_components=range(1, 5))
    >>> list(display.lines_), [int(x) for x in display.best_.get_xdata()]
    (['full', 'tied', 'diag', 'spherical'], [3])
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_components: Iterable[int] = range(1, 11),
        covariance_types: Iterable[str] = covariance.names(),
        criterion: str = "bic",
        sample_weight: Any = None,
        ax: Any = None,
    ) -> SelectionDisplay:
        """Fit mixtures of different size and covariance, and draw how a criterion ranks them.

        Parameters
        ----------
        estimator : GaussianMixture
            Its parameters, such as ``n_init`` and ``prior``, serve all fits, but for the two that are varied.
        X : array-like of shape (n_samples, n_features), path, or batches
        n_components : iterable of int, default=range(1, 11)
        covariance_types : iterable of str, default=("full", "tied", "diag", "spherical")
        criterion : {"bic", "aic", "icl", "held-out"}, default="bic"
        sample_weight : array-like of shape (n_samples,), optional
        ax : matplotlib Axes, optional

        Returns
        -------
        SelectionDisplay

        Raises
        ------
        ValueError
            As `select`.
        """
        if not isinstance(estimator, GaussianMixture):
            raise ValueError(f"`estimator` must be streamgmm's GaussianMixture, got {estimator!r}")
        params = estimator.get_params()
        for varied in ("n_components", "covariance_type"):
            params.pop(varied)
        found = select(
            X,
            n_components,
            covariance_types=covariance_types,
            criterion=criterion,
            sample_weight=sample_weight,
            **params,
        )
        return cls.from_selection(found, ax=ax)

    @classmethod
    def from_selection(cls, selection: Selection, *, ax: Any = None) -> SelectionDisplay:
        """Draw what `select` found.

        Parameters
        ----------
        selection : Selection
        ax : matplotlib Axes, optional

        Returns
        -------
        SelectionDisplay
        """
        return cls(selection).plot(ax)

    def plot(self, ax: Any = None) -> SelectionDisplay:
        """Draw; the winner has a ring.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        SelectionDisplay
        """
        from matplotlib.ticker import MaxNLocator

        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.lines_: dict[str, Any] = {}
        tried = {row.covariance_type for row in self.selection.table}
        for index, kind in enumerate(covariance.names()):
            if kind not in tried:
                continue
            curve = sorted(
                (r.n_components, r.value) for r in self.selection.table if r.covariance_type == kind
            )
            (self.lines_[kind],) = self.ax_.plot(
                *zip(*curve, strict=True),
                color=look(index).color,
                marker=_MARKERS[index],
                markersize=4,
                linewidth=1.3,
                label=kind,
            )
        best = self.selection.table[0]
        (self.best_,) = self.ax_.plot(
            best.n_components, best.value, "o", markersize=11, fillstyle="none", color="black", zorder=3
        )
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.ax_.set(xlabel="components", ylabel=_LABELS[self.selection.criterion])
        self.ax_.legend(title="covariances")
        return self
