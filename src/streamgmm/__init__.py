"""Gaussian mixtures that learn from a stream: one row, one mini-batch or one disk at a time."""

from __future__ import annotations

from . import parameterizations, rules
from .mixture import Mixture
from .statistics import Statistics
from .sweep import e_step

__version__ = "0.1.0"

__all__ = ["Mixture", "Statistics", "e_step", "parameterizations", "rules"]
