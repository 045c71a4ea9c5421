"""Rules against the oracle and against each other; the compiled stream against a loop in Python."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import common
import naive
from common import (
    NO_WEIGHTS,
    assert_mixtures_close,
    assert_valid,
    learner_of,
    long_without_compilation,
    options_of,
    parameters_of,
)
from streamgmm import Mixture, covariance, datasets, e_step, parameterizations, priors, rules
from streamgmm.fit.batch import fit_em
from streamgmm.fit.stream import Info, Learner
from streamgmm.kernels.family import refit, refit_jointly
from streamgmm.kernels.records import flattened
from streamgmm.rules.schedules import Constant, HalfLife, PowerDecay
from streamgmm.sweep import CHUNK

TYPES = covariance.names()
RULES = rules.names()
RULES_OF_BATCHES = [name for name in RULES if not rules.get(name).row_by_row]
# Rules that take each call as a pass over all rows have other laws than a stream.
STREAMING = [name for name in RULES if not rules.get(name).makes_passes]

start = partial(common.start, n_samples=301)
every_type = pytest.mark.parametrize("kind", TYPES)
every_rule = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in RULES for kind in rules.get(name).covariance_types]
)
every_stream = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in STREAMING for kind in rules.get(name).covariance_types]
)


def some_prior(n_features, seed=0):
    """Return a prior strong enough for each of its numbers to matter."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n_features, n_features + 1))
    return priors.ConjugatePrior(
        mean=rng.standard_normal(n_features),
        scale=root @ root.T + 0.5 * np.eye(n_features),
        mean_count=3.0,
        degrees_of_freedom=n_features + 4.5,
        concentration=2.5,
    )


def settled(name):
    """Return the rule, past a phase in which components learn from rows that are not theirs."""
    return rules.AnnealedSGD(width=0.1) if name == "annealed-sgd" else rules.get(name)


def taught(rule, mixture, state, X):
    """Return mixture and state after a mini-batch, which some rules learn row by row."""
    for rows in X[:, np.newaxis] if rule.row_by_row else [X]:
        mixture, state = rule.update(e_step(mixture, rows), state, mixture)
    return mixture, state


def em(mixture, X, w=None, options=None):
    rule = rules.EM()
    return rule.update(e_step(mixture, X, w), rule.init(mixture, options=options), mixture)[0]


# --- EM ----------------------------------------------------------------------------------------------------


@every_type
@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
@pytest.mark.parametrize("with_floor", [False, True], ids=["", "floor"])
@pytest.mark.parametrize("with_prior", [False, True], ids=["", "prior"])
def test_em_is_the_oracles_m_step(kind, n_features, with_floor, with_prior):
    parameters, mixture, X = start(kind, 4, n_features)
    floor = np.linspace(0.1, 0.5, n_features) if with_floor else 0.0
    prior = some_prior(n_features) if with_prior else None
    options = options_of(kind, 4, n_features, floor, prior)
    w = np.random.default_rng(1).uniform(0.0, 2.0, len(X))
    for _ in range(3):
        mixture = em(mixture, X, w, options)
        parameters = naive.em_step(parameters, X, w, floor, prior)
        assert_mixtures_close(mixture, parameters)


@every_type
def test_weak_prior_is_mclusts(kind):
    """Scale Cov(X) / K^(2/d), mean count 0.01, d + 2 degrees of freedom (Fraley and Raftery, 2007)."""
    parameters, mixture, X = start(kind, 3, 2)
    prior = priors.weak_prior(X.mean(axis=0), np.cov(X.T), 3)
    same = priors.ConjugatePrior(X.mean(axis=0), np.cov(X.T) / 3.0, 0.01, 4.0, 1.0)
    expected = naive.em_step(parameters, X, prior=same)
    assert_mixtures_close(em(mixture, X, options=options_of(kind, 3, 2, prior=prior)), expected)


@every_type
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_em_never_lowers_the_log_likelihood(kind, n_components, n_features, seed):
    _, mixture, X = start(kind, n_components, n_features, seed, n_samples=150)
    before = -np.inf
    for _ in range(10):
        after = naive.log_likelihood(parameters_of(mixture), X)
        assert after >= before - 1e-9 * abs(after)
        before = after
        if e_step(mixture, X).nk.min() < n_features + 2:
            return  # the likelihood is unbounded, and this component is about to show it
        mixture = em(mixture, X)


@long_without_compilation
@every_type
def test_fit_em_climbs_to_a_fixed_point(kind):
    _, mixture, X = start(kind, 2, 2)
    result = fit_em(mixture, X, tol=1e-12, max_iter=5000)
    assert result.converged
    assert (np.diff(result.lower_bounds) > -1e-12).all()
    np.testing.assert_allclose(
        result.lower_bounds[-1], naive.log_likelihood(parameters_of(result.mixture), X) / len(X), rtol=1e-10
    )
    # an iteration that gains 1e-12 nats has about 1e-6 standard deviations to go
    assert_mixtures_close(em(result.mixture, X), result.mixture, rtol=1e-4, atol=1e-5)


@long_without_compilation
def test_old_faithful():
    """mclust prints log-likelihood -1130.264 and these weights and means."""
    X = datasets.load_faithful().data
    begin = Mixture([0.5, 0.5], [[2.0, 55.0], [4.5, 80.0]], np.cov(X.T), "tied")
    begin = Mixture(begin.weights, begin.means, [begin.covariances] * 2, "full")
    result = fit_em(begin, X, tol=1e-12, max_iter=1000)
    np.testing.assert_allclose(result.lower_bounds[-1] * len(X), -1130.2640, atol=5e-5)
    np.testing.assert_allclose(result.mixture.weights, [0.3559, 0.6441], atol=5e-5)
    np.testing.assert_allclose(result.mixture.means, [[2.0364, 54.4785], [4.2897, 79.9681]], atol=5e-5)


