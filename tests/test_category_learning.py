"""Learners of categories against the published formulas, written out, and against their own promises."""

from __future__ import annotations

import re

import numpy as np
import pytest

import naive
from common import long_without_compilation
from streamgmm import Mixture, category_learning, datasets, e_step, parameterizations
from streamgmm.category_learning import (
    CategoryLearner,
    CueIntegration,
    OnlineMixtureEstimation,
    cue_weights,
    simulate,
    weights_from_categories,
)
from streamgmm.rules import GradientAscent, transforms
from streamgmm.rules.schedules import Constant, HalfLife, PowerDecay

VOT = datasets.phonetic_categories(["vot_ms"])
both_ways = pytest.mark.parametrize("competition", [True, False], ids=["competition", "proportional"])


def tokens(n, seed=0, cues=("vot_ms",)):
    return datasets.phonetic_categories(cues).sample(n, seed)[0]


# --- each step is the published one ------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("sd_floor", [0.3, 2.9])
def test_steps_of_one_cue_are_the_published_ones(competition, sd_floor):
    """From each state the oracle takes one step, and many in a row stay with it."""
    learner = CategoryLearner(
        20, competition=competition, rate_mean=1.0, rate_sd=1.0, rate_weight=0.001, sd_floor=sd_floor,
        initial_means=(40.0, 30.0), initial_sd=3.0, random_state=0,
    )  # fmt: skip
    before = naive.Cues1(np.full(20, 0.05), learner.means_[:, 0], learner.sds_[:, 0])
    lowest = np.inf
    for x in tokens(300)[:, 0]:
        expected = naive.category_step_1(before, x, 1.0, 1.0, 0.001, competition, sd_floor)
        learner.learn_one(x)
        before = naive.Cues1(learner.weights_, learner.means_[:, 0], learner.sds_[:, 0])
        for actual, wanted in zip(before, expected, strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=1e-10)
        lowest = min(lowest, before.sds.min())
    assert learner.n_guarded_ == 0
    assert (lowest == sd_floor) == (sd_floor > 1)


def cues_2(learner):
    return naive.Cues2(learner.weights_, learner.means_, learner.sds_, learner.correlations_[:, 1, 0])


@both_ways
def test_steps_of_two_cues_are_the_published_ones(competition):
    rates = {"rate_mean": 1.0, "rate_sd": 2.0, "rate_correlation": 0.02, "rate_weight": 0.001}
    learner = CategoryLearner(
        10, competition=competition, covariance="bivariate", initial_means=((40.0, 180.0), (30.0, 45.0)),
        initial_sd=(6.0, 9.0), sd_floor=1.0, random_state=0, **rates,
    )  # fmt: skip
    for x in tokens(300, cues=("vot_ms", "vowel_ms")):
        expected = naive.category_step_2(cues_2(learner), x, **rates, competition=competition, sd_floor=1.0)
        learner.learn_one(x)
        for actual, wanted in zip(cues_2(learner), expected, strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=1e-10, atol=1e-14)
    assert learner.n_guarded_ == 0
    assert np.abs(learner.correlations_[:, 1, 0]).max() > 0.1


@pytest.mark.parametrize(
    ("covariance", "rate"), [("1-d", 0.001), ("bivariate", 0.005), ("diag", 0.001), ("full", 0.001)]
)
def test_the_winners_weight_rises_by_the_default_rate(covariance, rate):
    n_cues = 1 if covariance == "1-d" else 2
    learner = CategoryLearner(2, covariance=covariance, initial_means=[[0.0] * n_cues, [3.0] * n_cues])
    z = np.ones(n_cues) - np.array([[0.0], [3.0]])
    log_density = -0.5 * np.sum((z / learner.sds_) ** 2, axis=1)
    resp = np.exp(log_density - np.logaddexp.reduce(log_density))  # weights and deviations are equal
    learner.learn_one(np.ones(n_cues))
    expected = naive.raised_weights(np.array([0.5, 0.5]), resp, rate, True)
    np.testing.assert_allclose(learner.weights_, expected, rtol=1e-10)


