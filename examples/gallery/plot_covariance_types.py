"""
Which covariances?
==================

Each component may have an ellipse of its own ("full"), or all share one ("tied"). The axes may be those of
the features ("diag"), or all ellipses may be circles ("spherical"). The fewer parameters, the fewer rows are
needed, and the more is assumed.
"""

import matplotlib.pyplot as plt
import numpy as np

from streamgmm import GaussianMixture, covariance, datasets
from streamgmm.estimators.follow import match, reorder
from streamgmm.plots import MixtureDisplay

# %%
# Rows from three components with covariances of their own. Half of the rows are learned, half are held out.

X, _, truth = datasets.make_mixture(1000, 2, 3, "full", separation=1.5, random_state=12)
learned, held_out = X[:500], X[500:]

figure, axes = plt.subplots(2, 2, figsize=(9, 8), sharex=True, sharey=True, layout="constrained")
scores = {}
for ax, kind in zip(axes.flat, covariance.names(), strict=True):
    model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(learned)
    scores[kind] = model.score(held_out)
    mixture = model.to_mixture()
    mixture = reorder(mixture, match(mixture, truth))  # the same component has the same color
    MixtureDisplay.from_estimator(mixture, learned, ax=ax)
    ax.set_title(f"{kind}: {mixture.n_parameters} parameters, {scores[kind]:.3f} nats a row")
    ax.label_outer()
figure.suptitle("Held-out rows score best under the type that they came from")
plt.show()

# %%
# Held-out log-likelihood, in nats a row, and the truth's:

print({kind: round(score, 3) for kind, score in scores.items()}, truth.log_prob(held_out).mean().round(3))
assert max(scores, key=scores.get) == "full"

# %%
# With 20 rows it is another matter. The median of nine samples from the same truth:


def score_of_few(kind, seed):
    """Return the held-out score of a mixture that has seen 20 rows."""
    few = truth.sample(20, random_state=seed)[0]
    model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(few)
    return model.score(held_out)


few = {kind: np.median([score_of_few(kind, seed) for seed in range(9)]) for kind in covariance.names()}
print({kind: float(score.round(3)) for kind, score in few.items()})
assert few["full"] < few["tied"]
