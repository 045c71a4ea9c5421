"""
Two kinds of eruptions
======================

Old Faithful erupts for two minutes or for four. A mixture of two
Gaussians finds both kinds, and how long one waits after each.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import GaussianMixture, OnlineGaussianMixture, datasets

eruptions = datasets.load_faithful()
model = GaussianMixture(2, random_state=0).fit(eruptions.data)
print(model.means_.round(1), model.weights_.round(2))

# %%
# The density, where EM has converged:

x, y = np.meshgrid(np.linspace(1, 6, 100), np.linspace(40, 100, 100))
density = np.exp(model.score_samples(np.column_stack([x.ravel(), y.ravel()]))).reshape(x.shape)

figure, axes = plt.subplots(layout="constrained")
axes.contour(x, y, density, colors="0.6", levels=6)
axes.scatter(*eruptions.data.T, c=model.predict(eruptions.data), cmap="cividis", s=12)
axes.set(xlabel="duration of the eruption, minutes", ylabel="waiting for the next, minutes")

# %%
# Row by row
# ----------
#
# The same, learned from one eruption at a time. The first 100 are the
# start; from there on each row moves the mixture once, and is forgotten.

online = OnlineGaussianMixture(2, batch_size=1, init_size=100, random_state=0).fit(eruptions.data)
print(online.means_.round(1), online.weights_.round(2))

figure, axes = plt.subplots(layout="constrained")
axes.plot(online.history_rows_, online.history_, ".", color="0.4")
axes.set(xlabel="rows", ylabel="log density of the row before it was learned")
