"""
Which rule is fastest?
======================

It depends on the start, on the scale of the data, and on the rate where there is one. Here six rules take the
same rows from the same poor start.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import Mixture, datasets, rules
from streamgmm.diagnostics import explain_run, trace
from streamgmm.plots import LikelihoodDisplay

# %%
# Three components in four features, not standardized. The start: means at three rows, one of each component,
# and deviations of 5, where the true ones are about 1.

X, labels, truth = datasets.make_mixture(30_000, 4, 3, "full", separation=1.5, random_state=3)
means = [X[np.flatnonzero(labels == k)[0]] for k in range(3)]
start = Mixture(np.full(3, 1 / 3), means, np.tile(25.0 * np.eye(4), (3, 1, 1)))

# %%
# ``trace`` runs a rule over rows in mini-batches of 20, and scores each mini-batch before it is learned. All
# rules have the library's default rates, but for the last: a fixed rate.

ways = {
    "online EM": rules.OnlineEM(),
    "natural gradient": rules.NaturalGradient(),
    "gradient, preconditioned": rules.GradientAscent(precondition=True),
    "gradient": rules.GradientAscent(),
    "Adam": rules.GradientAscent(optimizer="adam"),
    "gradient, fixed rate of 0.002": rules.GradientAscent(learning_rate=0.002),
}
runs = {name: trace(rule, start, X, batch_size=20) for name, rule in ways.items()}

figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
LikelihoodDisplay.from_estimators(runs, ax=ax, raw=False)
best = truth.log_prob(X).mean()
ax.axhline(best, color="black", linewidth=0.8, linestyle="dotted", zorder=0)
ax.annotate("truth", (350, best), va="bottom", fontsize=9)
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
ax.set_title("Online EM and the natural gradient arrive first")
plt.show()

# %%
# In numbers: after how many rows a block of 500 is within 0.2 nats a row of the truth, and how far the last
# 10 000 rows stay below it.


def arrival(run):
    """Return after how many rows a block of 500 is near the truth, and the gap of the last 10 000."""
    scores = run.log_likelihood.reshape(-1, 25).sum(axis=1) / 500
    true_scores = truth.log_prob(X).reshape(-1, 500).mean(axis=1)
    near = np.flatnonzero(true_scores - scores < 0.2)
    return (500 * (near[0] + 1) if len(near) else np.inf), (true_scores - scores)[-20:].mean()


found = {name: arrival(run) for name, run in runs.items()}
for name, (rows, gap) in found.items():
    near = f"near after {rows:6.0f} rows" if np.isfinite(rows) else "not near in these rows"
    print(f"{name:30s} {near:22s}; at the end {gap:.4f} nats a row below the truth")
first = ("online EM", "natural gradient")
assert all(found[a][0] <= found[b][0] for a in first for b in set(ways) - set(first))
assert all(found[a][1] < found[b][1] for a in first for b in set(ways) - set(first))
assert not np.isfinite(found["gradient, fixed rate of 0.002"][0])

# %%
# The preconditioned gradient does not mind the scale, but its steps shrink with a component's share of the
# rows, and two components have lost theirs to the first. The natural gradient divides by the share.

for sentence in explain_run(runs["gradient, preconditioned"]):
    print(textwrap.fill(sentence, 100))
    assert "small share" in sentence
