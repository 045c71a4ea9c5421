"""
How can one learn that there are two kinds of stops?
====================================================

Nobody tells an infant which sound is a /b/ and which a /p/. But the sounds pile up in two heaps along one
cue, the voice onset time. A learner that starts with too many categories and lets them compete ends with two
(McMurray, Aslin and Toscano, 2009).
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import datasets
from streamgmm.category_learning import CategoryLearner
from streamgmm.plots import ComponentTraceDisplay

# %%
# English stops from published statistics: voiced ones have a voice onset time of 15.8 (7.1) ms, voiceless
# ones of 70.2 (18.7) ms. Twenty small categories start at random places. Tokens come one by one, without
# labels.

stops = datasets.phonetic_categories(["vot_ms"])
tokens, _ = stops.sample(60_000, random_state=0)
learners = {
    "with competition": CategoryLearner(random_state=1),
    "without": CategoryLearner(random_state=1, competition=False),
}
for learner in learners.values():
    learner.learn(tokens, record_every=500)

# %%
# The two survivors, categories with a weight above 0.05, are in color; all others are gray. On the right
# categories do not compete: all gain weight from the tokens that they share, and too many stay above 0.05.

figure, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
for ax, (name, learner) in zip(axes, learners.items(), strict=True):
    survivors = learner.survivors_
    display = ComponentTraceDisplay(*learner.trajectory_, feature_names=["VOT (ms)"])
    display.plot(ax, components=survivors if len(survivors) == 2 else [])
    display.ax_[0].set(title=f"{name}: {len(survivors)} of 20 survive", xscale="linear")
    display.ax_[0].axhline(0.05, color="black", linewidth=0.8, linestyle="dotted")
    display.ax_[-1].set_xlabel("tokens heard")
plt.show()

# %%
# What the first learner knows at the end, and how well it tells measured tokens apart that it never heard:

learner = learners["with competition"]
alive = learner.survivors_
for k in alive:
    print(
        f"category {k}: {learner.means_[k, 0]:.1f} ({learner.sds_[k, 0]:.1f}) ms, {learner.weights_[k]:.2f}"
    )
measured = datasets.load_vot()
called = np.where(learner.identify(measured.data[:, 0]).argmax(axis=1) == 0, "voiced", "voiceless")
agreement = (called == measured.target).mean()
print(f"agreement with the voicing of {len(called)} measured tokens: {agreement:.3f}")
assert len(alive) == 2
assert len(learners["without"].survivors_) > 2
np.testing.assert_allclose(learner.means_[alive, 0], stops.means[:, 0], atol=3)
assert agreement > 0.95
