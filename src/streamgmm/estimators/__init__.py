"""Estimators: the only classes whose state changes."""

from __future__ import annotations

from .online import OnlineGaussianMixture

__all__ = ["OnlineGaussianMixture"]
