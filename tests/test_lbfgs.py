"""L-BFGS: EM's optimum by another way, and steps that leave the valid mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from common import long_without_compilation
from streamgmm import Mixture, datasets, e_step, parameterizations
from streamgmm.fit.batch import fit_em
from streamgmm.fit.lbfgs import fit_lbfgs, log_likelihood_of

every_type = pytest.mark.parametrize("kind", parameterizations.get("cholesky").covariance_types)


class RawCovariance(type(parameterizations.get("covariance"))):
    """Counts how often the boundary of the positive definite matrices is met."""

    def __init__(self):
        self.refused = 0

    def unpack(self, theta, like):
        try:
            return super().unpack(theta, like)
        except np.linalg.LinAlgError:
            self.refused += 1
            raise


def faithful_start(X):
    covariances = [np.cov(X.T)] * 2
    return Mixture([0.5, 0.5], [[2.0, 55.0], [4.5, 80.0]], covariances, "full")


def separated(kind, n_components, n_features, seed, n_samples=400):
    """Return rows of well separated components, and a start in the basin of their optimum."""
    rng = np.random.default_rng(seed)
    parameters = naive.random_parameters(rng, kind, n_components, n_features)
    means = 8.0 * np.arange(n_components)[:, np.newaxis] + rng.standard_normal((n_components, n_features))
    X = naive.draw(rng, parameters._replace(means=means), n_samples)
    start = parameters._replace(means=means + 0.5 * rng.standard_normal(means.shape))
    return X, Mixture(*start)


def log_likelihood(mixture, X):
    parameters = naive.Parameters(
        mixture.weights, mixture.means, mixture.covariances, mixture.covariance_type
    )
    return naive.log_likelihood(parameters, X)


@long_without_compilation
def test_old_faithful():
    """mclust prints -1130.264; EM from the same start agrees (tests/test_rules.py)."""
    X = datasets.load_faithful().data
    begin = faithful_start(X)
    result = fit_lbfgs(begin, log_likelihood_of(X), n_rows=len(X))
    assert result.converged
    np.testing.assert_allclose(result.lower_bounds[-1] * len(X), -1130.2640, atol=1e-4)
    np.testing.assert_allclose(log_likelihood(result.mixture, X), -1130.2640, atol=1e-4)
    em = fit_em(begin, X, tol=1e-12, max_iter=1000)
    np.testing.assert_allclose(result.lower_bounds[-1], em.lower_bounds[-1], atol=1e-6)
    # the log-likelihood is flat to second order around its maximum
    np.testing.assert_allclose(result.mixture.weights, em.mixture.weights, atol=1e-4)
    np.testing.assert_allclose(result.mixture.means, em.mixture.means, rtol=1e-4)
    np.testing.assert_allclose(result.mixture.covariances, em.mixture.covariances, rtol=1e-3)


@long_without_compilation
@pytest.mark.parametrize("scale", [1e-5, 1e5])
def test_scales_of_the_features_do_not_matter(scale):
    X = datasets.load_faithful().data
    begin = faithful_start(X)
    units = np.array([1.0, scale])
    scaled = Mixture(begin.weights, begin.means * units, begin.covariances * np.outer(units, units))
    result = fit_lbfgs(scaled, log_likelihood_of(X * units), n_rows=len(X))
    assert result.converged
    assert result.n_iter < 60
    np.testing.assert_allclose(
        result.lower_bounds[-1] * len(X) + len(X) * np.log(scale), -1130.2640, atol=1e-3
    )


@long_without_compilation
@every_type
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_arrives_where_em_does(kind, n_components, n_features, seed):
    X, start = separated(kind, n_components, n_features, seed)
    result = fit_lbfgs(start, log_likelihood_of(X), n_rows=len(X), tol=1e-12)
    em = fit_em(start, X, tol=1e-13, max_iter=2000)
    assert result.mixture.covariance_type == kind
    np.testing.assert_allclose(result.lower_bounds[-1], em.lower_bounds[-1], atol=1e-8)
    # theta is known to the square root of the tolerance
    np.testing.assert_allclose(result.mixture.weights, em.mixture.weights, atol=1e-4)
    np.testing.assert_allclose(result.mixture.means, em.mixture.means, atol=1e-3)
    np.testing.assert_allclose(result.mixture.covariances, em.mixture.covariances, atol=1e-2)


@long_without_compilation
@every_type
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_never_worse_than_the_start(kind, n_components, n_features, seed):
    rng = np.random.default_rng(seed)
    start = Mixture(*naive.random_parameters(rng, kind, n_components, n_features))
    X = naive.draw(rng, naive.random_parameters(rng, kind, n_components, n_features), 60)
    result = fit_lbfgs(start, log_likelihood_of(X), n_rows=len(X), max_iter=15)
    assert (np.diff(result.lower_bounds) >= 0).all()
    assert len(result.lower_bounds) == result.n_iter + 1 <= 16
    np.testing.assert_allclose(result.lower_bounds[0], log_likelihood(start, X) / len(X), rtol=1e-10)
    np.testing.assert_allclose(result.lower_bounds[-1], log_likelihood(result.mixture, X) / len(X), rtol=1e-8)
    assert np.isfinite(result.mixture.factor).all()
    assert result.lower_bounds[-1] >= result.lower_bounds[0]


@long_without_compilation
def test_objective_may_be_a_sum_over_parts():
    X, start = separated("full", 2, 2, 0)
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    parts = [log_likelihood_of(X[half], w[half]) for half in (slice(0, 150), slice(150, None))]

    def summed(mixture):
        values, gradients = zip(*(part(mixture) for part in parts), strict=True)
        return sum(values), sum(gradients)

    whole = fit_lbfgs(start, log_likelihood_of(X, w), n_rows=w.sum())
    halves = fit_lbfgs(start, summed, n_rows=w.sum())
    np.testing.assert_allclose(halves.lower_bounds[-1], whole.lower_bounds[-1], rtol=1e-8)
    np.testing.assert_allclose(halves.mixture.means, whole.mixture.means, atol=1e-4)


def test_objective_is_the_statistics_and_their_gradient():
    X, start = separated("diag", 2, 2, 0, n_samples=20)
    value, gradient = log_likelihood_of(X.tolist())(start)
    np.testing.assert_allclose(value, log_likelihood(start, X), rtol=1e-10)
    np.testing.assert_allclose(gradient[:2], e_step(start, X).nk - 20 * start.weights, atol=1e-10)


# --- theta that is no mixture ------------------------------------------------------------------------------


@long_without_compilation
@pytest.mark.parametrize("size", [1e-8, 1e-3, 1.0, 1e4])
def test_steps_out_of_the_positive_definite_matrices_are_shortened(size):
    """From variances 20 times too large, the raw gradient's first step leads out of the cone."""
    X, start = separated("full", 2, 2, 3)
    X = X * np.sqrt(size)
    start = Mixture(start.weights, start.means * np.sqrt(size), start.covariances * 20.0 * size)
    raw = RawCovariance()
    objective = log_likelihood_of(X, parameterization=raw)
    result = fit_lbfgs(start, objective, parameterization=raw, n_rows=len(X), max_iter=3000)
    assert raw.refused > 0
    em = fit_em(start, X, tol=1e-13, max_iter=5000)
    np.testing.assert_allclose(result.lower_bounds[-1], em.lower_bounds[-1], atol=1e-6)
    assert result.converged


