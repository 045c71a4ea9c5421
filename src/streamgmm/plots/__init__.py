"""Pictures of mixtures and of learning, by matplotlib, in scikit-learn's Display convention.

Each display is made by ``from_estimator(estimator, X, *, ax=None, ...)``, can be drawn again by ``plot``, and
keeps what it drew. A component has the same color in all pictures of a mixture; color-blind readers tell the
colors apart.
"""

from __future__ import annotations

from .condition import ConditionDisplay
from .likelihood import Curve, LikelihoodDisplay
from .mixture import MixtureDisplay
from .pair import PairDisplay
from .responsibility import ResponsibilityDisplay
from .selection import SelectionDisplay
from .trace import ComponentTraceDisplay

__all__ = [
    "ComponentTraceDisplay",
    "ConditionDisplay",
    "Curve",
    "LikelihoodDisplay",
    "MixtureDisplay",
    "PairDisplay",
    "ResponsibilityDisplay",
    "SelectionDisplay",
]
