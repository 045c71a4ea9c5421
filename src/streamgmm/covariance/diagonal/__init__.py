"""Covariances of features that are independent within a component."""

from . import steps  # they register the family's compiled functions
from .density import DiagonalForm
from .diag import Diag
from .spherical import Spherical

__all__ = ["Diag", "DiagonalForm", "Spherical", "steps"]
