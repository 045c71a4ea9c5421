"""Moves, the search by them, and fits with many numbers of components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from common import NO_WEIGHTS, assert_valid, parameters_of
from streamgmm import GaussianMixture, Mixture, covariance
from streamgmm.algebra import merging_losses
from streamgmm.fit.moves import merges, splits
from streamgmm.fit.path import narrowed, path, widened
from streamgmm.fit.problem import Problem
from streamgmm.fit.rows import rows_of
from streamgmm.fit.search import improve
from streamgmm.fit.solvers import solver_of
from streamgmm.fit.start.clusters import Sample
from streamgmm.fit.volume import Judge

TYPES = covariance.names()
types = pytest.mark.parametrize("kind", TYPES)
CENTERS = np.array([[0.0, 0.0], [5.0, 0.0], [30.0, 0.0], [30.0, 25.0]])


def clusters(n=400, seed=0):
    """Return rows of four round clusters, two of them near each other, and their labels."""
    labels = np.arange(n) % 4
    return CENTERS[labels] + np.random.default_rng(seed).normal(size=(n, 2)), labels


def mixture_at(means, kind, variance=1.0):
    """Return components of equal weight and variance."""
    S = np.repeat(variance * np.eye(2)[np.newaxis], len(means), axis=0)
    return Mixture(np.full(len(means), 1 / len(means)), means, naive.restrict(S, kind), kind)


def stuck(kind):
    """Return a mixture from which EM alone does not come to the optimum.

    Two components share the cluster above, and one is on the two that are near each other.
    """
    return mixture_at([[2.5, 0.0], [30.0, 0.0], [29.5, 25.0], [30.5, 25.0]], kind)


def problem_of(X, kind, n_components=4, weights=None, **params):
    return Problem(rows_of(X, weights), n_components, kind, **params)


# --- moves -------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000))
def test_what_a_merge_loses_is_bounded(seed):
    """Runnalls' bound against the divergence of the two mixtures, by Monte Carlo."""
    rng = np.random.default_rng(seed)
    parameters = naive.random_parameters(rng, "full", 4, 2, spread=1.5)
    mixture = Mixture(*parameters)
    first, second = np.triu_indices(4, 1)
    bounds = merging_losses(mixture.weights, mixture.means, mixture.covariances, first, second)
    X = naive.draw(rng, parameters, 4000)
    for bound, i, j in zip(bounds, first, second, strict=True):
        ratio = naive.log_prob(parameters, X) - naive.log_prob(parameters_of(mixture.merge(i, j)), X)
        assert ratio.mean() <= bound + 4 * ratio.std() / np.sqrt(len(X)) + 1e-12
        assert bound >= -1e-12


def test_a_merge_of_components_that_are_one_loses_nothing():
    S = np.stack([np.eye(2), np.eye(2), 4 * np.eye(2)])
    weights, means = np.array([0.3, 0.2, 0.5]), np.array([[1.0, 2.0], [1.0, 2.0], [5.0, 0.0]])
    losses = merging_losses(weights, means, S, np.array([0, 0]), np.array([1, 2]))
    assert losses[0] == pytest.approx(0.0, abs=1e-15)
    # two Gaussians alone: weighted divergences of each from the one that has their moments
    share = 0.375
    merged = share * S[0] + (1 - share) * S[2] + share * (1 - share) * np.outer([4, -2], [4, -2])
    log_dets = [np.linalg.slogdet(matrix)[1] for matrix in (S[0], S[2], merged)]
    assert losses[1] == pytest.approx(0.5 * (0.8 * log_dets[2] - 0.3 * log_dets[0] - 0.5 * log_dets[1]))
    nothing = merging_losses(np.array([0.0, 0.0, 1.0]), means, S, np.array([0]), np.array([1]))
    assert nothing == [0.0]


def test_flat_components_merge_if_they_are_one():
    S = np.stack([np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2)), np.eye(2)])
    means = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    first, second = np.triu_indices(4, 1)
    losses = merging_losses(np.array([0.3, 0.3, 0.4, 0.0]), means, S, first, second)
    np.testing.assert_allclose(losses, [0, np.inf, 0, np.inf, 0, 0])  # the last has no weight