@every_type
@pytest.mark.parametrize("n_features", [1, 2, 4])
def test_em_is_a_preconditioned_gradient(kind, n_features):
    """Xu and Jordan (1996): P_pi = (diag(pi) - pi pi') / W, P_mu = S / N, P_S = (2 / N) S (x) S.

    The gradient by S is taken at the new mean.
    """
    parameters, mixture, X = start(kind, 3, n_features)
    moments = naive.statistics(parameters, X)
    W, N, pi = moments.weight, moments.nk, parameters.weights
    S = naive.dense(parameters)
    weights = pi + (np.diag(pi) - np.outer(pi, pi)) / W @ (N / pi)
    gradient_means = [np.linalg.solve(S[k], moments.s1[k]) for k in range(3)]
    means = np.array([parameters.means[k] + S[k] / N[k] @ gradient_means[k] for k in range(3)])
    s2 = []
    for k in range(3):
        shift = means[k] - parameters.means[k]
        s2.append(
            moments.s2[k]
            - np.outer(shift, moments.s1[k])
            - np.outer(moments.s1[k], shift)
            + N[k] * np.outer(shift, shift)
        )
    if kind in ("full", "tied"):
        groups = [[k] for k in range(3)] if kind == "full" else [[0, 1, 2]]
        covariances = []
        for group in groups:
            P = np.linalg.inv(S[group[0]])
            n = sum(N[k] for k in group)
            gradient = 0.5 * (P @ sum(s2[k] for k in group) @ P - n * P)
            covariances.append(S[group[0]] + 2 / n * S[group[0]] @ gradient @ S[group[0]])
        covariances = np.array(covariances) if kind == "full" else covariances[0]
    else:
        second = np.array([np.diag(matrix) for matrix in s2])
        v, n = parameters.covariances, N[:, np.newaxis]
        if kind == "spherical":
            second, n = second.sum(axis=1), N * n_features
        gradient = 0.5 * (second / v**2 - n / v)
        covariances = v + 2 / n * v**2 * gradient
    expected = naive.Parameters(weights, means, covariances, kind)
    assert_mixtures_close(em(mixture, X), expected, rtol=1e-10, atol=1e-12)


# --- online EM ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["full", "diag"])
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("step", [0.5, 0.01])
def test_online_em_of_one_row_is_the_formula(kind, n_features, step):
    _, mixture, X = start(kind, 3, n_features)
    rule = rules.OnlineEM(Constant(step))
    state = rule.init(mixture)
    for x in X[:30]:
        weights, means, covariances = naive.online_em_row(parameters_of(mixture), x, step)
        expected = naive.Parameters(weights, means, naive.restrict(covariances, kind), kind)
        mixture, state = rule.update(e_step(mixture, x[np.newaxis]), state, mixture)
        assert_mixtures_close(mixture, expected, rtol=1e-10, atol=1e-12)


@every_type
@pytest.mark.parametrize("n_features", [1, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("with_floor", [False, True], ids=["", "floor"])
@pytest.mark.parametrize("with_prior", [False, True], ids=["", "prior"])
def test_online_em_is_the_oracles(kind, n_features, batch_size, with_floor, with_prior):
    parameters, mixture, X = start(kind, 3, n_features, n_samples=10 * batch_size)
    floor = np.linspace(0.1, 0.5, n_features) if with_floor else 0.0
    prior = some_prior(n_features) if with_prior else None
    rule = rules.OnlineEM(PowerDecay(0.7, offset=5.0))
    options = options_of(kind, 3, n_features, floor, prior)
    state = rule.init(mixture, n_rows=40.0, batch_size=batch_size, options=options)
    online = naive.online_start(parameters, n_rows=40.0)
    w = np.random.default_rng(2).uniform(0.1, 2.0, len(X))
    for batch in range(10):
        rows = slice(batch * batch_size, (batch + 1) * batch_size)
        step = naive.power_decay(40.0 + batch * batch_size, batch_size, 0.7, 5.0)
        mixture, state = rule.update(e_step(mixture, X[rows], w[rows]), state, mixture)
        online = naive.online_em_step(online, X[rows], step, w[rows], floor, prior)
        assert_mixtures_close(mixture, online.parameters)


@every_type
@pytest.mark.parametrize("with_prior", [False, True], ids=["", "prior"])
@pytest.mark.parametrize("schedule", [Constant(1.0), None], ids=["constant", "default"])
def test_online_em_with_step_one_is_em(kind, with_prior, schedule):
    _, mixture, X = start(kind)
    options = options_of(kind, 3, 3, 0.1, some_prior(3) if with_prior else None)
    rule = rules.OnlineEM(schedule)  # the default's first step is 1 where no rows lie behind the mixture
    state = rule.init(mixture, batch_size=len(X), options=options)
    online = rule.update(e_step(mixture, X), state, mixture)[0]
    assert_mixtures_close(online, em(mixture, X, options=options), rtol=1e-12, atol=1e-13)


@long_without_compilation
@every_type
def test_online_em_converges_to_em(kind):
    """Averages over ten passes come near what EM makes of the same rows."""
    _, mixture, X = start(kind, 2, 2, n_samples=1000)
    best = fit_em(mixture, X, tol=1e-10, max_iter=2000)
    learner = Learner.start(
        rules.OnlineEM(PowerDecay(0.7)), mixture, n_rows=100, batch_size=50, options=options_of(kind, 2, 2)
    )
    for _ in range(10):
        learner = learner.learn(X, NO_WEIGHTS)[0]
    reached = e_step(learner.mixture, X).log_likelihood / len(X)
    assert reached > best.lower_bounds[0] + 0.5 * (best.lower_bounds[-1] - best.lower_bounds[0])
    # stochastic steps end some 1 / sqrt(rows) from the optimum, where the likelihood is flat
    assert abs(reached - best.lower_bounds[-1]) < 0.01


# --- gradient ascent ---------------------------------------------------------------------------------------


every_parameterization = pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in parameterizations.names()
        for kind in parameterizations.get(name).covariance_types
    ],
)


