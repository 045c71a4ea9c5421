"""The covariance types and what differs between them: a folder for each family, a line here for each type."""

from __future__ import annotations

from ._base import Array, CovarianceType
from .diagonal import Diag, Spherical
from .triangular import Full, Tied

_TYPES: dict[str, CovarianceType] = {kind.name: kind for kind in (Full(), Tied(), Diag(), Spherical())}

__all__ = ["CovarianceType", "get", "names", "of_moments"]


def names() -> tuple[str, ...]:
    """Return the names of the covariance types.

    Examples
    --------
    >>> from streamgmm import covariance
    >>> covariance.names()
    ('full', 'tied', 'diag', 'spherical')
    """
    return tuple(_TYPES)


def get(name: str) -> CovarianceType:
    """Return the covariance type of this name.

    Raises
    ------
    ValueError
        If there is no such type.
    """
    if name not in _TYPES:
        raise ValueError(f"`covariance_type` must be one of {', '.join(map(repr, _TYPES))}, got {name!r}")
    return _TYPES[name]


def of_moments(s1: Array, s2: Array) -> CovarianceType:
    """Return a covariance type that sums second moments as these are: any of its family."""
    for kind in _TYPES.values():
        if s2.shape == kind.moments_shape(*s1.shape):
            return kind
    raise ValueError(f"`s2` must have the shape of some covariance type's moments, got {s2.shape}")
