"""Kernels that no other test reaches directly: elementary functions and the LDL' factor."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from streamgmm.covariance.diagonal import DiagonalForm
from streamgmm.covariance.triangular import TriangularForm
from streamgmm.covariance.triangular.m_step import blend_and_factor
from streamgmm.covariance.triangular.roots import join, split
from streamgmm.kernels.elementary import exp_nonpositive, log_positive
from streamgmm.kernels.family import write_offset

LEAST = 2.2250738585072014e-308


def relative_error(value, exact):
    with mpmath.workdps(40):
        return float(abs((mpmath.mpf(float(value)) - exact) / exact)) if exact else abs(float(value))


def mp_exp(x):
    with mpmath.workdps(40):
        return mpmath.exp(mpmath.mpf(x))


def mp_log(x):
    with mpmath.workdps(40):
        return mpmath.log(mpmath.mpf(x))


@given(st.floats(-708.0, 0.0))
def test_exp_is_accurate_everywhere(x):
    assert relative_error(exp_nonpositive(x), mp_exp(x)) <= 4e-16


def test_exp_is_accurate_on_a_grid():
    rng = np.random.default_rng(0)
    halves = -np.arange(0.0, 1021.0) * 0.5 * math.log(2.0)  # where the reduction changes its integer
    edges = np.concatenate([np.nextafter(halves, -np.inf), halves, np.nextafter(halves[1:], 0.0)])
    points = [*edges, *-(10.0 ** rng.uniform(-20, 2.85, 500)), -708.0, -5e-324, -LEAST]
    worst = max(relative_error(exp_nonpositive(float(x)), mp_exp(float(x))) for x in points)
    assert worst <= 4e-16


@pytest.mark.parametrize("x", [-708.1, -745.0, -1e10, -1e300, -math.inf])
def test_exp_far_below_zero_is_the_least_number(x):
    value = float(exp_nonpositive(x))
    assert relative_error(value, mp_exp(-708.0)) <= 4e-16
    assert value >= LEAST


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_exp_of_zero_is_one(x):
    assert exp_nonpositive(x) == 1.0


@given(st.floats(LEAST, 1.7976931348623157e308, allow_subnormal=False))
def test_log_is_accurate_everywhere(x):
    assert relative_error(log_positive(x), mp_log(x)) <= 4e-16


def test_log_is_accurate_on_a_grid():
    rng = np.random.default_rng(0)
    powers = 2.0 ** np.arange(-1022, 1024)
    roots = powers[1:] * math.sqrt(0.5)  # where the exponent changes
    near_one = 1.0 + np.concatenate([2.0 ** -np.arange(1.0, 53), -(2.0 ** -np.arange(1.0, 54))])
    edges = [np.nextafter(roots, 0.0), roots, np.nextafter(roots, np.inf)]
    points = np.concatenate(
        [powers[::4], *(edge[::16] for edge in edges), near_one, rng.uniform(0.5, 2, 300)]
    )
    worst = max(relative_error(log_positive(float(x)), mp_log(float(x))) for x in points)
    assert worst <= 4e-16


def test_log_of_one_is_zero():
    assert log_positive(1.0) == 0.0


def test_nan_passes_through():
    assert math.isnan(exp_nonpositive(math.nan))
    assert math.isnan(log_positive(math.nan))


# --- S = L D L' --------------------------------------------------------------------------------------------


def factored(matrix, floor=0.0):
    """Return the Cholesky factor that the kernel makes of matrix + floor, and the kernel's own form."""
    d = len(matrix)
    floor = np.full(d, floor) if np.ndim(floor) == 0 else floor
    nk, s1, s2 = np.ones(2), np.ones((2, d)), np.ones((2, d, d))  # without a step they do not count
    covariances = np.array([np.full((d, d), np.pi), matrix])
    kept = covariances.copy()
    scale = np.full((2, d, d), np.pi)
    blend_and_factor(1, 0.0, nk, s1, s2, covariances, floor, scale)
    np.testing.assert_array_equal(np.tril(covariances), np.tril(kept))
    np.testing.assert_array_equal(scale[0], np.pi)  # the other component's
    return join(scale[1:])[0], scale[1]


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 6, 8, 9, 17, 33])
@pytest.mark.parametrize("floor", [0.0, 0.25])
def test_factor_is_numpys_cholesky(n_features, floor):
    rng = np.random.default_rng(n_features)
    matrix = naive.random_parameters(rng, "full", 1, n_features).covariances[0]
    factor, scale = factored(matrix, floor)
    expected = np.linalg.cholesky(matrix + floor * np.eye(n_features))
    np.testing.assert_allclose(factor, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.diag(scale), np.diag(expected) ** -2, rtol=1e-12)