@every_parameterization
@pytest.mark.parametrize("n_features", [1, 3, 5])
def test_gradient_step_is_a_step_along_theta(kind, name, n_features):
    """theta' = theta + rate * gradient / weight, all at the old parameters."""
    _, mixture, X = start(kind, 3, n_features)
    parameterization = parameterizations.get(name)
    rule = rules.GradientAscent(name, 0.003, guard="raise")  # the guard "backtrack" may shorten the step
    state = rule.init(mixture)
    for _ in range(3):
        statistics = e_step(mixture, X)
        theta = parameterization.pack(mixture)
        theta = theta + 0.003 * parameterization.gradient(statistics, mixture) / len(X)
        expected = parameterization.unpack(theta, mixture)
        mixture, state = rule.update(statistics, state, mixture)
        assert_mixtures_close(mixture, expected)


@long_without_compilation
@every_parameterization
@pytest.mark.parametrize("precondition", [False, True], ids=["", "preconditioned"])
def test_gradient_ascent_climbs_to_where_em_does(kind, name, precondition):
    if name in ("natural", "augmented") and not precondition:
        # the gradient by second moments about zero bends a hundred times more along one way than another
        rate, n_steps, enough = 1e-4, 3000, np.inf
    else:
        rate, n_steps, enough = 0.1, 3000, 1e-6
    rng = np.random.default_rng(0)
    truth = naive.random_parameters(rng, kind, 2, 2, spread=3.0)
    X = naive.draw(rng, truth, 100)
    mixture = Mixture(*truth._replace(means=truth.means + rng.standard_normal((2, 2))))
    best = fit_em(mixture, X, tol=1e-13, max_iter=20000).lower_bounds[-1]
    learner = Learner.start(
        rules.GradientAscent(name, rate, precondition=precondition),
        mixture,
        n_rows=0.0,
        batch_size=len(X),
        options=options_of(kind, 2, 2),
    )
    learner, info = learner.learn(np.tile(X, (n_steps, 1)), NO_WEIGHTS)
    log_likelihood = info.log_likelihood
    path = log_likelihood / len(X)
    assert (np.diff(path) > -1e-12).all()
    assert path[-1] > path[0] + 0.01
    # gradient ascent crawls where the likelihood is flat, even if that does not change its value much
    assert abs(path[-1] - best) < enough


@long_without_compilation
@every_type
@pytest.mark.parametrize("with_prior", [False, True], ids=["floor", "prior"])
def test_gradient_ascent_stands_still_where_regularized_em_does(kind, with_prior):
    """Floor or prior enter both in the same way: one fixed point serves both."""
    _, mixture, X = start(kind, 2, 2, n_samples=200)
    options = (
        options_of(kind, 2, 2, prior=some_prior(2))
        if with_prior
        else options_of(kind, 2, 2, np.array([0.1, 0.3]))
    )
    for _ in range(2000):
        mixture = em(mixture, X, options=options)
    rule = rules.GradientAscent(learning_rate=1.0)
    moved = rule.update(e_step(mixture, X), rule.init(mixture, options=options), mixture)[0]
    assert_mixtures_close(moved, mixture, rtol=1e-8, atol=1e-8)


# --- every rule: the contract ------------------------------------------------------------------------------


@every_rule
def test_update_is_a_pure_function(name, kind):
    _, mixture, X = start(kind)
    rule = rules.get(name)
    state = rule.init(mixture, n_rows=10.0)
    statistics = e_step(mixture, X[:1] if rule.row_by_row else X)
    kept = copy.deepcopy(arrays(state.memory, state.options, mixture.kernel_form()))
    sums = [np.copy(a) for a in (statistics.nk, statistics.s1, statistics.s2)]
    learned, later = rule.update(statistics, state, mixture)
    again, _ = rule.update(statistics, state, mixture)
    assert learned == again
    assert learned != mixture
    assert (state.t, later.t) == (10.0, 11.0)
    assert_same_arrays(arrays(state.memory, state.options, mixture.kernel_form()), kept)
    for old, new in zip(sums, (statistics.nk, statistics.s1, statistics.s2), strict=True):
        np.testing.assert_array_equal(new, old)


@every_rule
def test_statistics_about_another_point_are_refused(name, kind):
    _, mixture, X = start(kind)
    rule = rules.get(name)
    statistics = e_step(mixture, X).recenter(mixture.means + 1.0)
    with pytest.raises(
        ValueError, match="`statistics` must be centered at the means of `mixture`: call `recenter`"
    ):
        rule.update(statistics, rule.init(mixture), mixture)


@every_rule
def test_merged_statistics_teach_the_same(name, kind):
    _, mixture, X = start(kind)
    rule = rules.get(name)
    if rule.row_by_row:
        X = np.repeat(X[:1], len(X), axis=0)
    state = rule.init(mixture, n_rows=100.0)
    whole = rule.update(e_step(mixture, X), state, mixture)[0]
    parts = rule.update(e_step(mixture, X[:100]) + e_step(mixture, X[100:]), state, mixture)[0]
    assert_mixtures_close(parts, whole, rtol=1e-10, atol=1e-12)


