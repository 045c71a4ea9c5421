"""A fit as one HTML file that needs nothing else: what was learned, from what, how, and how well."""

from __future__ import annotations

from .record import Report
from .summary import Summary
from .watch import Watch
from .write import require_report, write, write_report

__all__ = ["Report", "Summary", "Watch", "require_report", "write", "write_report"]
