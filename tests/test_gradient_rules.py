"""Gradient ascent: preconditioning, the paths for single rows, guards, and what it refuses."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from streamgmm import Mixture, OnlineGaussianMixture, covariance, e_step, parameterizations, priors, rules
from streamgmm.fit.batch import fit_em
from streamgmm.kernels.family import is_rank_one
from streamgmm.kernels.records import REST, Batch
from streamgmm.rules.schedules import Constant, PowerDecay
from streamgmm.rules.transforms import AdaGrad, Adam, Clip

TYPES = parameterizations.get("cholesky").covariance_types
NAMES = parameterizations.names()
CASES = [(name, kind) for name in NAMES for kind in parameterizations.get(name).covariance_types]
LEAVING = ("covariance", "precision", "natural", "augmented")  # a step can leave the positive definite ones
LEAVING_CASES = [(name, kind) for name, kind in CASES if name in LEAVING]

every_case = pytest.mark.parametrize(("name", "kind"), CASES)
every_leaving_case = pytest.mark.parametrize(("name", "kind"), LEAVING_CASES)
every_type = pytest.mark.parametrize("kind", TYPES)
plain_or_preconditioned = pytest.mark.parametrize("precondition", [False, True], ids=["", "preconditioned"])

# --- preconditioning ---------------------------------------------------------------------------------------


def preconditioned_by_hand(parameters, X, rate):
    """Return the mixture after mean + rate r d and S + rate r (d d' - S), of one row."""
    moments = naive.statistics(parameters, X)
    r, n_features = moments.nk, X.shape[1]
    logits = np.log(parameters.weights) + rate * (r - parameters.weights)
    S, s2, kind = parameters.covariances, moments.s2, parameters.covariance_type
    if kind == "full":
        covariances = S + rate * (s2 - r[:, np.newaxis, np.newaxis] * S)
    elif kind == "tied":
        covariances = S + rate * (s2.sum(axis=0) - S)
    elif kind == "diag":
        covariances = S + rate * (np.diagonal(s2, axis1=1, axis2=2) - r[:, np.newaxis] * S)
    else:
        covariances = S + rate * (np.trace(s2, axis1=1, axis2=2) / n_features - r * S)
    weights = np.exp(logits) / np.exp(logits).sum()
    return naive.Parameters(weights, parameters.means + rate * moments.s1, covariances, kind)


@every_type
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("rate", [0.01, 0.5, 0.95])
def test_preconditioned_step_of_one_row_is_the_formula(kind, n_features, rate):
    parameters, mixture, X = start(kind, 3, n_features)
    rule = rules.GradientAscent("covariance", rate, precondition=True, guard="raise")
    for x in X:
        learned, state = rule.update(e_step(mixture, x[np.newaxis]), rule.init(mixture), mixture)
        expected = preconditioned_by_hand(parameters, x[np.newaxis], rate)
        assert_mixtures_close(learned, expected, rtol=1e-12, atol=1e-12)
        assert rule.n_shortened(state) == 0


@every_case
@pytest.mark.parametrize("n_features", [1, 2, 4])
def test_preconditioned_direction_is_the_same_in_every_parameterization(name, kind, n_features):
    """d mean = s1 and dS = s2 - N S, by differences of what theta stands for."""
    parameters, mixture, X = start(kind, 3, n_features)
    moments = naive.statistics(parameters, X)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    direction = parameterization.preconditioned(e_step(mixture, X), mixture)
    h = 1e-3 / len(X)
    there = {j: parameterization.unpack(theta + j * h * direction, mixture) for j in (-2, -1, 1, 2)}

    def slope(read):
        return (8 * (read(there[1]) - read(there[-1])) - (read(there[2]) - read(there[-2]))) / (12 * h)

    S, s2, N = parameters.covariances, moments.s2, moments.nk
    if kind == "full":
        expected = s2 - N[:, np.newaxis, np.newaxis] * S
    elif kind == "tied":
        expected = s2.sum(axis=0) - len(X) * S
    elif kind == "diag":
        expected = np.diagonal(s2, axis1=1, axis2=2) - N[:, np.newaxis] * S
    else:
        expected = np.trace(s2, axis1=1, axis2=2) / n_features - N * S
    for read, slopes in ((lambda m: m.means, moments.s1), (lambda m: m.covariances, expected)):
        # rounding 1e-16 over a step of 1e-3 in sums of 40 rows, and differences of fourth order
        np.testing.assert_allclose(slope(read), slopes, rtol=1e-8, atol=1e-8 * np.abs(slopes).max())
    np.testing.assert_allclose(direction[:3], N - len(X) * parameters.weights, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] in ("covariance", "augmented")])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_preconditioned_step_needs_no_guard_below_one(name, kind, batch_size):
    """T + rate r (y y' - T) is a convex combination: the guard "raise" finds nothing, however far a row."""
    _, mixture, X = start(kind, n_samples=210)
    X[::20] *= 50.0
    rule = rules.GradientAscent(name, 0.9, precondition=True, guard="raise")
    learner = learner_of(rule, mixture, batch_size=batch_size).learn(X, NO_WEIGHTS)[0]
    assert_valid(learner.mixture)
    assert rule.n_shortened(learner.state) == 0


