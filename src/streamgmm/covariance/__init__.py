"""The four covariance types and what differs between them; a new type is one file and one line here."""

from __future__ import annotations

from ._base import CovarianceType
from .diag import Diag
from .full import Full
from .spherical import Spherical
from .tied import Tied

_TYPES: dict[str, CovarianceType] = {kind.name: kind for kind in (Full(), Tied(), Diag(), Spherical())}

__all__ = ["CovarianceType", "get", "names"]


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