@every_rule
def test_batch_of_weight_zero_changes_nothing(name, kind):
    _, mixture, X = start(kind)
    rule = rules.get(name)
    state = rule.init(mixture)
    learned, later = rule.update(e_step(mixture, X, np.zeros(len(X))), state, mixture)
    assert_mixtures_close(learned, mixture, rtol=1e-12)
    assert later.n_refused == 0


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
@pytest.mark.parametrize("name", ["em", "online-em"])
def test_em_does_not_care_for_the_features_units(name, kind):
    parameters, mixture, X = start(kind)
    units = np.array([1e-6, 3.0, 1e5])
    factor = units**2 if kind == "diag" else np.outer(units, units)
    other = Mixture(parameters.weights, parameters.means * units, parameters.covariances * factor, kind)
    rule = rules.get(name)
    learned = rule.update(e_step(mixture, X), rule.init(mixture, n_rows=50.0), mixture)[0]
    scaled = rule.update(e_step(other, X * units), rule.init(other, n_rows=50.0), other)[0]
    np.testing.assert_allclose(scaled.weights, learned.weights, rtol=1e-10)
    np.testing.assert_allclose(scaled.means / units, learned.means, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(scaled.covariances / factor, learned.covariances, rtol=1e-9, atol=1e-11)


def test_rules_compare_by_their_settings():
    assert rules.EM() == rules.get("em")
    assert rules.OnlineEM(Constant(0.1)) == rules.OnlineEM(Constant(0.1))
    assert rules.OnlineEM(Constant(0.1)) != rules.OnlineEM(Constant(0.2))
    assert rules.OnlineEM(Constant(1.0)) != rules.EM()
    assert hash(rules.GradientAscent(learning_rate=0.1)) == hash(
        rules.GradientAscent(learning_rate=Constant(0.1))
    )


# --- the compiled stream -----------------------------------------------------------------------------------


def reduced(statistics, mixture, at_anchor, everything):
    """Return statistics - at_anchor + everything, in proportion, unless no rows could have them."""
    ratio = statistics.weight / everything.weight
    nk = ratio * everything.nk - at_anchor.nk
    s1 = ratio * everything.s1 - at_anchor.s1
    s2 = ratio * everything.s2 - at_anchor.s2
    added = replace(at_anchor, weight=0.0, log_likelihood=0.0, nk=nk, s1=s1, s2=s2).recenter(mixture.means)
    total = statistics + added
    count = total.nk[:, np.newaxis]
    means = total.s1 / count
    if statistics.s2.ndim == 2:
        positive = total.s2 / count - means**2 > 0
    else:
        outer = means[:, :, np.newaxis] * means[:, np.newaxis, :]
        positive = np.linalg.eigvalsh(total.s2 / count[:, :, np.newaxis] - outer) > 0
    return total if (total.nk > 1e-3 * ratio * everything.nk).all() and positive.all() else statistics


def arrays(*records):
    """Return all that is in records, by name."""
    named = {}
    for record in records:
        named |= flattened(record, "" if len(records) == 1 else f"{type(record).__name__}.")
    return named


def arrays_of(learner):
    return arrays(learner.parameters, learner.state.memory, learner.state.options)


def assert_same_arrays(mine, other):
    assert mine.keys() == other.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], other[name], err_msg=name)


def lower(array):
    """Return an array, of matrices only what the kernels keep."""
    square = array.ndim == 3 and array.shape[1] == array.shape[2]
    return np.tril(array) if square else array


def learn_in_python(rule, mixture, X, w, *, batch_size, n_rows, options):
    """Return what `Learner.learn` should: one update after the other, each from its own E-step."""
    state = rule.init(mixture, n_rows=n_rows, batch_size=batch_size, options=options)
    log_likelihood = []
    anchor, everything = mixture, e_step(mixture, X, w if len(w) else None)
    for begin in range(0, len(X), batch_size):
        rows = slice(begin, begin + batch_size)
        statistics = e_step(mixture, X[rows], w[rows] if len(w) else None)
        log_likelihood.append(statistics.log_likelihood)
        if rule.makes_passes:
            at_anchor = e_step(anchor, X[rows], w[rows] if len(w) else None)
            statistics = reduced(statistics, mixture, at_anchor, everything)
        fraction = np.array([(w[rows].sum() if len(w) else len(X[rows])) / batch_size])
        if fraction[0] == 1.0:
            mixture, state = rule.update(statistics, state, mixture)
            continue
        step = rule.steps(np.array([state.t]), fraction, start=state.start, batch_size=batch_size)[0]
        model, state, _ = rule.apply(statistics, step, mixture.kernel_form(), state, mixture.kind)
        mixture = Mixture.from_kernel_form(model, mixture.covariance_type)
        state = state._replace(t=state.t + fraction[0])
    return mixture, state, np.array(log_likelihood)


def assert_stream_is_the_loop(
    name,
    kind,
    n_features,
    batch_size,
    n_samples,
    *,
    dtype=np.float64,
    prior=None,
    weighted=False,
    n_components=3,
):
    rule = rules.get(name)
    if rule.row_by_row:
        batch_size, n_samples = 1, min(n_samples, 250)
    _, mixture, X = start(kind, n_components, n_features, n_samples=n_samples)
    X = X.astype(dtype)
    w = np.random.default_rng(3).uniform(0.1, 2.0, n_samples) if weighted else NO_WEIGHTS
    # The floor keeps EM on a single row away from zero variances, where rounding decides.
    setting = {
        "batch_size": batch_size,
        "n_rows": 50.0,
        "options": options_of(kind, n_components, n_features, 0.2, prior),
    }
    learner, info = Learner.start(rule, mixture, **setting).learn(X, w)
    expected, state, expected_log_likelihood = learn_in_python(rule, mixture, X, w, **setting)
    assert_mixtures_close(learner.mixture, rule.report(expected, state), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(info.log_likelihood, expected_log_likelihood, rtol=1e-9, atol=1e-9)
    cuts = np.arange(0, n_samples, batch_size)
    np.testing.assert_array_equal(info.n_rows, np.diff([*cuts, n_samples]))
    weight = np.add.reduceat(w, cuts) if weighted else info.n_rows
    np.testing.assert_allclose(info.weight, weight, rtol=1e-13)
    assert info.accepted.all()
    assert not info.refused.any()
    np.testing.assert_allclose(learner.state.t, state.t, rtol=1e-12)
    mine, other = arrays(learner.state.memory), arrays(state.memory)
    for name in mine:
        if not name.startswith(("anchor", "total", "counters.anchor")):  # which `Learner.learn` sets
            first, second = (lower(a[name]) for a in (mine, other))
            np.testing.assert_allclose(first, second, rtol=1e-8, atol=1e-8, err_msg=name)
    assert learner.state.n_refused == state.n_refused == 0


@every_rule
@pytest.mark.parametrize("batch_size", [1, 3, 256])
@pytest.mark.parametrize("with_prior", [False, True], ids=["", "prior"])
def test_stream_is_a_loop_of_updates(name, kind, batch_size, with_prior):
    if with_prior and not rules.get(name).takes_prior:
        options = options_of(kind, 3, 3, prior=some_prior(3))
        with pytest.raises(ValueError, match=f"rule '{name}' takes no `prior`"):
            rules.get(name).init(start(kind)[1], options=options)
        return
    n_samples = {1: 150, 3: 450, 256: 256 * 8}[batch_size]
    if name == "em" and batch_size == 1:
        n_samples = 30  # forgetting everything at each row, EM wanders chaotically: rounding grows with time
    assert_stream_is_the_loop(
        name, kind, 3, batch_size, n_samples, prior=some_prior(3) if with_prior else None
    )


@every_rule
@pytest.mark.parametrize("n_features", [1, 2, 6])
def test_stream_of_weighted_float32_rows_with_a_rest(name, kind, n_features):
    for batch_size, n_samples in ((1, 60), (7, 100), (256, 1000)):
        assert_stream_is_the_loop(
            name, kind, n_features, batch_size, n_samples, dtype=np.float32, weighted=True
        )


@long_without_compilation
@pytest.mark.parametrize("name", RULES_OF_BATCHES)
def test_batches_larger_than_a_chunk(name):
    for kind in ("full", "spherical"):
        assert_stream_is_the_loop(name, kind, 2, CHUNK + 500, 2 * CHUNK + 5000, weighted=True, n_components=2)


@every_stream
@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_pieces_of_whole_batches_change_no_bit(name, kind, batch_size):
    _, mixture, X = start(kind, n_samples=256 * 6)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=batch_size, options=options_of(kind, 3, 3, 0.2)
    )
    whole, info = learner.learn(X, NO_WEIGHTS)
    cuts = np.array([0, 1, 2, 5, 6, 10**9]) * batch_size
    parts = []
    for begin, end in itertools.pairwise(cuts):
        learner, part = learner.learn(X[begin:end], NO_WEIGHTS)
        parts.append(part)
    for one, other in zip(Info.join(parts), info, strict=True):
        np.testing.assert_array_equal(one, other)
    assert_same_arrays(arrays_of(learner), arrays_of(whole))
    assert learner.state.t == whole.state.t
    assert learner.mixture == whole.mixture


