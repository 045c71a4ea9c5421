"""Marginals, conditionals, merging, entropy and divergence against integration by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import naive
from streamgmm import Mixture, covariance

TYPES = covariance.names()
GRID = np.linspace(-16, 16, 1601)
STEP = GRID[1] - GRID[0]


def example(kind, n_features=2, n_components=3, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    return Mixture(*naive.random_parameters(rng, kind, n_components, n_features, spread=spread))


def plane(grid):
    return np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)


def density_on(mixture, X):
    """Densities by SciPy, component by component."""
    matrices = naive.dense(
        naive.Parameters(mixture.weights, mixture.means, mixture.covariances, mixture.covariance_type)
    )
    parts = zip(mixture.weights, mixture.means, matrices, strict=True)
    return sum(weight * multivariate_normal(mean, S).pdf(X) for weight, mean, S in parts)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("feature", [0, 1])
def test_marginal_is_the_integral_over_the_rest(kind, feature):
    mixture = example(kind)
    grid = np.linspace(-16, 16, 401)
    table = density_on(mixture, plane(grid)).reshape(len(grid), len(grid))
    expected = table.sum(axis=1 - feature) * (grid[1] - grid[0])
    marginal = mixture.marginal(feature)
    assert marginal.covariance_type == kind
    np.testing.assert_allclose(np.exp(marginal.log_prob(grid[:, np.newaxis])), expected, atol=1e-12)


@pytest.mark.parametrize("kind", TYPES)
def test_marginal_of_all_features_in_another_order(kind):
    mixture = example(kind, 4)
    X = np.random.default_rng(0).normal(size=(20, 4))
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(mixture.marginal(order).log_prob(X[:, order]), mixture.log_prob(X), rtol=1e-11)
    np.testing.assert_allclose(mixture.marginal([3, 0]).means, mixture.means[:, [3, 0]])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [-3.0, 0.5, 40.0])
@pytest.mark.parametrize("known", [0, 1])
def test_condition_is_the_joint_over_the_integral(kind, value, known):
    mixture = example(kind)
    rows = np.empty((len(GRID), 2))
    rows[:, known], rows[:, 1 - known] = value, GRID
    log_joint = mixture.log_prob(rows)
    joint = np.exp(log_joint - log_joint.max())
    given = mixture.condition({known: value})
    density = np.exp(given.log_prob(GRID[:, np.newaxis]))
    if abs(value) < 10:  # at 40 some of the conditional lies outside the grid
        np.testing.assert_allclose(density, joint / (joint.sum() * STEP), atol=1e-9)
        mean = (given.weights @ given.means).item()
        assert mean == pytest.approx((GRID * joint).sum() / joint.sum(), abs=1e-9)
    ratio = given.log_prob(GRID[:, np.newaxis]) - log_joint
    np.testing.assert_allclose(ratio, ratio[0], atol=1e-8)  # proportional, also far away


@pytest.mark.parametrize("kind", TYPES)
def test_condition_on_two_of_four_in_turn_or_at_once(kind):
    mixture = example(kind, 4)
    both = mixture.condition({3: 0.5, 1: -1.0})
    turn = mixture.condition({1: -1.0}).condition({2: 0.5})
    np.testing.assert_allclose(both.weights, turn.weights, rtol=1e-10)
    np.testing.assert_allclose(both.means, turn.means, rtol=1e-10)
    np.testing.assert_allclose(both.covariances, turn.covariances, rtol=1e-10)
    assert both.covariance_type == kind


def test_components_of_highly_correlated_features_merge():
    """Their covariance matrices are singular in float64; their factors are not."""
    factor = np.array([[[1.0, 0.0], [1.0, 1e-9]], [[2.0, 0.0], [2.0, 3e-9]]])
    merged = Mixture.from_factor(np.log([0.5, 0.5]), [[0.0, 0.0], [1.0, 1.0]], factor).merge(0, 1)
    np.testing.assert_allclose(merged.factor[0, 1, 1], np.sqrt(5.0) * 1e-9, rtol=1e-6)  # 1e-16 / 1e-9
    np.testing.assert_allclose(merged.covariances[0], 2.75)


@pytest.mark.parametrize("kind", TYPES)
def test_merge_keeps_the_moments(kind):
    mixture = example(kind, 2)
    merged = mixture.merge(2, 0)
    assert merged.n_components == 2
    np.testing.assert_allclose(merged.weights, [mixture.weights[1], mixture.weights[[0, 2]].sum()])
    grid = np.linspace(-16, 16, 401)
    X = plane(grid)
    moments = []
    for each in (mixture, merged):
        p = density_on(each, X)
        p = p / p.sum()
        mean = p @ X
        moments.append((mean, ((X - mean) * p[:, np.newaxis]).T @ (X - mean)))
    np.testing.assert_allclose(moments[0][0], moments[1][0], atol=1e-9)
    if kind in ("full", "tied"):
        np.testing.assert_allclose(moments[0][1], moments[1][1], atol=1e-9)
    elif kind == "diag":
        np.testing.assert_allclose(np.diag(moments[0][1]), np.diag(moments[1][1]), atol=1e-9)
    else:
        assert np.trace(moments[0][1]) == pytest.approx(np.trace(moments[1][1]), abs=1e-9)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_entropy_bounds_hold_the_integral(kind, n_features, spread):
    mixture = example(kind, n_features, spread=spread)
    grid = GRID[:, np.newaxis] if n_features == 1 else plane(np.linspace(-16, 16, 401))
    cell = STEP if n_features == 1 else (32 / 400) ** 2
    p = density_on(mixture, grid) if n_features == 2 else np.exp(mixture.log_prob(grid))
    entropy = -(p[p > 0] * np.log(p[p > 0])).sum() * cell
    bounds = mixture.entropy_bounds()
    assert bounds.lower <= entropy + 1e-9
    assert bounds.upper >= entropy - 1e-9
    assert bounds.upper - bounds.lower < 1.0


def test_entropy_of_one_component_is_exact():
    one = Mixture([1.0], [[1.0, 2.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    exact = multivariate_normal(one.means[0], one.covariances[0]).entropy()
    assert one.entropy_bounds() == pytest.approx((exact, exact))
    with_empty = Mixture([1.0, 0.0], [[0.0], [5.0]], [[[1.0]], [[1.0]]])
    assert with_empty.entropy_bounds().upper == pytest.approx(0.5 * np.log(2 * np.pi * np.e))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2])
def test_kl_divergence_is_the_integral(kind, n_features):
    p, q = (example(kind, n_features, seed=seed, spread=1.0) for seed in (0, 1))
    grid = GRID[:, np.newaxis] if n_features == 1 else plane(np.linspace(-16, 16, 401))
    cell = STEP if n_features == 1 else (32 / 400) ** 2
    log_p, log_q = p.log_prob(grid), q.log_prob(grid)
    exact = (np.exp(log_p) * (log_p - log_q)).sum() * cell
    estimate = p.kl_divergence(q)
    assert estimate == p.kl_divergence(q)  # seeded
    assert abs(estimate.value - exact) < 4 * estimate.error
    assert estimate.error < 0.05
    assert p.kl_divergence(p) == (0.0, 0.0)


def test_what_makes_no_sense():
    mixture = example("full", 2)
    for bad in ([], [0, 0], [2], [0.5], [True], 1.5, None):
        with pytest.raises(ValueError, match="`features` must"):
            mixture.marginal(bad)
    for bad in ({}, {0: 1.0, 1: 1.0}, {5: 1.0}, {0: np.nan}):
        with pytest.raises(ValueError, match="`values` must"):
            mixture.condition(bad)
    for i, j in ((0, 0), (0, 3)):
        with pytest.raises(ValueError, match="`i and j` must"):
            mixture.merge(i, j)
    with pytest.raises(ValueError, match="`i and j` must name components between 0 and 2, got 5"):
        mixture.merge(0, 5)
    with pytest.raises(ValueError, match="`other` must be a Mixture, got int"):
        mixture.kl_divergence(3)
    with pytest.raises(ValueError, match="`n_samples` must be at least 2"):
        mixture.kl_divergence(mixture, n_samples=1)
    with pytest.raises(ValueError, match="`other` must have 2 features"):
        mixture.kl_divergence(example("full", 3))


def test_condition_far_away_has_weights_or_says_so():
    mixture = Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], np.ones((2, 2)), "diag")
    np.testing.assert_allclose(mixture.condition({0: 1e100}).weights.sum(), 1.0, rtol=1e-12)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too far from every component"):
        mixture.condition({0: 1e200})


# --- some of the components, and more of them --------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_selected_components_are_those(kind):
    mixture = example(kind, n_components=4)
    X = np.random.default_rng(0).normal(size=(30, 2)) * 3
    matrices = mixture.covariance_matrices()
    for chosen in ([2, 0], [1], [-1, 1, 0], range(4)):
        numbers = [k % 4 for k in chosen]
        some = mixture.select(chosen)
        assert some.covariance_type == kind
        assert some.n_components == len(numbers)
        density = sum(
            mixture.weights[k] * multivariate_normal(mixture.means[k], matrices[k]).pdf(X) for k in numbers
        )
        np.testing.assert_allclose(
            np.exp(some.log_prob(X)), density / mixture.weights[numbers].sum(), rtol=1e-9
        )
    assert mixture.n_components == 4


def test_what_cannot_be_selected():
    mixture = Mixture([0.7, 0.3, 0.0], np.zeros((3, 2)), np.ones(3), "spherical")
    for components, match in (
        ([3], "must name components between 0 and 2"),
        ([], "at least one"),
        ([0, 0], "distinct"),
        ([0.5], "must be integers"),
        ([2], "must have weight"),
    ):
        with pytest.raises(ValueError, match=f"`components` .*{match}"):
            mixture.select(components)
    np.testing.assert_array_equal(mixture.select([2, 1]).weights, [0.0, 1.0])


@pytest.mark.parametrize("kind", TYPES)
def test_parts_take_the_place_of_a_component(kind):
    mixture, parts = example(kind), example(kind, n_components=2, seed=5)
    X = np.random.default_rng(0).normal(size=(30, 2)) * 3
    split = mixture.split(1, parts)
    np.testing.assert_allclose(split.weights[[0, 2]], mixture.weights[[0, 2]])
    np.testing.assert_allclose(split.weights[[1, 3]], mixture.weights[1] * parts.weights)
    np.testing.assert_array_equal(
        split.means, [*mixture.means[:1], parts.means[0], mixture.means[2], parts.means[1]]
    )
    if not mixture.kind.is_shared:
        own = sum(
            mixture.weights[k]
            * multivariate_normal(mixture.means[k], mixture.covariance_matrices()[k]).pdf(X)
            for k in (0, 2)
        )
        expected = own + mixture.weights[1] * np.exp(parts.log_prob(X))
        np.testing.assert_allclose(np.exp(split.log_prob(X)), expected, rtol=1e-9)
    else:
        np.testing.assert_array_equal(split.covariances, mixture.covariances)


@pytest.mark.parametrize("kind", TYPES)
def test_a_component_split_into_copies_changes_no_density(kind):
    mixture = example(kind)
    X = np.random.default_rng(0).normal(size=(30, 2)) * 3
    one = mixture.select([2])
    S = np.repeat(one.covariance_matrices(), 3, axis=0)
    copies = Mixture(np.full(3, 1 / 3), np.repeat(one.means, 3, axis=0), naive.restrict(S, kind), kind)
    more = mixture.split(2, copies)
    assert more.n_components == 5
    np.testing.assert_allclose(more.log_prob(X), mixture.log_prob(X), rtol=1e-12)
    back = more.merge(2, 4).merge(2, 3)
    np.testing.assert_allclose(back.log_prob(X), mixture.log_prob(X), rtol=1e-10)


def test_what_cannot_take_the_place_of_a_component():
    mixture = example("diag")
    for pair in (example("full"), example("diag", 3)):
        with pytest.raises(
            ValueError, match="`pair` must be a mixture of 2 features and `covariance_type` 'diag'"
        ):
            mixture.split(0, pair)
    with pytest.raises(ValueError, match="`k` must name components between 0 and 2, got 7"):
        mixture.split(7, example("diag"))
