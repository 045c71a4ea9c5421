"""Stochastic gradient ascent: `rule` is what users see, the other files its compiled step."""

from .rule import GradientAscent

__all__ = ["GradientAscent"]
