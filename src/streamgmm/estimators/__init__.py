"""Estimators: the only classes whose state changes."""

from __future__ import annotations

from .batch import GaussianMixture
from .follow import Trail, follow
from .online import OnlineGaussianMixture
from .select import Candidate, Selection, select

__all__ = ["Candidate", "GaussianMixture", "OnlineGaussianMixture", "Selection", "Trail", "follow", "select"]
