"""Covariances of features that are independent within a component."""

from .diag import Diag
from .spherical import Spherical

__all__ = ["Diag", "Spherical"]
