"""The sets on which optima are compared: measured ones that ship with scikit-learn and with us, and made ones.

Each set is rows, a number of components and a covariance type. "chosen" are the sets on which defaults may be
tuned; "unseen" are of the same kinds but from other data, other numbers of components or other draws, and
nothing is ever tuned on them. ``python benchmarks/optimum_sets.py`` lists them.

Features of two values, features that repeat one value often where a component could sit on it (the petals of
iris with axis-parallel covariances, concavities of zero in breast_cancer) are left out: there the likelihood
has no maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import sklearn.datasets
from sklearn.decomposition import PCA

from streamgmm import datasets

Rows = Callable[[], np.ndarray]
GROUPS = ("chosen", "unseen")


class Set(NamedTuple):
    """One set: its name, what makes its rows, and the mixture that is asked for."""

    name: str
    group: str
    rows: Rows
    n_components: int
    covariance_type: str

    @property
    def X(self) -> np.ndarray:
        """The rows (n_samples, n_features), in float64."""
        return np.ascontiguousarray(self.rows(), dtype=np.float64)


def bundled(name: str, features: list[str] | None = None) -> np.ndarray:
    loaders = {
        "faithful": datasets.load_faithful,
        "vot": datasets.load_vot,
        "hillenbrand": partial(datasets.load_vowels, "hillenbrand"),
        "peterson-barney": partial(datasets.load_vowels, "peterson-barney"),
    }
    data = loaders[name]()
    return data.data[:, [data.feature_names.index(f) for f in features or data.feature_names]]


def shipped(name: str, features: list[int] | None = None, components: int | None = None) -> np.ndarray:
    """Return rows that ship with scikit-learn: some features of them, or some principal components."""
    X = getattr(sklearn.datasets, f"load_{name}")().data
    if components is not None:
        return PCA(components, svd_solver="full").fit_transform(X)
    return X if features is None else X[:, features]


def made(
    n_samples: int,
    n_features: int,
    n_components: int,
    covariance_type: str,
    separation: float,
    seed: int,
    scales: float = 1.0,
) -> np.ndarray:
    """Return rows of `make_mixture`, the last feature in units ``scales`` times as small as the first's."""
    X, _, _ = datasets.make_mixture(
        n_samples, n_features, n_components, covariance_type, separation, random_state=seed
    )
    return X * np.geomspace(1.0, scales, n_features)


def parallel_labeled(
    n_samples: int, n_components: int, angle: float, seed: int, scales: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of long thin Gaussians side by side, 30 times as long as wide, and their labels.

    They are six of their standard deviations across apart, and turned by an angle in degrees; after that the
    second feature is multiplied by ``scales``.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_components, size=n_samples)
    X = rng.normal(size=(n_samples, 2)) * [30.0, 1.0]
    X[:, 1] += 6.0 * labels
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return X @ np.array([[c, s], [-s, c]]) * [1.0, scales], labels


def parallel(n_samples: int, n_components: int, angle: float, seed: int, scales: float = 1.0) -> np.ndarray:
    return parallel_labeled(n_samples, n_components, angle, seed, scales)[0]


def unequal(
    n_samples: int, n_features: int, n_components: int, covariance_type: str, separation: float, seed: int
) -> np.ndarray:
    """Return rows of a made mixture whose weights fall geometrically from 50 to 1."""
    _, _, mixture = datasets.make_mixture(
        2, n_features, n_components, covariance_type, separation, random_state=seed
    )
    weights = np.geomspace(50.0, 1.0, n_components)
    mixture = type(mixture)(
        weights / weights.sum(), mixture.means, mixture.covariances, mixture.covariance_type
    )
    return mixture.sample(n_samples, seed)[0]


def heavy(n_samples: int, n_features: int, n_components: int, separation: float, seed: int) -> np.ndarray:
    """Return rows of t distributions with five degrees of freedom: no Gaussian mixture made them."""
    _, _, mixture = datasets.make_mixture(2, n_features, n_components, "full", separation, random_state=seed)
    X, labels = mixture.sample(n_samples, seed)
    longer = np.sqrt(5 / np.random.default_rng(seed).chisquare(5, n_samples))[:, np.newaxis]
    return mixture.means[labels] + longer * (X - mixture.means[labels])


_CANCER = [0, 1, 4, 5, 8, 9]  # means of radius, texture, smoothness, compactness, symmetry, fractal dimension
_DIABETES = [0, 2, 3, 4, 5, 6, 7, 8, 9]  # without the feature of two values
_F12, _F123 = ["f1_hz", "f2_hz"], ["f1_hz", "f2_hz", "f3_hz"]


def _chosen(name: str, n_components: int, kind: str, rows: Callable[..., np.ndarray], *a: object) -> Set:
    return Set(f"{name}-{n_components}-{kind}", "chosen", partial(rows, *a), n_components, kind)


def _unseen(name: str, n_components: int, kind: str, rows: Callable[..., np.ndarray], *a: object) -> Set:
    return Set(f"{name}-{n_components}-{kind}", "unseen", partial(rows, *a), n_components, kind)