@long_without_compilation
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, ValueError, np.linalg.LinAlgError])
def test_what_is_not_finite_never_becomes_the_result(bad):
    """A wall across the way: beyond a mean of 1 the objective has no value."""
    X, start = (
        np.full((20, 1), 3.0) + np.linspace(-1, 1, 20)[:, np.newaxis],
        Mixture([1.0], [[0.0]], [[[1.0]]]),
    )
    inner = log_likelihood_of(X)
    met = []

    def objective(mixture):
        value, gradient = inner(mixture)
        if mixture.means[0, 0] > 1.0:
            met.append(mixture)
            if isinstance(bad, type):
                raise bad("no value here")
            return bad, gradient * np.nan
        return value, gradient

    result = fit_lbfgs(start, objective, n_rows=len(X))
    assert met
    assert np.isfinite(result.lower_bounds).all()
    assert 0.9 < result.mixture.means[0, 0] <= 1.0
    assert result.lower_bounds[-1] > result.lower_bounds[0]


@long_without_compilation
def test_gradient_with_the_wrong_sign_is_not_called_converged():
    X, start = separated("full", 2, 2, 0)
    inner = log_likelihood_of(X)

    def descending(mixture):
        value, gradient = inner(mixture)
        return value, -gradient

    result = fit_lbfgs(start, descending, n_rows=len(X))
    assert not result.converged
    assert result.lower_bounds[-1] >= result.lower_bounds[0]


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mixture": "full"}, "`mixture` must be a Mixture, got 'full'"),
        ({"mixture": Mixture([1.0, 0.0], [[0.0], [1.0]], [[[1.0]]] * 2)}, "leave out weights of zero"),
        ({"objective": 3.0}, "`objective` must be a function of a mixture, got 3.0"),
        ({"objective": lambda mixture: (np.nan, np.zeros(6))}, "`objective` must be finite"),
        ({"objective": lambda mixture: (1.0, np.full(6, np.inf))}, "`objective` must be finite"),
        ({"objective": lambda mixture: (1.0, np.zeros(5))}, r"gradient of shape \(6,\), got \(5,\)"),
        (
            {"objective": log_likelihood_of([[0.0, 1.0]])},
            r"`X` must have shape \(n_samples, 1\), got \(1, 2\)",
        ),
        ({"parameterization": "nonsense"}, "`parameterization` must be one of"),
        ({"tol": 0.0}, "`tol` must be positive and finite, got 0.0"),
        ({"n_rows": np.inf}, "`n_rows` must be positive and finite, got inf"),
        ({"max_iter": 0}, "`max_iter` must be a positive integer, got 0"),
    ],
)
def test_bad_input_is_one_clear_error(changed, message):
    good = {
        "mixture": Mixture([0.5, 0.5], [[0.0], [1.0]], [[[1.0]]] * 2),
        "objective": log_likelihood_of([[0.0], [1.0]]),
    }
    arguments = {**good, **changed}
    with pytest.raises(ValueError, match=message):
        fit_lbfgs(arguments.pop("mixture"), arguments.pop("objective"), **arguments)


@pytest.mark.parametrize(
    ("X", "weights", "message"),
    [
        ([[0.0], [np.nan]], None, "Input X contains NaN"),
        ([[0.0]], [-1.0], "`sample_weight` must be finite and not negative"),
        ([[0.0]], [1.0, 1.0], r"`sample_weight` must have shape \(1,\), got \(2,\)"),
        ("nowhere.npy", None, "there is no such file"),
    ],
)
def test_bad_rows_are_refused_at_once(X, weights, message):
    with pytest.raises(ValueError, match=message):
        log_likelihood_of(X, weights)


def test_objective_of_files_frames_and_batches(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, start = separated("full", 2, 2, 0)
    np.save(tmp_path / "x.npy", X)
    value, gradient = log_likelihood_of(X)(start)
    for rows in (tmp_path / "x.npy", pandas.DataFrame(X, columns=["a", "b"]), lambda: np.array_split(X, 3)):
        other, slope = log_likelihood_of(rows)(start)
        np.testing.assert_allclose(other, value, rtol=1e-12)
        np.testing.assert_allclose(slope, gradient, rtol=1e-9, atol=1e-9)
