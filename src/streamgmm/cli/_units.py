"""Units of the columns: rows are learned in standard deviations, and the mixture is put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgmm.mixture import Mixture


class Standardization(NamedTuple):
    """What is subtracted from each column, and what it is then divided by; both (n_features,)."""

    center: NDArray[Any]
    scale: NDArray[Any]


def standardization(rows: NDArray[Any], names: Sequence[str]) -> Standardization:
    """Return the columns' means and standard deviations; 1 for the deviation of a constant column.

    A column whose numbers are so large or so small that its standard deviation is lost is a ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> standardization(np.array([[1.0, 7.0], [5.0, 7.0]]), ["a", "b"])
    Standardization(center=array([3., 7.]), scale=array([2., 1.]))
    """
    import numpy as np

    rows = rows.astype(np.float64, copy=False)
    is_constant = rows.min(axis=0) == rows.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        center = np.where(is_constant, rows[0], rows.mean(axis=0))
        scale = np.where(is_constant, 1.0, rows.std(axis=0))
    bad = np.flatnonzero(~(np.isfinite(center) & np.isfinite(scale) & (scale > 0)))
    if len(bad):
        column = rows[:, bad[0]]
        raise ValueError(
            f"column {names[bad[0]]!r} cannot be standardized: its numbers, {column.min():.3g} to "
            f"{column.max():.3g}, have no standard deviation in float64; rescale it"
        )
    return Standardization(center, scale)


def unstandardize(mixture: Mixture, center: NDArray[Any], scale: NDArray[Any]) -> Mixture:
    """Return the mixture of center + scale * z, for z from a mixture: "diag" for "spherical".

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([1.0], [[0.0, 1.0]], [1.0], "spherical")
    >>> moved = unstandardize(mixture, np.array([5.0, 5.0]), np.array([1.0, 10.0]))
    >>> moved.means, moved.covariances
    (array([[ 5., 15.]]), array([[  1., 100.]]))
    """
    from streamgmm.mixture import Mixture

    means = center + scale * mixture.means
    covariance_type, factor = mixture.kind.rescale(mixture.factor, scale)
    return Mixture.from_factor(mixture.log_weights, means, factor, covariance_type)


def log_volume(units: Standardization) -> float:
    """Return by how much a log density falls when its rows are put back into their units."""
    import numpy as np

    return float(np.log(units.scale).sum())
