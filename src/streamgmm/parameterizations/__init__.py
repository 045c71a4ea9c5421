"""Parameterizations: what the entries of theta mean. A new one is one file and one line here."""

from __future__ import annotations

from ._base import Parameterization
from .augmented import Augmented
from .cholesky import Cholesky
from .covariance import Covariance
from .log_covariance import LogCovariance
from .log_variance import LogVariance
from .natural import Natural
from .precision import Precision
from .precision_cholesky import PrecisionCholesky
from .standard_deviation import StandardDeviation

_PARAMETERIZATIONS: dict[str, Parameterization] = {
    item.name: item
    for item in (
        Cholesky(),
        Covariance(),
        Precision(),
        PrecisionCholesky(),
        LogCovariance(),
        LogVariance(),
        StandardDeviation(),
        Natural(),
        Augmented(),
    )
}

__all__ = ["Parameterization", "get", "names"]


def names() -> tuple[str, ...]:
    """Return the names of the parameterizations.

    Examples
    --------
    >>> from streamgmm import parameterizations
    >>> for name in parameterizations.names():
    ...     print(name, parameterizations.get(name).covariance_types)
    cholesky ('full', 'tied', 'diag', 'spherical')
    covariance ('full', 'tied', 'diag', 'spherical')
    precision ('full', 'tied', 'diag', 'spherical')
    precision-cholesky ('full', 'tied', 'diag', 'spherical')
    log-covariance ('full', 'tied')
    log-variance ('diag', 'spherical')
    standard-deviation ('full', 'tied', 'diag', 'spherical')
    natural ('full', 'tied', 'diag', 'spherical')
    augmented ('full', 'diag')
    """
    return tuple(_PARAMETERIZATIONS)


def get(name: str | Parameterization) -> Parameterization:
    """Return the parameterization of this name, or the parameterization itself.

    Raises
    ------
    ValueError
        If there is no such parameterization.
    """
    if isinstance(name, Parameterization):
        return name
    if not isinstance(name, str) or name not in _PARAMETERIZATIONS:
        known = ", ".join(map(repr, _PARAMETERIZATIONS))
        raise ValueError(f"`parameterization` must be one of {known}, got {name!r}")
    return _PARAMETERIZATIONS[name]