@long_without_compilation
@pytest.mark.parametrize("batch_size", [1, 1000])
def test_long_stream_in_one_call_or_two(batch_size):
    """A call runs 65536 rows at a time; where it is cut must not show."""
    _, mixture, X = start("diag", 2, 1, n_samples=140000)
    learner = Learner.start(
        rules.OnlineEM(), mixture, n_rows=50.0, batch_size=batch_size, options=options_of("diag", 2, 1)
    )
    halves = learner.learn(X[:50000], NO_WEIGHTS)[0].learn(X[50000:], NO_WEIGHTS)[0]
    assert halves.mixture == learner.learn(X, NO_WEIGHTS)[0].mixture


@every_rule
@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("n_features", [2, 5])
def test_stream_moves_with_the_origin(name, kind, batch_size, n_features):
    """One mini-batch, since the means behind it are rounded to 1.5e-8, far from the origin."""
    if rules.get(name).row_by_row:
        batch_size = 1
    parameters, _, X = start(kind, 3, n_features, n_samples=batch_size)
    X, means = (np.round(a * 2.0**20) / 2.0**20 for a in (X, parameters.means))
    setting = {"n_rows": 10.0, "batch_size": batch_size, "options": options_of(kind, 3, n_features, 0.1)}
    learned = []
    for shift in (0.0, 1e8):
        mixture = Mixture(*parameters._replace(means=means + shift))
        learned.append(
            Learner.start(rules.get(name), mixture, **setting).learn(X + shift, NO_WEIGHTS)[0].mixture
        )
    here, there = learned
    np.testing.assert_allclose(there.covariances, here.covariances, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(there.weights, here.weights, rtol=1e-12)
    np.testing.assert_allclose(there.means - 1e8, here.means, rtol=0, atol=2 * np.spacing(1e8))


@every_rule
def test_learning_changes_nothing_in_place(name, kind):
    _, mixture, X = start(kind)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=10, options=options_of(kind, 3, 3, 0.2)
    )
    kept = copy.deepcopy(arrays_of(learner) | {"X": X})
    first = learner.learn(X, NO_WEIGHTS)[0]
    assert_same_arrays(arrays_of(learner) | {"X": X}, kept)
    assert learner.learn(X, NO_WEIGHTS)[0].mixture == first.mixture


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    "form", [np.asfortranarray, lambda X: X[::-1].copy()[::-1], lambda X: X.astype(">f8")]
)
def test_stream_of_any_array(name, form):
    kind = rules.get(name).covariance_types[0]
    _, mixture, X = start(kind)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=4, options=options_of(kind, 3, 3, 0.2)
    )
    assert learner.learn(form(X), NO_WEIGHTS)[0].mixture == learner.learn(X, NO_WEIGHTS)[0].mixture


# --- starved components ------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("with_rows_far", [60.0, 1e4])
def test_component_without_rows_keeps_its_shape(name, kind, with_rows_far):
    """The third component lies so far away that no row reaches it."""
    parameters, _, X = start(kind, 3, 3, spread=0.5)
    means = parameters.means.copy()
    means[2] += with_rows_far
    mixture = Mixture(*parameters._replace(means=means))
    assert mixture.responsibilities(X)[:, 2].max() < 1e-100
    rule = settled(name)
    state = rule.init(mixture, n_rows=1000.0, batch_size=len(X))
    learned, _ = taught(rule, mixture, state, X)
    assert_valid(learned, X)
    assert_valid(learned, means)
    np.testing.assert_allclose(learned.means[2], means[2], rtol=1e-6)
    if kind != "tied":
        np.testing.assert_allclose(learned.covariances[2], mixture.covariances[2], rtol=1e-6)
    assert learned.weights[2] <= mixture.weights[2]


