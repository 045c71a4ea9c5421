"""
What if the stream changes?
===========================

A step size that falls gives the best fit to a stream that stays the same. A stream that changes needs a step
that does not fall, so that what is old is forgotten.
"""

from itertools import islice

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import OnlineGaussianMixture, datasets, rules
from streamgmm.plots import Curve, LikelihoodDisplay
from streamgmm.rules.schedules import HalfLife, PowerDecay

# %%
# Two learners see the same rows. One takes steps that fall as the -0.6th power of time. The other forgets
# half of what it knows in 500 rows. The mixture that rows come from stays, or is replaced after every 30 000
# rows, or moves from one to the next in as many.

EVERY, BATCH, SIZE = 30_000, 1000, 50  # rows: of a mixture, of a call, of a mini-batch
schedules = {"falling step": PowerDecay(0.6), "half-life of 500 rows": HalfLife(500)}


def learn(drift):
    """Let the learners learn 120 000 rows; return them, and the truth's score of each mini-batch."""
    learners = {
        name: OnlineGaussianMixture(
            2, covariance_type="diag", rule=rules.OnlineEM(schedule), batch_size=SIZE, random_state=0
        )
        for name, schedule in schedules.items()
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
# was drawn from, which nobody can beat for long. What is drawn is the difference.

figure, axes = plt.subplots(3, 1, figsize=(7.5, 8.5), sharex=True, layout="constrained")
titles = {
    None: "No change: the falling step comes nearer to the truth",
    "abrupt": "Sudden changes: the short memory recovers sooner",
    "gradual": "A mixture always on its way: the short memory keeps up",
}
gaps = {}
for ax, (drift, title) in zip(axes, titles.items(), strict=True):
    learners, scores = learn(drift)
    curves = {}
    for name, learner in learners.items():
        rows, every = learner.history_rows_, learner.history_every_
        of_truth = scores[len(scores) - every * len(rows) :].reshape(-1, every).mean(axis=1)
        curves[name] = Curve(rows, learner.history_ - of_truth)
    gaps[drift] = {name: -curve.log_likelihood.mean() for name, curve in curves.items()}
    LikelihoodDisplay(curves).plot(ax, raw=False)
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
    falling, forgetting = of_learners.values()
    assert falling < forgetting if drift is None else forgetting < 0.5 * falling
