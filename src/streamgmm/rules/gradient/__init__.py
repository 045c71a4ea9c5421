"""Stochastic gradient ascent: `rule` is what users see, the other files its compiled step."""

from . import ascent  # it registers the step
from .rule import GradientAscent

__all__ = ["GradientAscent", "ascent"]
