"""One look for each component, in all pictures: a color that color-blind readers tell apart, and a dash."""

from __future__ import annotations

from typing import NamedTuple

# Okabe and Ito (2008), Color Universal Design, but for the yellow that white hides; black is for totals.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
DASHES = ("solid", "dashed", "dotted", "dashdot")
ROWS = "0.55"  # gray, of rows without a component
TOTAL = "black"


class Look(NamedTuple):
    """How a component is drawn.

    Attributes
    ----------
    color : str
    dash : {"solid", "dashed", "dotted", "dashdot"}
        Another one when the colors come around again.
    """

    color: str
    dash: str


def look(k: int) -> Look:
    """Return how component k is drawn.

    Examples
    --------
    >>> from streamgmm.plots._colors import look
    >>> look(0), look(6)
    (Look(color='#0072b2', dash='solid'), Look(color='#0072b2', dash='dashed'))
    """
    return Look(PALETTE[k % len(PALETTE)], DASHES[k // len(PALETTE) % len(DASHES)])
