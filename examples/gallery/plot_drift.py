"""
What if the stream changes?
===========================

A step size that falls gives the best fit to a stream that stays the same. One that changes now and then
needs somebody who notices; one that moves all the time, a step that does not fall, so that what is old is
forgotten.
"""

from itertools import islice

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import OnlineGaussianMixture, datasets, rules
from streamgmm.plots import Curve, LikelihoodDisplay
from streamgmm.rules.schedules import HalfLife

# %%
# Three learners see the same rows. The rule alone takes steps that fall as the -0.6th power of time, and
# keeps no rows. The next one has a memory of rows and a test for change, after which it begins anew. The last
# one forgets half of what it knows in 500 rows. The mixture that rows come from stays, or is replaced after
# every 30 000 rows, or moves from one to the next in as many.

EVERY, BATCH, SIZE = 30_000, 1000, 50  # rows: of a mixture, of a call, of a mini-batch
FORGETS = rules.OnlineEM(HalfLife(500))
ways = {
    "falling step alone": {"memory_rows": 0},
    "with a memory": {"on_drift": "forget"},
    "half-life of 500 rows": {"rule": FORGETS},
}


def learn(drift):
    """Let the learners learn 120 000 rows; return them, and the truth's score of each mini-batch."""
    learners = {
        name: OnlineGaussianMixture(2, covariance_type="diag", batch_size=SIZE, random_state=0, **way)
        for name, way in ways.items()
    }
    scores = []
    stream = datasets.make_stream(
        2, 2, "diag", 1.0, drift=drift, drift_every=EVERY, batch_size=BATCH, random_state=1
    )
    for X, _, truth in islice(stream, 120):
        for learner in learners.values():
            learner.partial_fit(X)
        scores.append(truth.log_prob(X).reshape(-1, SIZE).mean(axis=1))
    return learners, np.concatenate(scores)


# %%
# Each mini-batch is scored before it is learned (the prequential log-likelihood), and by the mixture that it
# was drawn from, which nobody can beat for long. What is drawn is the difference. Vertical lines are the
# changes that the second learner found.

figure, axes = plt.subplots(3, 1, figsize=(7.5, 8.5), sharex=True, layout="constrained")
titles = {
    None: "No change: falling steps come nearer to the truth, and nobody is alarmed",
    "abrupt": "Sudden changes: where one is noticed (red), learning begins anew",
    "gradual": "A mixture always on its way: the half-life keeps up",
}
gaps, changes = {}, {}
for ax, (drift, title) in zip(axes, titles.items(), strict=True):
    learners, scores = learn(drift)
    curves = {}
    for name, learner in learners.items():
        rows, every = learner.history_rows_, learner.history_every_
        of_truth = scores[len(scores) - every * len(rows) :].reshape(-1, every).mean(axis=1)
        curves[name] = Curve(rows, learner.history_ - of_truth)
    gaps[drift] = {name: -curve.log_likelihood.mean() for name, curve in curves.items()}
    LikelihoodDisplay(curves).plot(ax, raw=False)
    changes[drift] = [event for event in learners["with a memory"].events_ if event.reason == "change"]
    for event in changes[drift]:
        ax.axvline(event.row, color="tab:red", linewidth=0.8, linestyle="dotted", zorder=0)
    ax.axhline(0.0, color="black", linewidth=0.8, linestyle="dotted", zorder=0)
    ax.set(xscale="linear", title=title, ylabel="log-likelihood minus\nthe truth's (nats a row)")
    ax.get_legend().remove()
    ax.label_outer()
axes[1].legend(loc="lower left")
plt.show()

# %%
# How far each stayed below the truth, on average over all rows, in nats a row:

for drift, of_learners in gaps.items():
    print(f"drift={drift!r:10}", {name: round(float(gap), 4) for name, gap in of_learners.items()})

# %%
# The second learner says what happened, and about when. It found no change where there was none.

for event in changes["abrupt"]:
    print(event)
assert not changes[None]
assert {event.row // EVERY for event in changes["abrupt"]} == {1, 2, 3}
alone, remembering, forgetting = gaps[None].values()
assert max(alone, remembering) < forgetting
alone, remembering, forgetting = gaps["abrupt"].values()
assert forgetting < remembering < alone
alone, remembering, forgetting = gaps["gradual"].values()
assert forgetting < 0.5 * min(alone, remembering)