@every_case
def test_preconditioned_step_of_small_rate_is_never_shortened(name, kind):
    """Even under the guard that also keeps means within one standard deviation."""
    _, mixture, X = start(kind, n_samples=400)
    rule = rules.GradientAscent(name, 0.01, precondition=True)
    learner = learner_of(rule, mixture).learn(X, NO_WEIGHTS)[0]
    assert rule.n_shortened(learner.state) == 0
    assert learner.mixture != mixture


@every_case
def test_preconditioned_step_does_not_depend_on_units(name, kind):
    """Log S moves with the units only if all are the same, and a spherical variance has only one."""
    units = 2.0 ** np.array([-20.0, 3.0, 17.0])
    if kind == "spherical" or name == "log-covariance":
        units = np.full(3, 2.0**-9)
    parameters, mixture, X = start(kind)
    factor = {"diag": units**2, "spherical": units[0] ** 2}.get(kind, np.outer(units, units))
    other = Mixture(parameters.weights, parameters.means * units, parameters.covariances * factor, kind)
    rule = rules.GradientAscent(name, 0.3, precondition=True)
    for batch_size in (1, 8):
        learned = learner_of(rule, mixture, batch_size=batch_size).learn(X, NO_WEIGHTS)[0].mixture
        scaled = learner_of(rule, other, batch_size=batch_size).learn(X * units, NO_WEIGHTS)[0].mixture
        np.testing.assert_allclose(scaled.weights, learned.weights, rtol=1e-9)
        np.testing.assert_allclose(scaled.means / units, learned.means, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(scaled.covariances / factor, learned.covariances, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "kind", "exponent"),
    [
        ("augmented", "full", -320),
        ("covariance", "full", -320),
        ("covariance", "tied", -320),
        ("standard-deviation", "full", -320),
        ("standard-deviation", "full", 275),
        ("standard-deviation", "tied", 275),
    ],
)
def test_covariances_whose_squares_are_no_numbers(name, kind, exponent):
    """Variances near 1e-193 and 1e166 are learned as all others are."""
    unit = 2.0**exponent
    parameters, mixture, X = start(kind)
    other = Mixture(parameters.weights, parameters.means * unit, parameters.covariances * unit**2, kind)
    rule = rules.GradientAscent(name, 0.3, precondition=True)
    learned = learner_of(rule, mixture, batch_size=8).learn(X, NO_WEIGHTS)[0].mixture
    scaled = learner_of(rule, other, batch_size=8).learn(X * unit, NO_WEIGHTS)[0].mixture
    assert not np.allclose(learned.covariances, mixture.covariances, rtol=1e-2)
    np.testing.assert_allclose(scaled.weights, learned.weights, rtol=1e-9)
    np.testing.assert_allclose(scaled.means / unit, learned.means, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(scaled.covariances / unit**2, learned.covariances, rtol=1e-9, atol=1e-11)


# --- single rows -------------------------------------------------------------------------------------------


def are_of_rank_one(statistics, mixture):
    s2 = mixture.kind.kernel_moments(statistics.s2)
    batch = Batch(statistics.weight, 0.0, statistics.nk, statistics.s1, s2)
    return is_rank_one(batch, mixture.kernel_form())


@every_case
@plain_or_preconditioned
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_row_is_the_step_along_theta(name, kind, precondition, n_features):
    """Statistics of rank one take a shorter path to the same step."""
    _, mixture, X = start(kind, 3, n_features)
    parameterization = parameterizations.get(name)
    direction = parameterization.preconditioned if precondition else parameterization.gradient
    rate = 0.01 if precondition else 1e-3
    rule = rules.GradientAscent(name, rate, precondition=precondition, guard="raise")
    state = rule.init(mixture)
    for x in X[:10]:
        statistics = e_step(mixture, x[np.newaxis], np.array([0.7]))
        assert are_of_rank_one(statistics, mixture) == (
            kind in ("full", "tied") and n_features > 1
        )  # variances need no short cut
        theta = parameterization.pack(mixture) + rate * direction(statistics, mixture) / 0.7
        expected = parameterization.unpack(theta, mixture)
        mixture, state = rule.update(statistics, state, mixture)
        assert_mixtures_close(mixture, expected, rtol=1e-10, atol=1e-12)


def test_statistics_of_several_rows_are_not_of_rank_one():
    _, mixture, X = start("full")
    statistics = e_step(mixture, X[:2])
    assert not are_of_rank_one(statistics, mixture)
    assert are_of_rank_one(e_step(mixture, X[[0, 0]]), mixture)


# --- regularization ----------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("with_prior", [False, True], ids=["floor", "prior"])
def test_floor_and_prior_reach_single_rows_as_they_reach_several(name, kind, with_prior):
    """Over REST * n_features rows the sums agree to first order in the rate, for all rows since the last."""
    n_features, rate = 3, 1e-8
    n_rows = REST * n_features
    _, mixture, X = start(kind, 2, n_features)
    X = X[:n_rows]
    prior = priors.ConjugatePrior(
        np.full(n_features, 2.0), 1e7 * np.diag([1.0, 2.0, 3.0]), 1e7, 3e7, concentration=1e7
    )
    setting = {"floor": [0.5, 1.0, 2.0], "n_rows": 1e7}  # as many rows that the share of twelve is even
    if with_prior:
        setting["prior"] = prior
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)

    def change(batch_size, rows, **setting):
        rule = rules.GradientAscent(name, rate * batch_size, guard="raise")
        learner = learner_of(rule, mixture, batch_size=batch_size, **setting).learn(rows, NO_WEIGHTS)[0]
        return (parameterization.pack(learner.mixture) - theta) / rate

    at_once = change(n_rows, X, **setting)
    one_by_one = change(1, X, **setting)
    without = change(1, X)
    size = np.abs(at_once).max()
    assert np.abs(at_once - without).max() > 0.05 * size
    # twelve steps of 1e-8 that differ in where they start, and rounding 1e-16 / rate
    np.testing.assert_allclose(one_by_one, at_once, rtol=1e-4, atol=1e-4 * size)
    if kind in ("full", "tied") and not with_prior:  # until then there is none
        np.testing.assert_array_equal(change(1, X[:-1], **setting), change(1, X[:-1]))


