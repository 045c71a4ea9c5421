"""What every covariance type promises, against dense matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

import naive
from common import NO_WEIGHTS, assert_mixtures_close, learner_of, parameters_of
from streamgmm import GaussianMixture, Mixture, covariance, rules
from streamgmm.cli._units import unstandardize
from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.fit.stream import Learner
from streamgmm.kernels.family import (
    accumulate,
    is_definite,
    is_rank_one,
    log_joint,
    recenter,
    refit,
    refit_jointly,
    row_statistics,
    total_scatter,
    write_offset,
)

TYPES = covariance.names()
types = pytest.mark.parametrize("name", TYPES)
sizes = given(n_components=st.integers(2, 4), n_features=st.integers(1, 5), seed=st.integers(0, 1000))


def example(name, n_components, n_features, seed):
    """Return a type, a mixture, its covariance matrices, and a generator."""
    rng = np.random.default_rng(seed)
    mixture = Mixture(*naive.random_parameters(rng, name, n_components, n_features))
    return mixture.kind, mixture, naive.dense(parameters_of(mixture)), rng


def close(actual, expected, rtol=1e-9):
    """Compare to a precision relative to the largest entry."""
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@types
@sizes
def test_factor_and_precisions_lead_back(name, n_components, n_features, seed):
    kind, mixture, matrices, _ = example(name, n_components, n_features, seed)
    factor = mixture.factor
    assert factor.shape == kind.shape(n_components, n_features)
    assert kind.fault(factor) is None
    root = kind.precisions_cholesky(factor)
    precisions = kind.precisions(factor)
    assert kind.allows(precisions)
    close(naive.dense(parameters_of(mixture)._replace(covariances=precisions)), np.linalg.inv(matrices))
    assert kind.fault(np.swapaxes(root, -1, -2) if root.ndim > 1 else root) is None  # upper triangular
    for back in (
        kind.factor(kind.covariances(factor)),
        kind.from_precisions_cholesky(root),
        kind.from_precisions(precisions),
        kind.collapse(kind.expand(factor, n_components, n_features)),
    ):
        close(back, factor)
        assert kind.fault(back) is None


@types
@sizes
def test_what_is_dense_agrees(name, n_components, n_features, seed):
    kind, mixture, matrices, _ = example(name, n_components, n_features, seed)
    sizes = mixture.means.shape
    close(mixture.covariance_matrices(), matrices)
    roots = kind.roots(mixture.factor, *sizes)
    close(roots @ roots.transpose(0, 2, 1), matrices)
    close(mixture.standard_deviations, np.sqrt(np.diagonal(matrices, axis1=1, axis2=2)))
    lengths = np.sort(kind.axis_lengths(mixture.factor, *sizes) ** 2, axis=1)
    close(lengths, np.linalg.eigvalsh(matrices))
    scale = kind.expand(mixture.factor, *sizes)
    close(kind.log_det(scale), np.linalg.slogdet(matrices)[1])
    scatter = kind.public_moments(kind.scatter(scale))
    close(scatter, [kind.products(root.T, root.T) for root in roots])


@types
@sizes
def test_samples_are_a_root_times_normal_rows(name, n_components, n_features, seed):
    kind, mixture, matrices, _ = example(name, n_components, n_features, seed)
    for k, expected in enumerate(matrices):
        rows = kind.sample(mixture.factor, k, np.eye(n_features))
        close(rows.T @ rows, expected)


@types
def test_draws_have_the_covariance(name):
    kind, mixture, matrices, _ = example(name, 2, 3, 0)
    for k, expected in enumerate(matrices):
        rows = kind.draw(np.random.RandomState(0), mixture.covariances, k, 40_000, 3)
        np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.03 * expected.max())  # 5 standard errors


@types
@sizes
def test_marginals_are_blocks(name, n_components, n_features, seed):
    _, mixture, matrices, rng = example(name, n_components, n_features, seed)
    features = [int(a) for a in rng.permutation(n_features)[: rng.integers(1, n_features + 1)]]
    close(mixture.marginal(features).covariance_matrices(), matrices[:, features][:, :, features])


@types
@sizes
def test_conditionals_by_the_textbook(name, n_components, n_features, seed):
    kind, mixture, matrices, rng = example(name, n_components, n_features + 1, seed)
    order = [int(a) for a in rng.permutation(n_features + 1)]
    n = int(rng.integers(1, n_features + 1))
    known, unknown = order[:n], order[n:]
    values = rng.normal(size=n)
    log_prob, means, factor = kind.condition(mixture.factor, mixture.means, known, unknown, values)
    left = Mixture.from_factor(mixture.log_weights, means, factor, name).covariance_matrices()
    for k, (mean, S) in enumerate(zip(mixture.means, matrices, strict=True)):
        gain = np.linalg.solve(S[np.ix_(known, known)], S[np.ix_(known, unknown)]).T
        close(log_prob[k], multivariate_normal(mean[known], S[np.ix_(known, known)]).logpdf(values))
        close(means[k], mean[unknown] + gain @ (values - mean[known]))
        close(left[k], S[np.ix_(unknown, unknown)] - gain @ S[np.ix_(known, unknown)], rtol=1e-8)


@types
@sizes
def test_selected_components_keep_their_densities(name, n_components, n_features, seed):
    kind, mixture, matrices, rng = example(name, n_components, n_features, seed)
    order = [int(k) for k in rng.permutation(n_components)[: rng.integers(1, n_components + 1)]]
    weights = np.full(len(order), 1.0 / len(order))
    factor = kind.select(mixture.factor, order)
    chosen = Mixture.from_factor(np.log(weights), mixture.means[order], factor, name)
    X = rng.normal(size=(5, n_features))
    expected = [multivariate_normal(mixture.means[k], matrices[k]).logpdf(X) for k in order]
    np.testing.assert_allclose(chosen.log_prob(X), np.logaddexp.reduce(expected, axis=0) - np.log(len(order)))


@types
@sizes
def test_merged_components_keep_what_the_type_can_hold(name, n_components, n_features, seed):
    """The covariances D nearest to those that are wanted, C, have a mean trace of C / D of n_features."""
    _, mixture, matrices, _ = example(name, n_components, n_features, seed)
    merged = mixture.merge(1, 0)
    w = mixture.weights
    mean = (w[0] * mixture.means[0] + w[1] * mixture.means[1]) / (w[0] + w[1])
    shifts = mixture.means[:2] - mean
    pair = sum(w[k] * (matrices[k] + np.outer(shifts[k], shifts[k])) for k in (0, 1)) / (w[0] + w[1])
    close(merged.means[0], mean)
    close(merged.weights, [w[0] + w[1], *w[2:]])
    wanted = [pair, *matrices[2:]]
    traces = [
        np.trace(np.linalg.solve(D, C)) for D, C in zip(merged.covariance_matrices(), wanted, strict=True)
    ]
    close(merged.weights @ traces, n_features)


@types
@sizes
def test_variances_make_the_nearest_factor(name, n_components, n_features, seed):
    kind, _, _, rng = example(name, n_components, n_features, seed)
    variances = rng.uniform(0.1, 3.0, (n_components, n_features))
    dense = kind.dense(kind.from_variances(variances), n_components, n_features)
    diagonal = np.diagonal(dense, axis1=1, axis2=2)
    assert not (dense - diagonal[:, :, np.newaxis] * np.eye(n_features)).any()
    close((variances / diagonal).sum(axis=1).mean(), n_features)
    same = np.full((n_components, n_features), 4.0)
    close(kind.covariances(kind.from_variances(same)), kind.covariances(2.0 * kind.from_variances(same / 4)))
    close(
        kind.dense(kind.from_variances(same), *same.shape),
        np.array([4.0 * np.eye(n_features)] * n_components),
    )


@types
@sizes
def test_parameters_are_the_free_entries(name, n_components, n_features, seed):
    kind, mixture, _, _ = example(name, n_components, n_features, seed)
    free = kind.free(mixture.covariances)
    assert len(free) == kind.n_parameters(n_components, n_features)
    assert set(free) == set(mixture.covariances.ravel())  # what is left out is symmetric
    information = kind.information(mixture.factor, mixture.weights, n_features)
    assert information.shape == free.shape
    times = information[0] if kind.is_shared else information[0] / mixture.weights[0]
    close(times, 2.0 * (1 if kind.is_shared else kind.pool_size(n_components, n_features)))


@types
@sizes
def test_moments(name, n_components, n_features, seed):
    kind, mixture, matrices, rng = example(name, n_components, n_features, seed)
    rows = rng.normal(size=(2, n_components, 7, n_features))
    dense = np.einsum("kia,kib->kab", *rows)
    moments = kind.products(*rows)
    assert moments.shape == kind.moments_shape(n_components, n_features)
    close(moments, naive.second_moments(dense, name))
    close(kind.squares(moments), np.diagonal(dense, axis1=1, axis2=2))
    close(kind.squares(kind.from_squares(kind.squares(moments))), kind.squares(moments))
    close(kind.outer(*rows[:, :, 0]), kind.products(*rows[:, :, :1]))
    symmetric = kind.products(rows[0], rows[0])
    whole = np.einsum("kia,kib->kab", rows[0], rows[0])
    expected = np.trace(np.linalg.solve(matrices, whole), axis1=1, axis2=2)
    close(kind.traces(mixture.factor, symmetric), expected)
    form = kind.kernel_moments(symmetric)
    assert form.shape == kind.empty_batch(n_components, n_features).s2.shape
    assert not np.shares_memory(form, symmetric)
    lower = form * (np.tri(n_features) if form.shape == matrices.shape else 1.0)
    close(kind.public_moments(lower), symmetric, rtol=1e-15)
    assert covariance.of_moments(rows[0, :, 0], symmetric).moments_shape(2, 3) == kind.moments_shape(2, 3)


@types
@sizes
def test_rescaled_rows(name, n_components, n_features, seed):
    _, mixture, matrices, rng = example(name, n_components, n_features, seed)
    scale = rng.uniform(0.1, 10.0, n_features)
    moved = unstandardize(mixture, np.zeros(n_features), scale)
    close(moved.means, mixture.means * scale)
    close(moved.covariance_matrices(), matrices * np.outer(scale, scale))


@types
@sizes
def test_random_factors_lie_between_the_bounds(name, n_components, n_features, seed):
    kind = covariance.get(name)
    factor = kind.random_factor(np.random.default_rng(seed), n_components, n_features, 0.5, 1.5)
    assert factor.shape == kind.shape(n_components, n_features)
    assert kind.fault(factor) is None
    lengths = kind.axis_lengths(factor, n_components, n_features)
    assert (lengths > 0.5 - 1e-12).all()
    assert (lengths < 1.5 + 1e-12).all()


@types
def test_what_is_no_factor_and_no_precision_is_told(name):
    kind, mixture, _, _ = example(name, 2, 2, 0)
    assert kind.fault(-mixture.factor) is not None
    assert kind.is_singular(0.0 * mixture.factor)
    assert not kind.is_singular(mixture.factor)
    assert not kind.allows(-kind.covariances(mixture.factor))
    with pytest.raises(ValueError, match=r"`given.* must be positive"):
        kind.from_precisions(-mixture.covariances, "given")


def test_moments_of_no_type_are_named():
    with pytest.raises(ValueError, match=r"`s2` must have the shape .*, got \(3,\)"):
        covariance.of_moments(np.zeros((3, 2)), np.zeros(3))


# --- a family of a user's own ------------------------------------------------------------------------------


class WideForm(NamedTuple):
    """Reciprocal variances beside their square roots: of another shape than the moments."""

    offset: Any
    means: Any
    scale: Any


FAMILY = [log_joint, accumulate, row_statistics, write_offset, total_scatter, refit, refit_jointly]
FAMILY += [recenter, is_definite]
for function in FAMILY:
    function.of(WideForm)(function.body(DiagonalForm))


class Wide(type(covariance.get("diag"))):
    name = "wide"
    form = WideForm
    in_sklearn = False

    def expand(self, factor, n_components, n_features):
        scale = super().expand(factor, n_components, n_features)
        return np.concatenate([scale, np.sqrt(scale)], axis=2)


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setitem(covariance._TYPES, "wide", Wide())


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("rule", ["em", "online-em", "sem-vr"])
def test_a_family_may_hold_covariances_in_another_shape_than_moments(rule):
    rng = np.random.default_rng(0)
    parameters = naive.random_parameters(rng, "diag", 3, 2)
    X = naive.draw(rng, parameters, 200)
    learned = []
    for name in ("diag", "wide"):
        mixture = Mixture(*parameters[:3], name)
        learner = learner_of(rules.get(rule), mixture, n_rows=50.0, batch_size=20, floor=0.1)
        for _ in range(2):
            learner, _ = learner.learn(X, NO_WEIGHTS)
            settings, arrays = learner.to_record()
            learner = Learner.from_record(settings, arrays)
        assert arrays["parameters.scale"].shape[2] == (2 if name == "wide" else 1)
        learned.append(learner.mixture)
    assert_mixtures_close(learned[1], learned[0], rtol=1e-13)


@pytest.mark.usefixtures("wide")
def test_estimators_take_a_family_of_the_users_own():
    X = np.random.default_rng(0).normal(size=(200, 2))
    model = GaussianMixture.from_mixture(Mixture([1.0], [[0.0, 1.0]], [[2.0, 3.0]], "wide"))
    np.testing.assert_allclose(model.precisions_, [[1 / 2, 1 / 3]])
    np.testing.assert_allclose(model.to_sklearn().score_samples(X), model.score_samples(X))
    with pytest.raises(ValueError, match=r"rule 'natural-gradient' fits .*'spherical', got 'wide'"):
        rules.NaturalGradient().init(model.to_mixture())
    with pytest.raises(ValueError, match=r"parameterization 'cholesky' fits .*'spherical', got 'wide'"):
        rules.GradientAscent().init(model.to_mixture())


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("compiled", [False, True])
def test_what_a_family_does_not_give_is_an_error(compiled):
    def ask(model):
        return is_rank_one(0, model)

    form = Mixture([1.0], [[0.0, 1.0]], [[2.0, 3.0]], "wide").kernel_form()
    with pytest.raises((NotImplementedError, numba.TypingError), match="is_rank_one"):
        (numba.njit(ask) if compiled else ask)(form)


@types
@sizes
def test_from_root_is_the_nearest_factor_for_all(name, n_components, n_features, seed):
    kind, _, _, rng = example(name, n_components, n_features, seed)
    root = rng.normal(size=(n_features, n_features)) + 2.0 * np.eye(n_features)
    factor = kind.from_root(root, n_components)
    assert factor.shape == kind.shape(n_components, n_features)
    assert kind.fault(factor) is None
    expected = naive.restrict(np.repeat((root @ root.T)[np.newaxis], n_components, axis=0), name)
    close(kind.covariances(factor), expected)


@types
def test_from_root_keeps_what_the_product_would_lose(name):
    """Two directions 1e12 apart: root root' is singular in float64."""
    root = np.array([[1.0, 0.0], [1.0, 1e-12]])
    factor = covariance.get(name).from_root(root, 3)
    assert covariance.get(name).fault(factor) is None
    assert not covariance.get(name).is_singular(factor) or name in ("full", "tied")
    if name in ("full", "tied"):
        np.testing.assert_allclose(np.abs(factor.reshape(-1, 2, 2)[0, 1, 1]), 1e-12, rtol=1e-3)


@types
@sizes
def test_split_puts_parts_in_a_components_place(name, n_components, n_features, seed):
    kind, mixture, matrices, rng = example(name, n_components, n_features, seed)
    parts = Mixture(*naive.random_parameters(rng, name, 3, n_features))
    k = seed % n_components
    dense = kind.dense(kind.split(mixture.factor, k, parts.factor), n_components + 2, n_features)
    if kind.is_shared:
        close(dense, np.repeat(matrices[:1], n_components + 2, axis=0))
        return
    inserted = parts.covariance_matrices()
    close(dense, np.concatenate([matrices[:k], inserted[:1], matrices[k + 1 :], inserted[1:]]))
