"""
Two kinds of eruptions
======================

Old Faithful erupts for two minutes or for four. A mixture of two
Gaussians finds both kinds, and how long one waits after each.
"""

import matplotlib.pyplot as plt

from streamgmm import GaussianMixture, datasets
from streamgmm.plots import MixtureDisplay, ResponsibilityDisplay

eruptions = datasets.load_faithful()
names = ["duration (min)", "wait for the next (min)"]
model = GaussianMixture(2, random_state=0).fit(eruptions.data)
print(model.means_.round(1), model.weights_.round(2))

# %%
# The ellipses hold 50 % and 95 % of each component's rows; the thin black
# lines are lines of equal density that hold as much of all rows.

MixtureDisplay.from_estimator(model, eruptions.data, feature_names=names, contours=True, marginals=True)

# %%
# Which kind?
# -----------
#
# A row in a blend of colors belongs to both. After an eruption of three
# minutes nobody knows, from the duration alone.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
ResponsibilityDisplay.from_estimator(model, eruptions.data, feature_names=names, ax=axes[0])
ResponsibilityDisplay.from_estimator(model, eruptions.data, features=0, feature_names=names, ax=axes[1])

# %%
# A mixture also answers for one feature when the other is known: the wait
# after an eruption of two minutes, and after one of four.

for duration in (2.0, 4.0):
    wait = model.to_mixture().condition({0: duration})
    print(f"after {duration:.0f} minutes: {(wait.weights @ wait.means)[0]:.0f} minutes")