@pytest.mark.parametrize("name", ["covariance", "standard-deviation", "cholesky", "natural"])
@pytest.mark.parametrize("pair", [("full", "diag"), ("tied", "tied")], ids=["full", "tied"])
def test_floor_reaches_every_row_of_one_feature(name, pair):
    """There full and diagonal covariances are the same model, and nothing is spared by waiting."""
    _, mixture, X = start(pair[0], 2, 1)
    S = mixture.covariances
    other = Mixture(mixture.weights, mixture.means, S[..., 0] if pair[1] == "diag" else S, pair[1])
    rule = rules.GradientAscent(name, 0.1, precondition=True)
    learned = [
        learner_of(rule, m, batch_size=1, floor=[f], n_rows=50).learn(X[:1], NO_WEIGHTS)[0].mixture
        for m, f in ((mixture, 0.5), (other, 0.5), (mixture, 0.0))
    ]
    np.testing.assert_allclose(learned[0].covariances.ravel(), learned[1].covariances.ravel(), rtol=1e-12)
    assert (learned[0].covariances > learned[2].covariances).all()


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_floor_reaches_components_that_share_no_rows(kind):
    """It is added when a single row comes, which is one component's; the others' must not be lost."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20000, 2)) + 50.0 * np.array([1.0, 0.0]) * rng.choice([-1, 1], (20000, 1))
    covariances = np.eye(2) if kind == "tied" else np.tile(np.eye(2), (2, 1, 1))
    mixture = Mixture([0.5, 0.5], [[-50.0, 0.0], [50.0, 0.0]], covariances, kind)
    model = OnlineGaussianMixture.from_mixture(
        mixture, n_rows=50, rule=rules.GradientAscent(), batch_size=1, reg_covar=1.0
    ).partial_fit(X)
    # 1 of the rows and 1 of the floor, with the noise of a stochastic gradient; half of the floor was lost
    np.testing.assert_allclose(model.covariances_, covariances * 2.0, atol=0.2)


@long_without_compilation
@every_type
@pytest.mark.parametrize("precondition", [False, True], ids=["", "preconditioned"])
def test_long_stream_of_single_rows_ends_near_regularized_em(kind, precondition):
    floor = np.array([0.3, 1.0])
    rng = np.random.default_rng(0)
    truth = naive.random_parameters(rng, kind, 2, 2, spread=3.0)
    X = naive.draw(rng, truth, 20000)
    mixture = Mixture(*truth._replace(means=truth.means + 0.5))
    best = fit_em(mixture, X, options=options_of(kind, 2, 2, floor), tol=1e-10, max_iter=1000).mixture
    rule = rules.GradientAscent("cholesky", PowerDecay(0.7, rows=1), precondition=precondition)
    learned = learner_of(rule, mixture, n_rows=100.0, floor=floor).learn(X, NO_WEIGHTS)[0].mixture
    # the last steps are 1e-3: variances wander by some sqrt(1e-3) of themselves. Without the floor, or with
    # one of another size, they would be off by 20 percent and more.
    np.testing.assert_allclose(learned.covariances, best.covariances, rtol=0.12, atol=0.12)
    np.testing.assert_allclose(learned.means, best.means, atol=0.12)
    np.testing.assert_allclose(learned.weights, best.weights, atol=0.04)


# --- guards ------------------------------------------------------------------------------------------------


def narrow(kind, n_features=2):
    """Return a mixture whose second component is narrow: there a rate of one is far too large."""
    matrices = np.array([np.eye(n_features), 1e-3 * np.eye(n_features)])
    if kind == "tied":  # `restrict` takes the first
        matrices = matrices[::-1]
    means = np.array([[0.0] * n_features, [5.0] * n_features])
    return Mixture([0.5, 0.5], means, naive.restrict(matrices, kind), kind)


def leaves(mixture, name):
    """Return rows whose gradient leads out of the positive definite matrices at a rate of 1."""
    rows = mixture.means[1] + np.sqrt(mixture.kernel_form()[2][1, 0, 0]) ** -1 * np.array([[0.01], [-0.01]])
    return rows if name in ("covariance", "augmented") else mixture.means[1] + 1e6 * (rows - mixture.means[1])


@every_leaving_case
def test_guard_raise_says_what_to_do(name, kind):
    mixture = narrow(kind)
    X = leaves(mixture, name)
    rule = rules.GradientAscent(name, 1.0, guard="raise")
    first = 1 if name in ("covariance", "augmented") and kind != "tied" else 0
    message = (
        f"after 0 updates, a step by the gradient of '{name}' left the positive definite matrices in "
        f"component {first}: the rate is too large .*Use `precondition=True`, the parameterization "
        "'cholesky', a smaller `learning_rate`, or `guard='backtrack'`"
    )
    with pytest.raises(np.linalg.LinAlgError, match=message):
        rule.update(e_step(mixture, X), rule.init(mixture), mixture)
    learner = learner_of(rule, mixture, batch_size=2)
    kept = [a.copy() for a in (*learner.parameters, *learner.state.memory)]
    with pytest.raises(np.linalg.LinAlgError, match=message):
        learner.learn(np.concatenate([X, X]), NO_WEIGHTS)
    for array, old in zip((*learner.parameters, *learner.state.memory), kept, strict=True):
        np.testing.assert_array_equal(array, old)
    assert learner.mixture == mixture


@every_leaving_case
def test_guard_backtrack_counts_what_it_shortens(name, kind):
    mixture = narrow(kind)
    X = leaves(mixture, name)
    rule = rules.GradientAscent(name, 1.0)
    learned, state = rule.update(e_step(mixture, X), rule.init(mixture), mixture)
    assert_valid(learned)
    assert 1 <= rule.n_shortened(state) <= 2
    assert learned != mixture
    # what the guard promises: within one standard deviation, and e-fold
    S, T = naive.dense(parameters_of(mixture)), naive.dense(parameters_of(learned))
    for k in range(2):
        root = np.linalg.cholesky(S[k])
        assert np.abs(np.linalg.solve(root, learned.means[k] - mixture.means[k])).max() <= 1.0
        ratio = np.sqrt(np.diag(T[k]) / np.diag(S[k]))
        assert ((ratio <= np.e + 1e-12) & (ratio >= 1 / np.e - 1e-12)).all()


@every_leaving_case
@pytest.mark.parametrize("n_features", [1, 2, 4])
def test_guard_project_raises_the_eigenvalues(name, kind, n_features):
    mixture = narrow(kind, n_features)
    X = leaves(mixture, name)
    if n_features == 4:
        X = X + np.random.default_rng(0).normal(0.0, 1e-3, X.shape)
    rule = rules.GradientAscent(name, 1.0, guard="project")
    learned, _ = rule.update(e_step(mixture, X), rule.init(mixture), mixture)
    assert_valid(learned)
    assert learned != mixture
    for S in naive.dense(parameters_of(learned)):
        values = np.linalg.eigvalsh(S)
        # the floor, 1e-6 of the largest, of S or of its inverse; rounding is 1e-10 of the least then
        assert values[0] >= 1e-6 * values[-1] * (1 - 1e-6)


@pytest.mark.parametrize("name", ["covariance", "precision"])
@pytest.mark.parametrize("kind", ["full", "tied"])
def test_guard_project_finds_the_nearest_matrix(name, kind):
    _, mixture, X = start(kind, 2, 3, n_samples=20)
    statistics = e_step(mixture, X)
    parameterization = parameterizations.get(name)
    rate = 30.0
    theta = parameterization.pack(mixture) + rate * parameterization.gradient(statistics, mixture) / len(X)
    with pytest.raises(np.linalg.LinAlgError, match="`theta` must be a valid mixture"):
        parameterization.unpack(theta, mixture)
    matrices = []
    for entries in theta[8:].reshape(-1, 6):
        matrix = np.zeros((3, 3))
        matrix[np.tril_indices(3)] = entries
        matrix = matrix + np.tril(matrix, -1).T
        values, vectors = np.linalg.eigh(matrix)
        if values[0] <= 0 or kind == "tied":
            values = np.maximum(values, 1e-6 * np.abs(values).max())
        matrices.append(vectors @ np.diag(values) @ vectors.T)
    matrices = np.array(matrices) if name == "covariance" else np.linalg.inv(matrices)
    rule = rules.GradientAscent(name, rate, guard="project")
    learned, state = rule.update(statistics, rule.init(mixture), mixture)
    expected = matrices[0] if kind == "tied" else matrices
    np.testing.assert_allclose(learned.covariances, expected, rtol=1e-6)  # condition number 1e6
    np.testing.assert_allclose(learned.means.ravel(), theta[2:8], rtol=1e-12)
    assert rule.n_shortened(state) == 0


OPTIMIZERS = ["sgd", "adagrad", "rmsprop", "adam"]


@settings(max_examples=150)  # of some 20 cases, and as many ways to go wrong
@given(
    st.sampled_from(CASES),
    st.sampled_from(["backtrack", "project"]),
    st.booleans(),
    st.sampled_from(OPTIMIZERS),
    st.sampled_from([0.0, 0.9]),
    st.floats(-3.0, 6.0),
    st.floats(0.0, 8.0),
    st.sampled_from([1, 7]),
    st.sampled_from(["softmax", "simplex"]),
    st.integers(0, 2**32 - 1),
)
def test_nothing_makes_a_mixture_invalid(
    case, guard, precondition, optimizer, momentum, log_rate, log_far, batch_size, weights, seed
):
    name, kind = case
    n_features = 1 + seed % 4
    _, mixture, X = start(kind, 3, n_features, seed, n_samples=35)
    X[::9] *= 10.0**log_far
    rule = rules.GradientAscent(
        name,
        10.0**log_rate,
        momentum=momentum,
        optimizer=optimizer,
        precondition=precondition,
        guard=guard,
        weights=weights,
        averaging=20,
    )
    learner = learner_of(rule, mixture, batch_size=batch_size)
    for rows in (X[:14], X[14:]):
        learner = learner.learn(rows, NO_WEIGHTS)[0]
        assert_valid(learner.current)
        assert_valid(learner.mixture)


# --- gradients that are not finite -------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("batch_size", [1, 2])
def test_gradient_too_large_to_be_squared_is_refused(name, kind, batch_size):
    """The row has a finite log-likelihood; what transforms remember stays as if it had not come."""
    _, mixture, X = start(kind)
    rule = rules.GradientAscent(name, 0.01, optimizer="adam", momentum=0.5, precondition=True)
    learner = learner_of(rule, mixture, batch_size=batch_size).learn(X[:20], NO_WEIGHTS)[0]
    far = X[:batch_size] + 1e100
    refused, info = learner.learn(far, NO_WEIGHTS)
    assert np.isfinite(info.log_likelihood).all()
    assert info.refused.tolist() == [True]
    assert refused.state.n_refused == 1
    assert refused.mixture == learner.mixture
    for one, other in zip(refused.parameters, learner.parameters, strict=True):
        np.testing.assert_array_equal(one, other)
    assert refused.learn(X[20:], NO_WEIGHTS)[0].mixture == learner.learn(X[20:], NO_WEIGHTS)[0].mixture


# --- averaging ---------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("averaging", [0, 3])
def test_average_of_theta(name, kind, averaging):
    _, mixture, X = start(kind)
    parameterization = parameterizations.get(name)
    rule = rules.GradientAscent(name, 1e-3, averaging=averaging)
    plain = rules.GradientAscent(name, 1e-3)
    learner = learner_of(rule, mixture, batch_size=4)
    other = learner_of(plain, mixture, batch_size=4)
    thetas = []
    for batch in range(8):
        rows = X[4 * batch : 4 * batch + 4]
        learner, info = learner.learn(rows, NO_WEIGHTS)
        other, expected = other.learn(rows, NO_WEIGHTS)
        np.testing.assert_array_equal(
            info.log_likelihood, expected.log_likelihood
        )  # the E-step is at the current theta
        assert learner.current == other.mixture
        thetas.append(parameterization.pack(other.mixture))
        if batch < averaging:
            assert learner.mixture == other.mixture
            continue
        average = parameterization.unpack(np.mean(thetas[averaging:], axis=0), mixture)
        assert_mixtures_close(learner.mixture, average)
    assert learner.mixture != other.mixture


def test_average_on_the_simplex_is_of_the_weights():
    _, mixture, X = start("diag")
    rule = rules.GradientAscent(learning_rate=0.3, averaging=2, weights="simplex")
    learner, weights = learner_of(rule, mixture), []
    for x in X[:10]:
        learner = learner.learn(x[np.newaxis], NO_WEIGHTS)[0]
        weights.append(learner.current.weights)
    np.testing.assert_allclose(learner.mixture.weights, np.mean(weights[2:], axis=0), rtol=1e-9, atol=1e-12)


def test_late_average_is_nearer_than_the_last_theta():
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 2.0, (4000, 1))
    mixture = Mixture([1.0], [[0.0]], [[[1.0]]])
    errors = {}
    for averaging in (None, 0, 2000):
        rule = rules.GradientAscent(learning_rate=0.1, averaging=averaging, precondition=True)
        learned = learner_of(rule, mixture).learn(X, NO_WEIGHTS)[0].mixture
        errors[averaging] = abs(learned.means.item() - 3.0)
    assert errors[2000] < min(errors[None], errors[0])


# --- weights and groups ------------------------------------------------------------------------------------


def project_on_simplex(v):
    """Return the nearest point whose entries are not negative and sum to one (Held et al., 1974)."""
    largest_first = np.sort(v)[::-1]
    excess = (np.cumsum(largest_first) - 1.0) / np.arange(1, len(v) + 1)
    count = np.flatnonzero(largest_first > excess)[-1]
    return np.maximum(v - excess[count], 0.0)


@every_type
@pytest.mark.parametrize("rate", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("n_components", [1, 2, 6])
def test_weights_on_the_simplex(kind, rate, n_components):
    _, mixture, X = start(kind, n_components)
    rule = rules.GradientAscent(
        learning_rate=rate, weights="simplex", relative_rates={"means": 0.0, "covariances": 0.0}
    )
    state = rule.init(mixture)
    for x in X[:20]:
        statistics = e_step(mixture, x[np.newaxis])
        old = np.where(mixture.weights < 1e-200, 0.0, mixture.weights)
        gradient = np.divide(statistics.nk, old, out=np.zeros_like(old), where=old > 0)
        mixture, state = rule.update(statistics, state, mixture)
        np.testing.assert_allclose(
            mixture.weights, project_on_simplex(old + rate * gradient), rtol=1e-9, atol=1e-12
        )
        assert_valid(mixture)


@pytest.mark.parametrize("distance", [1.0, 1e3])
def test_weight_zero_on_the_simplex_stays_zero(distance):
    """Even if a row lies where no other component reaches it."""
    mixture = Mixture([0.5, 0.5], [[0.0], [distance]], [[1.0], [1.0]], "diag")
    rule = rules.GradientAscent(
        learning_rate=2.0, weights="simplex", relative_rates={"means": 0.0, "covariances": 0.0}
    )
    learner = learner_of(rule, mixture).learn(np.full((3, 1), -1.0), NO_WEIGHTS)[0]
    np.testing.assert_allclose(learner.mixture.weights, [1.0, 0.0], atol=1e-200)
    learner = learner.learn(np.full((3, 1), distance), NO_WEIGHTS)[0]
    np.testing.assert_allclose(learner.mixture.weights, [1.0, 0.0], atol=1e-200)
    assert np.isfinite(learner.mixture.log_prob([[0.0], [distance]])).all()


@every_case
@pytest.mark.parametrize("group", ["weights", "means", "covariances"])
def test_rate_of_zero_holds_a_group_fixed(name, kind, group):
    """That is, its entries of theta: (P mean) in "natural", (S + mean mean') in "augmented"."""
    _, mixture, X = start(kind)
    rule = rules.GradientAscent(
        name, 0.01, momentum=0.5, optimizer="adam", relative_rates={group: 0.0}, guard="backtrack"
    )
    learner = learner_of(rule, mixture)
    first = learner.learn(X[:1], NO_WEIGHTS)[0]
    later = first.learn(X[1:], NO_WEIGHTS)[0]
    held = {"weights": slice(0, 3), "means": slice(3, 12), "covariances": slice(12, None)}
    for other, entries in held.items():
        before, after = (each.state.memory.theta[entries] for each in (learner, later))
        if other == group and group == "weights":  # logits are normalized after each step
            np.testing.assert_allclose(after, before, rtol=1e-13)
        else:
            assert np.array_equal(before, after) == (other == group)
    if group == "means" and name != "natural":
        np.testing.assert_array_equal(later.mixture.means, mixture.means)
    if group == "covariances" and name != "augmented":
        np.testing.assert_allclose(later.mixture.covariances, mixture.covariances, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(later.mixture.covariances, first.mixture.covariances)


def test_relative_rates_multiply():
    _, mixture, X = start("full")
    rule = rules.GradientAscent(learning_rate=1e-3, relative_rates={"means": 3.0}, guard="raise")
    plain = rules.GradientAscent(learning_rate=1e-3, guard="raise")
    moved, other = (
        r.update(e_step(mixture, X), r.init(mixture), mixture)[0].means - mixture.means for r in (rule, plain)
    )
    np.testing.assert_allclose(moved, 3.0 * other, rtol=1e-10, atol=1e-14)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "newton"}, "`optimizer` must be one of 'sgd', 'adagrad', 'rmsprop', 'adam' or transf"),
        ({"optimizer": [Adam(), "sgd"]}, "`optimizer` must be one of 'sgd', .* or transforms, got"),
        ({"optimizer": Adam}, "`optimizer` must be one of 'sgd', .* or transforms, got"),
        ({"guard": "pray"}, "`guard` must be one of 'backtrack', 'shorten', 'raise', 'project', got 'pray'"),
        (
            {"weights": "logit"},
            "`weights` must be one of 'softmax', 'simplex', 'proportional', 'competition', 'winner', got",
        ),
        ({"parameterization": "lower"}, f"`parameterization` must be one of {', '.join(map(repr, NAMES))}, "),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite, got 0"),
        ({"learning_rate": -0.1}, "`learning_rate` must be positive and finite, got -0.1"),
        ({"learning_rate": np.nan}, "`learning_rate` must be positive and finite, got nan"),
        ({"learning_rate": np.inf}, "`learning_rate` must be positive and finite, got inf"),
        ({"learning_rate": True}, "`learning_rate` must be .* a schedule .*, got True"),
        ({"learning_rate": "fast"}, "`learning_rate` must be .* a schedule .*, got 'fast'"),
        ({"learning_rate": Constant}, "`learning_rate` must be .* a schedule .*, got <class"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.1}, r"`momentum` must be in \[0, 1\), got -0.1"),
        ({"momentum": np.nan}, r"`momentum` must be in \[0, 1\), got nan"),
        ({"nesterov": True}, "`nesterov` needs a positive `momentum`, got 0"),
        ({"clip": 0.0}, "`clip` must be positive and finite, got 0"),
        ({"clip": -1.0}, "`clip` must be positive and finite, got -1"),
        ({"clip": np.nan}, "`clip` must be positive and finite, got nan"),
        ({"averaging": -1}, "`averaging` must be None or a count of mini-batches, got -1"),
        ({"averaging": 2.5}, "`averaging` must be None or a count of mini-batches, got 2.5"),
        ({"averaging": np.inf}, "`averaging` must be None or a count of mini-batches, got inf"),
        (
            {"relative_rates": {"mean": 1.0}},
            "`relative_rates` must name 'weights', 'means', 'covariances' or 'correlations', got 'mean'",
        ),
        (
            {"relative_rates": {"means": -1.0}},
            "the rate of 'means' must be finite and not negative, or a `Constant` or `PowerDecay`, got -1",
        ),
        (
            {"relative_rates": {"means": np.nan}},
            "the rate of 'means' must be finite and not negative, or a `Constant` or `PowerDecay`, got na",
        ),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        rules.GradientAscent(**arguments)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in NAMES for kind in covariance.names() if (name, kind) not in CASES],
)
def test_parameterization_that_does_not_fit(name, kind):
    _, mixture, X = start(kind, 2, 2, n_samples=300)
    rule = rules.GradientAscent(name)
    message = f"parameterization '{name}' fits `covariance_type` '.*', got '{kind}'"
    with pytest.raises(ValueError, match=message):
        rule.init(mixture)
    with pytest.raises(ValueError, match=message):
        learner_of(rule, mixture)
    for method in ("fit", "partial_fit"):
        model = OnlineGaussianMixture(2, rule=rule, covariance_type=kind, batch_size=1, init_size=100)
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X)
        assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, np.nan])
