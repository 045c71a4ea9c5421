"""Parameterizations: gradients against central differences, and maps that are one to one."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from common import long_without_compilation, parameters_of
from streamgmm import Mixture, e_step, parameterizations, priors
from streamgmm.fit.climb import Climb

TYPES = parameterizations.get("cholesky").covariance_types
NAMES = parameterizations.names()

CASES = [(name, kind) for name in NAMES for kind in parameterizations.get(name).covariance_types]
TRIANGLES = ("full", "tied")
every_case = pytest.mark.parametrize(("name", "kind"), CASES)


MOST_FEATURES = 4 if numba.config.DISABLE_JIT else 8  # an index past an array's end shows at any size


def case(kind, n_components, n_features, seed):
    """Return a mixture, and rows from another one, so that the gradient is not near zero."""
    rng = np.random.default_rng(seed)
    mixture = Mixture(*naive.random_parameters(rng, kind, n_components, n_features))
    X = naive.draw(rng, naive.random_parameters(rng, kind, n_components, n_features), 40)
    return mixture, X, rng


@every_case
@settings(max_examples=8)  # each costs 16 log-likelihoods for each entry of theta
@given(st.integers(1, 5), st.integers(1, MOST_FEATURES), st.integers(0, 2**32 - 1))
def test_gradient_is_that_of_central_differences(name, kind, n_components, n_features, seed):
    mixture, X, rng = case(kind, n_components, n_features, seed)
    w = rng.uniform(0.0, 2.0, len(X))
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)

    def log_likelihood(theta):
        return naive.log_likelihood(parameters_of(parameterization.unpack(theta, mixture)), X, w)

    expected = naive.central_differences(log_likelihood, theta)
    gradient = parameterization.gradient(e_step(mixture, X, w), mixture)
    assert gradient.shape == theta.shape
    # Relative to each entry, and to the largest one where an entry cancels.
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@every_case
@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_unpack_undoes_pack(name, kind, n_components, n_features, seed):
    mixture, _, _ = case(kind, n_components, n_features, seed)
    parameterization = parameterizations.get(name)
    again = parameterization.unpack(parameterization.pack(mixture), mixture)
    assert again.covariance_type == kind
    np.testing.assert_allclose(again.weights, mixture.weights, rtol=1e-10)
    np.testing.assert_allclose(again.means, mixture.means, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(again.covariances, mixture.covariances, rtol=1e-10, atol=1e-12)


@every_case
@given(st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(-5.0, 5.0))
def test_pack_undoes_unpack(name, kind, n_components, n_features, seed, constant):
    """Adding a constant to all logits, which every theta starts with, leaves the mixture as it is."""
    mixture, _, _ = case(kind, n_components, n_features, seed)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    theta[:n_components] += constant
    moved = parameterization.unpack(theta, mixture)
    np.testing.assert_allclose(moved.weights, mixture.weights, rtol=1e-10)
    again = parameterization.pack(moved)
    theta[:n_components] -= theta[:n_components].mean()
    again[:n_components] -= again[:n_components].mean()
    np.testing.assert_allclose(again, theta, rtol=1e-10, atol=1e-10)


@every_case
def test_nothing_is_changed_in_place(name, kind):
    mixture, X, _ = case(kind, 3, 3, 0)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    kept = theta.copy()
    moved = parameterization.unpack(theta, mixture)
    parameterization.gradient(e_step(mixture, X), mixture)
    np.testing.assert_array_equal(theta, kept)
    before = moved.means.copy(), moved.factor.copy()
    theta[...] = 0.0  # the mixture must not look at it
    np.testing.assert_array_equal(moved.means, before[0])
    np.testing.assert_array_equal(moved.factor, before[1])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_any_vector_is_a_mixture_of_log_cholesky(kind, n_features):
    mixture, X, rng = case(kind, 3, n_features, 1)
    parameterization = parameterizations.get("cholesky")
    for _ in range(20):
        theta = 3 * rng.standard_normal(len(parameterization.pack(mixture)))
        moved = parameterization.unpack(theta, mixture)
        np.testing.assert_allclose(parameterization.pack(moved)[3:], theta[3:], rtol=1e-10, atol=1e-10)
        assert np.isfinite(moved.log_prob(X)).all()
        np.testing.assert_allclose(moved.weights.sum(), 1.0, rtol=1e-12)


@long_without_compilation
@every_case
def test_gradient_vanishes_where_em_stands_still(name, kind):
    mixture, _, rng = case(kind, 2, 2, 4)
    X = naive.draw(rng, parameters_of(mixture), 300)
    climb = Climb(mixture, X, np.empty(0), priors.options(mixture.kind, 2, 2))
    climb.run(3000)
    mixture = climb.mixture
    gradient = parameterizations.get(name).gradient(e_step(mixture, X), mixture)
    # sums of 300 terms of order one that cancel, at a point that EM approaches linearly
    np.testing.assert_allclose(gradient, 0.0, atol=1e-7)


@pytest.mark.parametrize("kind", TYPES)
def test_gradient_of_the_means_and_logits(kind):
    """d/d logits = N - W pi and d/d mean = S^-1 s1, which every theta of log-Cholesky starts with."""
    mixture, X, _ = case(kind, 3, 4, 2)
    moments = naive.statistics(parameters_of(mixture), X)
    gradient = parameterizations.get("cholesky").gradient(e_step(mixture, X), mixture)
    np.testing.assert_allclose(gradient[:3], moments.nk - len(X) * mixture.weights, rtol=1e-9, atol=1e-10)
    S = naive.dense(parameters_of(mixture))
    expected = np.linalg.solve(S, moments.s1[:, :, np.newaxis]).ravel()
    np.testing.assert_allclose(gradient[3:15], expected, rtol=1e-9, atol=1e-10)


def test_log_cholesky_of_one_variance():
    """With respect to log sigma the gradient is s2 / v - N: twice that by the log variance."""
    mixture = Mixture([1.0], [[1.0]], [[[4.0]]])
    gradient = parameterizations.get("cholesky").gradient(e_step(mixture, [[2.0], [5.0]]), mixture)
    np.testing.assert_allclose(gradient, [0.0, 5.0 / 4.0, 17.0 / 4.0 - 2.0], rtol=1e-14, atol=1e-15)


@every_case
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_theta_that_is_not_finite_is_no_mixture(name, kind, bad):
    mixture, _, _ = case(kind, 2, 3, 0)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    for entry in range(2, len(theta)):
        broken = theta.copy()
        broken[entry] = bad
        with pytest.raises(np.linalg.LinAlgError, match=r"not finite, for component [01]"):
            parameterization.unpack(broken, mixture)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, kind in CASES if not parameterizations.get(name).is_stable and kind in TRIANGLES],
)
@pytest.mark.parametrize("size", [1.5, 10.0, 1e100])
def test_correlations_over_one_are_no_mixture(name, kind, size):
    """However far over: a matrix that is not positive definite has no factor, not even a near one."""
    mixture, _, _ = case(kind, 2, 2, 0)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    first, last = theta[-3], theta[-1]
    is_correlation = name == "standard-deviation"
    theta[-2] = size * (1.0 if is_correlation else np.sqrt(first * last))
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        parameterization.unpack(theta, mixture)


@every_case
@pytest.mark.parametrize("n_features", [1, 3])
def test_components_own_the_entries_that_move_them(name, kind, n_features):
    mixture, _, _ = case(kind, 3, n_features, 0)
    parameterization = parameterizations.get(name)
    theta = parameterization.pack(mixture)
    owned = parameterization.components(mixture.kind, 3, n_features)
    assert set(owned.ravel()) == set(range(len(theta)))
    assert parameterization.size(mixture.kind, 3, n_features) == len(theta)
    for entry in range(3, len(theta)):  # a logit moves all weights
        moved = theta.copy()
        moved[entry] *= 1.0 + 1e-9
        moved[entry] += 1e-9
        before, after = (parameters_of(parameterization.unpack(t, mixture)) for t in (theta, moved))
        changed = (naive.dense(after) != naive.dense(before)).any(axis=(1, 2))
        changed |= (after.means != before.means).any(axis=1)
        np.testing.assert_array_equal(changed, (owned == entry).any(axis=1))


@pytest.mark.parametrize("bad", ["nonsense", "", "Cholesky"])
def test_unknown_name_lists_the_known_ones(bad):
    known = ", ".join(map(repr, NAMES))
    with pytest.raises(ValueError, match=f"`parameterization` must be one of {known}, got {bad!r}"):
        parameterizations.get(bad)


def test_names_are_the_registry():
    assert [parameterizations.get(name).name for name in NAMES] == list(NAMES)
