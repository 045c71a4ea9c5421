"""Rows and clusters chosen by scikit-learn, for a mixture to start from."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from threadpoolctl import threadpool_limits

METHODS = ("k-means++", "kmeans", "random", "random_from_data")


def clusters(X: Any, weights: Any, n_components: int, random_state: np.random.RandomState) -> KMeans:
    """Return k-means fitted to rows, from one start, on one thread.

    OpenMP's threads do not live through a fork, and a child process that asks for them again waits for ever.
    One thread leaves none behind; starts run side by side instead.
    """
    with threadpool_limits(1, user_api="openmp"):
        return KMeans(n_components, n_init=1, random_state=random_state).fit(X, sample_weight=weights)


def seeds(
    X: Any, weights: Any, n_components: int, random_state: np.random.RandomState
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the numbers of the rows that k-means++ chooses."""
    return kmeans_plusplus(X, n_components, sample_weight=weights, random_state=random_state)[1]


def draws(
    n_samples: int, weights: Any, n_components: int, random_state: np.random.RandomState
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the numbers of different rows, drawn at random in proportion to their weights or None."""
    p = None if weights is None else weights / weights.sum()
    return random_state.choice(n_samples, size=n_components, replace=False, p=p)
