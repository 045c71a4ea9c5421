"""What displays take: models, rows, names and axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from numbers import Integral
from typing import Any, NamedTuple

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
    """Return what is to be drawn of an estimator and rows: by default the first ``most`` features.

    Raises
    ------
    TypeError
        If the estimator has no mixture.
    ValueError
        If the rows, the features or their names do not fit the mixture.
    """
    mixture = mixture_of(estimator, "estimator")
    names = names_of(feature_names, estimator, X, mixture.n_features)
    chosen = features_of(features, names, range(min(most, mixture.n_features)))
    require_columns(estimator, X)
    rows = None if X is None else rows_of(X, mixture.n_features, max_rows)
    return Subject(mixture, rows, chosen, [names[a] for a in chosen])


def require_columns(estimator: Any, X: Any) -> None:
    """Raise ValueError if a frame's columns are not those that an estimator was fitted to, in their order."""
    if hasattr(estimator, "feature_names_in_") and hasattr(X, "columns"):
        check_feature_names(estimator, X, reset=False)


def rows_of(X: Any, n_features: int, max_rows: int) -> Array:
    """Return rows as float64, or ``max_rows`` of them at random if there are more, in their order.

    Raises
    ------
    ValueError
        If there are none, they are not numbers, not finite, or have another number of features.
    """
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
    """Return the features' names: those given, or the estimator's, or the frame's, or x0, x1, ...

    Raises
    ------
    ValueError
        If another number of names is given.
    """
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
    """Return feature numbers for numbers or names.

    Raises
    ------
    ValueError
        If there is no such feature, or one is repeated.
    """
    if features is None:
        return list(default)
    wanted = [features] if isinstance(features, str) or not np.iterable(features) else list(features)
    for name in wanted:
        if isinstance(name, str) and name not in names:
            raise ValueError(f"`features` must be among {', '.join(names)}, got {name!r}")
    return checked_features([names.index(f) if isinstance(f, str) else f for f in wanted], len(names))


def checked_coverage(coverage: Any) -> tuple[float, ...]:
    """Return one or several shares in descending order.

    Raises
    ------
    ValueError
        If one is not between 0 and 1.
    """
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
    """Return a figure and a grid for panels: of a new figure, or in the place of axes, which are hidden.

    Raises
    ------
    ValueError
        If the axes are not part of a grid, as those of ``plt.subplots`` are.
    """
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
