"""What is known of the learning of a stream before the first row comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamgmm.priors import ConjugatePrior
from streamgmm.rules import Rule

from .memory import Memory

__all__ = ["ON_DRIFT", "REHEARSALS", "Plan"]

ON_DRIFT = ("rehearse", "report", "forget")
REHEARSALS = ("now", "spread")
GROWTH = 4  # a world is rehearsed when it has grown so many times
_STRIDE = 256  # rows, rounded up to whole mini-batches, between two pieces of work that is spread
_STRETCH = 2048  # rows, rounded up to whole strides
_OLDEST = 8.0  # half-lives: older rows count for nothing


@dataclass(frozen=True)
class Plan:
    """What does not change on the way.

    Without ``n_components`` as many components are learned as have the lowest BIC, at most ``n_most``. A
    detector of change, with River's interface, takes the place of the `ChangeTest`.
    """

    n_components: int | None
    n_most: int
    covariance_type: str
    rule: Rule
    batch_size: int
    reg_covar: float | None
    prior: str | ConjugatePrior | None
    seed: int
    init_size: int
    memory_rows: int
    on_drift: str
    detector: Any = None
    is_spread: bool = False
    n_threads: int | None = None

    @property
    def half_life(self) -> float | None:
        """The rule's, in rows."""
        return self.rule.half_life(self.batch_size)

    @property
    def is_averaged(self) -> bool:
        """Whether the average of the rule's mixtures is what it has learned."""
        return self.rule.is_averaged(self.batch_size)

    def memory(self) -> Memory:
        """Return an empty memory."""
        bound, half_life = max(self.memory_rows, 1), self.half_life
        if half_life is not None:
            bound = max(1, min(bound, int(_OLDEST * half_life)))
        return Memory(bound, half_life)

    @property
    def stride(self) -> int:
        """Rows between two pieces of work that is spread."""
        return self.batch_size * -(-_STRIDE // self.batch_size)

    @property
    def stretch(self) -> int:
        """Rows between two looks at what has been learned."""
        return self.stride * -(-_STRETCH // self.stride)

    def first_due(self) -> int:
        """Return after how many rows to rehearse first: the memory is rehearsed when it is just full."""
        due = self.memory_rows
        while due / GROWTH > self.init_size:
            due = -(-due // GROWTH)
        return due
