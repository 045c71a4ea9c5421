"""
Which rows of a stream are unusual?
===================================

A row is unusual if the mixture of the rows before it gives it a low density. The mixture goes on learning
while it watches. What it flags it does not learn.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import OnlineGaussianMixture, datasets
from streamgmm.plots import MixtureDisplay

# %%
# A stream of 20 000 rows from three components. After the first 4000, one row in a hundred comes from
# somewhere else: anywhere in a box around the data.

rng = np.random.default_rng(0)
X, _, truth = datasets.make_mixture(20_000, separation=2.0, random_state=1)
is_foreign = (rng.random(len(X)) < 0.01) & (np.arange(len(X)) >= 4000)
low, high = X.min(axis=0) - 3, X.max(axis=0) + 3
X[is_foreign] = rng.uniform(low, high, size=(is_foreign.sum(), 2))

# %%
# The first 2000 rows are learned as they are. From then on each batch is scored first. The threshold is the
# density that 0.5 % of the mixture's own rows fall below, found by drawing some. (The same quantile of past
# rows that were not flagged would creep upward: each time it cuts off the lowest of those that it has left.)

model = OnlineGaussianMixture(3, random_state=0).partial_fit(X[:2000])
log_density, is_flagged = np.full(len(X), np.nan), np.zeros(len(X), dtype=bool)
log_density[:2000] = model.score_samples(X[:2000])
thresholds = []
for begin in range(2000, len(X), 500):
    batch = slice(begin, begin + 500)
    mixture = model.to_mixture()
    own, _ = mixture.sample(20_000, random_state=begin)
    thresholds.append(np.quantile(mixture.log_prob(own), 0.005))
    log_density[batch] = model.score_samples(X[batch])
    is_flagged[batch] = log_density[batch] < thresholds[-1]
    model.partial_fit(X[batch][~is_flagged[batch]])

# %%
# Left, the scores in the order in which rows came, and the threshold. Right, the flagged rows on the mixture.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
order = np.arange(len(X))
left.plot(order[~is_flagged], log_density[~is_flagged], ".", color="0.55", markersize=1.5, rasterized=True)
left.plot(order[is_flagged], log_density[is_flagged], "x", color="#d55e00", markersize=4, label="flagged")
left.step(range(2000, len(X), 500), thresholds, where="post", color="black", label="threshold")
left.set(xlabel="row", ylabel="log density (nats)", ylim=(-25, 0), title="Scored before they are learned")
left.legend(loc="lower left")
MixtureDisplay.from_estimator(model, X[~is_flagged], ax=right)
right.plot(*X[is_flagged].T, "x", color="#d55e00", markersize=4)
right.set_title("Flagged rows lie outside of all components")
plt.show()

# %%
# A foreign row inside a component cannot be told from the component's own. So not all are found:

after = order >= 4000
found = is_flagged[after & is_foreign].mean()
false = is_flagged[after & ~is_foreign].mean()
print(f"{is_foreign.sum()} foreign rows, {found:.1%} of them flagged; {false:.2%} of the others flagged")
assert found > 0.5
assert false < 0.015

# %%
# Since nothing flagged was learned, the mixture is still that of the ordinary rows:

ordinary = X[~is_foreign]
gap = truth.log_prob(ordinary).mean() - model.score(ordinary)
print(f"{gap:.4f} nats a row below the truth on ordinary rows")
assert gap < 0.02
