"""
Do I have enough rows for full covariances?
===========================================

A covariance matrix of few rows has a shape of its own, even if the truth has none. Its condition number, the
ratio of the largest variance in any direction to the smallest, shows it.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import GaussianMixture, datasets
from streamgmm.diagnostics import condition_numbers
from streamgmm.estimators.follow import match, reorder
from streamgmm.plots import ConditionDisplay

# %%
# Three components in 5 features, and 24 rows: about 8 for each component, whose full covariance has 15
# parameters. The line is what white noise shows: a component near it or below may have a shape that is noise.
# Left of the dotted line, at 5 effective rows, a covariance is singular but for what regularization adds.
# Crosses are the truth's condition numbers.

X, _, truth = datasets.make_mixture(24, 5, 3, "full", separation=2.0, random_state=3)
ways = {
    "full": {},
    'full, prior="weak"': {"prior": "weak"},
    "tied": {"covariance_type": "tied"},
}


def fit(rows, truth, **options):
    """Fit, and bring the components into the order of the true ones."""
    fitted = GaussianMixture(3, random_state=0, **options).fit(rows).to_mixture()
    return reorder(fitted, match(fitted, truth))


figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, (name, options) in zip(axes, ways.items(), strict=True):
    fitted = fit(X, truth, **options)
    display = ConditionDisplay.from_estimator(fitted, X, ax=ax)
    ax.plot(display.rows, condition_numbers(truth), "x", color="black", markersize=6)
    ax.set(title=f"{name}: up to {condition_numbers(fitted).max():,.0f}", ylim=(0.8, 1e5))
plt.show()

# %%
# The number that counts is what rows score that were not learned. Medians of eight data sets:


def typical_variance(mixture):
    """Return the geometric mean of the covariances' eigenvalues."""
    return np.exp(np.linalg.slogdet(mixture.covariances)[1].mean() / mixture.n_features)


def scores(n_rows, seed):
    """Return how far new rows score below the truth, and variances over the true ones, for each way."""
    rows, _, truth = datasets.make_mixture(n_rows, 5, 3, "full", separation=2.0, random_state=seed)
    new = truth.sample(2000, random_state=100 + seed)[0]
    best = truth.log_prob(new).mean()
    fits = [fit(rows, truth, **options) for options in ways.values()]
    below = [best - one.log_prob(new).mean() for one in fits]
    return below, [typical_variance(one) / typical_variance(truth) for one in fits]


print("nats a row below the truth" + "".join(f"{name:>20s}" for name in ways))
lost = {}
for n_rows in (24, 45, 600):
    values, variances = np.median([scores(n_rows, seed) for seed in range(8)], axis=0)
    lost[n_rows] = values
    print(f"{n_rows:4d} rows                " + "".join(f"{value:20.2f}" for value in values))
    print("  variances / true ones  " + "".join(f"{value:20.2f}" for value in variances))

# %%
# With 8 rows for a component the prior is much better than nothing, and fewer parameters are better still.
# With 15 rows the prior, which pulls variances down, does more harm than good here. With 200 there is nothing
# to mend, and one covariance for all is one too few.

full, weak, tied = np.transpose(list(lost.values()))
assert tied[0] < weak[0] < full[0]
assert tied[1] < full[1] < weak[1]
assert full[2] < tied[2]
