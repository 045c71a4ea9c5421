"""Diagnostics: whether a gradient is right, a mixture sound, and why a run does not converge."""

from __future__ import annotations

from .conditions import condition_numbers, marchenko_pastur_condition
from .finding import Finding
from .findings import explain
from .gradients import check_gradient
from .progress import explain_run
from .runs import Run, trace

__all__ = [
    "Finding",
    "Run",
    "check_gradient",
    "condition_numbers",
    "explain",
    "explain_run",
    "marchenko_pastur_condition",
    "trace",
]
