"""Draw the picture of the README: five components, learned in one pass.

``make docs`` runs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from streamgmm import OnlineGaussianMixture, datasets
from streamgmm.estimators import follow
from streamgmm.plots import MixtureDisplay

PICTURE = Path(__file__).parents[1] / "docs" / "figures" / "learning.png"
ROWS = (40, 400, 100_000)


def draw() -> Figure:
    """Return the mixture after 40, 400 and all rows."""
    X, _, _ = datasets.make_mixture(ROWS[-1], 2, 5, "full", random_state=3)
    trail = follow(OnlineGaussianMixture(5, random_state=0), X)
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    panels = figure.subplots(1, len(ROWS), sharex=True, sharey=True)
    for axes, n_rows in zip(panels, ROWS, strict=True):
        nearest = int(np.abs(trail.rows - n_rows).argmin())
        seen = int(trail.rows[nearest])
        MixtureDisplay.from_estimator(
            trail.mixtures[nearest],
            X[:seen],
            coverage=(0.5, 0.9),
            ax=axes,
        )
        axes.set_title(f"after {seen:,} rows")
        axes.set(xlabel="", ylabel="")
    return figure


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    draw().savefig(PICTURE, dpi=100)
    print(PICTURE.relative_to(Path.cwd()))
