"""Diagnostics: each finding fires on an example made for it and stays silent on a healthy one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from streamgmm import (
    Mixture,
    OnlineGaussianMixture,
    Statistics,
    algebra,
    covariance,
    e_step,
    parameterizations,
    rules,
)
from streamgmm.diagnostics import (
    Finding,
    Run,
    _speed,
    check_gradient,
    condition_numbers,
    explain,
    explain_run,
    marchenko_pastur_condition,
    runs,
    trace,
)
from streamgmm.fit.stream import Learner
from streamgmm.rules.schedules import Constant

TYPES = covariance.names()
NORMAL = np.random.default_rng(0).normal(size=(20000, 1))
STARTS = (0.01, 0.1, 1.0, 10.0, 100.0)


def one(mean=0.0, variance=1.0):
    return Mixture([1.0], [[mean]], [[[variance]]])


# --- gradients ---------------------------------------------------------------------------------------------


class Wrong(type(parameterizations.get("cholesky"))):
    """Log-Cholesky with a mistake: one entry of the gradient has the wrong factor."""

    name = "wrong"

    def __init__(self, entry, factor):
        self.entry, self.factor = entry, factor

    def gradient(self, statistics, mixture):
        gradient = super().gradient(statistics, mixture)
        gradient[self.entry] *= self.factor
        return gradient


CASES = [
    (name, kind)
    for name in parameterizations.names()
    for kind in parameterizations.get(name).covariance_types
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_gradients_are_right(name, kind):
    rng = np.random.default_rng(1)
    mixture = Mixture(*naive.random_parameters(rng, kind, 2, 3))
    X = naive.draw(rng, naive.random_parameters(rng, kind, 2, 3), 30)
    assert check_gradient(name, mixture, X) < 1e-6
    assert check_gradient(parameterizations.get(name), mixture, X, rng.uniform(0, 2, 30)) < 1e-6


@given(st.integers(-8, 8))
def test_gradient_check_holds_at_any_scale(power):
    """Standard deviations from 1e-4 to 1e4 with means of order one: the step cannot follow theta alone."""
    scale = 10.0 ** (power / 2)
    X = scale * np.array([[0.3], [1.0], [-0.7]]) + 2.0
    assert check_gradient("cholesky", one(2.0 + 0.5 * scale, 2.0 * scale**2), X) < 1e-4


@pytest.mark.parametrize(("entry", "factor", "error"), [(3, 2.0, 1.0), (3, 0.0, 1.0), (4, -1.0, 2.0)])
def test_gradient_mistakes_show(entry, factor, error):
    mixture = Mixture([0.4, 0.6], [[0.0], [2.0]], [[[1.0]], [[2.0]]])
    X = [[1.0], [0.2], [3.3]]
    assert check_gradient(Wrong(0, 1.0), mixture, X) < 1e-7
    np.testing.assert_allclose(check_gradient(Wrong(entry, factor), mixture, X), error, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense", one(), [[1.0]]), "`parameterization` must be one of"),
        ((3, one(), [[1.0]]), "`parameterization` must be a name or a Parameterization, got int"),
        (("cholesky", "mixture", [[1.0]]), "`mixture` must be a Mixture, got str"),
        (("cholesky", one(), [[1.0, 2.0]]), r"`X` must have shape \(n_samples, 1\)"),
        (("cholesky", one(), np.empty((0, 1))), "`X` must hold at least one row"),
        (("cholesky", one(), [[1.0]], [0.0]), "`X` must hold at least one row of positive weight"),
        (("cholesky", one(), [[np.nan]]), "`X` must be finite"),
        (
            ("cholesky", Mixture([1.0, 0.0], [[0.0], [1.0]], [1.0, 1.0], "spherical"), [[1.0]]),
            "no weight of zero",
        ),
        ((Wrong(0, np.nan), one(), [[1.0]]), "the gradient must be finite"),
    ],
)
def test_gradient_check_says_what_is_invalid(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(*arguments)


# --- condition numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_condition_numbers_are_those_of_numpy(kind):
    parameters = naive.random_parameters(np.random.default_rng(2), kind, 3, 4)
    expected = [np.linalg.cond(matrix) for matrix in naive.dense(parameters)]
    np.testing.assert_allclose(condition_numbers(Mixture(*parameters)), expected, rtol=1e-10)


def test_condition_number_of_a_needle():
    """1e18 is out of reach for the covariance itself, whose digits end at 1e16."""
    factor = np.array([[[1.0, 0.0], [1.0, 1e-9]]])
    mixture = Mixture.from_factor([0.0], [[0.0, 0.0]], factor)
    np.testing.assert_allclose(condition_numbers(mixture), 4e18, rtol=1e-6)


def test_condition_of_white_noise():
    for g, expected in ((0.1, 3.7), (0.5, 34.0), (0.784, 271.0)):
        np.testing.assert_allclose(marchenko_pastur_condition(1000, round(1000 * g)), expected, rtol=0.01)
    assert marchenko_pastur_condition(7, 7) == marchenko_pastur_condition(2.5, 7) == np.inf
    X = np.random.default_rng(0).normal(size=(2000, 400))
    measured = np.linalg.cond(X.T @ X)  # random: the edges fluctuate by a few percent
    np.testing.assert_allclose(marchenko_pastur_condition(2000, 400), measured, rtol=0.1)


@pytest.mark.parametrize("n_samples", [0, -1, np.nan, np.inf, "many", None, True])
def test_condition_of_white_noise_needs_rows(n_samples):
    with pytest.raises(ValueError, match="`n_samples` must be positive and finite"):
        marchenko_pastur_condition(n_samples, 2)


@pytest.mark.parametrize("n_features", [0, 1.5, "two", None])
def test_condition_of_white_noise_needs_features(n_features):
    with pytest.raises(ValueError, match="`n_features` must be a whole number"):
        marchenko_pastur_condition(10, n_features)


# --- explain -----------------------------------------------------------------------------------------------


def cloud(n_samples=400, n_features=2, seed=3):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


@pytest.mark.parametrize("kind", TYPES)
def test_a_sound_mixture_needs_no_words(kind):
    mixture = Mixture(*naive.random_parameters(np.random.default_rng(4), kind, 3, 2))
    X = mixture.sample(500, random_state=0)[0]
    assert explain(mixture, e_step(mixture, X)) == []
    shifted = Mixture(mixture.weights, 1e6 + 1e3 * mixture.means, 1e6 * mixture.covariances, kind)
    assert explain(shifted, e_step(shifted, 1e6 + 1e3 * X)) == []  # no unit is special


def test_unused():
    mixture = Mixture([1 - 1e-9, 1e-9], [[0.0, 0.0], [50.0, 50.0]], [1.0, 1.0], "spherical")
    (sentence,) = explain(mixture, e_step(mixture, cloud()))
    assert sentence.startswith("Component 1 is unused: its weight is 1e-09 and no row belongs to it (0 ")
    assert "fewer components, or restart it at rows that the mixture fits badly" in sentence


def test_starved():
    X = np.concatenate([cloud(200, 5), 30 + cloud(3, 5)])
    mixture = Mixture([0.985, 0.015], [np.zeros(5), np.full(5, 30.0)], [np.eye(5)] * 2)
    (sentence,) = explain(mixture, e_step(mixture, X))
    assert "Component 1 is starved: 3 effective rows, but its covariance needs at least 6." in sentence
    assert 'prior="weak"' in sentence
    diag = Mixture(mixture.weights, mixture.means, np.ones((2, 5)), "diag")
    assert explain(diag, e_step(diag, X)) == []  # three rows are enough for a variance
    tied = Mixture(mixture.weights, mixture.means, np.eye(5), "tied")
    assert explain(tied, e_step(tied, X)) == []  # all rows share the covariance
    (sentence,) = explain(tied, e_step(tied, X[:4]))
    assert sentence.startswith("The covariance that all components share is starved: 4 effective rows")


def test_too_few_rows_for_a_condition_number():
    mixture = Mixture([1.0], [np.zeros(5)], [np.eye(5)])
    (sentence,) = explain(mixture, e_step(mixture, cloud(8, 5)))
    assert "with 8 effective rows of 5 features" in sentence
    assert "a condition number of 73.1" in sentence  # ((1 + sqrt(5/8)) / (1 - sqrt(5/8)))^2
    assert explain(mixture, e_step(mixture, cloud(50, 5))) == []


def test_spike_along_a_feature():
    X = cloud()
    covariances = np.array([np.eye(2), np.diag([1.0, 1e-12])])
    mixture = Mixture([0.9, 0.1], [[0.0, 0.0], X[0]], covariances)
    sentences = explain(mixture, e_step(mixture, np.concatenate([X, np.tile(X[:1], (9, 1))])))
    (sentence,) = sentences
    assert sentence.startswith(
        "Component 1 is a spike: its standard deviation mostly along feature 1 is 1e-06 "
    )
    assert "condition number 1e+12" in sentence
    assert "larger reg_covar" in sentence


def test_spike_along_a_combination():
    """A feature and its copy in other units: the condition number alone would blame the units."""
    x = cloud(400, 1)
    X = np.concatenate([x, 1000 * x + 1e-3 * cloud(400, 1, seed=5), cloud(400, 1, seed=6)], axis=1)
    mixture = Mixture([1.0], [X.mean(axis=0)], [np.cov(X.T)])
    (sentence,) = explain(mixture, e_step(mixture, X))
    assert "along a combination of features 0 and 1 is" in sentence
    assert "drop a redundant feature" in sentence


def test_units_are_not_a_spike():
    X = cloud() * [1.0, 1e6]
    mixture = Mixture([1.0], [[0.0, 0.0]], [[1.0, 1e12]], "diag")
    (sentence,) = explain(mixture, e_step(mixture, X))
    assert "condition number of 1e+12 because the features' units differ" in sentence
    assert "standardize" in sentence


def test_constant_feature():
    X = cloud(50, 3)
    X[:, 1] = 0.1
    mixture = Mixture([0.5, 0.5], [[-1.0, 0.1, 0.0], [1.0, 0.1, 0.0]], [np.diag([1.0, 1e-6, 1.0])] * 2)
    (sentence,) = explain(mixture, e_step(mixture, X))
    assert "flat along feature 1, which has the same value in all rows" in sentence


def test_duplicates_are_named_together():
    means = [[0.0, 0.0], [5.0, 5.0], [0.01, 0.0], [0.0, 0.02]]
    mixture = Mixture([0.25] * 4, means, [np.eye(2)] * 4)
    X = np.concatenate([cloud(), 5 + cloud()])
    (sentence,) = explain(mixture, e_step(mixture, X))
    assert sentence.startswith("Components 0, 2 and 3 are practically the same")
    assert "fewer components, or another start" in sentence


def test_same_mean_is_not_the_same_component():
    mixture = Mixture([0.5, 0.5], [[0.0, 0.0]] * 2, [np.eye(2), 4 * np.eye(2)])
    assert explain(mixture, e_step(mixture, mixture.sample(400, random_state=1)[0])) == []


def test_bhattacharyya_is_the_overlap_by_quadrature():
    x = np.linspace(-30, 30, 60001)
    means, variances = np.array([[0.0], [1.5]]), np.array([[[1.0]], [[3.0]]])
    density = [np.exp(-0.5 * (x - m) ** 2 / v) / np.sqrt(2 * np.pi * v) for m, v in ((0.0, 1.0), (1.5, 3.0))]
    overlap = np.sqrt(density[0] * density[1]).sum() * (x[1] - x[0])
    np.testing.assert_allclose(
        algebra.bhattacharyya(means[1] - means[0], variances[0], variances[1]), -np.log(overlap), rtol=1e-9
    )


def test_a_mixture_that_is_not_finite():
    mixture = Mixture.from_factor([0.0], [[np.nan]], [[[1.0]]])
    statistics = Statistics(9.0, 0.0, np.array([9.0]), np.zeros((1, 1)), np.ones((1, 1, 1)), mixture.means)
    (sentence,) = explain(mixture, statistics)
    assert sentence.startswith("Component 0 is not finite: the run diverged")


def test_a_finding_is_data():
    X = cloud() * [1.0, 1e6]
    mixture = Mixture([1.0], [[0.0, 0.0]], [[1.0, 1e12]], "diag")
    (found,) = explain(mixture, e_step(mixture, X))
    assert (found.kind, found.components, found.features) == ("units", (0,), (0, 1))
    assert found.remedies == ("standardize the rows",)
    np.testing.assert_allclose(found.values["condition"], 1e12)
    np.testing.assert_allclose([found.values["least"], found.values["greatest"]], X.std(axis=0))
    hostile = ["along feature 1", "{0} {condition}"]
    before, _, after = found.partition(" along feature 0 and by ")
    expected = f"{before} along 'along feature 1' and by {after}"
    assert found.text(hostile) == expected.replace("along feature 1. ", "along '{0} {condition}'. ")
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert same == found
        assert vars(same) == vars(found)
    with pytest.raises(AttributeError):
        found.kind = "spike"


def test_a_sentence_counts_and_lists():
    message, values = "Of {components} and {features}, {columns}: {x}, {n}", {"x": 0.12345, "n": 1234567}
    found = Finding("made up", message, values, ("a", "b", "c"), components=(0, 2, 3), features=(4, 1))
    assert found == "Of 0, 2 and 3 and features 4 and 1, [4, 1]: 0.123, 1234567 Remedy: a, b, or c."
    assert (
        found.text("abcde", n="some")
        == "Of 0, 2 and 3 and 'e' and 'b', 'e', 'b': 0.123, some Remedy: a, b, or c."
    )
    assert Finding("no remedy", "{x}", {"x": np.inf}) == "inf"


def test_explain_says_what_is_invalid():
    statistics = e_step(one(), NORMAL[:5])
    with pytest.raises(ValueError, match="`statistics` must be centered at the means of `mixture`"):
        explain(one(0.5), statistics)
    with pytest.raises(ValueError, match=r"`statistics\.s2` must have 2 dimensions for 'diag'"):
        explain(Mixture([1.0], [[0.0]], [[1.0]], "diag"), statistics)
    with pytest.raises(ValueError, match="`statistics` must hold rows"):
        explain(one(), statistics.scale(0.0))
    with pytest.raises(ValueError, match="`statistics` must be a Statistics, got list"):
        explain(one(), [1.0])
    with pytest.raises(ValueError, match="`mixture` must be a Mixture, got list"):
        explain([1.0], statistics)


# --- trace -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("rule", ["em", "online-em", "gradient"])
def test_trace_is_what_a_learner_does(rule, batch_size):
    rng = np.random.default_rng(6)
    X, w = rng.normal(size=(100, 2)), rng.uniform(0.5, 1.5, 100)
    mixture = Mixture([0.5, 0.5], [[-1.0, 0.0], [1.0, 0.0]], [np.eye(2)] * 2)
    run = trace(rule, mixture, X, sample_weight=w, batch_size=batch_size, n_rows=50.0, n_snapshots=12)
    options = rules.get(rule).init(mixture).options
    learner, info = Learner.start(
        rules.get(rule), mixture, n_rows=50.0, batch_size=batch_size, options=options
    ).learn(X, w)
    assert run.mixtures[0] == mixture
    assert run.mixtures[-1] == learner.mixture
    assert len(run.mixtures) == len(run.rows) <= 12
    np.testing.assert_array_equal(run.log_likelihood, info.log_likelihood)
    np.testing.assert_array_equal(run.weight, info.weight)
    np.testing.assert_allclose(run.rows[[0, -1]], [50.0, 50.0 + w.sum()])
    np.testing.assert_array_equal(run.statistics.nk, e_step(run.mixtures[-1], X, w).nk)
    assert (run.n_refused, run.failure) == (0, None)


def test_snapshots_are_dense_early():
    rows = trace("gradient", one(), NORMAL, n_snapshots=100).rows
    np.testing.assert_array_equal(rows[:6], range(6))
    assert rows[-1] == 20000
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(trace("gradient", one(), NORMAL, n_snapshots=2).rows, [0, 20000])
    np.testing.assert_array_equal(trace("gradient", one(), NORMAL[:1]).rows, [0, 1])


@pytest.mark.parametrize("bad", [0, 1, 5, 6, 7, 40, 98, 99])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_failing_run_is_kept_up_to_its_failure(monkeypatch, bad, batch_size):
    learn = Learner.learn

    def fail(self, X, weights, **options):
        if (X == 1e9).any():
            raise np.linalg.LinAlgError("component 0 left the positive definite matrices")
        return learn(self, X, weights, **options)

    X = NORMAL[:100].copy()
    X[bad] = 1e9
    monkeypatch.setattr(Learner, "learn", fail)
    run = trace("gradient", one(), X, batch_size=batch_size, n_snapshots=9)
    learned = bad // batch_size
    assert run.failure == "component 0 left the positive definite matrices"
    assert len(run.log_likelihood) == len(run.weight) == learned
    assert run.rows[-1] == learned * batch_size
    monkeypatch.undo()
    if learned:
        assert (
            run.mixtures[-1]
            == trace("gradient", one(), X[: learned * batch_size], batch_size=batch_size).mixtures[-1]
        )
    assert explain_run(run)[0].startswith(
        f"The run stopped after {learned * batch_size} rows: component 0 left"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, got 0"),
        ({"n_snapshots": 1}, "`n_snapshots` must be a whole number of at least 2, got 1"),
        ({"n_snapshots": 2.5}, "`n_snapshots` must be a whole number"),
        ({"n_rows": -1.0}, "`n_rows` must be finite and not negative, got -1.0"),
        ({"X": np.empty((0, 1))}, "`X` must hold at least one row, got none"),
        ({"X": [[np.inf]]}, "`X` must be finite, got inf in row 0"),
        ({"rule": "nonsense"}, "`rule` must be one of"),
        ({"mixture": None}, "`mixture` must be a Mixture, got NoneType"),
        ({"sample_weight": [1.0, 2.0]}, r"`sample_weight` must have shape \(1,\)"),
    ],
)
def test_trace_says_what_is_invalid(options, message):
    arguments = {"rule": "gradient", "mixture": one(), "X": [[1.0]], **options}
    with pytest.raises(ValueError, match=message):
        trace(arguments.pop("rule"), arguments.pop("mixture"), arguments.pop("X"), **arguments)


# --- the speed of a rule -----------------------------------------------------------------------------------

# How each coordinate of the covariance gives the variance, and back.
COORDINATES = {
    "covariance": (lambda c: c, lambda v: v),
    "precision": (lambda c: 1 / c, lambda v: 1 / v),
    "cholesky": (lambda c: np.exp(2 * c), lambda v: 0.5 * np.log(v)),
    "log-covariance": (np.exp, np.log),
    "log-variance": (np.exp, np.log),
}


@pytest.mark.parametrize("name", COORDINATES)
@pytest.mark.parametrize("variance", STARTS)
def test_table_of_speeds_is_that_of_central_differences(name, variance):
    """One step by differences of the expected log-likelihood of N(0, w), with a share p of the rows."""
    rate, share, wanted = 0.002, 0.3, 1.7
    to_variance, coordinate = COORDINATES[name]

    def expected(theta, second):
        v = to_variance(theta[1])
        return -0.5 * share * (np.log(v) + (second + theta[0] ** 2) / v)

    here, there = coordinate(variance), coordinate(wanted)
    step = min(5e-4, 1e-3 * abs(here)) if here else 5e-4
    by_covariance = naive.central_differences(lambda t: expected(t, wanted), [0.0, here], (2 * step, step))[1]
    by_mean = naive.central_differences(lambda t: expected(t, wanted), [0.5, here], (1e-3, 5e-4))[0]
    fraction = rate * share * _speed.covariance_factor(name, np.array([variance]), np.array([wanted]))
    np.testing.assert_allclose(fraction, rate * by_covariance / (there - here), rtol=1e-6)
    np.testing.assert_allclose(rate * share / variance, rate * by_mean / -0.5, rtol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
def test_speeds_of_cholesky_are_those_of_its_gradient(kind):
    """A covariance along the axes that is 1 % off, for which the table is exact."""
    wide = np.diag([0.5, 2.0]) if kind != "spherical" else 0.7 * np.eye(2)
    means = np.array([[0.0, 0.0], [100.0, 100.0]])
    mixture = Mixture([0.25, 0.75], means, naive.restrict(np.array([wide, wide]), kind), kind)
    nk = np.array([25.0, 75.0])
    s1 = nk[:, np.newaxis] * [1e-4, 1e-4]
    s2 = (
        1.01 * nk[:, np.newaxis, np.newaxis] * wide
        + s1[:, :, np.newaxis] * s1[:, np.newaxis] / nk[:, None, None]
    )
    statistics = Statistics(100.0, 0.0, nk, s1, naive.second_moments(s2, kind), mixture.means)
    em = rules.EM()
    target = em.update(statistics, em.init(mixture, n_rows=100.0), mixture)[0]
    rule = rules.GradientAscent(learning_rate=0.01)
    arguments = (0.01, mixture, statistics, target, 0, np.eye(2))
    table = _speed.fractions(rule, *arguments)
    measured = _speed._measured("cholesky", *arguments)
    np.testing.assert_allclose(table[0], measured[0], rtol=1e-4)  # the nudge is 1e-6
    np.testing.assert_allclose(table[1], measured[1], rtol=1e-4)


@pytest.mark.parametrize("variance", STARTS)
def test_speed_of_natural_parameters(variance):
    mixture, target = one(0.0, variance), one(1e-4 * np.sqrt(variance), 1.001 * variance)
    s1, s2 = 100 * target.means, 100 * target.covariances
    statistics = Statistics(100.0, 0.0, np.array([100.0]), s1, s2, mixture.means)
    rule = SimpleNamespace(learning_rate=Constant(0.01), parameterization="natural")
    mean, covariance = _speed.fractions(rule, 0.01, mixture, statistics, target, 0, np.eye(1))
    np.testing.assert_allclose(mean, 0.01 * variance, rtol=2e-3)  # the gap is 1e-3
    np.testing.assert_allclose(covariance, 0.01 * 2 * variance**2, rtol=2e-3)


def test_speed_of_rules_without_scale():
    statistics = e_step(one(3.0, 50.0), NORMAL)
    rule = SimpleNamespace(learning_rate=Constant(0.01), parameterization="covariance", precondition=True)
    arguments = (one(3.0, 50.0), statistics, one(), 0, np.eye(1))
    assert _speed.fractions(rule, 0.01, *arguments) == (0.01, 0.01)
    assert _speed.fractions(rules.OnlineEM(), 0.02, *arguments) == (0.02, 0.02)
    mean, variance = _speed.fractions(SimpleNamespace(learning_rate=1.0), 0.01, *arguments)
    assert np.isnan([mean, variance]).all()


def test_step_size_of_a_rule():
    def size(rule):
        return _speed.step_size(rule, 100.0, start=0.0, batch_size=1)

    assert size(rules.GradientAscent(learning_rate=0.002)) == 0.002
    assert size(rules.EM()) == 1.0
    np.testing.assert_allclose(size(SimpleNamespace(learning_rate=Constant(0.002), momentum=0.9)), 0.02)
    assert np.isnan(size(SimpleNamespace(learning_rate=Constant(0.002), optimizer="adam")))


# --- explain_run: a rate of 0.002 from a mean of 5 ---------------------------------------------------------


def simulate(name, variance, mean=5.0, rate=0.002, precondition=False, X=NORMAL):
    """Return the run of one Gaussian in plain NumPy, one row at a time, unguarded."""
    marks = runs._marks(len(X), 100)
    rows, mixtures, log_likelihood, failure = [0], [one(mean, variance)], [], None
    for i, x in enumerate(X[:, 0]):
        d = x - mean
        now = -0.5 * (np.log(2 * np.pi * variance) + d**2 / variance)
        moved = gaussian_step(name, mean, variance, d, rate, precondition)
        if moved[1] <= 0:
            failure = f"the covariance of component 0 left the positive definite matrices at row {i}"
        else:
            mean, variance = moved
            log_likelihood.append(now)
        if failure or i + 1 in marks:
            rows.append(len(log_likelihood))
            mixtures.append(one(mean, variance))
        if failure:
            break
    rule = SimpleNamespace(learning_rate=Constant(rate), parameterization=name, precondition=precondition)
    ll = np.array(log_likelihood)
    statistics = e_step(mixtures[-1], X)
    return Run(rule, 1, np.array(rows, float), tuple(mixtures), ll, np.ones(len(ll)), statistics, 0, failure)


def gaussian_step(name, mean, variance, d, rate, precondition):
    """Return mean and variance after a row at distance d from the mean."""
    if precondition:
        return mean + rate * d, variance + rate * (d**2 - variance)
    to_variance, coordinate = COORDINATES[name]
    slope = {"covariance": 1.0, "precision": -(variance**2), "cholesky": 2 * variance}[name]
    by_variance = 0.5 * (d**2 / variance**2 - 1 / variance)
    return mean + rate * d / variance, to_variance(coordinate(variance) + rate * by_variance * slope)


def test_simulation_is_the_gradient_rule():
    """While no step is so large that the rule shortens it."""
    run = trace(rules.GradientAscent(learning_rate=0.002), one(1.0, 2.0), NORMAL)
    simulated = simulate("cholesky", 2.0, mean=1.0)
    np.testing.assert_array_equal(run.rows, simulated.rows)
    np.testing.assert_allclose(
        [m.factor.item() for m in run.mixtures], [m.factor.item() for m in simulated.mixtures], rtol=1e-9
    )


CRAWLS_MEAN, CRAWLS_VARIANCE = "Component 0 crawls: its mean is", "Component 0 crawls: its variance is"
JUMPS, STOPPED = "The steps are too large for the scale of component 0: its", "The run stopped after"
MOVING = "The run was still improving when it stopped"
CASES = [
    ("covariance", 0.01, [JUMPS, CRAWLS_MEAN, CRAWLS_VARIANCE]),
    ("covariance", 0.1, [JUMPS, MOVING]),
    ("covariance", 1.0, []),
    ("covariance", 10.0, [CRAWLS_VARIANCE]),
    ("covariance", 100.0, [CRAWLS_MEAN, CRAWLS_VARIANCE]),
    ("precision", 0.01, [JUMPS, CRAWLS_VARIANCE]),
    ("precision", 0.1, []),
    ("precision", 1.0, [STOPPED]),
    ("precision", 10.0, [STOPPED]),
    ("precision", 100.0, [STOPPED, JUMPS]),
    ("cholesky", 0.01, [JUMPS]),  # unguarded; the rule shortens this step
    *(("cholesky", variance, []) for variance in STARTS[1:]),
]


@pytest.mark.parametrize(("name", "variance", "expected"), CASES)
def test_fixed_rate_from_a_start_that_is_off(name, variance, expected):
    sentences = explain_run(simulate(name, variance))
    assert len(sentences) == len(expected), sentences
    for sentence, begin in zip(sentences, expected, strict=True):
        assert sentence.startswith(begin)
        assert "Remedy: " in sentence


@pytest.mark.parametrize("variance", STARTS)
def test_steps_without_scale_need_no_words(variance):
    assert explain_run(simulate("covariance", variance, precondition=True)) == []
    assert explain_run(trace(rules.GradientAscent(learning_rate=0.002), one(5.0, variance), NORMAL)) == []
    assert explain_run(trace(rules.OnlineEM(Constant(0.002)), one(5.0, variance), NORMAL)) == []
    assert explain_run(trace(rules.EM(), one(5.0, variance), NORMAL, batch_size=1000)) == []
    if hasattr(rules, "NaturalGradient"):
        rule = rules.NaturalGradient(Constant(0.002))
        assert explain_run(trace(rule, one(5.0, variance), NORMAL)) == []


def test_crawling_says_how_many_rows_it_would_take():
    """Raw covariance at variance 100 and rate 0.002: 2 v^2 / rate = 1e7 rows; the mean, v / rate = 5e4."""
    mean, variance = explain_run(simulate("covariance", 100.0))
    assert "about 50000 more rows" in mean
    assert "a step of the mean shrinks as 1 / variance." in mean
    assert "is 99.8 where the rows ask for 0.992" in variance
    assert "about 1e+07 more rows at this speed, after 20000." in variance
    assert "a step of the covariance shrinks as 1 / variance^2." in variance
    for remedy in ("precondition=True", "rules.NaturalGradient", "log parameterization", "standardize"):
        assert remedy in variance


def test_the_rows_that_it_would_take_are_right():
    """From a variance of 10 where 1 is true: as many rows as said close the gap e-fold or better."""
    run = simulate("covariance", 10.0, mean=0.0, X=NORMAL[:2000])
    (sentence,) = explain_run(run)
    needed = float(sentence.split("about ")[1].split(" more rows")[0])
    final = run.mixtures[-1].covariances.item()
    X = np.resize(NORMAL, (int(needed), 1))
    after = simulate("covariance", final, mean=0.0, X=X).mixtures[-1].covariances.item()
    assert (after - 1) / (final - 1) < np.exp(-1) + 0.01


def test_a_small_step_without_scale_may_still_crawl():
    sentences = explain_run(simulate("covariance", 4.0, rate=1e-5, precondition=True))
    assert [s.startswith(begin) for s, begin in zip(sentences, [CRAWLS_MEAN, CRAWLS_VARIANCE], strict=True)]
    assert all(s.endswith("Remedy: a larger rate, or more rows.") for s in sentences)


@pytest.mark.parametrize(
    ("share", "variance", "rate", "cause"),
    [
        (0.02, 1.0, 1e-3, "Its small share of the rows hides the rate. Remedy: rules.NaturalGradient"),
        (0.02, 1e4, 1e-3, "The scale hides the rate: a step of the mean shrinks as 1 / variance."),
        (
            0.98,
            1.0,
            1e-6,
            "about 1e+06 more rows at this speed, after 4000. Remedy: a larger rate, or more rows.",
        ),
    ],
)
def test_crawling_blames_what_slows_it_most(share, variance, rate, cause):
    """Either of two components that are one standard deviation from their rows."""
    covariances = np.full(2, variance)
    means = np.sqrt(variance) * np.array([[0.0], [40.0]])
    X = Mixture([share, 1 - share], means, covariances, "spherical").sample(4000, random_state=3)[0]
    start = Mixture([share, 1 - share], means + np.sqrt(variance), covariances, "spherical")
    sentences = explain_run(trace(rules.GradientAscent(learning_rate=rate), start, X))
    assert cause in next(sentence for sentence in sentences if sentence.startswith(CRAWLS_MEAN))


@pytest.mark.parametrize("kind", TYPES)
def test_crawling_names_component_and_feature(kind):
    means = np.array([[0.0, 0.0], [0.0, 300.0]])
    covariances = naive.restrict(np.array([np.eye(2), np.eye(2)]), kind)
    X = Mixture([0.5, 0.5], means, covariances, kind).sample(2000, random_state=2)[0]
    moved = np.array([[0.0, 0.0], [0.0, 305.0]])
    run = trace(rules.GradientAscent(learning_rate=1e-5), Mixture([0.5, 0.5], moved, covariances, kind), X)
    sentences = [sentence for sentence in explain_run(run) if "its mean" in sentence]
    assert len(sentences) == 1
    assert sentences[0].startswith("Component 1 crawls: its mean is ")
    assert "mostly along feature 1 from" in sentences[0]


def test_a_stopped_run_says_which_step_it_was():
    first = explain_run(simulate("precision", 10.0))[0]
    assert first.startswith("The run stopped after 238 rows")
    assert "left the positive definite matrices at row 238" in first
    assert "takes away rate / 2 times the squared distance" in first
    run = simulate("covariance", 0.02, mean=0.0, X=np.zeros((5, 1)))
    first = explain_run(run)[0]
    assert (
        "more than all of a variance below sqrt(rate / 2); the smallest, of component 0, was 0.02." in first
    )


def test_refused():
    X = NORMAL[:100].copy()
    X[[20, 50]] = 1e200
    run = trace("online-em", one(), X, n_rows=100.0)
    assert run.n_refused == 2
    assert run.statistics.weight == 98.0
    (sentence,) = explain_run(run)
    assert sentence.startswith("2 of 100 mini-batches were passed over")
    assert "remove such rows" in sentence


# --- explain_run: what the log-likelihood shows -------------------------------------------------------------


def noise(n=4000, seed=7):
    return -1.4 + 0.7 * np.random.default_rng(seed).normal(size=n)


def test_a_level_history_needs_no_words():
    assert explain_run(noise()) == []
    assert explain_run([]) == []
    assert explain_run([np.nan, -1.0]) == []
    outlier = noise()
    outlier[-3] = -1e6  # one row is no trend
    assert explain_run(outlier) == []
    outlier[-3] = -1e300
    assert explain_run(outlier) == []


def test_a_falling_history():
    history = noise()
    history[3000:] -= 4.0
    history[5] = np.nan
    (sentence,) = explain_run(history)
    assert sentence.startswith("The log-likelihood fell from -1.3")
    assert "smaller or decaying rate" in sentence
    diverged = np.where(np.arange(100) > 10, -np.inf, -1.0)
    (sentence,) = explain_run(diverged)
    assert "minus infinity at the end" in sentence


@pytest.mark.parametrize(
    ("rule", "never"),
    [
        (rules.NaturalGradient(), ("NaturalGradient", "precondition", "log parameterization", "standardize")),
        (rules.OnlineEM(rules.schedules.HalfLife(100)), ("NaturalGradient", "OnlineEM", "HalfLife")),
        (rules.EM(), ("rate", "NaturalGradient")),
        ("natural-gradient", ("NaturalGradient",)),
        (rules.GradientAscent("cholesky"), ("log parameterization",)),
        (rules.GradientAscent("covariance", precondition=True), ("precondition",)),
    ],
)
def test_no_remedy_is_what_the_run_does_already(rule, never):
    history = noise()
    history[3000:] -= 4.0
    (found,) = explain_run(SimpleNamespace(history_=history, rule=rule))
    assert found.kind == "fell"
    assert found.remedies
    assert not [(remedy, word) for remedy in found.remedies for word in never if word in remedy]
    (unknown,) = explain_run(history)
    for word in ("precondition=True", "rules.NaturalGradient", "log parameterization", "standardize"):
        assert word in unknown


def still(mixture, X, batch_size=50):
    """Return the run of a rule that never moves a mixture, whatever rows come."""
    per_batch = mixture.log_prob(X).reshape(-1, batch_size).sum(axis=1)
    rows = 1000.0 + batch_size * np.array([0, 1, 2, 40, 80, len(per_batch)])
    rule = rules.NaturalGradient(rules.schedules.HalfLife(100))
    weight = np.full(len(per_batch), float(batch_size))
    return Run(rule, batch_size, rows, (mixture,) * len(rows), per_batch, weight, e_step(mixture, X))


def plane(mean, noise=0.3, n=5000, seed=0):
    """Return rows [a, b, a + b + noise, z] of standard deviations 3e4, 1e4 and, for z, 1."""
    rng = np.random.default_rng(seed)
    a, b, z = rng.normal(mean, 3e4, n), rng.normal(0, 1e4, n), rng.normal(size=n)
    return np.stack([a, b, a + b + noise * rng.normal(size=n), z], axis=1)


def test_a_frozen_run():
    """Its log-likelihood is level, so that nothing else tells."""
    run = still(one(), 10 + NORMAL[:5000])
    (found,) = explain_run(run)
    assert found.kind == "frozen"
    assert found.startswith("The run is frozen: the last quarter of the mini-batches has -51.")
    assert "no component moved by more than 0 standard deviations" in found
    assert not any("NaturalGradient" in remedy for remedy in found.remedies)
    np.testing.assert_allclose(found.values["expected"], -0.5 * np.log(2 * np.pi) - 0.5, atol=0.1)  # drawn
    assert explain_run(still(one(), NORMAL[:5000])) == []
    assert explain_run(still(one(), 10 + NORMAL[:950])) == []  # 19 mini-batches
    per_row = run.log_likelihood / run.weight
    model = SimpleNamespace(history_=per_row, rule="natural-gradient", to_mixture=one)
    (found,) = explain_run(model)
    assert found.startswith("The mixture does not follow the rows: ")
    assert explain_run(SimpleNamespace(history_=per_row, rule="em", to_mixture=one)) == []  # it does


def test_a_frozen_run_on_a_plane_names_the_features():
    X = plane(0.0)
    mixture = Mixture([1.0], [X.mean(axis=0)], [np.cov(X.T)])
    (found,) = explain_run(still(mixture, plane(330000.0)))
    assert (found.kind, found.components, found.features) == ("frozen", (0,), (0, 2))
    assert "Component 0 is flat along a combination of features 0 and 2" in found
    assert found.remedies == ("a larger reg_covar", 'prior="weak"', "drop a redundant feature")
    assert explain_run(still(mixture, plane(0.0, seed=1))) == []


@pytest.mark.parametrize("rule", ["online-em", "natural-gradient", "gradient", "em"])
def test_a_run_that_follows_is_not_frozen(rule):
    """Rows with heavy tails, and rows that move ten standard deviations over the run."""
    rng = np.random.default_rng(2)
    for X in (rng.standard_cauchy((4000, 1)), rng.normal(size=(4000, 1)) + np.linspace(0, 10, 4000)[:, None]):
        model = OnlineGaussianMixture(1, rule=rule, batch_size=20, random_state=0).fit(X)
        run = trace(rule, model.to_mixture(), X, batch_size=20)
        assert not [found for found in (*explain_run(model), *explain_run(run)) if found.kind == "frozen"]


def test_a_rising_history():
    (sentence,) = explain_run(noise() - 5 * np.exp(-np.arange(4000) / 2000))
    assert sentence.startswith(MOVING)
    assert "more rows" in sentence


@pytest.mark.parametrize("seed", range(8))
def test_a_rising_history_is_one_that_has_not_converged(seed):
    X = np.random.default_rng(seed).normal(size=(3000, 2)) + np.linspace(0, seed / 8, 3000)[:, np.newaxis]
    model = OnlineGaussianMixture(2, random_state=0, batch_size=10).fit(X)
    moving = any(sentence.startswith(MOVING) for sentence in explain_run(model))
    assert moving == (not model.converged_)
    assert explain_run(model) == explain_run(model.history_)


@pytest.mark.parametrize("bad", ["text", None, np.ones((2, 2)), OnlineGaussianMixture(2), object()])
def test_explain_run_says_what_is_invalid(bad):
    with pytest.raises(
        ValueError, match=r"`history` must be a Run, an array of shape \(n_batches,\) or a fitted"
    ):
        explain_run(bad)


def test_diagnostics_come_without_scikit_learn():
    code = "import sys, streamgmm; streamgmm.diagnostics.trace; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, streamgmm; assert 'streamgmm.diagnostics' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what a hostile reader found ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cholesky", "covariance", "natural"])
@pytest.mark.parametrize(("shift", "scale"), [(2e3, 1.0), (1e4, 1.0), (0.0, 1e-6), (0.0, 1e6)])
def test_gradient_check_holds_far_from_the_origin(name, shift, scale):
    mixture = Mixture([0.4, 0.6], [[0.0, 0.0], [3.0, 1.0]], [np.eye(2)] * 2)
    X = mixture.sample(100, random_state=0)[0] * scale + shift
    moved = Mixture(mixture.weights, (mixture.means + 0.1) * scale + shift, mixture.covariances * scale**2)
    assert check_gradient(name, moved, X) < 1e-5  # entries of S near 1e-12 beside logits of order one


def test_run_of_every_rule_can_be_explained():
    mixture = Mixture([0.4, 0.6], [[0.0, 0.0], [3.0, 1.0]], np.ones((2, 2)), "diag")
    X = mixture.sample(300, random_state=0)[0]
    for name in rules.names():
        assert isinstance(explain_run(trace(name, mixture, X)), list)


@pytest.mark.parametrize(
    "settings",
    [{"learning_rate": 0.01, "relative_rates": {"means": 1e-3}}, {"learning_rate": 1e-5, "optimizer": []}],
)
def test_crawling_by_any_setting_is_seen(settings):
    run = trace(rules.GradientAscent(**settings), one(5.0, 1.0), NORMAL[:3000])
    assert any("crawls" in sentence for sentence in explain_run(run))