def test_bad_batch_size(batch_size):
    _, mixture, X = start("full")
    message = f"`batch_size` must be a positive integer, got {batch_size}"
    with pytest.raises(ValueError, match=message):
        rules.GradientAscent().init(mixture, batch_size=batch_size)
    with pytest.raises(ValueError, match=message):
        learner_of(rules.GradientAscent(), mixture, batch_size=batch_size)
    with pytest.raises(ValueError, match="The 'batch_size' parameter of OnlineGaussianMixture must be"):
        OnlineGaussianMixture(2, rule="gradient", batch_size=batch_size).fit(X)


# --- settings ----------------------------------------------------------------------------------------------

SOME_RULES = [
    rules.GradientAscent(),
    rules.GradientAscent("covariance", 0.1, precondition=True),
    rules.GradientAscent(optimizer="adam", momentum=0.5, nesterov=True),
    rules.GradientAscent(optimizer=[Adam(0.5), Clip(2.0)], clip=1.0, averaging=10),
    rules.GradientAscent(relative_rates={"means": 2.0, "weights": 0.0}, guard="raise", weights="simplex"),
]


@pytest.mark.parametrize("rule", SOME_RULES, ids=range(5))
def test_repr_makes_the_rule_again(rule):
    names = {each.__name__: each for each in (AdaGrad, Adam, Clip, Constant, PowerDecay)}
    again = eval(repr(rule), names | {"GradientAscent": rules.GradientAscent})
    assert again == rule
    assert hash(again) == hash(rule)
    assert repr(again) == repr(rule)


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(rules.GradientAscent()) == "GradientAscent(parameterization='cholesky')"
    assert (
        repr(rules.GradientAscent("natural", 0.1, clip=2.0))
        == "GradientAscent(parameterization='natural', clip=2.0, learning_rate=Constant(value=0.1))"
    )
    for name in inspect.signature(rules.GradientAscent).parameters:
        if name not in ("parameterization", "learning_rate"):
            assert name not in repr(rules.GradientAscent())