@every_type
@pytest.mark.parametrize("n_features", [2, 5])
@pytest.mark.parametrize("weight", [1e-13, 1e-16, 1e-18, 1e-25, 1e-200])
def test_negligible_weight_does_not_collapse_a_component(kind, n_features, weight):
    """EM may pass over such a component, or move it: its variance must not vanish."""
    parameters, _, X = start(kind, 2, n_features, spread=0.5)
    parameters = parameters._replace(weights=np.array([1.0, weight]))
    learned = em(Mixture(*parameters), X)
    expected = naive.em_step(parameters, X)
    assert_valid(learned, X)
    mine = np.linalg.slogdet(naive.dense(parameters_of(learned))[1])[1]
    old, new = (np.linalg.slogdet(naive.dense(each)[1])[1] for each in (parameters, expected))
    assert mine > min(old, new) - 1.0


@every_rule
def test_component_of_weight_zero_stays_there(name, kind):
    parameters, _, X = start(kind, 3, 2)
    mixture = Mixture(*parameters._replace(weights=np.array([0.5, 0.0, 0.5])))
    rule = settled(name)
    state = rule.init(mixture, n_rows=100.0)
    for _ in range(3):
        mixture, state = taught(rule, mixture, state, X)
        assert_valid(mixture, X)
        assert mixture.weights[1] < 1e-200


