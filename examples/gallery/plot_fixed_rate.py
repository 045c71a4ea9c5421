"""
Why does a fixed rate of 0.002 never arrive?
============================================

The formulas are right, the sign is right, and after two hundred thousand rows the variance has hardly moved.
The length of a gradient step depends on what the unknown is, and on the scale of the data.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import Mixture, rules
from streamgmm.diagnostics import explain_run, trace
from streamgmm.plots import ComponentTraceDisplay

# %%
# One Gaussian in one feature. Rows have mean 0 and variance 1, the start has mean 3 and variance 100. Each
# row moves the parameters by 0.002 times its gradient, in three ways.

X = np.random.default_rng(0).normal(size=(200_000, 1))
start = Mixture([1.0], [[3.0]], [[[100.0]]])
ways = {
    "by the variance": rules.GradientAscent("covariance", 0.002),
    "by log-sigma": rules.GradientAscent("cholesky", 0.002),
    "times the variance (preconditioned)": rules.GradientAscent("covariance", 0.002, precondition=True),
}
runs = {name: trace(rule, start, X) for name, rule in ways.items()}

figure, axes = plt.subplots(2, 3, figsize=(11, 5.5), sharex=True, sharey="row", layout="constrained")
for column, (name, run) in zip(axes.T, runs.items(), strict=True):
    for ax, parameter, arrived in zip(column, ("deviations", "means"), (1.0, 0.0), strict=True):
        ComponentTraceDisplay.from_trail(run, parameters=parameter, feature_names=["x"], ax=ax)
        ax.axhline(arrived, color="black", linewidth=0.8, linestyle="dotted", zorder=0)
        ax.label_outer()
    column[0].set_title(name)
figure.suptitle("The same rows and rate: by the variance, the deviation does not arrive (dotted: where to)")
plt.show()

# %%
# Far above the optimum the gradient by the variance is about -1 / (2 v). So v squared falls by the rate with
# each row, whatever the rows are: from 100 it takes 100 squared / 0.002, five million rows.

run = runs["by the variance"]
seen = np.array([mixture.covariances[0, 0, 0] for mixture in run.mixtures])
foretold = np.sqrt(100.0**2 - 0.002 * run.rows)
print(f"variance after {run.rows[-1]:.0f} rows: {seen[-1]:.2f}, foretold {foretold[-1]:.2f}")
np.testing.assert_allclose(seen, foretold, rtol=0.01)

# %%
# The library says it in words, and has nothing to say about the other two:

for sentence in explain_run(run):
    print(textwrap.fill(sentence, 100))
for arrived in runs.values():
    if arrived is not run:
        assert explain_run(arrived) == []
        np.testing.assert_allclose(arrived.mixtures[-1].covariances, 1.0, atol=0.1)
