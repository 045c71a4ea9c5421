"""Optimality: the bound bounds, and the component lies where the rows are badly explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from streamgmm import GaussianMixture, Mixture, datasets, e_step
from streamgmm.diagnostics import discrete, explain, optimality
from streamgmm.diagnostics._likelihood_bound import Slope, limit
from streamgmm.diagnostics._new_component import best_weight, gain_of

TYPES = ("full", "tied", "diag", "spherical")
CENTERS = {1: [[0.0], [9.0], [20.0]], 2: [[0.0, 0.0], [8.0, 1.0], [2.0, 9.0]]}


def clusters(n_features=2, n=240, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.array(CENTERS.get(n_features, 6.0 * np.eye(3, n_features)))
    return centers[np.arange(n) % 3] + rng.normal(size=(n, n_features)), centers


def fitted(X, n_components, kind="full", **more):
    return GaussianMixture(
        n_components, covariance_type=kind, random_state=0, n_init=3, max_iter=500, **more
    ).fit(X)


def log_density(X, mean, covariance):
    return multivariate_normal(mean, covariance).logpdf(X).reshape(len(X))


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_slope_is_the_derivative_and_nowhere_above_its_upper_bound(n_features):
    rng = np.random.default_rng(n_features)
    Z, w = 2.0 * rng.normal(size=(60, n_features)), rng.dirichlet(np.ones(60))
    log_p = log_density(Z, np.zeros(n_features), 9.0 * np.eye(n_features))
    slope = Slope(Z, np.log(w) - log_p)
    places = rng.uniform(-7, 7, (4000, n_features))
    for place, log in zip(places[:5], slope.log(places[:5]), strict=True):
        log_f = log_density(Z, place, np.eye(n_features))
        rise = [w @ np.log((1 - a) * np.exp(log_p) + a * np.exp(log_f)) for a in (-1e-5, 1e-5)]
        np.testing.assert_allclose(np.expm1(log), (rise[1] - rise[0]) / 2e-5, rtol=1e-6, atol=1e-8)
    best = slope.peaks(200)[:1]
    for _ in range(200):
        best = slope.climbed(best)
    upper = slope.upper_bound()
    assert slope.log(best)[0] <= upper + 1e-12 <= slope.log(best)[0] + 2e-3
    assert slope.log(places).max() <= upper
    heights = [slope.log(best + 1e-4 * step)[0] for step in np.eye(n_features)]
    np.testing.assert_allclose(heights, slope.log(best)[0], atol=1e-7)  # a stationary place


def test_an_upper_bound_that_is_cut_short_is_one(monkeypatch):
    Z = np.random.default_rng(0).normal(size=(50, 2)) * 5
    slope = Slope(Z, np.full(50, -np.log(50)))
    close = slope.upper_bound()
    monkeypatch.setattr("streamgmm.diagnostics._likelihood_bound._EVALUATIONS", 0.0)
    assert close < slope.upper_bound() < close + 0.3


def test_the_best_weight_is_where_the_derivative_is_zero():
    rng = np.random.default_rng(0)
    log_ratio, w = rng.normal(size=40) * 3, rng.dirichlet(np.ones(40))
    grid = np.linspace(0, 1, 20001)[1:-1]
    gains = w @ np.log1p(np.outer(np.expm1(log_ratio), grid))
    weight = best_weight(np.log(w), log_ratio)
    assert abs(weight - grid[gains.argmax()]) < 1e-4
    np.testing.assert_allclose(gain_of(np.log(w), log_ratio, weight), gains.max(), rtol=1e-6)
    assert best_weight(np.log(w), np.full(40, -1.0)) == 0.0
    assert best_weight(np.log(w), np.full(40, 1e5)) == 1.0


@pytest.mark.parametrize("place", [0.0, 1e8])
def test_equal_rows_and_their_gaussian_are_optimal(place):
    """All rows are at the mean, where no allowed density is higher."""
    mixture = Mixture([1.0], [[place, place]], [np.diag([4.0, 9.0])])
    found = optimality(mixture, np.full((20, 2), place), thinnest=1.0)
    assert found.is_exact
    assert (found.gain, found.weight) == (0.0, 0.0) or found.gain < 1e-12
    assert found.bound < 2e-3
    assert abs(found.derivative) < 1e-12


def test_two_places_near_each_other_are_best_explained_by_one_gaussian():
    """Rows at -a and a: (f(m - a) + f(m + a)) / 2 peaks at m = 0 if a is not above the width of f."""
    X = np.array([[-0.9], [0.9]] * 10)
    assert optimality(Mixture([1.0], [[0.0]], [[[0.81]]]), X, thinnest=1.0).bound < 2e-3
    apart = optimality(Mixture([1.0], [[0.0]], [[[1.0]]]), 2 * X, thinnest=1.0)
    expected = np.log(0.5 * (1 + np.exp(-(3.6**2) / 2))) + 1.8**2 / 2  # a component at each place
    assert expected - 0.1 < apart.bound
    assert apart.bound < expected + 2e-3
    assert apart.gain > 0.1


@pytest.mark.parametrize(
    ("n_features", "kind"), [(2, kind) for kind in TYPES] + [(1, "full"), (3, "full"), (6, "full")]
)
def test_a_missing_component_is_found_where_it_is(n_features, kind):
    X, centers = clusters(n_features, 3000 if n_features == 6 else 600)
    few = optimality(fitted(X, 2, kind), X)
    assert few.is_exact == (n_features <= 3)
    assert few.is_improvable
    assert few.bound >= few.gain
    assert np.abs(centers - few.mean).max(axis=1).min() < 1.0
    mixture = fitted(X, 2, kind).to_mixture()
    log_f = log_density(X, few.mean, few.covariance)
    mixed = np.logaddexp(np.log1p(-few.weight) + mixture.log_prob(X), np.log(few.weight) + log_f)
    np.testing.assert_allclose(np.mean(mixed - mixture.log_prob(X)), few.gain, rtol=1e-9)
    assert np.linalg.eigvalsh(few.covariance - few.least_covariance).min() > -1e-8
    enough = optimality(fitted(X, 3, kind), X)
    assert not enough.is_improvable
    assert enough.bound < 0.6 * few.bound or n_features > 2


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_no_richer_mixture_is_better_than_the_bound(n_features):
    X, _ = clusters(n_features, 90, seed=1)
    mixture = fitted(X, 2).to_mixture()
    found = optimality(mixture, X)
    root = np.linalg.cholesky(found.least_covariance)
    Z = np.linalg.solve(root, X.T).T
    now = mixture.log_prob(X).mean() + np.linalg.slogdet(root)[1]
    best, rng = -np.inf, np.random.default_rng(0)
    for n_components in (3, 4, 6, 30):
        for _ in range(2):
            means, weights = (
                Z[rng.choice(90, n_components, replace=False)],
                np.full(n_components, 1 / n_components),
            )
            covariances = np.tile(np.eye(n_features) * rng.choice([1.0, 4.0]), (n_components, 1, 1))
            for _ in range(40):  # EM, written out, with eigenvalues of at least 1
                joint = np.stack([log_density(Z, *pair) for pair in zip(means, covariances, strict=True)], 1)
                joint += np.log(weights)
                resp = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
                best = max(best, np.logaddexp.reduce(joint, axis=1).mean())
                nk = resp.sum(axis=0) + 1e-12
                weights, means = nk / nk.sum(), resp.T @ Z / nk[:, None]
                for k in range(n_components):
                    values, axes = np.linalg.eigh(
                        (resp[:, k, None] * (Z - means[k])).T @ (Z - means[k]) / nk[k]
                    )
                    covariances[k] = (axes * np.maximum(values, 1.0)) @ axes.T
    assert found.gain < best - now <= found.bound
    assert found.bound < best - now + 0.25  # and it is not far


@pytest.mark.parametrize("kind", TYPES)
def test_units_do_not_matter(kind):
    X, _ = clusters()
    move = {
        "full": [[3.0, 1.0], [0.0, 1e-3]],
        "tied": [[3.0, 1.0], [0.0, 1e-3]],
        "diag": np.diag([1e4, 1e-3]),
    }
    move = np.array(move.get(kind, 1e-5 * np.eye(2)))
    mixture = fitted(X, 2, kind).to_mixture()
    covariances = move @ mixture.covariance_matrices() @ move.T
    shapes = {"full": lambda S: S, "tied": lambda S: S[0], "diag": lambda S: np.diagonal(S, axis1=1, axis2=2)}
    moved = Mixture(
        mixture.weights,
        mixture.means @ move.T + 5.0,
        shapes.get(kind, lambda S: S[:, 0, 0])(covariances),
        kind,
    )
    here, there = optimality(mixture, X), optimality(moved, X @ move.T + 5.0)
    np.testing.assert_allclose(there.gain, here.gain, rtol=1e-4)
    np.testing.assert_allclose(there.derivative, here.derivative, rtol=1e-3)
    np.testing.assert_allclose(there.bound, here.bound, atol=5e-3)
    np.testing.assert_allclose(there.mean, move @ here.mean + 5.0, rtol=1e-2)
    np.testing.assert_allclose(there.least_covariance, move @ here.least_covariance @ move.T, rtol=1e-6)


def test_a_weight_is_a_row_so_many_times():
    X, _ = clusters(n=90)
    w = np.random.default_rng(0).integers(0, 4, 90)
    mixture = fitted(X, 2).to_mixture()
    weighted, repeated = optimality(mixture, X, w), optimality(mixture, np.repeat(X, w, axis=0))
    assert weighted.n_rows == repeated.n_rows == w.sum()
    np.testing.assert_allclose(weighted.gain, repeated.gain, rtol=1e-3)
    np.testing.assert_allclose(weighted.derivative, repeated.derivative, rtol=1e-3)
    np.testing.assert_allclose(weighted.bound, repeated.bound, atol=5e-3)


def test_of_many_rows_a_few_that_are_far_are_found():
    X = np.random.default_rng(0).normal(size=(20000, 2))
    X[:60] += 12.0
    found = optimality(fitted(X[60:], 1), X)
    assert not found.is_exact
    assert np.abs(found.mean - 12.0).max() < 0.5
    np.testing.assert_allclose(found.weight, 60 / 20000, rtol=0.1)
    assert optimality(fitted(X[60:], 1), X).gain == found.gain


def test_what_regularization_adds_to_dependent_features_is_no_finding():
    X = np.random.default_rng(0).normal(size=(500, 2))
    X = np.column_stack([X, X.sum(axis=1) + 1e-7 * X[::-1, 0]])
    assert not optimality(fitted(X, 1), X).is_improvable
    wide = Mixture([1.0], [np.zeros(3)], [1e10 * np.eye(3)])
    assert optimality(wide, X).is_improvable


def test_far_rows_and_constant_columns():
    X = np.random.default_rng(0).normal(size=(100, 2))
    X[:, 1] = 3.0
    assert not optimality(fitted(X, 1), X).is_improvable
    far = optimality(fitted(X, 1), np.vstack([X, [[1e6, 3.0]]]))
    assert np.isfinite([far.bound, far.gain]).all()
    with pytest.raises(ValueError, match="too far from every component"):
        optimality(fitted(X, 1), [[1e200, 3.0]])


def test_explain_says_it_in_words():
    X, _ = clusters(n=600)
    mixture = fitted(X, 2).to_mixture()
    found = optimality(mixture, X)
    assert explain(mixture, e_step(mixture, X)) == []
    (finding,) = explain(mixture, e_step(mixture, X), found)
    assert finding.kind == "improvable"
    assert finding.features == (0, 1)
    assert finding.values["gain"] == found.gain
    assert f"would gain {found.gain:.3g} nats a row" in finding
    assert finding.text(["height", "weight"]).startswith("One more component around 'height' = ")
    assert replace(found, gain=0.9 * found.charge).finding.kind == "near-optimal"
    with pytest.raises(ValueError, match="`optimality` must be an Optimality or None, got float"):
        explain(mixture, e_step(mixture, X), 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], None, 0.0), "`thinnest` must be positive and finite, got 0.0"),
        (([[1.0, 2.0]], None, None), r"`X` must have shape \(n_samples, 1\)"),
        (([[np.nan]], None, None), "`X` must be finite"),
        (([[1.0]], [0.0], None), "`X` must hold at least one row of positive weight"),
    ],
)
def test_what_is_invalid(arguments, message):
    X, w, thinnest = arguments
    with pytest.raises(ValueError, match=message):
        optimality(Mixture([1.0], [[0.0]], [[[1.0]]]), X, w, thinnest=thinnest)


# --- values that come again and again ----------------------------------------------------------------------


def kinds(X):
    return [finding.kind for finding in discrete(X)]


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e150])
def test_discrete_names_what_a_component_can_sit_on(scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3))
    assert kinds(X * scale) == []
    zeros = X.copy()
    zeros[:100, 1] = 0.0
    (finding,) = discrete(zeros * scale)
    assert (finding.kind, finding.features) == ("frequent-value", (1,))
    assert (finding.values["value"], finding.values["times"]) == (0.0, 100)
    few = X.copy()
    few[:, 2] = rng.poisson(1.0, 1000)
    (finding,) = discrete(few * scale)
    assert (finding.kind, finding.features) == ("few-values", (2,))
    assert finding.values["distinct"] == len(np.unique(few[:, 2]))
    assert finding.values["times"] == np.bincount(few[:, 2].astype(int)).max()
    (finding,) = discrete(np.repeat(X[:300], 3, axis=0) * scale)
    assert (finding.kind, finding.values["times"], finding.values["distinct"]) == ("duplicate-rows", 3, 300)
    constant = X.copy()
    constant[:, 0] = 7.0
    (finding,) = discrete(constant * scale)
    assert (finding.kind, finding.features) == ("constant-columns", (0,))


def test_rounded_measurements_are_not_named():
    from sklearn.datasets import load_iris

    assert kinds(load_iris().data) == []
    faithful = datasets.load_faithful().data
    assert kinds(faithful) == kinds(faithful[:, :1]) == kinds(faithful[:, 1:]) == []
    ages = np.round(np.random.default_rng(0).normal(40, 12, (50000, 2)))
    assert kinds(ages) == []
    assert kinds(np.round(ages / 40)) == ["few-values", "few-values"]
    assert kinds([[1.0, 2.0]]) == []
    with pytest.raises(ValueError, match="`X` must have shape"):
        discrete([1.0, 2.0])
    with pytest.raises(ValueError, match="`X` must be finite"):
        discrete([[np.nan], [1.0]])


def test_the_limit_of_any_density_is_that_of_the_best():
    """What is best does not depend on where one stands: limits differ by what the densities differ by."""
    Z = 3.0 * np.random.default_rng(0).normal(size=(80, 2))
    w = np.full(80, -np.log(80))
    near, far = (log_density(Z, np.full(2, at), 9.0 * np.eye(2)) for at in (0.0, 4.0))
    one, other = (limit(Z, w, log_p, is_exact=True) + log_p.mean() for log_p in (near, far))
    np.testing.assert_allclose(one, other, atol=0.02)