def test_rules_compare_and_hash_by_their_settings():
    for one in SOME_RULES:
        assert [one == other for other in SOME_RULES] == [one is other for other in SOME_RULES]
    assert len({*SOME_RULES, *SOME_RULES}) == 5
    pairs = [
        ({"relative_rates": {"means": 2, "weights": 0}}, {"relative_rates": {"weights": 0.0, "means": 2.0}}),
        ({"optimizer": [Adam()]}, {"optimizer": Adam()}),
        ({"optimizer": [Adam(), Clip(1)]}, {"optimizer": (Adam(), Clip(1.0))}),
        ({"momentum": 0.5}, {"momentum": np.float64(0.5)}),
        ({"learning_rate": 1}, {"learning_rate": Constant(1.0)}),
        ({"averaging": 3}, {"averaging": 3.0}),
    ]
    for one, other in pairs:
        first, second = rules.GradientAscent(**one), rules.GradientAscent(**other)
        assert first == second
        assert hash(first) == hash(second)
    rates = {"means": 2.0}
    rule = rules.GradientAscent(relative_rates=rates)
    rates["means"] = 3.0
    assert rule == rules.GradientAscent(relative_rates={"means": 2.0})


# --- what a hostile reader found ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", rules.names())
def test_state_of_another_mixture_or_rule_is_refused(name):
    kind = rules.get(name).covariance_types[-1]
    _, small, _ = start(kind, 2, 2)
    _, large, X = start(kind, 9, 2)
    rule, other = rules.get(name), rules.GradientAscent(momentum=0.9, optimizer="adam")
    for state in (rule.init(small), other.init(large)):
        with pytest.raises(ValueError, match="`state` must be this rule's, for a mixture of this size"):
            rule.update(e_step(large, X[:1]), state, large)


