"""The streams on which online learning is judged: 200 000 rows each, and 50 000 more that are held out.

Twelve are resampled from real measurements that ship with scikit-learn and with us: a rich mixture is fitted
to them, regularized until nothing in it is a spike, rows are drawn from it, and a mixture of fewer components
is asked for, so that the model is wrong as it is on real data. Eight are made: components that overlap, that
are long and thin, that have unequal weights or heavy tails.

"chosen" are the streams on which defaults may be tuned; "unseen" are of the same kinds but from other data,
other numbers of components or other draws, and nothing is ever tuned on them. Rich mixtures are
scikit-learn's, so that no change of ours changes the rows. ``python benchmarks/streams_sets.py`` lists them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import sklearn.datasets
import sklearn.mixture
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from streamgmm import Mixture, datasets
from streamgmm.mixture import mixture_of

GROUPS = ("chosen", "unseen")
N_ROWS, N_HELD_OUT = 200_000, 50_000
REGULARIZED = 0.02  # of each feature's variance, added to the rich mixtures'

Drawn = tuple[np.ndarray, np.ndarray]
Draw = Callable[[int, int], Drawn]


class Rows(NamedTuple):
    """A stream in random order, what each row counts as when it is sorted by components, and held-out rows."""

    X: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray


class Set(NamedTuple):
    """One stream: its name, what draws its rows, and the mixture that is asked for."""

    name: str
    group: str
    draw: Draw
    n_components: int
    covariance_type: str

    def rows(self) -> Rows:
        """Draw the stream, the same each time."""
        X, labels = self.draw(N_ROWS + N_HELD_OUT, 0)
        return Rows(np.ascontiguousarray(X[:N_ROWS]), labels[:N_ROWS], np.ascontiguousarray(X[N_ROWS:]))


# Measurements, and rows drawn as they might have been.


def measured(
    name: str, features: list[str] | slice = slice(None), components: int | None = None
) -> np.ndarray:
    """Return measurements: some features of them, or some principal components."""
    bundled = {
        "faithful": datasets.load_faithful,
        "vot": datasets.load_vot,
        "hillenbrand": partial(datasets.load_vowels, "hillenbrand"),
        "peterson-barney": partial(datasets.load_vowels, "peterson-barney"),
    }
    data = bundled[name]() if name in bundled else getattr(sklearn.datasets, f"load_{name}")()
    X = np.asarray(data.data, dtype=np.float64)
    if components is not None:
        return PCA(components, svd_solver="full").fit_transform(X)
    if isinstance(features, slice):
        return X[:, features]
    return X[:, [list(data.feature_names).index(feature) for feature in features]]


def regularized(X: np.ndarray, n_components: int, covariance_type: str) -> sklearn.mixture.GaussianMixture:
    """Return scikit-learn's fit to standardized rows, in which nothing is thin."""
    model = sklearn.mixture.GaussianMixture(
        n_components, covariance_type=covariance_type, reg_covar=REGULARIZED, random_state=0
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X)


def resampled(
    rows: Callable[[], np.ndarray],
    rich: int,
    n_components: int,
    covariance_type: str,
    n_samples: int,
    seed: int,
) -> Drawn:
    """Draw from a rich fit to measurements; labels are those of a fit with the components asked for."""
    measurements = rows()
    center, scale = measurements.mean(axis=0), measurements.std(axis=0)
    standardized = (measurements - center) / scale
    X, _ = mixture_of(regularized(standardized, rich, "full")).sample(n_samples, seed)
    labels = regularized(standardized, n_components, covariance_type).predict(X)
    return center + scale * X, labels


# Rows made to order.


def made(n_features: int, n_components: int, covariance_type: str, separation: float, seed: int) -> Mixture:
    return datasets.make_mixture(2, n_features, n_components, covariance_type, separation, random_state=seed)[
        2
    ]


def overlapping(mixture: Callable[[], Mixture], n_samples: int, seed: int) -> Drawn:
    return mixture().sample(n_samples, seed)


def unequal(mixture: Callable[[], Mixture], n_samples: int, seed: int) -> Drawn:
    """Draw from a mixture whose weights fall geometrically from 50 to 1."""
    even = mixture()
    weights = np.geomspace(50.0, 1.0, even.n_components)
    return Mixture(weights / weights.sum(), even.means, even.covariances, even.covariance_type).sample(
        n_samples, seed
    )


