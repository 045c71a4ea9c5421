"""
Why do two fits of the same rows differ?
========================================

EM climbs to the top that is nearest to its start, and there are many. Two components share one heap of rows
for good, while another has to cover two. Which fit is right? The one with the higher likelihood: mean log
densities of the same rows can be compared.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import GaussianMixture, datasets
from streamgmm.diagnostics import optimality
from streamgmm.estimators.follow import match, reorder
from streamgmm.plots import MixtureDisplay

# %%
# Ten components in the plane, 2000 rows, and twenty fits in each of three ways. The first is scikit-learn's:
# one start by k-means. (EM goes on until nothing moves, so that no fit is poor because it ended early.) The
# second is the default, the best of several starts. The third goes on from there: as long as that leads
# higher, two components are merged where one is split.

X, _, truth = datasets.make_mixture(2000, 2, 10, "full", separation=1.6, random_state=1)
ways = {
    "one start by k-means,\nas in scikit-learn": {"init_params": "kmeans", "tol": 1e-6, "max_iter": 5000},
    "default:\nthe best of several starts": {},
    "search=True:\nthen split and merge": {"search": True},
}
fits = [
    [GaussianMixture(10, random_state=seed, **options).fit(X) for seed in range(20)]
    for options in ways.values()
]
scores = np.array([[model.score(X) for model in models] for models in fits])
best = scores.max()
is_best = scores > best - 0.001
for way, values, found in zip(ways, scores, is_best, strict=True):
    print(f"{' '.join(way.split())}: best {found.sum()} of 20, lowest {best - values.min():.3f} below")

# %%
# Left, a local optimum, the fifth from below of the twenty; right, the best. Below are all fits. They do not
# lie anywhere, but at a few local optima.

poor = fits[0][scores[0].argsort()[4]]
top = fits[2][scores[2].argmax()].to_mixture()
gap = best - poor.score(X)
missing = optimality(poor, X)

figure, axes = plt.subplot_mosaic(
    [["poor", "best"], ["all", "all"]], figsize=(11, 8.6), height_ratios=[1.7, 1], layout="constrained"
)
titles = {"poor": f"A local optimum: {gap:.3f} nats a row below the best", "best": "The best that was found"}
for name, mixture in (("poor", poor.to_mixture()), ("best", top)):
    MixtureDisplay.from_estimator(reorder(mixture, match(mixture, top)), X, ax=axes[name])
    axes[name].set(title=titles[name], xlim=(-18, 12), ylim=(-12, 17))
axes["best"].set_ylabel("")
label = "one more component would gain most here"
axes["poor"].plot(*missing.mean, "x", color="black", markersize=12, markeredgewidth=3, zorder=10, label=label)
axes["poor"].legend(loc="upper left")

rng = np.random.default_rng(0)
for at, values in enumerate(scores):
    heights = at + rng.uniform(-0.3, 0.3, len(values))
    axes["all"].plot(values - best, heights, "o", color="#0072b2", alpha=0.5, markersize=5)
    axes["all"].text(0.004, at, f"{is_best[at].sum()} of 20", va="center")
    if at == 0:
        ring = heights[fits[0].index(poor)]
axes["all"].plot(-gap, ring, "o", color="none", markeredgecolor="black", markersize=11)
axes["all"].set(yticks=range(len(ways)), yticklabels=list(ways), ylim=(2.5, -0.5), xlim=(None, 0.014))
axes["all"].set_xlabel("log-likelihood minus the best (nats a row)")
axes["all"].set_title("Twenty fits in each way; the ring is the fit above left")
plt.show()

# %%
# Where there are no other fits to compare with, ``optimality`` may tell. At the poor fit, one more component
# is worth more than BIC charges for its parameters: the ten are not where they should be, or too few.
# It leaves the other components where they are, and so does not see all that a search does.

print(missing.finding, optimality(top, X).finding, sep="\n\n")
assert missing.is_improvable
assert not optimality(top, X).is_improvable
assert is_best[2].all()