@types
@pytest.mark.parametrize("weighted", [False, True])
def test_merges_lose_what_the_likelihood_falls_by(kind, weighted):
    X, _ = clusters()
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(X)) if weighted else NO_WEIGHTS
    problem, mixture = problem_of(X, kind), mixture_at(CENTERS, kind, 1.1)
    found = merges(mixture, Sample(X, w), problem.options(3))
    assert [merge.loss for merge in found] == sorted(merge.loss for merge in found)
    assert len(found) == 5
    assert (found[0].first, found[0].second) == (0, 1)
    row_weights = w if weighted else np.ones(len(X))
    before = row_weights @ naive.log_prob(parameters_of(mixture), X)
    for merge in found:
        after = row_weights @ naive.log_prob(parameters_of(mixture.merge(merge.first, merge.second)), X)
        assert merge.loss == pytest.approx(before - after, abs=1e-6)  # is rounded, so that ties are ties


@types
@pytest.mark.parametrize("weighted", [False, True])
def test_splits_gain_what_the_likelihood_rises_by(kind, weighted):
    X, _ = clusters()
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(X)) if weighted else NO_WEIGHTS
    problem = problem_of(X, kind, weights=w if weighted else None)
    mixture = problem.finished(mixture_at([[2.5, 0.0], CENTERS[2], CENTERS[3]], kind)).mixture
    found = splits(mixture, problem.sample, problem.options, np.random.RandomState(0))
    assert [split.gain for split in found] == sorted((split.gain for split in found), reverse=True)
    best = found[0]
    assert best.component == 0
    np.testing.assert_allclose(best.pair.means[np.argsort(best.pair.means[:, 0])], CENTERS[:2], atol=0.6)
    apart = problem.climb(mixture.split(best.component, best.pair))
    apart.run(200)
    rise = apart.total * (apart.bounds[-1] - problem.climb(mixture).run(1))
    assert rise > 10
    if not mixture.kind.is_shared:  # where all covariances change with one the gain is only of that
        assert best.gain == pytest.approx(rise, rel=0.15)
        assert all(split.gain < 0.3 * rise for split in found[1:])


@types
def test_a_component_of_few_rows_is_not_split(kind):
    X, _ = clusters(200)
    few = 3 if covariance.get(kind).is_shared else 7
    X = np.concatenate([X, 300.0 + np.random.default_rng(0).normal(size=(5, 2))])
    mixture = mixture_at([*CENTERS, [300.0, 300.0]], kind)
    problem = problem_of(X, kind, 5)
    found = {
        split.component
        for split in splits(mixture, problem.sample, problem.options, np.random.RandomState(0))
    }
    assert found >= {0, 1, 2, 3}
    assert (4 in found) == (few < 5)
    assert not splits(
        mixture_at(CENTERS[:1], kind), Sample(X[:1], NO_WEIGHTS), problem.options, np.random.RandomState(0)
    )


# --- the search --------------------------------------------------------------------------------------------


@types
@pytest.mark.parametrize("prior", [None, "weak"])
@pytest.mark.parametrize("weighted", [False, True])
def test_finds_the_optimum_where_em_alone_does_not(kind, prior, weighted):
    X, _ = clusters()
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(X)) if weighted else None
    problem = problem_of(X, kind, prior=prior, weights=w)
    value = Judge(problem.sample).value
    alone, best = problem.finished(stuck(kind)), problem.finished(mixture_at(CENTERS, kind))
    assert value(alone) < value(best) - 0.05
    found = improve(alone, problem.sample, problem.options, np.random.RandomState(0))
    assert value(found) > value(best) - 1e-4
    again = improve(alone, problem.sample, problem.options, np.random.RandomState(0))
    np.testing.assert_array_equal(again.mixture.means, found.mixture.means)


@types
@pytest.mark.parametrize("prior", [None, "weak"])
def test_never_ends_below_where_it_began(kind, prior):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = naive.draw(rng, naive.random_parameters(rng, "full", 4, 2, spread=1.5), 150)
        problem = problem_of(X, kind, 5, prior=prior)
        climb = problem.finished(Mixture(*naive.random_parameters(rng, kind, 5, 2)))
        value = Judge(problem.sample).value
        before = value(climb)
        found = improve(climb, problem.sample, problem.options, np.random.RandomState(seed))
        assert found is climb or value(found) > before
        assert_valid(found.mixture, X)


