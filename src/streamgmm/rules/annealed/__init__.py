"""Annealed gradient ascent: `rule` is what users see, `steps` its compiled step."""

from .rule import AnnealedSGD

__all__ = ["AnnealedSGD"]
