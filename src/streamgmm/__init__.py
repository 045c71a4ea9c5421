"""Gaussian mixtures that learn from a stream: one row, one mini-batch or one disk at a time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import parameterizations, rules
from .mixture import Mixture
from .statistics import Statistics
from .sweep import e_step

if TYPE_CHECKING:
    from . import category_learning, datasets, diagnostics, plots
    from .estimators import GaussianMixture, OnlineGaussianMixture
    from .estimators.select import select
    from .persistence import load, save

__version__ = "0.1.0"

__all__ = [
    "GaussianMixture",
    "Mixture",
    "OnlineGaussianMixture",
    "Statistics",
    "category_learning",
    "datasets",
    "diagnostics",
    "e_step",
    "load",
    "parameterizations",
    "plots",
    "rules",
    "save",
    "select",
]

# Imported when first asked for, since scikit-learn takes longer to import than the rest together.
_LATER = {
    "GaussianMixture": "streamgmm.estimators",
    "OnlineGaussianMixture": "streamgmm.estimators",
    "load": "streamgmm.persistence",
    "save": "streamgmm.persistence",
    "select": "streamgmm.estimators",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    if name in ("category_learning", "datasets", "diagnostics", "plots"):
        return import_module(f"streamgmm.{name}")
    raise AttributeError(f"module 'streamgmm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
