"""Covariances with a lower triangular factor."""

from . import m_step, steps  # they register the family's compiled functions
from .density import TriangularForm
from .full import Full
from .tied import Tied

__all__ = ["Full", "Tied", "TriangularForm", "m_step", "steps"]
