"""The contract of a parameterization."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from streamgmm.covariance import CovarianceType
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics


class Parameterization(ABC):
    """A one-to-one map between mixtures and vectors, and the gradient of the log-likelihood by the vector."""

    name: ClassVar[str]

    @abstractmethod
    def pack(self, mixture: Mixture) -> Array:
        """Return theta, a float64 vector."""

    @abstractmethod
    def unpack(self, theta: Array, like: Mixture) -> Mixture:
        """Return the mixture of theta; ``like`` gives sizes and covariance type."""

    @abstractmethod
    def gradient(self, statistics: Statistics, mixture: Mixture) -> Array:
        """Return d log-likelihood / d theta at the mixture, whose means center the statistics."""

    @abstractmethod
    def step(self, kind: CovarianceType) -> Any:
        """Return the compiled gradient step for a covariance type."""
