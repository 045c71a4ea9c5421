"""What the learner of a stream did beside learning, told in plain words."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """What a learner did beside learning.

    Attributes
    ----------
    row : int
        Rows seen until then.
    reason : str
        "grown", the memory was rehearsed since there were so many more rows, and what was found goes on;
        "order", the rows come in some order; "change", the world has changed; "report", it has, and nothing
        is done about it; "over", what came before an earlier change does not come again.
    gain : float
        In nats a row of the memory; NaN where there is none.
    n_components : int
        From then on.
    since : int
        The row from which on it was so: about where a change began, else the same as ``row``.

    Examples
    --------
    >>> print(Event(502_784, "change", float("nan"), 3, 501_024))
    row 502784: the rows are others since about row 501024; what was learned before is given up
    """

    row: int
    reason: str
    gain: float
    n_components: int
    since: int

    def __str__(self) -> str:
        others = f"the rows are others since about row {self.since}"
        told = {
            "grown": f"the rows that are kept have a better mixture, by {self.gain:.2g} nats a row",
            "order": f"the rows are not in random order, those since about row {self.since} are others; the "
            "model is now fitted to the rows that are kept of all so far. Shuffle the rows, or let `fit` "
            "read them; of a stream that changes, give the rule a half-life",
            "change": f"{others}; what was learned before is given up",
            "report": others,
            "over": f"the rows before row {self.since} have not come again; they are given up",
        }[self.reason]
        return f"row {self.row}: {told}"