def test_one_component_is_all_there_is():
    X, _ = clusters()
    problem = problem_of(X, "full", 1)
    climb = problem.finished(mixture_at(CENTERS[:1], "full"))
    assert improve(climb, problem.sample, problem.options, np.random.RandomState(0)) is climb


@types
def test_estimators_that_search(kind, tmp_path):
    X, _ = clusters(300)
    how = {"covariance_type": kind, "search": True, "random_state": 0}
    model = GaussianMixture(4, **how).fit(X)
    best = problem_of(X, kind).finished(mixture_at(CENTERS, kind))
    assert model.score(X) > best.bounds[-1] - 1e-4
    for n_threads in (1, 3):
        other = GaussianMixture(4, n_threads=n_threads, **how).fit(X)
        np.testing.assert_array_equal(other.means_, model.means_)
    np.save(tmp_path / "x.npy", X)
    from_file = GaussianMixture(4, **how).fit(tmp_path / "x.npy")
    np.testing.assert_allclose(from_file.means_, model.means_, rtol=1e-9)
    several = GaussianMixture(4, n_init=3, init_params="best", **how).fit(X)
    assert several.lower_bound_ >= model.lower_bound_ - 1e-6
    from_a_bad_start = GaussianMixture(4, means_init=stuck(kind).means, **how).fit(X)
    assert from_a_bad_start.score(X) > best.bounds[-1] - 1e-2  # scikit-learn's tol


@types
def test_a_weight_of_two_is_the_row_twice(kind):
    X, _ = clusters(200)
    w = np.random.default_rng(0).integers(1, 3, len(X))
    model = GaussianMixture(4, covariance_type=kind, search=True, random_state=0)
    weighted = model.fit(X, sample_weight=w).to_mixture()
    repeated = model.fit(np.repeat(X, w, axis=0)).to_mixture()
    np.testing.assert_allclose(weighted.log_prob(X), repeated.log_prob(X), atol=5e-3)


# --- many numbers of components ----------------------------------------------------------------------------


def fitted(problem, sizes, **how):
    """Return a fit for each number of components, along a path."""

    def fit(mixture):
        solver = solver_of("em", options=problem.options(mixture.n_components), max_iter=2000, tol=1e-6)
        return solver(mixture, problem.rows, n_threads=1)

    return path(problem, sizes, fit, 0, **how)


@types
@pytest.mark.parametrize("sizes", [[2, 5], range(1, 7), [3], [9, 1, 4]])
def test_each_fit_of_a_path_is_as_good_as_one_of_its_own(kind, sizes):
    X, _ = clusters()
    problem = problem_of(X, kind, max(sizes))
    calls = []
    results = fitted(problem, sizes, done=lambda: calls.append(1))
    assert sorted(results) == sorted(sizes)
    assert len(calls) == len(sizes)
    bounds = [results[K].lower_bounds[-1] for K in sorted(sizes)]
    assert (np.diff(bounds) > -1e-5).all()
    for K in sizes:
        assert results[K].mixture.n_components == K
        assert_valid(results[K].mixture, X)
        own = problem.finished(problem.start(K, np.random.RandomState(1)))
        assert results[K].lower_bounds[-1] > own.bounds[-1] - (0.02 if K <= 4 else 0.05)


@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_two_walks_on_two_threads_are_the_same(kind):
    X, _ = clusters(200)
    one, two = (fitted(problem_of(X, kind, 10), range(1, 11), n_threads=n) for n in (1, 2))
    for K in range(1, 11):
        np.testing.assert_array_equal(one[K].mixture.means, two[K].mixture.means)


@types
def test_one_component_less_and_one_more(kind):
    X, _ = clusters()
    problem = problem_of(X, kind, 5)
    four = problem.finished(mixture_at(CENTERS, kind)).mixture
    three = narrowed(problem, four)
    np.testing.assert_allclose(np.sort(three.weights), [0.25, 0.25, 0.5], atol=0.02)
    again = problem.finished(widened(problem, three, np.random.RandomState(0))).mixture
    assert again.log_prob(X).mean() == pytest.approx(four.log_prob(X).mean(), abs=1e-3)


@types
def test_where_no_component_can_be_split_one_is_there_twice(kind):
    X = CENTERS[[0, 0, 0, 0]]
    problem = problem_of(X, kind, 2)
    one = mixture_at([[0.0, 0.0]], kind)
    two = widened(problem, one, np.random.RandomState(0))
    assert two.n_components == 2
    assert_valid(two)
