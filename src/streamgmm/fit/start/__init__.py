"""Where a fit begins: all that both estimators need before the first step.

`several` finds the best of several starts, from what `clusters` and `far` find; `batch` finds those of
scikit-learn, `stream` that of an online learner; `given` checks what users give, `moments` measures the
features.
"""

from __future__ import annotations

from .batch import start_mixture
from .given import BEST, METHODS, Given, check_given
from .moments import feature_moments, typical
from .stream import initialize, initialize_cold

__all__ = [
    "BEST",
    "METHODS",
    "Given",
    "check_given",
    "feature_moments",
    "initialize",
    "initialize_cold",
    "start_mixture",
    "typical",
]
