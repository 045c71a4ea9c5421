"""Diagnostics: whether a gradient is right, a mixture sound, and why a run does not converge."""

from __future__ import annotations

from .conditions import condition_numbers, marchenko_pastur_condition
from .discrete import discrete
from .finding import Finding
from .findings import explain
from .gradients import check_gradient
from .optimality import Optimality, optimality
from .progress import explain_run
from .runs import Run, trace

__all__ = [
    "Finding",
    "Optimality",
    "Run",
    "check_gradient",
    "condition_numbers",
    "discrete",
    "explain",
    "explain_run",
    "marchenko_pastur_condition",
    "optimality",
    "trace",
]
