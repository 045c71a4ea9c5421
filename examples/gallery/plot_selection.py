"""
How many components?
====================

Criteria weigh the fit against the number of parameters. Which one to take depends on what a component is to
be: a part of the density, or a cluster.
"""

import matplotlib.pyplot as plt

from streamgmm import datasets, select
from streamgmm.estimators.follow import reorder
from streamgmm.plots import MixtureDisplay, SelectionDisplay

# %%
# The eruptions of Old Faithful. ``select`` fits each number of components with each type of covariance.
# (Circles, "spherical", make no sense here: the features have different scales.) It goes from the largest
# number down, each fit from the one before, with two components merged, so that no poor local optimum bends a
# curve.

X = datasets.load_faithful().data
found = {
    criterion: select(
        X,
        range(1, 6),
        covariance_types=("full", "tied", "diag"),
        criterion=criterion,
        random_state=0,
    )
    for criterion in ("bic", "icl")
}
for selection in found.values():
    print("\n".join(str(selection).splitlines()[:4]), end="\n\n")

# %%
# BIC asks how many Gaussians it takes to describe the density. ICL adds a price for components that overlap:
# it asks how many clusters there are. The lowest value wins and has a ring.

figure, axes = plt.subplots(2, 2, figsize=(9.5, 7.5), layout="constrained")
names = ["eruption (min)", "waiting (min)"]
winners = {}
for (above, below), (criterion, selection) in zip(axes.T, found.items(), strict=True):
    best = selection.best.to_mixture()
    best = reorder(best, list(best.means[:, 0].argsort()))  # the same order, so the same colors
    winners[criterion] = best
    SelectionDisplay.from_selection(selection, ax=above)
    above.set(title=f"{criterion.upper()} prefers {best.n_components}, {best.covariance_type}")
    above.set_ylim(2290, 2620)  # diag with 1 component is far above
    MixtureDisplay.from_estimator(best, X, feature_names=names, ax=below)
plt.show()

# %%
# BIC's third component is no third kind of eruption: both of its larger ones lie in the cloud of long
# eruptions, whose shape is not that of one Gaussian. For clusters, take ICL's answer.

assert [best.n_components for best in winners.values()] == [3, 2]
print("mean eruptions (min):", {name: best.means[:, 0].round(1) for name, best in winners.items()})
assert (winners["bic"].means[1:, 0] > 3.5).all()
