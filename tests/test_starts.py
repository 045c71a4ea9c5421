"""Where fits begin and when they stop: k-means, climbs, what is left to gain, starts in several metrics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

import naive
from common import (
    NO_WEIGHTS,
    assert_mixtures_close,
    assert_valid,
    long_without_compilation,
    options_of,
    parameters_of,
    start,
)
from streamgmm import GaussianMixture, Mixture, covariance
from streamgmm.algebra import merging_losses
from streamgmm.fit.batch import fit_em
from streamgmm.fit.climb import Climb
from streamgmm.fit.convergence import left_to_gain
from streamgmm.fit.penalty import penalty_of
from streamgmm.fit.start.clusters import Sample, clustered, metrics_of
from streamgmm.fit.start.far import far_rows, with_far
from streamgmm.fit.start.moments import FLOOR, feature_moments, quantile, robust_deviations
from streamgmm.fit.start.several import _merged
from streamgmm.fit.volume import Judge
from streamgmm.kernels.kmeans import kmeans
from streamgmm.priors import options as prior_options
from streamgmm.priors import weak_prior

TYPES = covariance.names()
METRICS = ("standardized", "whitened", "within", "robust", "raw")
types = pytest.mark.parametrize("kind", TYPES)


def clusters(n=300, n_features=2, n_components=4, seed=0, spread=6.0):
    """Return rows of round clusters, most of them apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_components
    return spread * rng.normal(size=(n_components, n_features))[labels] + rng.normal(
        size=(n, n_features)
    ), labels


def same_partition(found, labels):
    """Tell whether labels differ in their names alone."""
    pairs = set(zip(found.tolist(), labels.tolist(), strict=True))
    return len(pairs) == len(set(found.tolist())) == len(set(labels.tolist()))


# --- k-means -----------------------------------------------------------------------------------------------


def k_means(X, n_components, seed, max_iter, weights=None):
    """Return the centers and the counts of compiled k-means."""
    w = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=float)
    uniform = np.random.default_rng(seed).random((n_components, 2 + int(np.log(n_components))))
    centers, counts = np.empty((n_components, X.shape[1])), np.zeros(n_components)
    kmeans(np.ascontiguousarray(X.T), w, uniform, max_iter, centers, counts)
    return centers, counts


def squares(X, centers):
    return np.square(X[:, np.newaxis] - centers).sum(axis=2)


def cost(X, centers, weights=None):
    return np.average(squares(X, centers).min(axis=1), weights=weights) * len(X)


@pytest.mark.parametrize("seed", range(6))
def test_each_step_is_that_of_lloyd(seed):
    X, _ = clusters(120, 3, 5, seed, spread=1.5)
    w = np.random.default_rng(seed).uniform(0.1, 3.0, len(X))
    before, _ = k_means(X, 5, seed, 0, w)
    assert (squares(before, X).min(axis=1) == 0).all()  # the seeds are rows
    n_moved = 0
    for n_iter in range(1, 15):
        centers, counts = k_means(X, 5, seed, n_iter, w)
        cells = squares(X, before).argmin(axis=1)
        if np.allclose(centers, before):
            break
        for k in range(5):
            np.testing.assert_allclose(centers[k], np.average(X[cells == k], axis=0, weights=w[cells == k]))
            assert counts[k] == pytest.approx(w[cells == k].sum())
        assert cost(X, centers, w) <= cost(X, before, w)
        before, n_moved = centers, n_moved + 1
    assert n_moved >= 1
    np.testing.assert_allclose(cost(X, centers, w), cost(X, k_means(X, 5, seed, 500, w)[0], w), rtol=2e-3)


@long_without_compilation
def test_the_cost_is_about_that_of_scikit_learn():
    X, _ = clusters(400, 2, 8, 1, spread=3.0)
    ours = [cost(X, k_means(X, 8, seed, 300)[0]) for seed in range(15)]
    theirs = [KMeans(8, n_init=1, random_state=seed).fit(X).inertia_ for seed in range(15)]
    assert np.median(ours) < 1.03 * np.median(theirs)
    assert min(ours) < 1.005 * min(theirs)


