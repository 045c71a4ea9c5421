"""Averages of mixtures: the moments of all of them, each weighed by the rows behind it."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from common import assert_mixtures_close, assert_valid
from streamgmm import Mixture, covariance, e_step
from streamgmm.fit.average import Average, moments_of

KINDS = covariance.names()
ROWS = (100.0, 1.0, 7.0, 2000.0, 0.0, 300.0)


def on_the_way(kind, n_components=3, n_features=3, seed=0):
    """Return parameters of mixtures that differ in everything, one for each of `ROWS`."""
    rng = np.random.default_rng(seed)
    return [naive.random_parameters(rng, kind, n_components, n_features) for _ in ROWS]


def shares_of(rows):
    """Return what each mixture counts, by the definition."""
    total = np.cumsum(rows)
    return np.diff(np.square([0.0, *total])) / total[-1] ** 2


def pooled(parameters, shares):
    """Return the mixture with the moments of all: dense matrices, deviations from the means of all."""
    kind = parameters[0].covariance_type
    nk = sum(a * p.weights for a, p in zip(shares, parameters, strict=True))
    safe = np.where(nk > 0, nk, 1.0)[:, np.newaxis]
    means = (
        sum(a * p.weights[:, np.newaxis] * p.means for a, p in zip(shares, parameters, strict=True)) / safe
    )
    total = 0.0
    for a, p in zip(shares, parameters, strict=True):
        d = p.means - means
        total = total + a * p.weights[:, np.newaxis, np.newaxis] * (
            naive.dense(p) + d[:, :, np.newaxis] * d[:, np.newaxis]
        )
    matrices = total / safe[:, :, np.newaxis]
    if kind == "tied":
        matrices = total.sum(axis=0, keepdims=True)
    return naive.Parameters(nk, means, naive.restrict(matrices, kind), kind)


def averaged(mixtures, rows=ROWS):
    average = Average.of(mixtures[0], rows[0])
    for mixture, n_rows in zip(mixtures[1:], rows[1:], strict=True):
        average = average.add(mixture, n_rows)
    return average


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_mixture_counts_by_the_rows_behind_it(kind, seed):
    parameters = on_the_way(kind, seed=seed)
    mixtures = [Mixture(*p) for p in parameters]
    average = averaged(mixtures)
    for like in (mixtures[-1], mixtures[0]):  # which gives nothing but the covariance type
        mixture = average.mixture(like)
        assert_valid(mixture)
        assert mixture.covariance_type == kind
        assert_mixtures_close(mixture, pooled(parameters, shares_of(ROWS)))
    assert average.n_rows == sum(ROWS)
    assert average.sums.weight == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_moments_are_those_of_the_rows_that_made_the_mixture(kind):
    rng = np.random.default_rng(3)
    X = naive.draw(rng, naive.random_parameters(rng, kind, 1, 3), 500)
    start = Mixture(*naive.random_parameters(rng, kind, 1, 3))
    sums = e_step(start, X).scale(1 / 500)
    center = X.mean(axis=0)
    S = np.cov(X.T, bias=True)
    made = Mixture([1.0], [center], naive.restrict(S[np.newaxis], kind), kind)
    moments = moments_of(made)
    assert (moments.weight, moments.nk.tolist(), moments.s1.tolist()) == (1.0, [1.0], [[0.0] * 3])
    expected = sums.recenter(made.means)
    if kind in ("full", "tied", "diag"):
        np.testing.assert_allclose(moments.s2, expected.s2, rtol=1e-9, atol=1e-12)
    else:  # which knows the mean over features only
        np.testing.assert_allclose(moments.s2[0], np.full(3, expected.s2[0].mean()), rtol=1e-9)


def test_an_average_is_worth_three_quarters_of_its_rows():
    n = 60  # the mean of each mixture is a unit vector: that of the average shows what each counts
    mixtures = [Mixture([1.0], [row], [[1.0] * n], "diag") for row in np.eye(n)]
    average = averaged(mixtures, (1.0,) * n)
    shares = average.mixture(mixtures[-1]).means[0]
    np.testing.assert_allclose(shares, shares_of(np.ones(n)), rtol=1e-12)
    assert average.n_effective == pytest.approx(shares.sum() ** 2 / np.square(shares).sum(), rel=1 / n**2)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_mixtures_have_themselves_as_average(kind):
    mixture = Mixture(*naive.random_parameters(np.random.default_rng(4), kind, 4, 3))
    assert_mixtures_close(averaged([mixture] * len(ROWS)).mixture(mixture), mixture, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_a_far_origin_takes_no_digits_from_the_covariances(kind):
    near = [p._replace(means=np.round(p.means * 2**10) / 2**10) for p in on_the_way(kind)]
    far = [p._replace(means=p.means + 1e8) for p in near]  # exact
    mixture = averaged([Mixture(*p) for p in far]).mixture(Mixture(*far[-1]))
    expected = pooled(near, shares_of(ROWS))
    np.testing.assert_allclose(mixture.means - 1e8, expected.means, atol=3e-8)  # two units in the last place
    np.testing.assert_allclose(mixture.covariances, expected.covariances, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_units_and_origins_mean_nothing(kind):
    parameters, scale, shift = on_the_way(kind), 1e-3, np.array([3.0, -700.0, 50.0])
    plain = averaged([Mixture(*p) for p in parameters]).mixture(Mixture(*parameters[-1]))
    moved = [
        p._replace(means=scale * p.means + shift, covariances=scale**2 * p.covariances) for p in parameters
    ]
    mixture = averaged([Mixture(*p) for p in moved]).mixture(Mixture(*moved[-1]))
    np.testing.assert_allclose(mixture.weights, plain.weights, rtol=1e-12)
    np.testing.assert_allclose(mixture.means, scale * plain.means + shift, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mixture.covariances, scale**2 * plain.covariances, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["always", "first", "last"])
def test_components_of_weight_0(kind, when):
    parameters = on_the_way(kind)
    at = {"always": range(len(ROWS)), "first": range(3), "last": range(3, len(ROWS))}[when]
    for i in at:
        w = parameters[i].weights * [1.0, 0.0, 1.0]
        parameters[i] = parameters[i]._replace(weights=w / w.sum())
    mixtures = [Mixture(*p) for p in parameters]
    mixture = averaged(mixtures).mixture(mixtures[-1])
    assert_valid(mixture)
    expected = pooled(parameters, shares_of(ROWS))
    used = expected.weights > 0
    np.testing.assert_allclose(mixture.weights, expected.weights, rtol=1e-12, atol=2e-300)  # EM leaves no 0
    np.testing.assert_allclose(mixture.means[used], expected.means[used], rtol=1e-11, atol=1e-12)
    dense = [
        naive.dense(naive.Parameters(*m))
        for m in ((mixture.weights, mixture.means, mixture.covariances, kind), expected)
    ]
    np.testing.assert_allclose(dense[0][used], dense[1][used], rtol=1e-9, atol=1e-12)
    if when == "always":  # it stays where the last mixture has it
        np.testing.assert_array_equal(mixture.means[1], mixtures[-1].means[1])
        if kind != "tied":
            np.testing.assert_allclose(mixture.covariances[1], mixtures[-1].covariances[1], rtol=1e-12)


def test_no_rows_change_nothing_and_an_average_of_none_is_the_first_mixture():
    first, second = (Mixture(*p) for p in on_the_way("full")[:2])
    average = Average.of(first, 10.0)
    assert average.add(second, 0.0) is average
    assert_mixtures_close(Average.of(first, 0.0).add(second, 5.0).mixture(second), second, rtol=1e-13)
    assert_mixtures_close(average.mixture(first), first, rtol=1e-13)  # `add` did not change it
