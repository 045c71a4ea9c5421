"""Learn categories from distributions alone, one token at a time, as models of speech development do.

A learner starts with too many categories. Each token moves them along the gradient of the log-likelihood, and
the categories compete: those that never win fade away. Published models have one or two cues (McMurray, Aslin
and Toscano, 2009; Toscano and McMurray, 2010) or many small categories that are pruned (Vallabha and others,
2007). All of them are settings of the rule `streamgmm.rules.GradientAscent` at a mini-batch of one row.
"""

from __future__ import annotations

from .cues import CueIntegration, cue_weights, weights_from_categories
from .learner import CategoryLearner, Trajectory
from .online_mixture_estimation import OnlineMixtureEstimation
from .simulation import Simulation, simulate

__all__ = [
    "CategoryLearner",
    "CueIntegration",
    "OnlineMixtureEstimation",
    "Simulation",
    "Trajectory",
    "cue_weights",
    "simulate",
    "weights_from_categories",
]