@every_type
@pytest.mark.parametrize("with_prior", [False, True], ids=["", "prior"])
def test_component_on_one_point(kind, with_prior):
    """Without a floor its variance may vanish, but the mixture stays valid; a prior keeps it wide."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.standard_normal((100, 2)), np.full((20, 2), 30.0)])
    parameters = naive.random_parameters(rng, kind, 2, 2)
    mixture = Mixture(*parameters._replace(means=np.array([[0.0, 0.0], [30.0, 30.0]])))
    options = options_of(kind, 2, 2, prior=some_prior(2) if with_prior else None)
    for _ in range(5):
        mixture = em(mixture, X, options=options)
        assert_valid(mixture, X)
    np.testing.assert_allclose(mixture.weights.sum(), 1.0, rtol=1e-12)
    if with_prior:
        assert np.linalg.eigvalsh(naive.dense(parameters_of(mixture))[1]).min() > 1e-3


# --- outliers ----------------------------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("floor", [0.0, 1e-6])
@pytest.mark.parametrize("distance", [1e3, 1e12])
def test_far_outlier_leaves_a_valid_mixture(name, kind, batch_size, floor, distance):
    _, mixture, X = start(kind, n_samples=300)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=batch_size, options=options_of(kind, 3, 3, floor)
    )
    learner = learner.learn(X[:99], NO_WEIGHTS)[0]
    assert_valid(learner.mixture, X)
    for outlier in (np.full(3, distance), np.array([0.0, -distance, 0.0])):
        shaken = learner.learn(np.concatenate([outlier[np.newaxis], X[:2]]), NO_WEIGHTS)[0]
        assert_valid(shaken.mixture, X)
        later, info = shaken.learn(X[99:], NO_WEIGHTS)
        assert_valid(later.mixture, X)
        assert np.isfinite(info.log_likelihood).all()


@every_rule
@pytest.mark.parametrize("batch_size", [1, 3, 200])
@pytest.mark.parametrize("row_weight", [1.0, 1e-3, 1e3])
@pytest.mark.parametrize("far", [1e200, np.nan, np.inf])
def test_row_too_far_to_be_squared_is_refused_and_counted(name, kind, batch_size, row_weight, far):
    if rules.get(name).row_by_row:
        batch_size = 1  # the rows before it would be learned
    _, mixture, X = start(kind, n_samples=600)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=batch_size, options=options_of(kind, 3, 3, 0.1)
    )
    learner = learner.learn(X, NO_WEIGHTS)[0]
    batch = X[:batch_size].copy()
    batch[-1] = far
    refused = learner.learn(batch, np.full(batch_size, row_weight))[0]
    assert refused.state.n_refused == 1
    assert refused.mixture == learner.mixture
    for one, other in zip(refused.parameters, learner.parameters, strict=True):
        np.testing.assert_array_equal(one, other)
    after = refused.learn(X, NO_WEIGHTS)[0]
    assert after.state.n_refused == 1
    assert_valid(after.mixture, X)


@long_without_compilation
@pytest.mark.parametrize("name", RULES_OF_BATCHES)
def test_row_too_far_to_be_squared_is_refused_in_large_batches(name):
    """Mini-batches larger than a chunk are summed by `e_step`, which raises for such rows."""
    _, mixture, X = start("full", 2, 2, n_samples=CHUNK + 500)
    X[5] = 1e200
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=len(X), options=options_of("full", 2, 2)
    )
    refused = learner.learn(X, NO_WEIGHTS)[0]
    assert refused.state.n_refused == 1
    assert_mixtures_close(refused.mixture, mixture, rtol=1e-12)


@every_rule
@pytest.mark.parametrize("batch_size", [1, 3])
def test_row_of_weight_zero_is_never_refused(name, kind, batch_size):
    """A weight of zero is the row absent, wherever the row lies."""
    _, mixture, X = start(kind)
    learner = Learner.start(
        rules.get(name), mixture, n_rows=50.0, batch_size=batch_size, options=options_of(kind, 3, 3)
    )
    batch = np.concatenate([X[: batch_size - 1], np.full((1, 3), 1e200)])
    after = learner.learn(batch, np.array([1.0] * (batch_size - 1) + [0.0]))[0]
    assert after.state.n_refused == 0
    assert_valid(after.mixture, X)


# --- schedules ---------------------------------------------------------------------------------------------

T = np.array([0.0, 1.0, 2.0, 9.0, 99.0])


def test_constant():
    np.testing.assert_array_equal(Constant(0.3).steps(T, start=5.0, batch_size=10), np.full(5, 0.3))


@pytest.mark.parametrize("exponent", [0.51, 0.6, 0.75, 1.0])
@pytest.mark.parametrize("offset", [1.0, 2.5, 100.0])
@pytest.mark.parametrize("batch_size", [1, 10, 256, 1000])
@pytest.mark.parametrize(("scale", "rows"), [(1.0, 256), (3.0, 256), (0.1, 10)])
def test_power_decay(exponent, offset, batch_size, scale, rows):
    steps = PowerDecay(exponent, offset, scale, rows).steps(T, start=0.0, batch_size=batch_size)
    expected = [naive.power_decay(t * batch_size, batch_size, exponent, offset, scale, rows) for t in T]
    np.testing.assert_allclose(steps, expected, rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_power_decay_of_mini_batches_is_a_power_of_their_number(batch_size):
    """With as many rows in a unit as in a mini-batch; for single rows the schedule of Cappe and Moulines."""
    steps = PowerDecay(0.7, 2.5, 3.0, rows=batch_size).steps(T, start=0.0, batch_size=batch_size)
    np.testing.assert_allclose(steps, [3.0 / (t + 2.5) ** 0.7 for t in T], rtol=1e-14)


def what_is_kept(schedule, n_rows, batch_size):
    """Return the share of the start that is left after so many rows."""
    t = np.arange(n_rows / batch_size)
    return np.prod(1.0 - schedule.steps(t, start=0.0, batch_size=batch_size))


@pytest.mark.parametrize("exponent", [0.6, 1.0])
@pytest.mark.parametrize("offset", [1.5, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("batch_size", [1, 32, 128])
def test_power_decay_remembers_as_much_with_any_batch_size(exponent, offset, batch_size):
    """256 rows together learn the first g, in parts no more, and no less than the g of the next 256 rows.

    Where g hardly falls from one to the other the two are the same.
    """
    schedule = PowerDecay(exponent, offset)
    first, following = offset**-exponent, (1.0 + offset) ** -exponent
    together, parts = (what_is_kept(schedule, 256, size) for size in (256, batch_size))
    np.testing.assert_allclose(1.0 - together, first, rtol=1e-9)
    assert following * (1 - 1e-9) <= 1.0 - parts <= first * (1 + 1e-9)


@long_without_compilation
def test_online_em_ends_in_the_same_mixture_with_any_batch_size():
    """On the same rows, but for less than other rows of the same kind would change."""
    truth = Mixture([0.4, 0.6], [[-1.0], [1.5]], [[1.0], [0.5]], "diag")
    begin = Mixture([0.5, 0.5], [[-1.5], [1.0]], [[1.0], [1.0]], "diag")

    def end(seed, batch_size, schedule):
        """Return the parameters after the rows of a seed."""
        rule, X = rules.OnlineEM(schedule), truth.sample(25_600, random_state=seed)[0]
        learner = learner_of(rule, begin, n_rows=256.0, batch_size=batch_size)
        learned = learner.learn(X, NO_WEIGHTS)[0].mixture
        return np.concatenate([learned.weights, learned.means.ravel(), learned.covariances.ravel()])

    whole = end(0, 256, PowerDecay())
    by_rows = np.sqrt(np.mean([(end(seed, 256, PowerDecay()) - whole) ** 2 for seed in range(1, 9)]))
    for batch_size in (1, 32):
        assert np.abs(end(0, batch_size, PowerDecay()) - whole).max() < by_rows
        # time in mini-batches: the memory of single rows is 256 times as short at the same step
        assert np.abs(end(0, batch_size, PowerDecay(rows=batch_size)) - whole).max() > 3 * by_rows


def test_power_decay_never_exceeds_one():
    np.testing.assert_array_equal(
        PowerDecay(0.6, 0.0).steps(np.array([0.0, 0.5, 1.0]), start=0.0, batch_size=1), 1.0
    )


@pytest.mark.parametrize("exponent", [0.6, 1.0])
@pytest.mark.parametrize("n_rows", [0.0, 50.0, 256.0, 1e6])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_power_decay_begins_as_an_average_of_all_rows(exponent, n_rows, batch_size):
    """In an average 256 rows weigh 256 / (n_rows + 256) against the n_rows behind the start."""
    start_time = n_rows / batch_size
    steps = PowerDecay(exponent).steps(start_time + T, start=start_time, batch_size=batch_size)
    kept = (1.0 - steps[0]) ** (256 / batch_size)
    np.testing.assert_allclose(1.0 - kept, 256 / (n_rows + 256), rtol=1e-8)
    assert (np.diff(steps) < 0).all()


@pytest.mark.parametrize("rows", [1.0, 50.0, 1e6])
@pytest.mark.parametrize("batch_size", [1, 10, 256])
def test_half_life(rows, batch_size):
    """What is kept over this many rows is one half, of each row its share of that."""
    step = HalfLife(rows).steps(T, start=0.0, batch_size=batch_size)
    np.testing.assert_allclose(step, np.full(5, 1 - 0.5 ** (batch_size / rows)), rtol=1e-9)


@pytest.mark.parametrize(
    "make", [rules.OnlineEM, rules.NaturalGradient, lambda s: rules.GradientAscent(learning_rate=s)]
)
@pytest.mark.parametrize("batch_size", [1, 256])
def test_half_life_of_a_rule(make, batch_size):
    """After so many rows half is kept of what was learned, if the schedule forgets at all."""
    for schedule in (HalfLife(1e5), Constant(1e-4)):
        rows = make(schedule).half_life(batch_size)
        steps = schedule.steps(np.arange(round(rows / batch_size)), start=0.0, batch_size=batch_size)
        assert np.prod(1.0 - steps) == pytest.approx(0.5, rel=2e-3)
    assert make(PowerDecay()).half_life(batch_size) is None


def test_rules_without_a_half_life():
    assert all(rules.get(name).half_life(256) is None for name in rules.names())
    assert rules.SEMVR(HalfLife(100.0)).half_life(1) is None
    assert rules.GradientAscent(learning_rate=0.1, averaging=10).half_life(1) is None

    class Own:
        def steps(self, t, *, start, batch_size):
            return np.full(t.shape, 0.1)

    assert rules.OnlineEM(Own()).half_life(1) is None
    Own.half_life = lambda self, batch_size: 7 * batch_size
    assert rules.OnlineEM(Own()).half_life(2) == 14.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(0.0), "`value` must be positive and finite, got 0.0"),
        (lambda: Constant(-1.0), "`value` must be positive and finite, got -1.0"),
        (lambda: Constant(np.nan), "`value` must be positive and finite, got nan"),
        (lambda: Constant(np.inf), "`value` must be positive and finite, got inf"),
        (lambda: PowerDecay(0.5), r"`exponent` must be in \(0.5, 1\], got 0.5"),
        (lambda: PowerDecay(1.01), r"`exponent` must be in \(0.5, 1\], got 1.01"),
        (lambda: PowerDecay(np.nan), r"`exponent` must be in \(0.5, 1\], got nan"),
        (lambda: PowerDecay(0.6, -1.0), "`offset` must be finite and not negative, got -1.0"),
        (lambda: PowerDecay(0.6, np.inf), "`offset` must be finite and not negative, got inf"),
        *(
            (lambda rows=rows: PowerDecay(rows=rows), f"`rows` must be a positive integer, got {rows}")
            for rows in (0, -256, 2.5, 256.0, np.nan, np.inf, True, None, "256")
        ),
        (lambda: HalfLife(0), "`rows` must be positive and finite, got 0"),
        (lambda: HalfLife(np.nan), "`rows` must be positive and finite, got nan"),
        (
            lambda: rules.GradientAscent(learning_rate=0.0),
            "`learning_rate` must be positive and finite, got 0.0",
        ),
        (
            lambda: rules.GradientAscent(learning_rate=np.nan),
            "`learning_rate` must be positive and finite, got nan",
        ),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_part_of_a_batch_gets_part_of_the_gain(fraction):
    """Two halves keep as much of the past as a whole."""
    rule = rules.OnlineEM(Constant(0.3))
    step = rule.steps(np.zeros(1), np.array([fraction]), start=0.0, batch_size=8)
    np.testing.assert_allclose((1 - step) ** (1 / fraction), 0.7, rtol=1e-13)
    rates = rules.GradientAscent(learning_rate=0.3).steps(
        np.zeros(1), np.array([fraction]), start=0.0, batch_size=8
    )
    np.testing.assert_allclose(rates, 0.3 * fraction, rtol=1e-14)


def test_gains_above_one_are_one():
    steps = rules.OnlineEM(Constant(7.0)).steps(np.zeros(2), np.array([1.0, 0.5]), start=0.0, batch_size=1)
    np.testing.assert_array_equal(steps, 1.0)


# --- priors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [[0.0, 0.0]]}, r"`mean` must be finite with shape \(n_features,\)"),
        ({"mean": [0.0, np.nan]}, r"`mean` must be finite with shape \(n_features,\)"),
        ({"scale": np.eye(3)}, r"`scale` must be finite with shape \(2, 2\)"),
        ({"scale": np.full((2, 2), np.inf)}, r"`scale` must be finite with shape \(2, 2\)"),
        ({"mean_count": 0.0}, "`mean_count` must be positive and finite, got 0.0"),
        ({"concentration": 0.9}, "`concentration` must be at least 1 and finite, got 0.9"),
        ({"degrees_of_freedom": 1.0}, "`degrees_of_freedom` must be finite and above 1, got 1.0"),
    ],
)
def test_bad_priors(change, message):
    with pytest.raises(ValueError, match=message):
        priors.ConjugatePrior(**{"mean": np.zeros(2), "scale": np.eye(2), **change})


def test_prior_of_other_features():
    with pytest.raises(ValueError, match=r"`prior.mean` must have shape \(3,\), got \(2,\)"):
        options_of("full", 2, 3, prior=some_prior(2))


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("get", "names", "message"),
    [
        (rules.get, RULES, "`rule` must be one of {} or a rule object, got 'nonsense'"),
        (covariance.get, TYPES, "`covariance_type` must be one of {}, got 'nonsense'"),
        (
            rules.GradientAscent,
            parameterizations.names(),
            "`parameterization` must be one of {}, got 'nonsense'",
        ),
    ],
)
def test_unknown_names_list_the_known_ones(get, names, message):
    with pytest.raises(ValueError, match=message.format(", ".join(map(repr, names)))):
        get("nonsense")


@pytest.mark.parametrize("name", RULES)
def test_rules_refuse_other_covariance_types(name):
    rule = rules.get(name)
    for kind in set(TYPES) - set(rule.covariance_types):
        with pytest.raises(
            ValueError, match=f"(rule '{name}'|parameterization .*) fits `covariance_type` .*, got '{kind}'"
        ):
            rule.init(start(kind)[1])


def test_rules_fit_the_families_that_give_them_what_they_need(monkeypatch):
    class Form(NamedTuple):
        means: Any

    class Other(type(covariance.get("diag"))):
        name = "other"
        form = Form

    monkeypatch.setitem(covariance._TYPES, "other", Other())
    fits = {name for name in RULES if "other" in rules.get(name).covariance_types}
    assert not fits & {"em", "online-em", "sem-vr", "natural-gradient", "gradient"}
    for function in (refit, refit_jointly):
        function.of(Form)(lambda share, batch, model, memory, scratch, options: None)
    more = {name for name in RULES if "other" in rules.get(name).covariance_types} - fits
    assert {"em", "online-em"} <= more
    assert not more & {"sem-vr", "natural-gradient", "gradient"}
    with pytest.raises(ValueError, match=r"rule 'sem-vr' fits `covariance_type` 'full', .*, got 'other'"):
        rules.SEMVR().require_fit(Other())


@pytest.mark.parametrize("bad", [None, 3, rules.EM])
def test_what_is_no_rule(bad):
    with pytest.raises(ValueError, match="`rule` must be one of"):
        rules.get(bad)


def test_names_are_the_registry():
    assert [rules.get(name).name for name in RULES] == list(RULES)
    assert [covariance.get(name).name for name in TYPES] == list(TYPES)
    rule = rules.OnlineEM(HalfLife(100))
    assert rules.get(rule) is rule
