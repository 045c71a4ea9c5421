"""e_step against the oracle, the laws of Statistics, and every kind of array that rows may come in."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from common import long_without_compilation
from streamgmm import Mixture, Statistics, covariance, e_step, rules
from streamgmm.sweep import CHUNK

TYPES = covariance.names()
# Blocks hold 128 rows; without compilation the large case would take minutes.
ROWS = (0, 1, 2, 127, 128, 129) if numba.config.DISABLE_JIT else (0, 1, 2, 127, 128, 129, 20011)


def assert_close(actual, expected, rtol=1e-9, atol=1e-11):
    """Compare arrays of sums, in which terms cancel: ``atol`` is relative to the largest entry."""
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol * scale)


def assert_statistics_close(actual, expected, **tolerance):
    for name in ("weight", "log_likelihood", "nk", "s1", "s2", "origin"):
        assert_close(getattr(actual, name), getattr(expected, name), **tolerance)


def assert_statistics_equal(actual, expected):
    for name in ("weight", "log_likelihood", "nk", "s1", "s2", "origin"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name), err_msg=name)


def assert_matches_oracle(statistics, moments, kind, **tolerance):
    assert_close(statistics.weight, moments.weight, **tolerance)
    assert_close(statistics.log_likelihood, moments.log_likelihood, **tolerance)
    assert_close(statistics.nk, moments.nk, **tolerance)
    assert_close(statistics.s1, moments.s1, **tolerance)
    expected = naive.second_moments(moments.s2, kind)
    assert statistics.s2.shape == expected.shape
    assert_close(statistics.s2, expected, **tolerance)


# --- against the oracle ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2, 3, 5, 8, 17])
@pytest.mark.parametrize("n_components", [1, 2, 7])
def test_e_step_is_the_oracles(kind, n_features, n_components):
    rng = np.random.default_rng(100 * n_features + n_components)
    parameters = naive.random_parameters(rng, kind, n_components, n_features, spread=1.0)
    mixture = Mixture(*parameters)
    for n_samples in ROWS:
        X = naive.draw(rng, parameters, n_samples)
        weights = rng.uniform(0.0, 3.0, n_samples)
        weights[rng.uniform(size=n_samples) < 0.1] = 0.0
        for rows in (X, X.astype(np.float32)):
            for sample_weight in (None, weights):
                statistics = e_step(mixture, rows, sample_weight)
                moments = naive.statistics(parameters, rows.astype(np.float64), sample_weight)
                assert_matches_oracle(statistics, moments, kind)
                np.testing.assert_array_equal(statistics.origin, mixture.means)
                if statistics.s2.ndim == 3:
                    np.testing.assert_array_equal(statistics.s2, np.swapaxes(statistics.s2, 1, 2))


@long_without_compilation
@pytest.mark.parametrize("kind", TYPES)
def test_rows_of_many_chunks(kind):
    rng = np.random.default_rng(2)
    parameters = naive.random_parameters(rng, kind, 2, 2)
    X = naive.draw(rng, parameters, 2 * CHUNK + 77)
    w = rng.uniform(0.0, 2.0, len(X))
    assert_matches_oracle(e_step(Mixture(*parameters), X, w), naive.statistics(parameters, X, w), kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [2, 6])
def test_components_apart(kind, n_features):
    """Rows of other components have responsibilities down to 0, which the kernels may pass over."""
    rng = np.random.default_rng(3)
    parameters = naive.random_parameters(rng, kind, 5, n_features, spread=20.0)
    X = naive.draw(rng, parameters, 1003)
    assert_matches_oracle(e_step(Mixture(*parameters), X), naive.statistics(parameters, X), kind)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [2, 5])
def test_tiny_row_weights(kind, n_features):
    """Weights are relative: a unit of 1e-20 scales the statistics, no row becomes negligible."""
    rng = np.random.default_rng(4)
    parameters = naive.random_parameters(rng, kind, 3, n_features)
    mixture = Mixture(*parameters)
    X = naive.draw(rng, parameters, 300)
    expected = e_step(mixture, X)
    for unit in (1e-20, 1e20):
        statistics = e_step(mixture, X, np.full(300, unit))
        assert_statistics_close(statistics.scale(1 / unit), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [2, 5])
def test_negligible_component_has_consistent_moments(kind, n_features):
    """A component of weight 1e-25 has the moments of its responsibilities, or none at all.

    Counting its rows in nk but not in s1 and s2 would tell an M-step that its variance is zero.
    """
    rng = np.random.default_rng(5)
    parameters = naive.random_parameters(rng, kind, 2, n_features, spread=0.5)
    parameters = parameters._replace(weights=np.array([1.0, 1e-25]))
    X = naive.draw(rng, parameters._replace(weights=np.array([1.0, 0.0])), 300)
    statistics, moments = e_step(Mixture(*parameters), X), naive.statistics(parameters, X)
    if statistics.nk[1] == 0.0:
        assert not statistics.s1[1].any()
        assert not statistics.s2[1].any()
        return
    expected = naive.second_moments(moments.s2, kind)[1]
    np.testing.assert_allclose(statistics.nk[1], moments.nk[1], rtol=1e-9)
    np.testing.assert_allclose(statistics.s1[1] / 1e-25, moments.s1[1] / 1e-25, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(statistics.s2[1] / 1e-25, expected / 1e-25, rtol=1e-8, atol=1e-8)


def test_no_rows_give_zeros():
    statistics = e_step(
        Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [1.0, 1.0], "spherical"), np.empty((0, 2))
    )
    assert statistics.weight == 0.0
    assert statistics.log_likelihood == 0.0
    for array in (statistics.nk, statistics.s1, statistics.s2):
        assert not array.any()


# --- laws --------------------------------------------------------------------------------------------------


@st.composite
def cases(draw):
    """Return (mixture, rows, row weights, random generator)."""
    kind = draw(st.sampled_from(TYPES))
    n_components, n_features = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    n_samples = draw(st.integers(1, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parameters = naive.random_parameters(rng, kind, n_components, n_features)
    X = draw(st.sampled_from([0.1, 1.0, 10.0])) * rng.standard_normal((n_samples, n_features))
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    return Mixture(*parameters), X, rng.uniform(0.0, 2.0, n_samples), rng


@given(cases(), st.floats(0.0, 1.0))
def test_split_and_merge(case, where):
    mixture, X, w, _ = case
    cut = int(where * len(X))
    parts = e_step(mixture, X[:cut], w[:cut]) + e_step(mixture, X[cut:], w[cut:])
    assert_statistics_close(parts, e_step(mixture, X, w), rtol=1e-11, atol=1e-13)


@given(cases())
def test_addition_commutes_and_associates(case):
    mixture, X, w, _ = case
    a, b, c = (e_step(mixture, X[i::3], w[i::3]) for i in range(3))
    assert_statistics_equal(a + b, b + a)
    assert_statistics_close((a + b) + c, a + (b + c), rtol=1e-12, atol=1e-13)


@given(cases())
def test_order_of_rows_does_not_matter(case):
    mixture, X, w, rng = case
    order = rng.permutation(len(X))
    assert_statistics_close(
        e_step(mixture, X[order], w[order]), e_step(mixture, X, w), rtol=1e-11, atol=1e-13
    )


@given(cases())
def test_weight_two_is_the_row_twice(case):
    mixture, X, _, rng = case
    counts = rng.integers(0, 4, len(X))
    assert_statistics_close(
        e_step(mixture, X, counts), e_step(mixture, np.repeat(X, counts, axis=0)), rtol=1e-11, atol=1e-13
    )


@given(cases())
def test_weight_zero_is_the_row_absent(case):
    mixture, X, w, rng = case
    keep = rng.uniform(size=len(X)) < 0.5
    assert_statistics_close(
        e_step(mixture, X, np.where(keep, w, 0.0)), e_step(mixture, X[keep], w[keep]), rtol=1e-11, atol=1e-13
    )


@given(cases(), st.floats(0.0, 1e6))
def test_scale_multiplies_the_row_weights(case, factor):
    mixture, X, w, _ = case
    # below 1e-3 of a row the negligible responsibilities are others: see test_tiny_row_weights
    factor = factor if factor == 0.0 else factor + 1e-3
    scaled = e_step(mixture, X, w).scale(factor)
    assert_statistics_close(scaled, e_step(mixture, X, factor * w), rtol=1e-10, atol=1e-12)


@given(cases())
def test_recenter_is_the_oracles_about_another_point(case):
    mixture, X, w, rng = case
    origin = mixture.means + rng.standard_normal(mixture.means.shape)
    parameters = naive.Parameters(
        mixture.weights, mixture.means, mixture.covariances, mixture.covariance_type
    )
    moments = naive.statistics(parameters, X.astype(np.float64), w, origin)
    statistics = e_step(mixture, X, w).recenter(origin)
    assert_matches_oracle(statistics, moments, mixture.covariance_type)
    np.testing.assert_array_equal(statistics.origin, origin)


@given(cases())
def test_recenter_there_and_back(case):
    mixture, X, w, rng = case
    statistics = e_step(mixture, X, w)
    there = statistics.recenter(mixture.means + rng.standard_normal(mixture.means.shape))
    assert_statistics_close(there.recenter(mixture.means), statistics, rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match="call `recenter` first"):
        there + statistics


@given(st.booleans(), st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4))
def test_recenter_is_exact(matrices, seed, n_components, n_features):
    """On small integers nothing is rounded, and the inverse must be exact."""
    rng = np.random.default_rng(seed)

    def integers(*shape):
        return rng.integers(-9, 10, shape).astype(float)

    s2 = integers(n_components, n_features, n_features)
    s2 = s2 + np.swapaxes(s2, 1, 2) if matrices else s2[:, :, 0]
    s1, origin, other = (integers(n_components, n_features) for _ in range(3))
    statistics = Statistics(7.0, -3.0, np.abs(integers(n_components)), s1, s2, origin)
    assert_statistics_equal(statistics.recenter(other).recenter(origin), statistics)
    third = integers(n_components, n_features)
    assert_statistics_equal(statistics.recenter(other).recenter(third), statistics.recenter(third))


@given(cases())
def test_nothing_is_changed_in_place(case):
    mixture, X, w, _ = case
    rows, weights = X.copy(), w.copy()
    statistics = e_step(mixture, X, w)
    before = [np.copy(getattr(statistics, name)) for name in ("nk", "s1", "s2", "origin")]
    statistics.recenter(mixture.means + 1.0)
    statistics.scale(3.0)
    _ = statistics + statistics
    for name, value in zip(("nk", "s1", "s2", "origin"), before, strict=True):
        np.testing.assert_array_equal(getattr(statistics, name), value)
    np.testing.assert_array_equal(X, rows)
    np.testing.assert_array_equal(w, weights)


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_types_agree_where_they_can(n_features):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((500, n_features))
    means = rng.standard_normal((2, n_features))
    full = e_step(Mixture([0.3, 0.7], means, [2.5 * np.eye(n_features)] * 2, "full"), X)
    assert_statistics_close(e_step(Mixture([0.3, 0.7], means, 2.5 * np.eye(n_features), "tied"), X), full)
    diagonal = np.diagonal(full.s2, axis1=1, axis2=2)
    for other in (
        e_step(Mixture([0.3, 0.7], means, np.full((2, n_features), 2.5), "diag"), X),
        e_step(Mixture([0.3, 0.7], means, [2.5, 2.5], "spherical"), X),
    ):
        assert_close(other.nk, full.nk)
        assert_close(other.s1, full.s1)
        assert_close(other.s2, diagonal)


# --- threads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_change_a_bit(kind, dtype):
    rng = np.random.default_rng(6)
    parameters = naive.random_parameters(rng, kind, 3, 4)
    X = rng.standard_normal((4 * CHUNK + 1, 4)).astype(dtype)  # five spans
    w = rng.uniform(0.0, 2.0, len(X))
    mixture = Mixture(*parameters)
    one = e_step(mixture, X, w, n_threads=1)
    for n_threads in (2, 7, None):
        assert_statistics_equal(e_step(mixture, X, w, n_threads=n_threads), one)


# --- arrays of every kind ----------------------------------------------------------------------------------


def read_only(X, _):
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X, _):
    raw = np.frombuffer(b"\0" + X.tobytes(), dtype=X.dtype, offset=1)
    return raw.reshape(X.shape)


def memmap(X, path):
    X.tofile(path / "rows.bin")
    return np.memmap(path / "rows.bin", dtype=X.dtype, mode="r", shape=X.shape)


def every_other(X, _):
    wide = np.full((2 * X.shape[0], 3 * X.shape[1]), np.nan, dtype=X.dtype)
    wide[::2, 1::3] = X
    return wide[::2, 1::3]


FORMS = {
    "fortran": lambda X, _: np.asfortranarray(X),
    "every other": every_other,
    "reversed": lambda X, _: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "big-endian": lambda X, _: X.astype(X.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "memmap": memmap,
    "matrix of a subclass": lambda X, _: X.view(type("Rows", (np.ndarray,), {})),
    "list": lambda X, _: X.tolist(),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_any_array_equals_its_contiguous_copy(form, dtype, tmp_path):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((CHUNK + 131, 3)).astype(dtype)
    w = rng.uniform(0.0, 2.0, len(X))
    same = form(X, tmp_path)
    np.testing.assert_array_equal(np.asarray(same), X)
    for kind in ("full", "diag"):
        mixture = Mixture(*naive.random_parameters(rng, kind, 3, 3))
        assert_statistics_equal(e_step(mixture, same, w), e_step(mixture, X, w))
        np.testing.assert_array_equal(mixture.log_prob(same), mixture.log_prob(X))


@pytest.mark.parametrize("kind", TYPES)
def test_float32_equals_its_float64_copy(kind):
    rng = np.random.default_rng(8)
    mixture = Mixture(*naive.random_parameters(rng, kind, 3, 5))
    X = rng.standard_normal((1001, 5)).astype(np.float32)
    assert_statistics_equal(e_step(mixture, X), e_step(mixture, X.astype(np.float64)))


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool"])
def test_integers_count_as_floats(dtype):
    rng = np.random.default_rng(9)
    mixture = Mixture(*naive.random_parameters(rng, "full", 2, 3))
    X = rng.integers(0, 2, (200, 3)).astype(dtype)
    w = rng.integers(0, 4, 200)
    assert_statistics_equal(e_step(mixture, X, w), e_step(mixture, X.astype(float), w.astype(float)))


def test_one_row_repeated_without_memory():
    mixture = Mixture(*naive.random_parameters(np.random.default_rng(9), "full", 2, 3))
    row = np.array([0.5, -1.0, 2.0])
    once = e_step(mixture, row[np.newaxis])
    many = e_step(mixture, np.broadcast_to(row, (1000, 3)))
    assert_statistics_close(many, once.scale(1000.0), rtol=1e-11, atol=1e-13)


# --- far from the origin -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("dtype", "shift", "grid"), [(np.float64, 1e8, 2.0**-20), (np.float32, 1e4, 2.0**-9)]
)
def test_shift_leaves_the_covariances_alone(kind, dtype, shift, grid):
    """Rows and means lie on a grid on which adding the shift rounds nothing: nothing may be lost later."""
    rng = np.random.default_rng(10)
    parameters = naive.random_parameters(rng, kind, 3, 4)
    X = np.round(naive.draw(rng, parameters, 2001) / grid) * grid
    means = np.round(parameters.means / grid) * grid
    moved = (X + shift).astype(dtype)
    np.testing.assert_array_equal(moved.astype(np.float64) - shift, X)
    learned = []
    for rows, centers in ((X, means), (moved, means + shift)):
        mixture = Mixture(*parameters._replace(means=centers))
        rule = rules.EM()
        learned.append(rule.update(e_step(mixture, rows), rule.init(mixture), mixture)[0])
    np.testing.assert_allclose(learned[1].covariances, learned[0].covariances, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(learned[1].weights, learned[0].weights, rtol=1e-12)
    np.testing.assert_allclose(learned[1].means - shift, learned[0].means, rtol=0, atol=2 * np.spacing(shift))


@pytest.mark.parametrize("kind", TYPES)
def test_shift_through_many_steps(kind):
    """Later means are rounded to 1.5e-8, and with them, a little, what EM makes of the same rows."""
    rng = np.random.default_rng(11)
    parameters = naive.random_parameters(rng, kind, 3, 3)
    X = np.round(naive.draw(rng, parameters, 1001) * 2.0**20) / 2.0**20
    learned = []
    for shift in (0.0, 1e8):
        mixture = Mixture(*parameters._replace(means=np.round(parameters.means) + shift))
        for _ in range(10):
            rule = rules.EM()
            mixture = rule.update(e_step(mixture, X + shift), rule.init(mixture), mixture)[0]
        learned.append(mixture)
    # ten steps may carry on a perturbation of 1.5e-8 in each
    np.testing.assert_allclose(learned[1].covariances, learned[0].covariances, rtol=1e-6, atol=1e-6)


# --- what is refused ---------------------------------------------------------------------------------------


def mixture_in(n_features, kind="full"):
    return Mixture(*naive.random_parameters(np.random.default_rng(0), kind, 2, n_features))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 2])
def test_row_that_is_not_finite_is_named(kind, bad, column):
    X = np.random.default_rng(1).standard_normal((CHUNK + 1000, 3))
    row = CHUNK + 123
    X[row, column] = bad
    X[row + 500, 1] = np.nan
    with pytest.raises(ValueError, match=f"`X` must be finite, got {bad} in row {row}, column {column}"):
        e_step(mixture_in(3, kind), X)


@pytest.mark.parametrize("kind", TYPES)
def test_squares_that_overflow_are_told(kind):
    X = np.zeros((10, 2))
    X[3] = 1e200
    with pytest.raises(ValueError, match="too far from every component: their squares overflow"):
        e_step(mixture_in(2, kind), X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 2)), r"`X` must have shape \(n_samples, 3\), got \(4, 2\)"),
        (np.zeros(3), r"`X` must have shape \(n_samples, 3\), got \(3,\)"),
        (np.zeros((2, 2, 3)), r"`X` must have shape \(n_samples, 3\), got \(2, 2, 3\)"),
        (np.array([["a", "b", "c"]]), "`X` must hold real numbers, got an array of dtype <U1"),
        (np.array([[1.0, None, "c"]]), "`X` must hold real numbers, got an array of dtype object"),
        (np.zeros((4, 3), dtype=complex), "`X` must hold real numbers, got an array of dtype complex128"),
        (np.zeros((4, 3), dtype="M8[s]"), "`X` must hold real numbers, got an array of dtype datetime64"),
    ],
)
def test_bad_rows(X, message):
    mixture = mixture_in(3)
    for method in (mixture.log_prob, mixture.responsibilities, mixture.predict, lambda X: e_step(mixture, X)):
        with pytest.raises(ValueError, match=message):
            method(X)


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        ([1.0, 1.0], r"`sample_weight` must have shape \(4,\), got \(2,\)"),
        ([[1.0], [1.0], [1.0], [1.0]], r"`sample_weight` must have shape \(4,\), got \(4, 1\)"),
        (2.0, r"`sample_weight` must have shape \(4,\), got \(\)"),
        ([1.0, 2.0, -0.5, 1.0], r"`sample_weight` must be finite and not negative, got -0.5 for row 2"),
        ([1.0, np.nan, 1.0, -1.0], r"`sample_weight` must be finite and not negative, got nan for row 1"),
        ([np.inf, 1.0, 1.0, 1.0], r"`sample_weight` must be finite and not negative, got inf for row 0"),
        (["a", "b", "c", "d"], r"`sample_weight` must"),
    ],
)
def test_bad_weights(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        e_step(mixture_in(3), np.zeros((4, 3)), sample_weight)


@pytest.mark.parametrize("n_threads", [0, -1])
def test_bad_thread_count(n_threads):
    with pytest.raises(ValueError, match=f"`n_threads` must be at least 1, got {n_threads}"):
        e_step(mixture_in(3), np.zeros((4, 3)), n_threads=n_threads)


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf])
def test_bad_scale(factor):
    statistics = e_step(mixture_in(2), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=f"`factor` must be finite and not negative, got {factor}"):
        statistics.scale(factor)


def test_bad_origin_and_bad_sum():
    statistics = e_step(mixture_in(2), np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"`origin` must have shape \(2, 2\), got \(2,\)"):
        statistics.recenter([0.0, 0.0])
    other = Mixture([0.5, 0.5], statistics.origin, [1.0, 1.0], "spherical")
    with pytest.raises(ValueError, match=r"`s2` must have the same shape, got \(2, 2, 2\) and \(2, 2\)"):
        statistics + e_step(other, np.zeros((4, 2)))
    with pytest.raises(TypeError):
        statistics + 1
