"""Where a fit begins: all that both estimators need before the first step.

`batch` finds scikit-learn's starts, `stream` those of an online learner; `given` checks what users give,
`moments` measures the features, `choose` picks rows and clusters with scikit-learn.
"""

from __future__ import annotations

from .batch import best_start, from_responsibilities, start_mixture
from .choose import METHODS
from .given import Given, check_given
from .moments import deviations_of, feature_moments, typical
from .stream import initialize, initialize_cold

__all__ = [
    "METHODS",
    "Given",
    "best_start",
    "check_given",
    "deviations_of",
    "feature_moments",
    "from_responsibilities",
    "initialize",
    "initialize_cold",
    "start_mixture",
    "typical",
]
