"""Gaussian mixtures that learn from a stream: one row, one mini-batch or one disk at a time."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import category_learning, datasets, diagnostics, parameterizations, plots, rules
    from .estimators import GaussianMixture, OnlineGaussianMixture
    from .estimators.select import select
    from .mixture import Mixture
    from .persistence import load, save
    from .statistics import Statistics
    from .sweep import e_step

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

# Imported when first asked for: the command must answer for itself before NumPy, numba and scikit-learn load.
_LATER = {
    "GaussianMixture": "streamgmm.estimators",
    "Mixture": "streamgmm.mixture",
    "OnlineGaussianMixture": "streamgmm.estimators",
    "Statistics": "streamgmm.statistics",
    "e_step": "streamgmm.sweep",
    "load": "streamgmm.persistence",
    "save": "streamgmm.persistence",
    "select": "streamgmm.estimators",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    if name in __all__:
        return import_module(f"streamgmm.{name}")
    raise AttributeError(f"module 'streamgmm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
