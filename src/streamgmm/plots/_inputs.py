"""What displays take: models, rows, names and axes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np

from streamgmm._compat.sklearn import check_feature_names
from streamgmm.algebra import checked_features
from streamgmm.mixture import Mixture, mixture_of
from streamgmm.statistics import Array
from streamgmm.sweep import as_rows, require_finite

MAX_ROWS = 2000
COLUMN = (4.5, 3.6)  # inches: what a column of a journal holds with letters of 8 to 10 points


class Subject(NamedTuple):
    """What is to be drawn.

    Attributes
    ----------
    mixture : Mixture
        Of all features.
    rows : ndarray of shape (n_samples, n_features) or None
        With all features.
    features : list of int
        Those to draw.
    names : list of str
        Of those to draw.
    """

    mixture: Mixture
    rows: Array | None
    features: list[int]
    names: list[str]


def subject(
    estimator: Any, X: Any, features: Any, feature_names: Iterable[str] | None, max_rows: int, most: int
) -> Subject:
    """Return what is to be drawn of an estimator and rows: by default the first ``most`` features."""
    mixture = mixture_of(estimator, "estimator")
    names = names_of(feature_names, estimator, X, mixture.n_features)
    chosen = features_of(features, names, range(min(most, mixture.n_features)))
    if most == 2 and len(chosen) > 2:
        raise ValueError(f"`features` must be one or two features, got {len(chosen)}")
    require_columns(estimator, X)
    rows = None if X is None else rows_of(X, mixture.n_features, max_rows)
    return Subject(mixture, rows, chosen, [names[a] for a in chosen])


def require_columns(estimator: Any, X: Any) -> None:
    """Raise ValueError if a frame's columns are not those that an estimator was fitted to, in their order."""
    if hasattr(estimator, "feature_names_in_") and hasattr(X, "columns"):
        check_feature_names(estimator, X, reset=False)


def rows_of(X: Any, n_features: int, max_rows: int) -> Array:
    """Return rows as float64, or ``max_rows`` of them at random if there are more, in their order."""
    if not isinstance(max_rows, Integral) or isinstance(max_rows, bool) or max_rows < 1:
        raise ValueError(f"`max_rows` must be a positive integer, got {max_rows!r}")
    X = as_rows(X, n_features)
    if not len(X):
        raise ValueError("`X` must hold at least one row, got none")
    require_finite(X)
    if len(X) > max_rows:
        X = X[np.sort(np.random.default_rng(0).choice(len(X), max_rows, replace=False))]
    return np.asarray(X, dtype=np.float64)


def names_of(given: Iterable[str] | None, estimator: Any, X: Any, n_features: int) -> list[str]:
    """Return the features' names: those given, or the estimator's, or the frame's, or x0, x1, ..."""
    if given is not None:
        names = [str(name) for name in given]
        if len(names) != n_features:
            raise ValueError(f"`feature_names` must hold {n_features} names, got {names}")
        return names
    for source in (getattr(estimator, "feature_names_in_", None), getattr(X, "columns", None)):
        if source is not None and len(source) == n_features:
            return [str(name) for name in source]
    return [f"x{index}" for index in range(n_features)]


def features_of(features: Any, names: Sequence[str], default: Sequence[int]) -> list[int]:
    """Return feature numbers for numbers or names."""
    if features is None:
        return list(default)
    wanted = [features] if isinstance(features, str) or not np.iterable(features) else list(features)
    for name in wanted:
        if isinstance(name, str) and name not in names:
            raise ValueError(f"`features` must be among {', '.join(names)}, got {name!r}")
    return checked_features([names.index(f) if isinstance(f, str) else f for f in wanted], len(names))


def checked_coverage(coverage: Any) -> tuple[float, ...]:
    """Return one or several shares in descending order."""
    shares = np.atleast_1d(np.asarray(coverage))
    if (
        shares.dtype.kind not in "fi"
        or shares.ndim != 1
        or not len(shares)
        or not ((shares > 0) & (shares < 1)).all()
    ):
        raise ValueError(f"`coverage` must lie between 0 and 1, exclusive, got {coverage!r}")
    return tuple(sorted((float(share) for share in shares), reverse=True))


def require_matplotlib(what: str = "plots") -> None:
    """Raise ImportError with advice if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError(f"{what} need matplotlib: pip install 'streamgmm[plot]'")


def axes_for(ax: Any, figsize: tuple[float, float] = COLUMN) -> Any:
    """Return the axes given, or those of a new figure."""
    require_matplotlib()
    if ax is not None:
        return _checked_axes(ax)
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize, layout="constrained")[1]


def panels(ax: Any, n_rows: int, n_columns: int, figsize: tuple[float, float]) -> tuple[Any, Any]:
    """Return a figure and a grid for panels: of a new figure, or in the place of axes, which are hidden."""
    require_matplotlib()
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=figsize, layout="constrained")
        return figure, figure.add_gridspec(n_rows, n_columns)
    place = _checked_axes(ax).get_subplotspec()
    if place is None:
        raise ValueError("`ax` must come from subplots, to be divided into panels; got axes placed by hand")
    ax.set_axis_off()
    return ax.figure, place.subgridspec(n_rows, n_columns)


def _checked_axes(ax: Any) -> Any:
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes) or ax.name != "rectilinear":
        raise ValueError(f"`ax` must be matplotlib Axes of a plane, got {type(ax).__name__}")
    return ax


class ComponentsDisplay:
    """What displays of components share: a mixture, and rows behind it."""

    most: int  # features that are drawn by default

    def __init__(
        self, mixture: Mixture, X: Array | None = None, *, feature_names: Sequence[str] | None = None
    ) -> None:
        self.require(mixture.n_features)
        self.mixture = mixture
        self.X = None if X is None else rows_of(X, mixture.n_features, len(X))
        self.feature_names = names_of(feature_names, None, None, mixture.n_features)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        features: Any = None,
        feature_names: Iterable[str] | None = None,
        max_rows: int = MAX_ROWS,
        ax: Any = None,
        **kw: Any,
    ) -> Self:
        """Draw a fitted estimator's mixture, with rows behind it.

        Parameters
        ----------
        estimator : GaussianMixture, OnlineGaussianMixture, Mixture, or scikit-learn's GaussianMixture
        X : array-like of shape (n_samples, n_features), optional
        features : int or str, or a sequence of them, optional
            Which features to draw, by number or name; by default the first two, or the first eight in pairs.
        feature_names : iterable of str, optional
            Of all features; by default the estimator's or the frame's, or x0, x1, ...
        max_rows : int, default=2000
            Of more rows a random sample is drawn.
        ax : matplotlib Axes, optional
            Where to draw; panels take their place.
        **kw
            Of `plot`.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If the rows, the features or their names do not fit the mixture.
        """
        mixture, rows, chosen, names = subject(estimator, X, features, feature_names, max_rows, cls.most)
        rows = None if rows is None else rows[:, chosen]
        return cls(mixture.marginal(chosen), rows, feature_names=names).plot(ax, **kw)

    @staticmethod
    @abstractmethod
    def require(n_features: int) -> None:
        """Raise ValueError if so many features cannot be drawn."""

    @abstractmethod
    def plot(self, ax: Any = None) -> Self:
        """Draw."""