@given(seed=st.integers(0, 1000))
def test_a_weight_is_the_row_so_many_times(seed):
    X, _ = clusters(60, 2, 3, seed, spread=2.0)
    w = np.random.default_rng(seed).integers(1, 4, len(X))
    weighted, repeated = k_means(X, 4, seed, 20, w), k_means(np.repeat(X, w, axis=0), 4, seed, 20)
    np.testing.assert_allclose(weighted[0], repeated[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted[1], repeated[1])


@pytest.mark.parametrize("distinct", [1, 2, 4])
def test_more_centers_than_distinct_rows(distinct):
    X = np.repeat(np.random.default_rng(0).normal(size=(distinct, 2)), 3, axis=0)
    centers, counts = k_means(X, 6, 0, 20)
    assert cost(X, centers) == pytest.approx(0.0, abs=1e-25)
    assert np.isfinite(centers).all()
    assert counts.sum() == len(X)


def test_clusters_far_apart_are_found_whatever_the_seed():
    X, labels = clusters(200, 2, 6, 3, spread=400.0)
    for seed in range(30):
        centers, counts = k_means(X, 6, seed, 20)
        assert same_partition(squares(X, centers).argmin(axis=1), labels)
        np.testing.assert_allclose(np.sort(counts), np.sort(np.bincount(labels)))


# --- climbs ------------------------------------------------------------------------------------------------


@types
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("how", ["plain", "floor", "prior"])
def test_a_climb_is_em(kind, weighted, how):
    _, mixture, X = start(kind, n_samples=300, spread=1.5)
    w = np.random.default_rng(0).uniform(0.2, 2.0, len(X)) if weighted else NO_WEIGHTS
    prior = weak_prior(X.mean(axis=0), np.cov(X.T), 3) if how == "prior" else None
    options = options_of(kind, 3, 3, 0.01 if how != "plain" else 0.0, prior)
    expected = fit_em(mixture, X, w if weighted else None, options=options, tol=0.0, max_iter=12)
    climb = Climb(mixture, X, w, options)
    assert climb.run(5) == climb.bounds[-1]
    climb.run(7)
    np.testing.assert_allclose(climb.bounds, expected.lower_bounds, rtol=1e-12)
    assert_mixtures_close(climb.mixture, expected.mixture)
    before = fit_em(mixture, X, w if weighted else None, options=options, tol=0.0, max_iter=11).mixture
    resp = before.responsibilities(X) * (w if weighted else np.ones(len(X)))[:, np.newaxis]
    np.testing.assert_allclose(climb.nk, resp.sum(axis=0))


@given(
    ratio=st.floats(0.01, 0.99),
    first=st.floats(1e-6, 10.0),
    n=st.integers(3, 8),
    end=st.floats(-100.0, 100.0),
)
def test_a_geometric_series_is_summed(ratio, first, n, end):
    bounds = end - first * ratio ** np.arange(n)
    # where a step gains more than all that follow, it is said to be left
    expected = max(end - bounds[-1], bounds[-1] - bounds[-2])
    assert left_to_gain(list(bounds)) == pytest.approx(expected, rel=1e-3, abs=1e-10)


def test_what_is_left_on_plateaus_and_in_noise():
    assert left_to_gain([-3.0, -2.0]) == np.inf
    assert left_to_gain([-3.0, -2.99, -2.97]) == np.inf  # steps grow
    assert left_to_gain([-3.0, -2.99, -2.98]) > 1e10  # steps stay
    assert left_to_gain([-3.0, -3.0, -3.0]) == 0.0
    assert left_to_gain([-3.0, -3.0, np.nextafter(-3.0, 0)]) == 0.0  # rounding
    assert left_to_gain([-300.0, -2.0, -2.0 + 1e-9]) == pytest.approx(1e-9)
    assert left_to_gain([3.0, 3.0 + 1e-10, 3.0]) == pytest.approx(1e-10)  # back and forth: rounding, too
    assert left_to_gain([-2.0, -2.1, -2.15]) == pytest.approx(0.05)  # with a prior likelihoods may fall


def overlapping(seed=0, n=1500):
    """Return rows of two Gaussians, three standard deviations apart in one of two features, and a start."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + np.where(np.arange(n)[:, np.newaxis] % 3 == 0, [3.0, 0.0], 0.0)
    return X, Mixture([0.5, 0.5], [[0.5, -0.5], [1.0, 0.5]], [[[2.0, 0.0], [0.0, 1.0]]] * 2)


@long_without_compilation
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_a_climb_ends_near_the_optimum(seed, tol):
    X, mixture = overlapping(seed)
    climb = Climb(mixture, X, NO_WEIGHTS, options_of("full", 2, 2))
    assert climb.finish(tol, 4000)
    best = Climb(mixture, X, NO_WEIGHTS, climb.options).run(4000)
    early = fit_em(mixture, X, tol=tol, max_iter=4000)  # ends where a change is below tol
    assert best - climb.bounds[-1] < 4 * tol < best - early.lower_bounds[-1]


@long_without_compilation
@types
@pytest.mark.parametrize("prior", [False, True])
def test_leaps_lead_up(kind, prior):
    """Between its iterations a climb takes leaps: the objective never falls, and ends higher."""
    X, _ = clusters(1500, 2, 5, 3, spread=1.0)
    how = weak_prior(X.mean(axis=0), np.cov(X.T), 5) if prior else None
    options = options_of(kind, 5, 2, 0.0, how)
    climb = Climb(
        Mixture(*naive.random_parameters(np.random.default_rng(1), kind, 5, 2)), X, NO_WEIGHTS, options
    )
    plain = Climb(climb.mixture, X, NO_WEIGHTS, options)
    climb.finish(1e-7, 600)
    plain.run(len(climb.bounds))
    assert len(climb.bounds) > 80  # else there was none
    if not prior:
        assert np.diff(climb.bounds).min() > -1e-10
        assert climb.bounds[-1] > plain.bounds[-1] - 1e-6
    else:
        judge = Judge(Sample(X, NO_WEIGHTS))
        assert judge.value(climb) > judge.value(plain) - 1e-6


def test_a_plateau_is_not_the_end():
    """A component of hardly any weight, where rows are: for many iterations little is gained."""
    X = np.concatenate([np.random.default_rng(0).normal(c, 1, (200, 1)) for c in (-4, 4)])
    mixture = Mixture([1 - 1e-9, 1e-9], [[0.0], [4.0]], [[17.0], [1.0]], "diag")
    assert fit_em(mixture, X, tol=1e-5).n_iter < 10
    climb = Climb(mixture, X, NO_WEIGHTS, options_of("diag", 2, 1))
    assert climb.finish(1e-5, 500)
    np.testing.assert_allclose(np.sort(climb.mixture.means.ravel()), [-4, 4], atol=0.2)


def test_a_climb_that_is_cut_short_says_so():
    X, mixture = overlapping()
    climb = Climb(mixture, X, NO_WEIGHTS, options_of("full", 2, 2))
    assert not climb.finish(1e-9, 13)
    assert len(climb.bounds) == 13


# --- the scale of the rows ---------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), q=st.floats(0.01, 0.99))
def test_quantiles_by_their_definition(seed, q):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(40, 2)), rng.integers(1, 4, 40)
    repeated = np.repeat(X, w, axis=0)
    found = quantile(X, w.astype(float), q)
    np.testing.assert_array_equal(found, quantile(repeated, NO_WEIGHTS, q))
    np.testing.assert_array_equal(found, np.quantile(repeated, q, axis=0, method="inverted_cdf"))


def test_moments_of_the_features():
    X, _ = clusters(100, 3)
    w = np.random.default_rng(0).integers(1, 4, 100)
    mean, S, deviations = feature_moments(X, w.astype(float))
    repeated = np.repeat(X, w, axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0))
    np.testing.assert_allclose(S, np.cov(repeated.T, bias=True))
    np.testing.assert_allclose(deviations, repeated.std(axis=0))
    X[:, 1] = 7.0
    assert feature_moments(X, NO_WEIGHTS)[2][1] == pytest.approx(np.median(X[:, [0, 2]].std(axis=0)))


def test_few_rows_far_away_do_not_set_the_scale():
    X = np.random.default_rng(0).normal(size=(2000, 2))
    X[:20, 0] = 1e6
    np.testing.assert_allclose(robust_deviations(X, NO_WEIGHTS, X.std(axis=0)), 1.0, rtol=0.1)
    X[:, 1] = np.r_[np.zeros(1900), np.ones(100)]  # most of them alike: there is no middle half
    assert robust_deviations(X, NO_WEIGHTS, X.std(axis=0))[1] == pytest.approx(X[:, 1].std())


# --- clusters in several metrics ---------------------------------------------------------------------------


def parallel(seed, n=400, scale=(1.0, 1.0)):
    """Return rows of two long thin Gaussians side by side, 30 times as long as wide, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    Z = rng.normal(size=(n, 2)) * [30.0, 1.0]
    Z[:, 1] += 10.0 * labels
    angle = rng.uniform(0, np.pi)
    c, s = np.cos(angle), np.sin(angle)
    return Z @ np.array([[c, s], [-s, c]]) * scale, labels


@types
def test_means_covariance_and_weights_are_those_of_the_clusters(kind):
    X, labels = clusters(300, 2, 3, 3, spread=30.0)
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    cells = [labels == k for k in range(3)]
    means = np.array([np.average(X[cell], axis=0, weights=w[cell]) for cell in cells])
    shares = np.array([w[cell].sum() for cell in cells]) / w.sum()
    within = np.cov((X - means[labels]).T, aweights=w, bias=True)
    expected = Mixture(shares, means, naive.restrict(np.array([within] * 3), kind), kind)
    found = list(clustered(Sample(X, w), 3, kind, METRICS, np.random.RandomState(0)))
    assert len(found) == len(METRICS)
    for mixture in found:
        order = [int(np.argmin(squares(mixture.means, mean[np.newaxis]))) for mean in means]
        assert_mixtures_close(mixture.select(order), expected, rtol=1e-6)  # rows are rounded first


def test_a_metric_in_which_thin_components_are_round():
    n_found = dict.fromkeys(METRICS, 0)
    for seed in range(20):
        X, labels = parallel(seed)
        found = clustered(Sample(X, NO_WEIGHTS), 2, "full", METRICS, np.random.RandomState(seed))
        for metric, mixture in zip(METRICS, found, strict=True):
            n_found[metric] += same_partition(mixture.responsibilities(X).argmax(axis=1), labels)
    assert n_found["whitened"] >= 15
    assert n_found["raw"] == 0  # nor would any number of starts


def test_within_the_clusters_found_before():
    """Four pairs of thin components side by side, far apart: whitening all rows does not make these round."""
    labels = np.arange(800) % 8
    centers = np.array([[60 * i, 60 * j + 14 * k] for i in (-1, 1) for j in (-1, 1) for k in (0, 1)])
    n_found = {"within": 0, "whitened": 0}
    for seed in range(10):
        X = centers[labels] + np.random.default_rng(seed).normal(size=(800, 2)) * [9.0, 1.0]
        for metric in n_found:
            how = ("raw", metric), np.random.RandomState(seed)
            _, mixture = clustered(Sample(X, NO_WEIGHTS), 8, "full", *how)
            n_found[metric] += same_partition(mixture.responsibilities(X).argmax(axis=1), labels)
    assert n_found["within"] >= 3
    assert n_found["whitened"] == 0


@pytest.mark.parametrize("kind", [name for name in TYPES if not covariance.get(name).is_round])
@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric != "raw"])
def test_units_do_not_matter_but_to_the_raw_metric(kind, metric):
    X, _ = clusters(200, 3, 3, 1, spread=2.0)
    scale, shift = np.array([2.0**-20, 1.0, 2.0**20]), np.array([3.0, -5.0, 1e3])
    here, there = (
        list(
            clustered(Sample(rows, NO_WEIGHTS), 3, kind, ("standardized", metric), np.random.RandomState(0))
        )[1]
        for rows in (X, X * scale + shift)
    )
    np.testing.assert_allclose(there.weights, here.weights, rtol=1e-9)
    np.testing.assert_allclose((there.means - shift) / scale, here.means, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        there.covariance_matrices() / np.outer(scale, scale), here.covariance_matrices(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
@pytest.mark.parametrize("search", [False, True])
def test_units_do_not_matter_to_a_fit(kind, search):
    for seed in (3, 5, 7, 8, 10):  # with k-means in raw units each type differs for two of them
        X, _ = clusters(200, 3, 5, seed, spread=1.2)
        model = GaussianMixture(5, covariance_type=kind, random_state=seed, search=search)
        resp = model.fit(X).predict_proba(X)
        for scale in ([1e-6, 1.0, 1e6], [1e3, 1e-3, 1.0]):
            np.testing.assert_allclose(model.fit(X * scale).predict_proba(X * scale), resp, atol=1e-6)


@long_without_compilation
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.0, 1000.0), (1e-3, 1e3)])
def test_parallel_components_are_found(scale):
    for seed in range(10):
        X, labels = parallel(seed, scale=scale)
        for kind in ("full", "tied"):
            found = GaussianMixture(2, covariance_type=kind, random_state=seed).fit_predict(X)
            assert np.mean(found == labels) in (0.0, 1.0), (kind, seed)


