"""Parameterizations: what the entries of theta mean. A new one is one file and one line here."""

from __future__ import annotations

from ._base import Parameterization
from .cholesky import Cholesky

_PARAMETERIZATIONS: dict[str, Parameterization] = {item.name: item for item in (Cholesky(),)}

__all__ = ["Parameterization", "get", "names"]


def names() -> tuple[str, ...]:
    """Return the names of the parameterizations.

    Examples
    --------
    >>> from streamgmm import parameterizations
    >>> parameterizations.names()
    ('cholesky',)
    """
    return tuple(_PARAMETERIZATIONS)


def get(name: str) -> Parameterization:
    """Return the parameterization of this name.

    Raises
    ------
    ValueError
        If there is no such parameterization.
    """
    if name not in _PARAMETERIZATIONS:
        known = ", ".join(map(repr, _PARAMETERIZATIONS))
        raise ValueError(f"`parameterization` must be one of {known}, got {name!r}")
    return _PARAMETERIZATIONS[name]