def test_own_parameterization_is_used():
    class Mine(type(parameterizations.get("cholesky"))):
        def pack(self, mixture):
            raise RuntimeError("mine")

    _, mixture, _ = start("full", 2, 2)
    with pytest.raises(RuntimeError, match="mine"):
        rules.GradientAscent(Mine()).init(mixture)


@pytest.mark.parametrize("logit", [np.nan, np.inf, -np.inf])
def test_theta_without_weights_is_no_mixture(logit):
    _, mixture, _ = start("full", 1, 2)
    theta = parameterizations.get("cholesky").pack(mixture)
    theta[0] = logit
    with pytest.raises(np.linalg.LinAlgError, match="the logits in `theta` must be numbers"):
        parameterizations.get("cholesky").unpack(theta, mixture)


@pytest.mark.parametrize("n_rows", [np.nan, -5.0])
def test_rows_behind_the_start_are_a_count(n_rows):
    _, mixture, _ = start("full", 2, 2)
    with pytest.raises(ValueError, match="`n_rows` must be finite and not negative"):
        rules.OnlineEM().init(mixture, n_rows=n_rows)


def test_gradient_wants_statistics_about_the_means():
    _, mixture, X = start("full", 2, 2)
    statistics = e_step(mixture, X).recenter(mixture.means + 1.0)
    with pytest.raises(ValueError, match="`statistics` must be centered at the means of `mixture`"):
        parameterizations.get("cholesky").gradient(statistics, mixture)
