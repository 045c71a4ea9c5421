"""Covariances with a lower triangular factor."""

from .full import Full
from .tied import Tied

__all__ = ["Full", "Tied"]
