"""Where a fit begins: all that both estimators need before the first step.

`batch` finds scikit-learn's starts, `far` one for few rows far away, `stream` those of an online learner;
`given` checks what users give, `moments` measures the features.
"""

from __future__ import annotations

from .batch import best_start, start_mixture
from .far import far_start
from .given import METHODS, Given, check_given
from .moments import feature_moments, typical
from .stream import initialize, initialize_cold

__all__ = [
    "METHODS",
    "Given",
    "best_start",
    "check_given",
    "far_start",
    "feature_moments",
    "initialize",
    "initialize_cold",
    "start_mixture",
    "typical",
]