@pytest.mark.parametrize("n_features", [1, 2, 5, 9])
def test_kernel_form_is_that_of_the_covariance_type(n_features):
    rng = np.random.default_rng(n_features)
    matrices = naive.random_parameters(rng, "full", 3, n_features).covariances
    roots = np.linalg.cholesky(matrices)
    scale = split(roots)
    np.testing.assert_allclose(join(scale), roots, rtol=1e-13, atol=1e-15)
    for matrix, form in zip(matrices, scale, strict=True):
        mine = factored(matrix)[1]
        np.testing.assert_allclose(np.tril(mine), np.tril(form), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("n_features", [1, 2, 3, 6])
@pytest.mark.parametrize("c", [0.0, 0.01, 0.2])
def test_blend_is_the_formula(n_features, c):
    """S' = (1 - h) S + h C - h^2 m m' with h = c nk, m = s1 / nk and C = s2 / nk; then the factor."""
    rng = np.random.default_rng(n_features)
    parameters = naive.random_parameters(rng, "full", 2, n_features)
    moments = naive.statistics(parameters, naive.draw(rng, parameters, 9))
    floor = np.linspace(0.1, 0.3, n_features)
    covariances = parameters.covariances.copy()
    scale = np.ones((2, n_features, n_features))
    nk, s1, s2 = moments.nk, moments.s1, moments.s2
    blend_and_factor(1, c, nk, s1, s2, covariances, floor, scale)
    h, m, C = c * nk[1], s1[1] / nk[1], s2[1] / nk[1]
    expected = (1 - h) * parameters.covariances[1] + h * C - h**2 * np.outer(m, m)
    np.testing.assert_allclose(np.tril(covariances[1]), np.tril(expected), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(covariances[0], parameters.covariances[0])
    root = np.linalg.cholesky(expected + np.diag(floor))
    np.testing.assert_allclose(join(scale[1:])[0], root, rtol=1e-11, atol=1e-13)


def test_each_feature_has_its_own_floor():
    floor = np.array([1.0, 2.0, 0.5])
    factor, _ = factored(np.zeros((3, 3)), floor)
    np.testing.assert_allclose(factor, np.diag(np.sqrt(floor)), rtol=1e-15)


@pytest.mark.parametrize("sizes", [(1e-8, 1.0, 1e8, 1e-3), (1e8, 1e-8, 1e4, 1.0)])
def test_factor_of_mixed_scales(sizes):
    rng = np.random.default_rng(3)
    matrix = naive.random_parameters(rng, "full", 1, 4).covariances[0]
    factor, _ = factored(matrix * np.outer(sizes, sizes))
    expected = np.linalg.cholesky(matrix) * np.array(sizes)[:, np.newaxis]
    np.testing.assert_allclose(factor, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("exponent", [-325, -275, -1, 200, 260, 325])
def test_factor_moves_with_the_units(exponent):
    """Powers of two leave every digit as it is, from variances of 1e-196 to 1e196."""
    rng = np.random.default_rng(3)
    matrix = naive.random_parameters(rng, "full", 1, 4).covariances[0]
    unit = 2.0**exponent
    np.testing.assert_array_equal(factored(matrix * unit**2)[0], factored(matrix)[0] * unit)


@pytest.mark.parametrize("n_features", [2, 3, 5, 9])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_singular_matrix_with_a_floor(n_features, rank):
    rng = np.random.default_rng(10 * n_features + rank)
    root = rng.standard_normal((n_features, rank))
    matrix = root @ root.T
    factor, _ = factored(matrix, 1e-3)
    np.testing.assert_allclose(
        factor, np.linalg.cholesky(matrix + 1e-3 * np.eye(n_features)), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("n_features", [2, 3, 4, 7])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("size", [1.0, 1e6, 1e24])
@pytest.mark.parametrize("floor", [0.0, 1e-30, 1e-6])
def test_pivots_lost_to_rounding(n_features, rank, size, floor):
    """Where the floor is below the rounding of a singular matrix, the factor still is one of that matrix.

    The entries below a pivot of which nothing but rounding is left are rounding too: divided by a floor, they
    would be anything.
    """
    rng = np.random.default_rng(n_features)
    root = rng.standard_normal((n_features, rank))
    matrix = size * root @ root.T
    factor, scale = factored(matrix, floor)
    assert np.isfinite(factor).all()
    assert (np.diag(scale) > 0).all()
    expected = matrix + floor * np.eye(n_features)
    # A backward stable factorization is off by n eps |S|; 1e-12 leaves room for sensible floors.
    np.testing.assert_allclose(factor @ factor.T, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("form", [TriangularForm, DiagonalForm])
@given(
    n_features=st.integers(1, 12),
    seed=st.integers(0, 2**31),
    weight=st.floats(1e-250, 1.0),
    exponent=st.floats(-90.0, 90.0),
)
def test_offset_is_log_weight_minus_log_scale(form, n_features, seed, weight, exponent):
    exponents = np.random.default_rng(seed).uniform(-abs(exponent), abs(exponent), n_features)
    offset = np.zeros(1)
    inverse = np.exp(np.log(10.0) * exponents)
    scale = inverse.reshape(1, n_features, 1) if form is DiagonalForm else np.diag(inverse)[np.newaxis]
    write_offset(0, weight, form(offset, np.zeros((1, n_features)), scale))
    terms = [math.log(weight), *(0.5 * np.log(inverse)), -0.5 * n_features * math.log(2 * math.pi)]
    np.testing.assert_allclose(offset[0], math.fsum(terms), rtol=1e-12, atol=1e-11)
