"""Estimators: the only classes whose state changes."""

from __future__ import annotations

from .batch import GaussianMixture
from .online import OnlineGaussianMixture

__all__ = ["GaussianMixture", "OnlineGaussianMixture"]