def elongated(mixture: Callable[[], Mixture], n_samples: int, seed: int) -> Drawn:
    """Draw from a mixture of components that are up to 30 times as long as wide, each in its own direction."""
    even = mixture()
    rng = np.random.default_rng(even.n_components)
    turns = np.linalg.qr(rng.normal(size=(even.n_components, even.n_features, even.n_features)))[0]
    lengths = np.geomspace(3.0, 0.1, even.n_features)
    long = (turns * lengths**2) @ turns.transpose(0, 2, 1)
    return Mixture(even.weights, even.means, long).sample(n_samples, seed)


def heavy(mixture: Callable[[], Mixture], freedom: float, n_samples: int, seed: int) -> Drawn:
    """Draw from t distributions: no Gaussian mixture made them."""
    even = mixture()
    X, labels = even.sample(n_samples, seed)
    longer = np.sqrt(freedom / np.random.default_rng(seed).chisquare(freedom, n_samples))[:, np.newaxis]
    return even.means[labels] + longer * (X - even.means[labels]), labels


def _real(
    group: str, name: str, rich: int, n_components: int, kind: str, *of: Any, components: int | None = None
) -> Set:
    rows = partial(measured, *of, components=components)
    draw = partial(resampled, rows, rich, n_components, kind)
    return Set(f"{name}-{n_components}-{kind}", group, draw, n_components, kind)


def _made(
    group: str,
    name: str,
    how: Callable[..., Drawn],
    n_features: int,
    n_components: int,
    kind: str,
    separation: float,
    seed: int,
    *more: float,
) -> Set:
    mixture = partial(made, n_features, n_components, kind, separation, seed)
    name = f"{name}-d{n_features}-{n_components}-{kind}"
    return Set(name, group, partial(how, mixture, *more), n_components, kind)


_F123 = ["f1_hz", "f2_hz", "f3_hz"]
_VOT = ["vot_ms", "vowel_ms", "aspiration_ms"]

SETS = (
    _real("chosen", "hillenbrand-f123", 40, 12, "full", "hillenbrand", _F123),
    _real("unseen", "barney", 40, 10, "full", "peterson-barney"),
    _real("chosen", "digits-pca10", 40, 10, "full", "digits", components=10),
    _real("unseen", "digits-pca20", 30, 8, "full", "digits", components=20),
    _real("chosen", "wine", 8, 3, "full", "wine"),
    _real("unseen", "cancer-d30", 12, 6, "full", "breast_cancer"),
    _real("chosen", "cancer-d10", 15, 5, "full", "breast_cancer", slice(10)),
    _real("unseen", "iris", 9, 4, "full", "iris"),
    _real("chosen", "diabetes", 12, 5, "tied", "diabetes", slice(2, 10)),
    _real("unseen", "faithful", 10, 3, "full", "faithful"),
    _real("chosen", "vot", 20, 7, "full", "vot", _VOT),
    _real("unseen", "hillenbrand", 40, 20, "diag", "hillenbrand"),
    _made("chosen", "overlapping", overlapping, 2, 8, "full", 0.9, 1),
    _made("unseen", "overlapping", overlapping, 5, 12, "tied", 0.7, 101),
    _made("chosen", "many", overlapping, 2, 31, "full", 1.3, 2),
    _made("unseen", "unequal", unequal, 3, 16, "diag", 1.2, 102),
    _made("chosen", "elongated", elongated, 6, 9, "full", 1.5, 3),
    _made("unseen", "elongated", elongated, 3, 20, "full", 2.0, 103),
    _made("chosen", "heavy", heavy, 4, 7, "full", 1.0, 4, 4.0),
    _made("unseen", "heavy", heavy, 8, 5, "full", 0.6, 104, 3.0),
)


def by_name(name: str) -> Set:
    """Return the stream of this name."""
    for one in SETS:
        if one.name == name:
            return one
    raise ValueError(f"no stream is called {name!r}; there are {', '.join(one.name for one in SETS)}")


if __name__ == "__main__":
    print(f"{'stream':<28} {'group':<7} {'d':>3} {'K':>3}  covariances")
    for one in SETS:
        n_features = one.draw(10, 0)[0].shape[1]
        print(f"{one.name:<28} {one.group:<7} {n_features:>3} {one.n_components:>3}  {one.covariance_type}")