def test_is_round_where_the_type_makes_them():
    for kind in TYPES:
        mixture = Mixture(*naive.random_parameters(np.random.default_rng(0), kind, 2, 3))
        name, _ = mixture.kind.rescale(mixture.factor, np.array([1.0, 2.0, 3.0]))
        assert mixture.kind.is_round == (name != kind) == ("raw" in metrics_of(kind))
        assert set(metrics_of(kind)) <= set(METRICS)


# --- the best of several -----------------------------------------------------------------------------------


@types
def test_the_best_of_several_starts(kind):
    """Its optimum is not below that from scikit-learn's starts but by chance."""
    gains = []
    for seed in range(6):
        X, _ = clusters(400, 3, 6, seed, spread=2.0)
        ours = GaussianMixture(6, covariance_type=kind, random_state=seed).fit(X)
        theirs = GaussianMixture(
            6, covariance_type=kind, random_state=seed, init_params="kmeans", tol=1e-6, max_iter=2000
        )
        gains.append(ours.score(X) - theirs.fit(X).score(X))
    assert np.mean(gains) > -0.005
    assert min(gains) > -0.03


@types
@pytest.mark.parametrize("prior", [None, "weak"])
def test_one_component_needs_no_search(kind, prior):
    X, _ = clusters(60, 2, 3)
    model = GaussianMixture(covariance_type=kind, prior=prior).fit(X)
    if prior is None:
        expected = naive.restrict(np.cov(X.T, bias=True)[np.newaxis], kind)
        np.testing.assert_allclose(model.covariances_, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.means_[0], X.mean(axis=0), rtol=1e-3)
    assert model.weights_ == [1.0]
    assert model.converged_


