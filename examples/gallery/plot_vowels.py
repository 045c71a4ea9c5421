"""
Do vowels form clusters?
========================

Hillenbrand and others (1995) recorded vowels of 139 men, women and children, and measured their formants, the
resonances that tell vowels apart. Does a mixture that is never told which vowel is which find them?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment

from streamgmm import GaussianMixture, Mixture, datasets
from streamgmm.estimators.follow import reorder
from streamgmm.fit.batch import fit_em
from streamgmm.plots import PairDisplay, ResponsibilityDisplay

# %%
# The four vowels at the corners of the mouth: those of heed, had, hod and who'd. Logarithms of fundamental
# frequency and formants, since a child's voice is a man's multiplied.

vowels = datasets.load_vowels("hillenbrand")
words = {"i": "heed", "{": "had", "A": "hod", "u": "who'd"}
is_corner = np.isin(vowels.target, list(words))
X = np.log10(vowels.data[is_corner][:, 1:4])
said = vowels.target[is_corner]
names = ["log10 F0 (Hz)", "log10 F1 (Hz)", "log10 F2 (Hz)"]


def agreement(mixture, X):
    """Return the components in the order of the words, and the share of rows that agree."""
    table = np.array([[(said[mixture.predict(X) == k] == v).sum() for v in words] for k in range(4)])
    component, word = linear_sum_assignment(-table)
    return [int(k) for k in component[word.argsort()]], table[component, word].sum() / len(X)


# %%
# One covariance for all four: a child says every vowel with a higher voice than a man, so that the clouds are
# long in about the same direction. The labels serve only to name the components afterwards.

mixture = GaussianMixture(4, covariance_type="tied", random_state=0).fit(X).to_mixture()
order, agreed = agreement(mixture, X)
mixture = reorder(mixture, order)
print(f"{agreed:.1%} of {len(X)} vowels lie in the component of their word")
assert agreed > 0.98

display = PairDisplay.from_estimator(mixture, X, feature_names=names)
legend = "   ".join(f"{k}: {word}" for k, word in enumerate(words.values()))
display.figure_.suptitle(f"Four components, four vowels\n{legend}")
plt.show()

# %%
# Each vowel in the color of its component, blended where it belongs to several.

figure, ax = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
ResponsibilityDisplay.from_estimator(mixture, X, features=[2, 1], feature_names=names, ax=ax)
ax.invert_xaxis()  # as phoneticians draw it: high vowels above, front vowels left
ax.invert_yaxis()
ax.set_title("The vowel chart, found without labels")
plt.show()

# %%
# With a covariance for each component the likeliest mixture is another one: it has two components for heed
# and had together, one for low voices and one for high ones. A likelihood does not know what we want to find.
# (The four vowels are a local optimum, too, but a less likely one. Not each search finds the likeliest here.)

best_of_ten = {"search": True, "init_params": "best", "n_init": 10}
own = GaussianMixture(4, random_state=0, **best_of_ten).fit(X).to_mixture()
order, agreed = agreement(own, X)
heed, had = own.means[order[:2]]
print(f"{agreed:.1%} agree; the voices of two components: {10 ** heed[0]:.0f} and {10 ** had[0]:.0f} Hz")
assert agreed < 0.8
assert abs(heed[0] - had[0]) > 0.2
start = Mixture(
    np.full(4, 0.25), [X[said == v].mean(axis=0) for v in words], [np.cov(X[said == v].T) for v in words]
)
at_vowels = fit_em(start, X, tol=1e-8, max_iter=1000).mixture
assert agreement(at_vowels, X)[1] > 0.98
assert at_vowels.log_prob(X).mean() < own.log_prob(X).mean()

# %%
# All twelve vowels are harder: they overlap, and twelve components do not follow the words.

twelve = np.log10(vowels.data[:, 1:4])
model = GaussianMixture(12, random_state=0).fit(twelve)
kinds = sorted(set(vowels.target))
table = np.array([[(vowels.target[model.predict(twelve) == k] == v).sum() for v in kinds] for k in range(12)])
share = table[linear_sum_assignment(-table)].sum() / len(twelve)
print(f"all twelve vowels: {share:.1%} agree")
assert share < 0.7