def test_independent_cues_follow_the_formulas_of_one():
    """With "diag" each cue has the univariate gradient, times the common responsibility."""
    learner = CategoryLearner(
        1, covariance="diag", initial_means=[[1.0, 2.0, 3.0]], initial_sd=(1.0, 2.0, 3.0),
        rate_mean=0.1, rate_sd=0.1, sd_floor=0.1,
    )  # fmt: skip
    learner.learn_one([2.0, 0.0, 5.0])
    d, s = np.array([1.0, -2.0, 2.0]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(learner.means_[0], [1, 2, 3] + 0.1 * d / s**2, rtol=1e-12)
    np.testing.assert_allclose(learner.sds_[0], s + 0.1 * (d**2 / s**3 - 1 / s), rtol=1e-12)


def some_mixture(n_features, seed=0):
    rng = np.random.default_rng(seed)
    return Mixture(*naive.random_parameters(rng, "full", 3, n_features)), rng.standard_normal((1, n_features))


@pytest.mark.parametrize("name", ["standard-deviation", "cholesky"])
@pytest.mark.parametrize("n_cues", [1, 2, 5])
def test_a_step_is_along_the_gradient_of_log_p(name, n_cues):
    """Central differences of log p of one token by means, deviations, correlations or factors."""
    mixture, x = some_mixture(n_cues)
    parameterization = parameterizations.get(name)
    rule = GradientAscent(name, 1.0, guard="shorten", relative_rates={"means": 1e-4, "covariances": 1e-4})
    moved = rule.update(e_step(mixture, x), rule.init(mixture), mixture)[0]
    theta = parameterization.pack(mixture)

    def log_p(theta):
        at = parameterization.unpack(theta, mixture)
        return naive.log_likelihood(
            naive.Parameters(at.weights, at.means, at.covariances, at.covariance_type), x
        )

    expected = naive.central_differences(log_p, theta)[3:]
    step = (parameterization.pack(moved) - theta)[3:] / 1e-4
    np.testing.assert_allclose(step, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("n_cues", [1, 2])
def test_the_stable_gradient_chained_to_deviations_is_the_published_one(n_cues):
    """dl/ds and dl/dc from dl/dL by the chain rule, against the oracle's step."""
    mixture, x = some_mixture(n_cues, 3)
    covariances = mixture.covariances
    s = np.sqrt(np.array([np.diag(S) for S in covariances]))
    gradient = parameterizations.get("cholesky").gradient(e_step(mixture, x), mixture)
    by_mean = gradient[3 : 3 + 3 * n_cues].reshape(3, n_cues)
    by_factor = gradient[3 + 3 * n_cues :].reshape(3, -1)
    if n_cues == 1:  # log L = log s
        step = naive.category_step_1(
            naive.Cues1(mixture.weights, mixture.means[:, 0], s[:, 0]), x[0, 0], 1.0, 1.0, 1.0, sd_floor=-9
        )
        np.testing.assert_allclose(by_mean[:, 0], step.means - mixture.means[:, 0], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(by_factor[:, 0] / s[:, 0], step.sds - s[:, 0], rtol=1e-10, atol=1e-14)
        return
    c = covariances[:, 1, 0] / (s[:, 0] * s[:, 1])
    step = naive.category_step_2(
        naive.Cues2(mixture.weights, mixture.means, s, c), x[0], 1.0, 1.0, 1.0, 1.0, sd_floor=-9
    )
    # log L_11 = log s_x, L_21 = s_y c, log L_22 = log s_y + log(1 - c^2) / 2
    by_sx = by_factor[:, 0] / s[:, 0]
    by_sy = by_factor[:, 1] * c + by_factor[:, 2] / s[:, 1]
    by_c = by_factor[:, 1] * s[:, 1] - by_factor[:, 2] * c / (1 - c**2)
    np.testing.assert_allclose(by_mean, step.means - mixture.means, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(np.array([by_sx, by_sy]).T, step.sds - s, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(by_c, step.correlations - c, rtol=1e-10, atol=1e-13)


def test_rates_that_shrink_follow_their_schedules():
    """Each group its own: scale * (t + offset)^-exponent at the token of index t."""
    rates = [PowerDecay(0.6, offset=5.0, scale=3.0), PowerDecay(1.0, scale=2.0), Constant(0.002)]
    learner = CategoryLearner(
        5, rate_mean=rates[0], rate_sd=rates[1], rate_weight=rates[2], sd_floor=0.3, random_state=0
    )
    for t, x in enumerate(tokens(50)[:, 0]):
        steps = [3.0 * max(t + 5.0, 1.0) ** -0.6, 2.0 / (t + 1.0), 0.002]
        before = naive.Cues1(learner.weights_, learner.means_[:, 0], learner.sds_[:, 0])
        expected = naive.category_step_1(before, x, *steps, sd_floor=0.3)
        learner.learn_one(x)
        np.testing.assert_allclose(learner.means_[:, 0], expected.means, rtol=1e-10)
        np.testing.assert_allclose(learner.sds_[:, 0], expected.sds, rtol=1e-10)
        np.testing.assert_allclose(learner.weights_, expected.weights, rtol=1e-10)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_a_step_of_online_mixture_estimation(covariance):
    """Means by rate * r * d, covariances by rate * r * (dd' - S), the winner's weight by rate * r."""
    learner = OnlineMixtureEstimation(5, rate=1e-6, rate_weight=0.1, covariance=covariance, initial_means=(
        (0.0, 10.0), (1.0, 3.0)), initial_sd=(0.5, 2.0), random_state=0)  # fmt: skip
    x = np.array([0.3, 11.0])
    learner.learn_one([5.0, 5.0])  # so that weights differ; covariances hardly do
    weights, means, sds = learner.weights_, learner.means_, learner.sds_
    resp = naive.responsibilities(naive.Parameters(weights, means, sds**2, "diag"), [x])[0]
    learner.learn_one(x)
    np.testing.assert_allclose(learner.means_, means + 1e-6 * resp[:, np.newaxis] * (x - means), rtol=1e-9)
    raised = weights + 0.1 * np.where(np.arange(5) == resp.argmax(), resp, 0.0)
    np.testing.assert_allclose(learner.weights_, raised / raised.sum(), rtol=1e-5)
    change = learner.sds_**2 - sds**2
    expected = 1e-6 * resp[:, np.newaxis] * ((x - means) ** 2 - sds**2)
    np.testing.assert_allclose(change, expected, atol=1e-9)  # first order in a rate of 1e-6


def test_group_rates_reach_correlations():
    rates = transforms.GroupRates(weights=2.0, means=3.0, covariances=5.0, correlations=7.0)
    # one component of three features: a weight, three means, a triangle of six
    changed, _ = rates.update(np.ones(10), rates.init(np.zeros(10), 1, 3, 3))
    np.testing.assert_array_equal(changed, [2, 3, 3, 3, 5, 7, 5, 7, 7, 5])
    diagonal, _ = rates.update(np.ones(7), rates.init(np.zeros(7), 1, 3, 0))
    np.testing.assert_array_equal(diagonal, [2, 3, 3, 3, 5, 5, 5])
    same = transforms.GroupRates(covariances=5.0)
    np.testing.assert_array_equal(same.update(np.ones(3), same.init(np.zeros(3), 0, 0, 2))[0], 5.0)


# --- what it finds -----------------------------------------------------------------------------------------


@long_without_compilation
def test_competing_learners_find_two_categories_of_voice_onset_time():
    learned = simulate(VOT, n_learners=8, n_tokens=60_000, random_state=0)
    assert learned.counts == {2: 8}
    _, means, sds = learned.categories(2)
    np.testing.assert_allclose(means[:, :, 0], np.tile([15.8, 70.2], (8, 1)), atol=3.0)
    np.testing.assert_allclose(sds[:, :, 0], np.tile([7.1, 18.7], (8, 1)), atol=2.0)
    assert (learned.reached > 0).all()
    assert (learned.reached < 60_000).all()
    assert "8 end with 2" in str(learned)
    assert (learned.n_guarded, learned.n_refused) == (0, 0)


@long_without_compilation
def test_without_competition_superfluous_categories_survive():
    learned = simulate(VOT, n_learners=8, n_tokens=60_000, random_state=0, competition=False)
    assert min(learned.counts) > 2


@long_without_compilation
def test_vowel_length_alone_is_one_category():
    vowel = datasets.phonetic_categories(["vowel_ms"])
    learned = simulate(
        vowel, n_learners=8, n_tokens=60_000, random_state=0, initial_means=(180.0, 45.0), rate_mean=10.0,
        rate_sd=10.0,
    )  # fmt: skip
    assert learned.counts == {1: 8}


@long_without_compilation
def test_measured_tokens_are_identified_by_their_voicing():
    stops = datasets.load_vot()
    learned = simulate(stops.data[:, 0], n_learners=4, n_tokens=60_000, random_state=0)
    for learner in learned.learners:
        named = learner.identify(stops.data[:, 0]).argmax(axis=1)
        voiced = [np.mean(stops.target[named == k] == "voiced") > 0.5 for k in range(named.max() + 1)]
        assert np.mean(np.array(voiced)[named] == (stops.target == "voiced")) > 0.95


@long_without_compilation
def test_most_bivariate_learners_have_two_categories_after_60_000_tokens():
    """With a rate of .003 for weights 3 of 12 have."""
    truth = datasets.phonetic_categories(["vot_ms", "vowel_ms"])
    start = {"covariance": "bivariate", "initial_means": ((40.0, 180.0), (30.0, 45.0))}
    learned = simulate(truth, n_learners=12, n_tokens=60_000, random_state=1, **start)
    assert learned.counts.get(2, 0) >= 9


@long_without_compilation
def test_several_cues_are_learned_in_each_form():
    """Three well-separated categories of three z-scored cues."""
    truth = Mixture(
        [0.3, 0.3, 0.4], [[-1.0, 0, 0], [1, 0, -1], [0, 1, 1]], 0.05 * np.eye(3)[np.newaxis].repeat(3, 0)
    )
    settings = {"initial_means": (0.0, 1.0), "initial_sd": 0.3, "n_learners": 4, "n_tokens": 30_000}
    for covariance in ("diag", "full"):
        learned = simulate(truth, random_state=0, covariance=covariance, **settings)
        assert max(learned.counts, key=learned.counts.get) == 3
    learned = simulate(truth, random_state=0, learner=OnlineMixtureEstimation, n_learners=4, n_tokens=20_000)
    assert learned.counts == {3: 4}
    _, means, _ = learned.categories(3)
    np.testing.assert_allclose(means.mean(axis=0), truth.means[[0, 2, 1]], atol=0.1)


# --- many learners, pieces, seeds --------------------------------------------------------------------------


def state_of(learner):
    return [learner.weights_, learner.means_, learner.sds_, learner.correlations_]


def assert_same(one, other):
    for a, b in zip(state_of(one), state_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("learner", [CategoryLearner, OnlineMixtureEstimation])
def test_threads_do_not_change_a_simulation(learner):
    runs = [
        simulate(
            tokens(50) / 30, n_learners=7, n_tokens=400, record_every=100, random_state=3, n_threads=n,
            learner=learner, initial_means=(1.0, 1.0),
        )
        for n in (1, 2, 7)
    ]  # fmt: skip
    for other in runs[1:]:
        np.testing.assert_array_equal(other.n_survivors, runs[0].n_survivors)
        np.testing.assert_array_equal(other.reached, runs[0].reached)
        for a, b in zip(other.learners, runs[0].learners, strict=True):
            assert_same(a, b)
    assert not np.array_equal(runs[0].learners[0].means_, runs[0].learners[1].means_)


LEARNERS = [
    lambda: CategoryLearner(random_state=1),
    lambda: CategoryLearner(
        covariance="bivariate", initial_means=((40.0, 180.0), (30.0, 45.0)), random_state=1
    ),
    lambda: CategoryLearner(covariance="full", initial_means=((40.0, 180.0), (30.0, 45.0)), random_state=1),
    lambda: OnlineMixtureEstimation(50, initial_means=((40.0, 180.0), (30.0, 45.0)), random_state=1),
]


@pytest.mark.parametrize("make", LEARNERS)
def test_pieces_teach_what_the_whole_teaches(make):
    cues = ["vot_ms", "vowel_ms"] if make()._n_cues != 1 else ["vot_ms"]
    X = tokens(1000, cues=cues)
    whole = make().learn(X, record_every=300)
    parts = make()
    for piece in np.split(X, [1, 7, 300, 550, 999]):
        parts.learn(piece, record_every=300)
    assert_same(parts, whole)
    assert parts.n_tokens_ == 1000
    np.testing.assert_array_equal(parts.trajectory_.tokens, [0, 300, 600, 900])
    for a, b in zip(parts.trajectory_, whole.trajectory_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.isnan(np.concatenate([part.ravel() for part in state_of(whole)])).any()


def test_seeds_decide_where_categories_start():
    np.testing.assert_array_equal(
        CategoryLearner(random_state=5).means_, CategoryLearner(random_state=5).means_
    )
    assert not np.array_equal(CategoryLearner(random_state=5).means_, CategoryLearner(random_state=6).means_)


# --- reading -----------------------------------------------------------------------------------------------


def two_categories():
    learner = CategoryLearner(
        3, initial_means=[90.0, 10.0, 50.0], initial_sd=10.0, rate_weight=0.01, rate_mean=0.5, rate_sd=0.5
    )
    return learner.learn(np.random.default_rng(0).normal([10.0, 90.0], 8.0, (500, 2)).ravel())


def test_survivors_are_in_the_order_of_their_means():
    learner = two_categories()
    np.testing.assert_array_equal(learner.survivors_, [1, 0])


def test_identify_is_bayes_rule_over_the_survivors():
    learner = two_categories()
    alive = learner.survivors_
    x = np.array([0.0, 30.0, 50.0, 100.0])
    mean, s, phi = learner.means_[alive, 0], learner.sds_[alive, 0], learner.weights_[alive]
    joint = phi * np.exp(-0.5 * ((x[:, np.newaxis] - mean) / s) ** 2) / s
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(learner.identify(x), expected, rtol=1e-9)
    assert learner.identify(30.0).shape == (1, 2)


def test_discrimination_is_best_across_the_boundary():
    learner = two_categories()
    p, q = learner.identify([40.0])[0], learner.identify([60.0])[0]
    np.testing.assert_allclose(learner.discriminate([40.0], [60.0]), 1 - p @ q)
    across, within = learner.discriminate([20.0, 5.0], [80.0, 20.0])
    assert across > 0.9
    assert within < 0.1
    np.testing.assert_array_equal(learner.discriminate(20.0, [80.0, 20.0])[:1], across)


def test_cue_weights_are_the_formula():
    learner = CategoryLearner(
        3, covariance="diag", initial_means=[[0.0, 5.0], [8.0, 1.0], [4.0, 3.0]], initial_sd=(1.0, 2.0)
    ).learn([[0.0, 4.0], [7.0, 2.0], [4.0, 3.0]])
    expected = naive.cue_weights(learner.weights_, learner.means_, learner.sds_)
    np.testing.assert_allclose(cue_weights(learner), expected, rtol=1e-12)
    assert abs(cue_weights(learner).sum() - 1) < 1e-15


@long_without_compilation
def test_cue_weights_of_learned_categories_are_an_ideal_observers():
    cues = ["vot_ms", "vowel_ms"]
    X = tokens(60_000, cues=cues)
    categories = datasets.phonetic_categories(cues)
    ideal = naive.cue_weights(categories.weights, categories.means, np.sqrt(categories.covariances))
    bivariate = CategoryLearner(
        covariance="bivariate", initial_means=((40.0, 180.0), (30.0, 45.0)), random_state=0
    ).learn(X)
    learners = [
        CategoryLearner(random_state=0),
        CategoryLearner(initial_means=(180.0, 45.0), rate_mean=10, rate_sd=10, random_state=0),
    ]
    model = CueIntegration(learners).learn(X)
    np.testing.assert_allclose(model.weights_, cue_weights(learners))
    for weights in (ideal, cue_weights(bivariate), model.weights_):
        assert weights[0] > 0.95
        np.testing.assert_allclose(weights.sum(), 1.0)
    assert len(bivariate.survivors_) == len(model.combined.survivors_) == 2
    labels = categories.predict(X)
    for posterior in (bivariate.identify(X), model.identify(X)):
        assert np.mean(posterior.argmax(axis=1) == labels) > 0.97


def test_integration_in_pieces_is_that_at_once():
    X = tokens(900, cues=["vot_ms", "vowel_ms"])

    def new():
        cues = [CategoryLearner(random_state=0), CategoryLearner(initial_means=(180.0, 45.0), random_state=0)]
        return CueIntegration(cues, update_every=250)

    whole, parts = new().learn(X), new()
    for piece in np.split(X, [3, 250, 600]):
        parts.learn(piece)
    assert_same(parts.combined, whole.combined)
    np.testing.assert_array_equal(parts.weights_, whole.weights_)
    np.testing.assert_array_equal(parts.combine(X), whole.combine(X))
    assert whole.combined.n_tokens_ == 650
    assert set(whole.signs_) <= {-1.0, 1.0}


# --- bad input ---------------------------------------------------------------------------------------------


BAD = [
    ({"n_categories": 0}, "`n_categories` must be an integer of at least 1, got 0"),
    ({"covariance": "tied"}, "`covariance` must be one of '1-d', 'bivariate', 'diag', 'full', got 'tied'"),
    ({"initial_sd": 0.0}, "`initial_sd` must be positive and finite, got 0.0"),
    ({"sd_floor": 0.0}, "`sd_floor` must be positive and finite, got 0.0"),
    ({"initial_means": (40.0, 0.0)}, "`initial_means[1]` must be positive and finite, got 0.0"),
    ({"initial_means": np.full(20, 3.0)}, "`initial_means` must differ in each cue"),
    ({"initial_means": np.zeros((3, 2))}, "`initial_means` must be (mean, sd) or finite with shape (20, 1)"),
    ({"rate_mean": -1.0}, "`rate_mean` must be a finite number that is not negative"),
    ({"rate_sd": np.nan}, "`rate_sd` must be a finite number that is not negative"),
    ({"rate_weight": HalfLife(3.0)}, "`rate_weight` must be a finite number that is not negative"),
    (
        {"rate_mean": PowerDecay(rows=50)},
        "`rate_mean` must be a `PowerDecay` without `rows`, since its time counts tokens, got rows=50",
    ),
    ({"survival_threshold": 1.0}, "`survival_threshold` must be in [0, 1), got 1.0"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_one_clear_error(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CategoryLearner(**settings)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, np.nan], "`X` must be finite, got nan in row 1, column 0"),
        ([[1.0, 2.0]], "`X` must hold numbers of shape (n_tokens, 1), got float64 of shape (1, 2)"),
        (["a"], "`X` must hold numbers of shape (n_tokens, 1)"),
    ],
)
def test_bad_tokens_teach_nothing(X, message):
    learner = CategoryLearner(random_state=0)
    before = learner.means_
    with pytest.raises(ValueError, match=re.escape(message)):
        learner.learn(X)
    assert learner.n_tokens_ == 0
    np.testing.assert_array_equal(learner.means_, before)


def test_more_survivors_than_tokens_are_an_error():
    learner = CategoryLearner(20, survival_threshold=0.01, random_state=0).learn([10.0, 80.0])
    with pytest.raises(ValueError, match="20 categories survive 2 tokens; learn from more tokens"):
        learner.identify(10.0)
    with pytest.raises(ValueError, match="learn from more tokens"):
        simulate(VOT, n_learners=2, n_tokens=3, survival_threshold=0.01)


def test_no_survivor_is_an_error():
    learner = CategoryLearner(50, survival_threshold=0.9, random_state=0).learn([10.0, 80.0])
    with pytest.raises(ValueError, match=r"no category has a weight above `survival_threshold`, 0\.9"):
        learner.identify(10.0)


def test_reading_before_learning_is_an_error():
    learner = CategoryLearner(covariance="full", initial_means=(0.0, 1.0))
    with pytest.raises(ValueError, match="this CategoryLearner has seen no tokens: call `learn` first"):
        _ = learner.weights_
    with pytest.raises(ValueError, match=re.escape("call `learn(X, record_every=...)`")):
        _ = CategoryLearner().trajectory_


@pytest.mark.parametrize("covariance", ["1-d", "bivariate", "diag", "full"])
@pytest.mark.parametrize("rate", [50.0, 1e6, 1e300])
def test_wild_rates_are_guarded_and_counted(covariance, rate):
    n_cues = {"1-d": 1, "diag": 3, "full": 4, "bivariate": 2}[covariance]
    rng = np.random.default_rng(0)
    learner = CategoryLearner(
        8, covariance=covariance, initial_means=([0.0] * n_cues, [1.0] * n_cues), sd_floor=1e-12,
        rate_mean=rate, rate_sd=rate, rate_correlation=rate, rate_weight=rate, random_state=0,
    )  # fmt: skip
    learner.learn(rng.standard_normal((300, n_cues)))
    for part in state_of(learner):
        assert np.isfinite(part).all()
    assert (learner.sds_ > 0).all()
    assert abs(learner.weights_.sum() - 1) < 1e-9
    assert learner.n_guarded_ + learner.n_refused_ > 0 or rate < 1e300


def test_a_correlation_that_would_leave_its_range_is_shortened():
    learner = CategoryLearner(
        1,
        covariance="bivariate",
        initial_means=[[0.0, 0.0]],
        initial_sd=1.0,
        rate_correlation=1.0,
        sd_floor=0.1,
    )
    learner.learn_one([3.0, 3.0])  # the plain step is c = 9
    assert learner.n_guarded_ == 1
    assert 0 < learner.correlations_[0, 1, 0] < 1


def test_tokens_too_far_are_refused_and_counted():
    learner = CategoryLearner(random_state=0).learn([10.0, 1e200, 80.0] * 20)
    assert learner.n_refused_ == 20
    assert np.isfinite(learner.means_).all()
    with pytest.raises(ValueError, match="too far from every category"):
        learner.identify(1e200)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(VOT, n_learners=0), "`n_learners` must be an integer of at least 1"),
        (lambda: simulate([[np.nan]]), "`source` must be finite"),
        (lambda: simulate("vot"), "`source` must be a Mixture or tokens"),
        (lambda: simulate(np.empty((0, 1))), "`source` must have at least one token"),
        (lambda: weights_from_categories([([1.0], [0.0], [1.0])]), "no cue tells categories apart"),
        (lambda: weights_from_categories([([1.0], [0.0], [0.0])]), "positive standard deviations"),
        (lambda: CueIntegration([]), "`cues` must be at least one `CategoryLearner`"),
        (lambda: CueIntegration([CategoryLearner().learn_one(3.0)]), "learners must be new"),
        (lambda: CueIntegration([CategoryLearner()]).combine([1.0]), "cues are combined after 1000 tokens"),
        (lambda: OnlineMixtureEstimation(covariance="tied"), "`covariance` must be one of 'full', 'diag'"),
        (lambda: OnlineMixtureEstimation(rate=-1.0), "`rate` must be a finite number"),
        (lambda: datasets.load_vowels("french"), "`name` must be one of 'hillenbrand', 'peterson-barney'"),
        (lambda: datasets.make_phonetic_stream(["f1"]), "`cues` must be some of 'vot_ms', 'vowel_ms'"),
        (lambda: datasets.make_phonetic_stream(batch_size=0), "`batch_size` must be a positive integer"),
        (lambda: GradientAscent("precision", sd_floor=1.0), "`sd_floor` needs the parameterization"),
        (lambda: GradientAscent(sd_floor=0.0), "`sd_floor` must be None or positive and finite"),
    ],
)
def test_bad_calls_are_one_clear_error(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_the_phonetic_stream_has_the_published_statistics():
    stream = datasets.make_phonetic_stream(batch_size=50_000, random_state=0)
    X, voicing = next(stream)
    again, _ = next(datasets.make_phonetic_stream(batch_size=50_000, random_state=0))
    np.testing.assert_array_equal(X, again)
    assert not np.array_equal(next(stream)[0], X)
    stops = datasets.load_vot()
    for kind in ("voiced", "voiceless"):
        made, measured = X[voicing == kind], stops.data[stops.target == kind, :2]
        # standard errors of 25 000 tokens, and statistics published to a digit
        np.testing.assert_allclose(made.mean(axis=0), measured.mean(axis=0), atol=1.0)
        np.testing.assert_allclose(made.std(axis=0), measured.std(axis=0, ddof=1), atol=1.0)


def test_the_package_names_what_it_offers():
    assert set(category_learning.__all__) <= set(dir(category_learning))


def test_one_learner_cannot_have_two_cues():
    learner = CategoryLearner(random_state=0)
    with pytest.raises(ValueError, match="must be different learners"):
        CueIntegration([learner, learner])
    with pytest.raises(ValueError, match="`update_every` must be at least 2"):
        CueIntegration([learner], update_every=1)


def test_a_cue_that_never_varies_adds_nothing():
    X = np.random.default_rng(0).normal(40.0, 20.0, size=(3000, 2))
    X[:, 1] = 7.0
    cues = [CategoryLearner(random_state=seed) for seed in range(2)]
    model = CueIntegration(cues).learn(X)
    assert model.n_tokens_ == 3000
    combined = model.combine(X)
    z = (X[:2000, 0] - X[:, 0].mean()) / X[:, 0].std()
    slope = np.polyfit(z, combined[:2000], 1)[0]
    np.testing.assert_allclose(combined[:2000] - combined[:2000].mean(), slope * (z - z.mean()), atol=1e-9)


def test_pruning_takes_no_schedule_back():
    """It started them anew: after 20 000 tokens the rate was that of the last pruning, 40 times too large."""
    three = Mixture([0.3, 0.3, 0.4], [[-1, -1], [1, -1], [0, 1]], [0.04, 0.04, 0.04], "spherical")
    X, _ = three.sample(20_000, random_state=0)
    learner = OnlineMixtureEstimation(rate=PowerDecay(0.75), rate_weight=0.005, random_state=0).learn(X)
    assert learner.n_pruned_ > 10
    state = learner._learner.state
    assert state.t == 20_000
    assert state.memory.counters.count == 20_000 - learner.n_refused_
    assert len(state.memory.weights) == learner.n_categories - learner.n_pruned_