def with_few_far(n=2000, seed=0):
    """Return rows of two clusters, and eight rows far from both, all around."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) + np.where(np.arange(n)[:, np.newaxis] % 2 == 0, 0.0, 6.0)
    X[:8] = 60.0 * rng.normal(size=(8, 2))
    return X


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_few_rows_far_away_are_one_component(kind):
    X = with_few_far()
    for seed in range(4):
        labels = GaussianMixture(3, covariance_type=kind, random_state=seed).fit_predict(X)
        assert len({labels[8], labels[9], labels[0]}) == 3
        assert (labels[:8] == labels[0]).sum() >= 7  # one of them may lie in a cluster
        assert np.mean(labels[8::2] == labels[8]) > 0.99
        assert np.mean(labels[9::2] == labels[9]) > 0.99


@pytest.mark.parametrize("n_samples", [2000, 1e6])
def test_rows_that_would_not_have_been_drawn(n_samples):
    X = with_few_far()
    mixture = Mixture(
        [0.5, 0.499, 0.001], [[0.0, 0.0], [6.0, 6.0], [1.0, 1.0]], [1.0, 1.0, 3600.0], "spherical"
    )
    log_prob = naive.log_prob(
        naive.Parameters(np.array([0.5, 0.499]) / 0.999, mixture.means[:2], np.ones(2), "spherical"), X
    )
    expected = log_prob < np.quantile(log_prob, 0.05, method="inverted_cdf") - 2 * np.log(n_samples)
    far = far_rows(mixture, Sample(X, NO_WEIGHTS), n_samples)
    np.testing.assert_array_equal(far, expected)
    assert far[:8].sum() >= 6
    assert far[8:].sum() <= 1


@types
def test_a_broad_component_beside_the_others(kind):
    X = with_few_far()
    rest, far = Sample(X[8:], NO_WEIGHTS), Sample(X[:8], NO_WEIGHTS)
    others = Mixture(*naive.random_parameters(np.random.default_rng(0), kind, 2, 2))
    mixture = with_far(others, rest, far)
    np.testing.assert_allclose(mixture.weights, [*(0.996 * others.weights), 0.004])
    np.testing.assert_allclose(mixture.means[2], X[:8].mean(axis=0))
    np.testing.assert_allclose(mixture.covariance_matrices()[:2], others.covariance_matrices())
    if not mixture.kind.is_shared:
        variances = X[8:].var(axis=0) + X[:8].var(axis=0)
        expected = naive.restrict(np.diag(variances)[np.newaxis], kind)
        np.testing.assert_allclose(mixture.kind.covariances(mixture.factor)[2:], expected)


# --- components without volume -----------------------------------------------------------------------------


def judged(mixture, X, kind, n_iter=1, prior=None):
    """Return the judge of rows, and a climb on them."""
    sample = Sample(X, NO_WEIGHTS)
    floor = FLOOR * np.square(sample.robust_deviations)
    climb = Climb(
        mixture, X, NO_WEIGHTS, prior_options(mixture.kind, mixture.n_components, X.shape[1], floor, prior)
    )
    climb.run(n_iter)
    return Judge(sample), climb


def one_and(X, mean, variance, weight, kind):
    """Return a mixture of one component on all rows, and a round one."""
    S = np.stack([np.cov(X.T), variance * np.eye(X.shape[1])])
    return Mixture([1 - weight, weight], [X.mean(axis=0), mean], naive.restrict(S, kind), kind)


unshared = pytest.mark.parametrize("kind", [name for name in TYPES if not covariance.get(name).is_shared])


@unshared
def test_a_spike_has_no_credit(kind):
    X = np.random.default_rng(0).normal(size=(300, 2))
    judge, spike = judged(one_and(X, X[0], 1e-6, 0.003, kind), X, kind, 30)
    _, plain = judged(one_and(X, X.mean(axis=0), 0.5, 0.3, kind), X, kind, 30)
    assert judge.without_volume(spike.mixture, spike.nk).tolist() == [False, True]
    assert not judge.without_volume(plain.mixture, plain.nk).any()
    assert spike.bounds[-1] > plain.bounds[-1]  # as likely as one likes
    assert judge.value(spike) < judge.value(plain) == plain.bounds[-1]
    assert judge.best([spike, plain], 2) == [plain, spike]


@unshared
@pytest.mark.parametrize(("n_rows", "owns"), [(2, False), (3, True)])
def test_three_rows_span_a_plane(kind, n_rows, owns):
    X = np.random.default_rng(0).normal(size=(200, 2))
    X[:n_rows] = np.array([[30.0, 30.0], [31.0, 30.0], [30.0, 31.5]])[:n_rows]
    judge, climb = judged(one_and(X, X[:n_rows].mean(axis=0), 1.0, n_rows / 200, kind), X, kind, 3)
    np.testing.assert_allclose(climb.nk[1], n_rows, atol=1e-6)
    assert judge.without_volume(climb.mixture, climb.nk)[1] != owns


def test_a_component_at_the_floor_in_one_direction():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[:40, 1] = X[:40, 0]  # forty rows on a line
    mixture = Mixture([0.87, 0.13], [[0.0, 0.0]] * 2, [np.eye(2), [[1.0, 1.0 - 1e-6], [1.0 - 1e-6, 1.0]]])
    judge, climb = judged(mixture, X, "full", 10)
    assert climb.nk[1] > 39
    assert judge.without_volume(climb.mixture, climb.nk).tolist() == [False, True]


@types
@pytest.mark.parametrize("trouble", ["collinear", "constant"])
def test_thin_rows_are_not_the_components_fault(kind, trouble):
    X, _ = clusters(200, 3, 2)
    X[:, 2] = X[:, 0] + X[:, 1] if trouble == "collinear" else 5.0
    model = GaussianMixture(2, covariance_type=kind, random_state=0).fit(X)
    judge = Judge(Sample(X, NO_WEIGHTS))
    assert not judge.without_volume(model.to_mixture(), model.weights_ * len(X)).any()


def test_a_component_on_few_rows_far_away_has_its_credit():
    rng = np.random.default_rng(0)
    X, _ = clusters(300, 2, 2)
    X = np.concatenate([X, 200.0 + rng.normal(size=(2, 2))])  # too few to own a volume
    two = GaussianMixture(2, random_state=0).fit(X[:-2]).to_mixture()
    means, covariances = [*two.means, X[-2:].mean(axis=0)], [*two.covariances, np.eye(2)]
    judge, three = judged(Mixture([0.5, 0.494, 0.006], means, covariances), X, "full", 5)
    assert judge.without_volume(three.mixture, three.nk).tolist() == [False, False, True]
    _, other = judged(two, X, "full", 5)
    assert three.bounds[-1] > judge.value(three) > judge.value(other) + 0.01


@types
def test_with_a_prior_the_value_is_the_posterior(kind):
    X, _ = clusters(200, 2, 3, spread=3.0)
    prior = weak_prior(X.mean(axis=0), np.cov(X.T), 3)
    mixture = Mixture(*naive.random_parameters(np.random.default_rng(0), kind, 3, 2))
    for n_iter in (1, 5, 30):
        judge, climb = judged(mixture, X, kind, n_iter, prior)
        log_prior, _ = penalty_of(climb.options)(climb.mixture)
        expected = naive.log_prob(parameters_of(climb.mixture), X).mean() + log_prior / len(X)
        assert judge.value(climb) == pytest.approx(expected, rel=1e-10)


# --- hostile rows ------------------------------------------------------------------------------------------


def test_cancellation_leaves_the_floor():
    """A row at 1e12 takes all digits of the others' variances, but not what is added to them."""
    X = np.random.default_rng(0).normal(1e4, 0.3, size=(50, 2))
    X[7] = 1e12
    floor = FLOOR * np.square(robust_deviations(X, NO_WEIGHTS, X.std(axis=0)))
    for kind in TYPES:
        model = GaussianMixture(40, covariance_type=kind, random_state=0).fit(X)
        deviations = model.to_mixture().standard_deviations
        least = np.full(2, floor.mean()) if kind == "spherical" else floor
        assert (np.square(deviations) > 0.99 * least).all(), kind


