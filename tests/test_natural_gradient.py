"""Natural gradient along geodesics, and online EM with variance reduction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

import naive
from common import (
    NO_WEIGHTS,
    assert_mixtures_close,
    assert_valid,
    learner_of,
    long_without_compilation,
    options_of,
    parameters_of,
    start,
)
from streamgmm import Mixture, OnlineGaussianMixture, e_step, priors, rules
from streamgmm.fit.batch import fit_em
from streamgmm.kernels.records import REST, copied
from streamgmm.rules import natural as steps
from streamgmm.rules.schedules import Constant, HalfLife, PowerDecay

TYPES = rules.get("natural-gradient").covariance_types

every_type = pytest.mark.parametrize("kind", TYPES)


def passes(learner, X, n, w=NO_WEIGHTS):
    for _ in range(n):
        learner = learner.learn(X, w)[0]
    return learner


def mean_log_likelihood(mixture, X):
    return e_step(mixture, X).log_likelihood / len(X)


def natural(step):
    return rules.NaturalGradient(Constant(step))


def update(rule, mixture, X, w=None):
    return rule.update(e_step(mixture, X, w), rule.init(mixture), mixture)[0]


# --- natural gradient: the formulas ------------------------------------------------------------------------


def step_by_hand(parameters, X, step, w=None):
    """Return the mixture after one step, with matrix exponentials.

    A step beyond h |z|^2 = 1 is cut: for the covariance, h |z|^2 is the largest eigenvalue of h L^-1 s2 L^-T
    (with variances alone, the largest entry), and the mean is cut alike. With one covariance for all, each
    mean is cut by its own distance.
    """
    moments = naive.statistics(parameters, X, w)
    kind, W, nk = parameters.covariance_type, moments.weight, moments.nk
    weights = parameters.weights + step * (nk / W - parameters.weights)
    shares = step / (W * weights)
    means = parameters.means.copy()
    n_features = means.shape[1]

    def along(S, s2, share, n):
        root = np.linalg.cholesky(S)
        Y = share * np.linalg.solve(root, np.linalg.solve(root, s2).T)
        cut = 1.0 / max(1.0, np.linalg.eigvalsh(Y)[-1])
        return root @ expm(cut * (Y - share * n * np.eye(n_features))) @ root.T, cut

    if kind == "tied":
        S = parameters.covariances
        for k in range(len(nk)):
            d = moments.s1[k] / nk[k]
            h = min(shares[k] * nk[k], 1.0 / (d @ np.linalg.solve(S, d)))
            means[k] += h * d
        return naive.Parameters(weights, means, along(S, moments.s2.sum(axis=0), step / W, W)[0], kind)
    covariances = parameters.covariances.copy()
    for k in range(len(nk)):
        if kind == "full":
            covariances[k], cut = along(covariances[k], moments.s2[k], shares[k], nk[k])
        else:
            second = shares[k] * np.diag(moments.s2[k]) / covariances[k]
            cut = 1.0 / max(1.0, second.max())
            second = second.mean() if kind == "spherical" else second
            covariances[k] *= np.exp(cut * (second - shares[k] * nk[k]))
        means[k] += cut * shares[k] * moments.s1[k]
    return naive.Parameters(weights, means, covariances, kind)


@every_type
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("step", [1e-3, 0.1, 0.9])
@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_step_is_the_formula(kind, n_features, step, n_rows):
    parameters, mixture, X = start(kind, 3, n_features, n_samples=18)
    w = np.random.default_rng(1).uniform(0.5, 2.0, 18)
    for first in range(0, 18, n_rows):
        rows = slice(first, first + n_rows)
        # far rows are cut: then A has eigenvalues near 1 and -h, and the exponential loses nothing
        assert_mixtures_close(
            update(natural(step), mixture, X[rows], w[rows]),
            step_by_hand(parameters, X[rows], step, w[rows]),
            rtol=1e-9,
            atol=1e-10,
        )


def test_row_is_cut_where_it_lies_too_far():
    """One component: h is the step itself, and z = 3, so that h |z|^2 = 0.9 is kept and 1.8 is cut to 1."""
    mixture = Mixture([1.0], [[0.0]], [[[4.0]]])
    for step, h in ((0.1, 0.1), (0.2, 1 / 9), (1.0, 1 / 9)):
        learned = update(natural(step), mixture, np.array([[6.0]]))
        np.testing.assert_allclose(learned.means, [[6.0 * h]], rtol=1e-13)
        np.testing.assert_allclose(learned.covariances, [[[4.0 * np.exp(h * (9.0 - 1.0))]]], rtol=1e-13)


@pytest.mark.parametrize("n_features", [1, 2, 6])
@pytest.mark.parametrize("step", [1e-3, 0.3, 1.0])
def test_one_row_and_several_take_the_same_step(n_features, step):
    """The update of rank one against the eigendecomposition, on the same statistics."""
    _, mixture, X = start("full", 3, n_features)
    for x in X[:10]:
        statistics = e_step(mixture, x[np.newaxis])
        learned = update(natural(step), mixture, x[np.newaxis])
        weights = mixture.weights + step * (statistics.nk - mixture.weights)
        scratch = np.zeros((steps.SCRATCH, n_features, n_features))
        model, none = copied(mixture.kernel_form()), np.zeros(n_features)
        for k in range(3):
            share = step / weights[k]
            cut = steps.step_rows(k, share, statistics.nk[k], statistics.s2, model.scale, none, scratch)
            model.means[k] += cut * share * statistics.s1[k]
        expected = Mixture.from_kernel_form(model, "full")
        # far rows cut to h = 1 / |z|^2: e^-h of the rest, with the rounding of an eigendecomposition
        np.testing.assert_allclose(learned.means, expected.means, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(learned.covariances, expected.covariances, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(learned.weights, weights, rtol=1e-12)


@every_type
@pytest.mark.parametrize("n_rows", [1, 20])
def test_agrees_with_online_em_to_first_order(kind, n_rows):
    """Halving the step quarters the difference."""
    _, mixture, X = start(kind)
    # the terms of third order are a hundredth of those of second order at these steps
    first, second = (5e-4, 2.5e-4) if n_rows == 1 else (2e-3, 1e-3)
    for rows in np.array_split(X, len(X) // n_rows):
        differences = []
        for step in (first, second):
            one, other = (
                update(rule, mixture, rows) for rule in (natural(step), rules.OnlineEM(Constant(step)))
            )
            differences.append(
                np.concatenate(
                    [(one.means - other.means).ravel(), (one.covariances - other.covariances).ravel()]
                )
            )
            np.testing.assert_allclose(one.weights, other.weights, rtol=1e-11)
        largest = np.argmax(np.abs(differences[0]))
        assert 3.5 < differences[0][largest] / differences[1][largest] < 4.5


@every_type
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_does_not_depend_on_units(kind, n_components, n_features, seed):
    parameters, mixture, X = start(kind, n_components, n_features, seed)
    units = 2.0 ** np.random.default_rng(seed).integers(-20, 20, n_features)
    units = np.full(n_features, units[0]) if kind == "spherical" else units
    factor = {"diag": units**2, "spherical": units[0] ** 2}.get(kind, np.outer(units, units))
    other = Mixture(parameters.weights, parameters.means * units, parameters.covariances * factor, kind)
    for batch_size in (1, 8):
        learned = learner_of(natural(0.05), mixture, batch_size=batch_size).learn(X, NO_WEIGHTS)[0].mixture
        scaled = (
            learner_of(natural(0.05), other, batch_size=batch_size).learn(X * units, NO_WEIGHTS)[0].mixture
        )
        np.testing.assert_allclose(scaled.weights, learned.weights, rtol=1e-9)
        np.testing.assert_allclose(scaled.means / units, learned.means, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(scaled.covariances / factor, learned.covariances, rtol=1e-8, atol=1e-10)


# --- natural gradient: safety ------------------------------------------------------------------------------


@every_type
@pytest.mark.parametrize("step", [1e-3, 0.3, 1.0])
@pytest.mark.parametrize("distance", [1e3, 1e6, 1e12])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_positive_definite_at_any_step(kind, step, distance, batch_size):
    _, mixture, X = start(kind, n_samples=200)
    X[::10] *= distance
    learner = learner_of(natural(step), mixture, batch_size=batch_size)
    for first in range(0, 200, 10):
        learner = learner.learn(X[first : first + 10], NO_WEIGHTS)[0]
        assert_valid(learner.mixture)
    assert learner.state.n_refused == 0


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
@pytest.mark.parametrize("step", [1e-3, 0.3, 1.0])
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0.0, 12.0), st.integers(0, 2**32 - 1))
def test_one_outlier_moves_little(kind, step, n_components, n_features, log_distance, seed):
    """No mean by more than one of its standard deviations; no variance more than e-fold."""
    _, mixture, X = start(kind, n_components, n_features, seed, n_samples=1)
    learned = update(natural(step), mixture, X * 10.0**log_distance)
    assert_valid(learned)
    old, new = (naive.dense(parameters_of(each)) for each in (mixture, learned))
    for k in range(n_components):
        variances = np.diag(old[k])
        # far rows are rounded to 1e-16 of h |z|^2 = 1
        assert (np.abs(learned.means[k] - mixture.means[k]) <= np.sqrt(variances) * (1 + 1e-9)).all()
        assert (np.diag(new[k]) <= np.e * variances * (1 + 1e-9)).all()


@pytest.mark.parametrize("n_rows", [1, 6])
def test_outliers_widen_a_shared_covariance_no_more_than_e_fold(n_rows):
    _, mixture, X = start("tied")
    for distance in (1e3, 1e12):
        learned = update(natural(1.0), mixture, X[:n_rows] * distance)
        assert (np.diag(learned.covariances) <= np.e * np.diag(mixture.covariances) * (1 + 1e-9)).all()
        sd = np.sqrt(np.diag(mixture.covariances))
        assert (np.abs(learned.means - mixture.means) <= sd * (1 + 1e-9)).all()


# --- natural gradient: where it ends -----------------------------------------------------------------------


@long_without_compilation
@every_type
@pytest.mark.parametrize("batch_size", [1, 50])
def test_converges_to_where_em_does(kind, batch_size):
    rng = np.random.default_rng(0)
    truth = naive.random_parameters(rng, kind, 2, 2, spread=3.0)
    X = naive.draw(rng, truth, 30000)
    mixture = Mixture(*truth._replace(means=truth.means + 0.5))
    best = fit_em(mixture, X, tol=1e-10, max_iter=1000)
    learner = learner_of(rules.NaturalGradient(PowerDecay(0.7)), mixture, n_rows=100.0, batch_size=batch_size)
    learned = learner.learn(X, NO_WEIGHTS)[0].mixture
    reached = mean_log_likelihood(learned, X)
    # the last steps are 30000^-0.7 = 7e-4: each of some ten parameters costs about a quarter of that
    assert best.lower_bounds[-1] - 0.004 < reached <= best.lower_bounds[-1] + 1e-9
    assert reached > best.lower_bounds[0] + 0.01


@long_without_compilation
@every_type
def test_floor_stands_where_regularized_em_does(kind):
    _, mixture, X = start(kind, 2, 2, n_samples=200)
    floor = np.array([0.2, 0.5])
    options = options_of(kind, 2, 2, floor)
    best = fit_em(mixture, X, options=options, tol=1e-13, max_iter=5000).mixture
    errors = []
    for step in (0.02, 0.01):
        rule = rules.NaturalGradient(Constant(step))
        learner = learner_of(rule, best, batch_size=len(X), options=options)
        learned = learner.learn(np.tile(X, (1500, 1)), NO_WEIGHTS)[0].mixture
        errors.append(np.abs(learned.covariances - best.covariances).max())
        # the geodesic and the pseudo-rows follow each other: a fixed point that is off by a share of the step
        assert_mixtures_close(learned, best, rtol=step, atol=step)
    assert errors[1] < 0.7 * errors[0] or errors[0] < 1e-9


@long_without_compilation
@every_type
def test_prior_stands_near_the_posterior_mode(kind):
    """At a constant step the window is (2 - step) / step mini-batches: the prior weighs against as many."""
    step, n_features = 0.01, 2
    _, mixture, X = start(kind, 2, n_features, n_samples=100)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((n_features, n_features + 1))
    prior = priors.ConjugatePrior(
        rng.standard_normal(n_features),
        3000 * (root @ root.T + 0.5 * np.eye(n_features)),
        2000.0,
        3000.0,
        2000.0,
    )
    options = options_of(kind, 2, n_features, prior=prior)
    window = np.full(len(X), (2 - step) / step)
    best = fit_em(mixture, X, window, options=options, tol=1e-13, max_iter=5000).mixture
    without = fit_em(mixture, X, tol=1e-13, max_iter=5000).mixture
    rule = natural(step)
    learner = learner_of(rule, best, n_rows=window.sum(), batch_size=len(X), options=options)
    learned = learner.learn(np.tile(X, (2000, 1)), NO_WEIGHTS)[0].mixture
    assert np.abs(without.means - best.means).max() > 0.05
    # off by a share of the step, as above
    assert_mixtures_close(learned, best, rtol=2 * step, atol=2 * step)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_floor_reaches_single_rows_as_it_reaches_several(kind):
    """Over REST * n_features rows the sums agree to first order in the step."""
    n_features, step = 3, 1e-6
    n_rows = REST * n_features
    _, mixture, X = start(kind, 2, n_features)
    options = options_of(kind, 2, n_features, np.array([0.5, 1.0, 2.0]))

    def change(batch_size, options):
        learner = learner_of(natural(step * batch_size), mixture, batch_size=batch_size, options=options)
        return (learner.learn(X[:n_rows], NO_WEIGHTS)[0].mixture.covariances - mixture.covariances) / step

    at_once, one_by_one = change(n_rows, options), change(1, options)
    assert np.abs(one_by_one - change(1, None)).max() > 0.1 * np.abs(at_once).max()
    # twelve steps of 1e-6 that differ in where they start, and rounding 1e-16 / step
    np.testing.assert_allclose(one_by_one, at_once, rtol=1e-4, atol=1e-4 * np.abs(at_once).max())


# --- variance reduction ------------------------------------------------------------------------------------


def finite_data(kind, n_samples=400):
    rng = np.random.default_rng(3)
    truth = naive.random_parameters(rng, kind, 2, 2, spread=3.0)
    X = naive.draw(rng, truth, n_samples)
    mixture = Mixture(*truth._replace(means=truth.means + 0.3))
    return mixture, X, fit_em(mixture, X, tol=1e-13, max_iter=5000)


@long_without_compilation
@every_type
@pytest.mark.parametrize(("batch_size", "step"), [(1, 0.01), (50, 0.3)])
def test_variance_reduction_reaches_ems_optimum_at_a_constant_step(kind, batch_size, step):
    mixture, X, best = finite_data(kind)
    short = {}
    for make in (rules.SEMVR, rules.OnlineEM):
        learner = learner_of(make(Constant(step)), mixture, n_rows=100.0, batch_size=batch_size)
        learned = passes(learner, X, 20).mixture
        short[make.name] = best.lower_bounds[-1] - mean_log_likelihood(learned, X)
    assert abs(short["sem-vr"]) < 1e-5, short  # nats a row
    assert short["online-em"] > max(1e-4, 20 * abs(short["sem-vr"])), short


@long_without_compilation
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_variance_reduction_in_fewer_passes_than_em(kind):
    mixture, X, best = finite_data(kind)
    learned = passes(learner_of(rules.SEMVR(Constant(0.02)), mixture, n_rows=100.0), X, 4).mixture
    assert mean_log_likelihood(learned, X) > best.lower_bounds[3]


@long_without_compilation
@every_type
def test_variance_reduction_of_weighted_rows(kind):
    """Weights count in the anchor and in each row; a row of weight zero is the row left out."""
    mixture, X, _ = finite_data(kind)
    w = np.random.default_rng(0).uniform(0.2, 1.8, len(X))
    best = fit_em(mixture, X, w, tol=1e-13, max_iter=5000)
    for batch_size, step in ((1, 0.01), (50, 0.3)):
        learner = learner_of(rules.SEMVR(Constant(step)), mixture, n_rows=100.0, batch_size=batch_size)
        learned = passes(learner, X, 20, w).mixture
        reached = e_step(learned, X, w).log_likelihood / w.sum()
        assert abs(best.lower_bounds[-1] - reached) < 1e-5
    learner = learner_of(rules.SEMVR(Constant(0.01)), mixture, n_rows=100.0)
    far = np.concatenate([X, np.full((3, 2), 1e200)])
    with_zeros = learner.learn(far, np.concatenate([w, np.zeros(3)]))[0]
    assert with_zeros.mixture == learner.learn(X, w)[0].mixture
    assert with_zeros.state.n_refused == 0


@every_type
def test_pass_without_weight_changes_nothing(kind):
    mixture, X, _ = finite_data(kind)
    learner = learner_of(rules.SEMVR(Constant(0.1)), mixture, n_rows=100.0, batch_size=10)
    learner = learner.learn(X, NO_WEIGHTS)[0]
    after = learner.learn(X, np.zeros(len(X)))[0]
    assert after.mixture == learner.mixture
    assert after.state.n_refused == 0
    assert after.learn(X, NO_WEIGHTS)[0].mixture == learner.learn(X, NO_WEIGHTS)[0].mixture


@every_type
@pytest.mark.parametrize("bad", [np.nan, 1e200])
@pytest.mark.parametrize("batch_size", [1, 10])
def test_rows_that_cannot_be_summed_are_no_anchor(kind, bad, batch_size):
    """Without an anchor the rule is online EM, and refuses the mini-batch as that does."""
    mixture, X, _ = finite_data(kind)
    X[25] = bad
    learned = {}
    for make in (rules.SEMVR, rules.OnlineEM):
        learner = learner_of(make(Constant(0.1)), mixture, n_rows=100.0, batch_size=batch_size)
        learned[make] = learner.learn(X, NO_WEIGHTS)[0]
    assert learned[rules.SEMVR].mixture == learned[rules.OnlineEM].mixture
    assert learned[rules.SEMVR].state.n_refused == 1


@every_type
def test_anchor_is_the_whole_pass(kind):
    """At its anchor a mini-batch learns from all rows, whichever it holds itself."""
    mixture, X, _ = finite_data(kind)
    rule = rules.SEMVR(Constant(0.25))
    learner = learner_of(rule, mixture, n_rows=1e6, batch_size=20)
    first = replace(learner, state=rule.anchor(learner.state, mixture, e_step(mixture, X)))
    learned = first._learn_small(X[:20], NO_WEIGHTS, np.array([0.25]))[0].mixture
    everything = learner_of(rules.OnlineEM(Constant(0.25)), mixture, n_rows=1e6, batch_size=len(X))
    expected = everything.learn(X, NO_WEIGHTS)[0].mixture
    assert_mixtures_close(learned, expected)


# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [rules.NaturalGradient, rules.SEMVR])
def test_settings(make):
    assert make() == rules.get(make.name)
    assert make(Constant(0.1)) == make(Constant(0.1)) != make(Constant(0.2))
    assert hash(make(Constant(0.1))) == hash(make(Constant(0.1)))
    assert repr(make(HalfLife(10))) == f"{make.__name__}(schedule=HalfLife(rows=10))"
    for bad in (0.1, "fast", Constant):
        with pytest.raises(ValueError, match="`schedule` must be a schedule"):
            make(bad)
    np.testing.assert_array_equal(
        make(Constant(7.0)).steps(np.zeros(2), np.array([1.0, 0.5]), start=0.0, batch_size=1), 1.0
    )
    step = make(Constant(0.3)).steps(np.zeros(1), np.array([0.25]), start=0.0, batch_size=8)
    np.testing.assert_allclose((1 - step) ** 4, 0.7, rtol=1e-13)


def test_estimator_makes_the_passes():
    _, X, _ = finite_data("full", 2000)
    models = {
        rule: OnlineGaussianMixture(
            2, rule=rule(Constant(0.3)), batch_size=50, max_epochs=20, init_size=200, random_state=0
        ).fit(X)
        for rule in (rules.SEMVR, rules.OnlineEM)
    }
    best = OnlineGaussianMixture(2, init_size=2000, random_state=0).fit(X).score(X)  # EM to convergence
    short = {rule.name: best - model.score(X) for rule, model in models.items()}
    # EM stops at a gain of 1e-6 nats a row
    assert short["sem-vr"] < 2e-5, short
    assert short["online-em"] > 1e-3, short


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_variances_may_be_the_least_there_are(kind):
    """As those of a constant column without `reg_covar`: the product of two precisions would overflow."""
    covariances = 1e-200 * np.eye(2)
    mixture = Mixture([1.0], [[7.0, 7.0]], covariances if kind == "tied" else covariances[np.newaxis], kind)
    rule = rules.NaturalGradient(Constant(0.1))
    rows = 7.0 + np.array([[0.0, 0.0], [1e-12, 0.0], [0.0, 1e-12], [1e-12, 1e-12]])
    after, _ = rule.update(e_step(mixture, rows), rule.init(mixture, batch_size=4), mixture)
    assert np.isfinite(after.covariances).all()
    assert np.linalg.eigvalsh(after.covariance_matrices()[0])[0] > 1e-200
