"""Rows made to order are what was ordered."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy.stats import chi2, kstest

import naive
from common import parameters_of
from streamgmm import Mixture, covariance, datasets
from streamgmm.datasets import make_mixture, make_stream, separation


def by_hand(mixture):
    """c-separation as Dasgupta (1999) writes it, from covariance matrices and their eigenvalues."""
    d = mixture.n_features
    largest = [np.linalg.eigvalsh(matrix)[-1] for matrix in naive.dense(parameters_of(mixture))]
    found = [
        np.linalg.norm(mixture.means[j] - mixture.means[k]) / np.sqrt(d * max(largest[j], largest[k]))
        for j in range(mixture.n_components)
        for k in range(j)
    ]
    return min(found)


@pytest.mark.parametrize("covariance_type", covariance.names())
@pytest.mark.parametrize(("n_features", "n_components"), [(1, 2), (2, 3), (10, 5)])
@pytest.mark.parametrize("c", [0.5, 1.0, 3.0])
def test_separation_is_the_published_one(covariance_type, n_features, n_components, c):
    for seed in range(5):
        X, labels, mixture = make_mixture(50, n_features, n_components, covariance_type, c, seed)
        assert X.shape == (50, n_features)
        assert labels.shape == (50,)
        assert mixture.covariance_type == covariance_type
        assert mixture.means.shape == (n_components, n_features)
        np.testing.assert_allclose(by_hand(mixture), c)
        np.testing.assert_allclose(separation(mixture), c)


def test_rows_are_from_the_truth():
    """Mahalanobis distances to the row's own component are chi-squared; labels have the weights."""
    X, labels, mixture = make_mixture(20_000, 3, 4, "full", random_state=0)
    for k in range(4):
        y = X[labels == k] - mixture.means[k]
        squared = np.einsum("na,ab,nb->n", y, np.linalg.inv(mixture.covariances[k]), y)
        assert kstest(squared, chi2(3).cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.bincount(labels) / 20_000, mixture.weights, atol=0.015)
    assert mixture.weights.max() < 2.001 * mixture.weights.min()


def test_defaults_and_seeds():
    X, _, mixture = make_mixture(random_state=0)
    assert X.shape == (1000, 2)
    assert (mixture.n_components, mixture.covariance_type) == (3, "diag")
    again = make_mixture(random_state=0)
    np.testing.assert_array_equal(X, again[0])
    assert not np.array_equal(X, make_mixture(random_state=1)[0])
    assert separation(make_mixture(n_components=1, random_state=0)[2]) == np.inf


def take(n, **options):
    return list(islice(make_stream(random_state=0, **options), n))


def test_no_drift():
    batches = take(50, drift_every=2000)
    assert len({id(mixture) for _, _, mixture in batches}) == 1
    assert all(X.shape == (1000, 2) and labels.shape == (1000,) for X, labels, _ in batches)
    assert not np.array_equal(batches[0][0], batches[1][0])


@pytest.mark.parametrize(("drift_every", "batch_size"), [(3000, 1000), (2500, 1000), (100, 1000)])
def test_abrupt(drift_every, batch_size):
    batches = take(12, drift="abrupt", drift_every=drift_every, batch_size=batch_size)
    for index in range(1, 12):
        same = batches[index][2] == batches[index - 1][2]
        expected = index * batch_size // drift_every == (index - 1) * batch_size // drift_every
        assert same == expected
        np.testing.assert_allclose(separation(batches[index][2]), 2.0)


@pytest.mark.parametrize("covariance_type", covariance.names())
def test_gradual_moves_in_straight_lines(covariance_type):
    batches = take(11, drift="gradual", drift_every=5000, covariance_type=covariance_type, n_features=3)
    mixtures = [mixture for _, _, mixture in batches]
    for begin in (0, 5):
        first, last = mixtures[begin], mixtures[begin + 5]
        for step in range(1, 5):
            middle = mixtures[begin + step]
            for name in ("means", "factor"):
                line = (1 - step / 5) * getattr(first, name) + step / 5 * getattr(last, name)
                np.testing.assert_allclose(getattr(middle, name), line)
            np.testing.assert_allclose(middle.weights.sum(), 1.0)
            Mixture(middle.weights, middle.means, middle.covariances, covariance_type)  # a sound one
        np.testing.assert_allclose(separation(first), 2.0)
    assert mixtures[0] != mixtures[5] != mixtures[10]


def test_each_batch_is_from_its_mixture():
    X, labels, mixture = take(4, drift="gradual", drift_every=4000, batch_size=1000)[3]
    for k in range(3):
        rows = X[labels == k]
        deviations = np.sqrt(mixture.covariances[k])
        assert (np.abs(rows.mean(axis=0) - mixture.means[k]) < 5 * deviations / np.sqrt(len(rows))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "`n_samples` must be a positive integer, got 0"),
        ({"n_features": 1.5}, "`n_features` must be a positive integer, got 1.5"),
        ({"n_components": True}, "`n_components` must be a positive integer, got True"),
        ({"separation": -1}, "`separation` must lie between 0 and 1e\\+100, got -1"),
        ({"separation": np.nan}, "`separation` must lie between 0"),
        ({"separation": True}, "`separation` must lie between 0"),
        ({"covariance_type": "round"}, "`covariance_type` must be one of"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_mixture(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drift": "slow"}, "`drift` must be one of None, 'abrupt', 'gradual', got 'slow'"),
        ({"drift_every": 0}, "`drift_every` must be a positive integer"),
        ({"batch_size": "many"}, "`batch_size` must be a positive integer"),
        ({"n_components": 0}, "`n_components` must be a positive integer"),
    ],
)
def test_bad_streams_fail_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        make_stream(**options)


def test_loaders_are_here():
    assert datasets.load_faithful().data.shape == (272, 2)
    assert datasets.load_vot().data.shape == (589, 4)
    assert datasets.load_vowels().data.shape == (1668, 5)


def test_components_are_spread_evenly():
    """No two means are so near by chance that the others fly apart: few units hold five components."""
    spans = [np.ptp(make_mixture(1, 2, 5, random_state=seed)[2].means, axis=0).max() for seed in range(20)]
    assert np.median(spans) < 18
    assert max(spans) < 35