def hostile(seed):
    """Return rows of which some are alike, collinear, constant or very far, and a number of components."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(5, 50)), int(rng.integers(1, 5))
    X = rng.normal(size=(n, d)) * np.exp(rng.normal(0, 3, d))
    if seed % 2:
        X = X[rng.integers(0, n // 3 + 1, n)]
    if seed % 3 == 0:
        X[:, -1] = X[:, 0] if seed % 4 else 3.0
    if seed % 5 == 0:
        X[rng.integers(0, n)] = 1e12
    return X, int(rng.choice([2, n // 2, n]))


@pytest.mark.parametrize("how", [{}, {"search": True}, {"n_components": "auto"}])
def test_hostile_rows(how):
    for seed in range(16):
        X, n_components = hostile(seed)
        params = {
            "n_components": n_components,
            "covariance_type": TYPES[seed % 4],
            "random_state": seed,
        } | how
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(**params).fit(X)
        assert_valid(model.to_mixture())
        assert np.isfinite(model.score_samples(X)).all(), seed


@types
@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("prior", [None, "weak"])
def test_rows_that_make_mixtures_collapse(kind, search, prior):
    rng = np.random.default_rng(0)
    sets = {
        "constant column": np.column_stack([rng.normal(size=30), np.full(30, 3.0)]),
        "all alike": np.full((6, 2), 7.0),
        "two values": np.repeat([[0.0, 1.0], [5.0, 2.0]], 5, axis=0),
        "duplicates": rng.normal(size=(4, 3))[rng.integers(0, 4, 40)],
        "integers": rng.integers(0, 4, (50, 2)),
        "tiny": 1e-170 * rng.normal(size=(30, 2)),
        "a narrow half": rng.normal(size=(60, 2))
        * np.where(np.arange(60)[:, np.newaxis] < 50, [1e-200, 1.0], 1.0),
        "far": 1e9 + rng.normal(size=(30, 2)),
        "more features than rows": rng.normal(size=(5, 9)),
        "two rows": rng.normal(size=(2, 2)),
        "one feature": rng.normal(size=(9, 1)),
    }
    for name, X in sets.items():
        for n_components in {1, 3, min(len(X), 12)}:
            if n_components > len(X):
                continue
            model = GaussianMixture(
                n_components, covariance_type=kind, search=search, prior=prior, random_state=0
            ).fit(X)
            assert model.converged_, name
            assert_valid(model.to_mixture())
            assert np.isfinite(model.score_samples(X)).all(), name
            np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
            if n_components == 1 and prior is None:
                np.testing.assert_allclose(model.means_[0], X.mean(axis=0, dtype=float), rtol=1e-9)


def test_a_failed_fit_changes_nothing():
    X, _ = clusters(60)
    model = GaussianMixture(3, random_state=0, search=True).fit(X)
    state = {name: np.array(value, dtype=object) for name, value in vars(model).items() if name.endswith("_")}
    bad = X.copy()
    bad[5, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(bad)
    with pytest.raises(ValueError, match=r"Expected n_samples >= n_components but got n_components = 3"):
        model.fit(X[:2])
    with pytest.raises(ValueError, match="too large to be squared"):
        model.fit(X * 1e200)
    assert set(state) == {name for name in vars(model) if name.endswith("_")}
    for name, value in state.items():
        assert (np.array(getattr(model, name), dtype=object) == value).all(), name


@types
@pytest.mark.parametrize("how", [{}, {"search": True}, {"prior": "weak"}])
def test_threads_and_layouts_change_nothing(kind, how):
    X, _ = clusters(300, 3, 4, 1, spread=2.0)
    model = GaussianMixture(4, covariance_type=kind, random_state=0, n_threads=1, **how).fit(X)
    for n_threads in (2, 7, None):
        other = GaussianMixture(4, covariance_type=kind, random_state=0, n_threads=n_threads, **how).fit(X)
        np.testing.assert_array_equal(other.means_, model.means_)
        np.testing.assert_array_equal(other.covariances_, model.covariances_)
    for rows in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        np.testing.assert_allclose(other.fit(rows).means_, model.means_, rtol=1e-9, atol=1e-9)
    assert model.n_iter_ == len(model.lower_bounds_)


@types
def test_a_default_fit_ends_where_little_is_left(kind):
    X, _ = overlapping(n=600)
    model = GaussianMixture(2, covariance_type=kind, random_state=0).fit(X)
    climb = Climb(model.to_mixture(), X, NO_WEIGHTS, options_of(kind, 2, 2, FLOOR * X.var(axis=0)))
    assert climb.run(5000) - model.lower_bound_ < 5e-5
    theirs = GaussianMixture(2, covariance_type=kind, random_state=0, init_params="kmeans").fit(X)
    assert model.lower_bound_ > theirs.lower_bound_ - 1e-5


@pytest.mark.parametrize("kind", [kind for kind in covariance.names() if not covariance.get(kind).is_shared])
def test_components_merge_as_if_all_pairs_were_looked_at_each_time(kind):
    parameters = naive.random_parameters(np.random.default_rng(3), kind, 12, 3)
    mixture = merged = Mixture(*parameters)
    while merged.n_components > 5:
        first, second = np.triu_indices(merged.n_components, 1)
        losses = merging_losses(merged.weights, merged.means, merged.covariance_matrices(), first, second)
        least = int(np.argmin(losses))
        merged = merged.merge(int(first[least]), int(second[least]))
    assert _merged(mixture, 5) == merged