SETS = (
    _chosen("faithful", 2, "full", bundled, "faithful"),
    _chosen("iris", 3, "full", shipped, "iris"),
    _chosen("wine", 3, "diag", shipped, "wine"),
    _chosen("cancer", 3, "full", shipped, "breast_cancer", _CANCER),
    _chosen("digits-pca5", 10, "full", shipped, "digits", None, 5),
    _chosen("diabetes", 4, "tied", shipped, "diabetes", _DIABETES),
    _chosen("vot2", 3, "full", bundled, "vot", ["vot_ms", "vowel_ms"]),
    _chosen("barney-f12", 10, "full", bundled, "peterson-barney", _F12),
    _chosen("hillenbrand-f123", 12, "diag", bundled, "hillenbrand", _F123),
    _chosen("line", 3, "diag", made, 500, 1, 3, "diag", 1.5, 1),
    _chosen("small", 2, "full", made, 100, 2, 2, "full", 1.5, 2),
    _chosen("overlapping", 5, "full", made, 2000, 2, 5, "full", 1.0, 3),
    _chosen("overlapping-d5", 3, "full", made, 1000, 5, 3, "full", 0.5, 4),
    _chosen("overlapping-d3", 4, "tied", made, 800, 3, 4, "tied", 0.8, 5),
    _chosen("parallel-30-degrees", 2, "full", parallel, 1000, 2, 30.0, 6),
    _chosen("parallel-scales", 3, "full", parallel, 1500, 3, 70.0, 7, 1000.0),
    _chosen("unequal", 4, "full", unequal, 2000, 2, 4, "full", 1.5, 8),
    _chosen("scales-d4", 5, "full", made, 1500, 4, 5, "full", 1.0, 9, 1000.0),
    _chosen("heavy-d3", 4, "full", heavy, 1500, 3, 4, 1.5, 10),
    _chosen("several-d3", 8, "spherical", made, 2000, 3, 8, "spherical", 1.0, 11),
    _chosen("many", 16, "full", made, 4000, 2, 16, "full", 1.5, 12),
    _chosen("many-d4", 31, "diag", made, 8000, 4, 31, "diag", 1.0, 13),
    _chosen("wide-d10", 6, "full", made, 4000, 10, 6, "full", 0.7, 14),
    _unseen("faithful", 3, "tied", bundled, "faithful"),
    _unseen("iris", 3, "tied", shipped, "iris"),
    _unseen("wine", 4, "spherical", shipped, "wine"),
    _unseen("cancer", 4, "diag", shipped, "breast_cancer", _CANCER),
    _unseen("digits-pca10", 16, "diag", shipped, "digits", None, 10),
    _unseen("linnerud", 2, "tied", shipped, "linnerud"),
    _unseen("vot4", 2, "full", bundled, "vot"),
    _unseen("hillenbrand-f12", 12, "full", bundled, "hillenbrand", _F12),
    _unseen("barney-f123", 10, "tied", bundled, "peterson-barney", _F123),
    _unseen("line", 4, "spherical", made, 800, 1, 4, "spherical", 1.2, 101),
    _unseen("small-d3", 3, "diag", made, 150, 3, 3, "diag", 1.3, 102),
    _unseen("overlapping", 6, "full", made, 3000, 2, 6, "full", 0.9, 103),
    _unseen("overlapping-d4", 4, "full", made, 1500, 4, 4, "full", 0.6, 104),
    _unseen("overlapping-d2", 5, "tied", made, 1000, 2, 5, "tied", 0.9, 105),
    _unseen("parallel-110-degrees", 2, "full", parallel, 1200, 2, 110.0, 106),
    _unseen("parallel-scales", 4, "full", parallel, 2000, 4, 40.0, 107, 0.001),
    _unseen("unequal-d3", 5, "diag", unequal, 2500, 3, 5, "diag", 1.4, 108),
    _unseen("scales-d5", 6, "diag", made, 2000, 5, 6, "diag", 0.8, 109, 1000.0),
    _unseen("heavy-d2", 5, "full", heavy, 2000, 2, 5, 1.6, 110),
    _unseen("several-d5", 8, "full", made, 3000, 5, 8, "full", 0.8, 111),
    _unseen("many-d3", 16, "diag", made, 5000, 3, 16, "diag", 1.2, 112),
    _unseen("many", 31, "full", made, 8000, 2, 31, "full", 1.5, 113),
    _unseen("wide-d8", 5, "tied", made, 2000, 8, 5, "tied", 0.6, 114),
)


def by_name(name: str) -> Set:
    """Return the set of this name."""
    for one in SETS:
        if one.name == name:
            return one
    raise ValueError(f"no set is called {name!r}")


if __name__ == "__main__":
    print(f"{'set':<28} {'group':<7} {'rows':>6} {'d':>3} {'K':>3}  covariances")
    for one in SETS:
        n_samples, n_features = one.X.shape
        print(
            f"{one.name:<28} {one.group:<7} {n_samples:>6} {n_features:>3} {one.n_components:>3}  {one.covariance_type}"
        )
