"""
How do the components of a stream find their place?
====================================================

A mixture learns rows as they come, and keeps some of them to look back at. After a few dozen rows it is a
guess; the guess improves with every mini-batch, ever more slowly.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import OnlineGaussianMixture, datasets
from streamgmm.estimators import follow
from streamgmm.estimators.follow import match, reorder
from streamgmm.plots import ComponentTraceDisplay, MixtureDisplay

# %%
# Rows come from a mixture that we know, in order to compare. The learner fits its first 24 rows by EM (by
# default it would be 1000: so few make a poor start, to be watched) and goes on in mini-batches of 8.

X, _, truth = datasets.make_mixture(30_000, separation=1.3, random_state=13)
model = OnlineGaussianMixture(3, init_size=24, batch_size=8, random_state=2)
trail = follow(model, X)
print(f"{len(trail.rows)} snapshots, from {trail.rows[0]:.0f} to {trail.rows[-1]:,.0f} rows")

# %%
# Three of the snapshots, with the rows seen until then. Component 0 is the same one in all of them.

wanted = [int(np.searchsorted(trail.rows, rows)) for rows in (24, 500, 30_000)]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, index in zip(axes, wanted, strict=True):
    rows = int(trail.rows[index])
    MixtureDisplay.from_estimator(trail.mixtures[index], X[:rows], ax=ax)
    ax.set_title(f"after {rows:,} rows")
axes[1].set_ylabel("")
axes[2].set_ylabel("")
plt.show()

# %%
# All snapshots: each component settles at its own value. The dotted lines are the truth, in the colors of
# the components that found them.

true = reorder(truth, match(truth, trail.mixtures[-1]))
display = ComponentTraceDisplay.from_trail(trail, parameters=["weights", "means"])
for panel, values in enumerate([true.weights, *true.means.T]):
    for line, value in zip(display.lines_[panel], values, strict=True):
        display.ax_[panel].axhline(value, color=line.get_color(), linestyle="dotted", linewidth=1.0)
display.figure_.suptitle("Weights and means settle at the truth (dotted)")
plt.show()

# %%
# How far the means are from the true ones, at worst, in units of the true components' deviations:

deviations = np.sqrt(true.covariances)
errors = [np.abs((trail.mixtures[index].means - true.means) / deviations).max() for index in wanted]
for index, error in zip(wanted, errors, strict=True):
    print(f"after {int(trail.rows[index]):6,} rows: {error:.3f}")
assert errors[0] > 5 * errors[-1]
assert errors[-1] < 0.1
