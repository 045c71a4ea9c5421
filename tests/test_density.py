"""Mixture: densities against SciPy and mpmath, samples, and what the constructor refuses."""

from __future__ import annotations

import copy
import pickle

import mpmath
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import naive
from streamgmm import Mixture, covariance
from streamgmm.sweep import CHUNK

TYPES = covariance.names()


def mixture_of(parameters):
    return Mixture(*parameters)


# --- against SciPy and the oracle --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2, 3, 6, 11])
def test_log_prob_is_scipys(kind, n_features):
    rng = np.random.default_rng(n_features)
    parameters = naive.random_parameters(rng, kind, 3, n_features)
    X = 3 * rng.standard_normal((301, n_features))
    mixture = mixture_of(parameters)
    joint = np.transpose(
        [
            np.log(weight) + multivariate_normal(mean, S).logpdf(X)
            for weight, mean, S in zip(
                parameters.weights, parameters.means, naive.dense(parameters), strict=True
            )
        ]
    )
    expected = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(mixture.log_prob(X), expected, rtol=1e-11)
    np.testing.assert_allclose(naive.log_prob(parameters, X), expected, rtol=1e-11)
    resp = np.exp(joint - expected[:, np.newaxis])
    np.testing.assert_allclose(mixture.responsibilities(X), resp, rtol=1e-10, atol=1e-300)
    np.testing.assert_array_equal(mixture.predict(X), np.argmax(joint, axis=1))


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_types_agree_where_they_can(n_features):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, n_features))
    means = rng.standard_normal((2, n_features))
    same = [
        Mixture([0.3, 0.7], means, [2.5, 2.5], "spherical"),
        Mixture([0.3, 0.7], means, np.full((2, n_features), 2.5), "diag"),
        Mixture([0.3, 0.7], means, 2.5 * np.eye(n_features), "tied"),
        Mixture([0.3, 0.7], means, [2.5 * np.eye(n_features)] * 2, "full"),
    ]
    for mixture in same[1:]:
        np.testing.assert_allclose(mixture.log_prob(X), same[0].log_prob(X), rtol=1e-12)


def test_n_parameters():
    # weights 2, means 3 * 4; matrices have 10 free entries
    expected = {"full": 14 + 30, "tied": 14 + 10, "diag": 14 + 12, "spherical": 14 + 3}
    for kind in TYPES:
        mixture = mixture_of(naive.random_parameters(np.random.default_rng(0), kind, 3, 4))
        assert mixture.n_parameters == expected[kind]
        assert (mixture.n_components, mixture.n_features) == (3, 4)


# --- hard cases against mpmath -----------------------------------------------------------------------------


def mp_log_prob(parameters, X):
    """Return log p(x) with 50 digits; the float64 inputs are taken as exact."""
    with mpmath.workdps(50):
        weights = [mpmath.mpf(float(weight)) for weight in parameters.weights]
        components = []
        for S in naive.dense(parameters):
            L = mpmath.cholesky(mpmath.matrix(S.tolist()))
            log_det = 2 * mpmath.fsum(mpmath.log(L[a, a]) for a in range(len(S)))
            components.append((L, log_det + len(S) * mpmath.log(2 * mpmath.pi)))
        result = []
        for x in X:
            density = mpmath.mpf(0)
            for weight, mean, (L, constant) in zip(weights, parameters.means, components, strict=True):
                z = []
                for a in range(len(x)):
                    value = mpmath.mpf(float(x[a])) - mpmath.mpf(float(mean[a]))
                    z.append((value - mpmath.fsum(L[a, b] * z[b] for b in range(a))) / L[a, a])
                density += weight * mpmath.exp(-(constant + mpmath.fsum(v * v for v in z)) / 2)
            result.append(mpmath.log(density / mpmath.fsum(weights)))
        return result


def assert_matches_mpmath(parameters, X):
    values = mixture_of(parameters).log_prob(X)
    exact = mp_log_prob(parameters, X)
    with mpmath.workdps(50):
        errors = [float(abs((mpmath.mpf(float(v)) - e) / e)) for v, e in zip(values, exact, strict=True)]
    assert max(errors) <= 1e-10, f"row {int(np.argmax(errors))}"


SIZES = {
    "1e-8": (1e-8, 1e-8, 1e-8),
    "1": (1.0, 1.0, 1.0),
    "1e8": (1e8, 1e8, 1e8),
    "mixed up": (1e-8, 1.0, 1e8),
    "mixed down": (1e8, 1e-8, 1e-2),
}


def hard_case(kind, offset, sizes):
    """Return components ``offset`` standard deviations from the origin, and rows near and very far."""
    rng = np.random.default_rng(7)
    start = naive.random_parameters(rng, kind, 3, 3)
    if kind in ("full", "tied"):
        covariances = start.covariances * np.outer(sizes, sizes)
        deviations = np.array([sizes] * 3)
    elif kind == "diag":
        covariances = start.covariances * np.square(sizes)
        deviations = np.array([sizes] * 3)
    else:  # one size for each component
        covariances = start.covariances * np.square(sizes)
        deviations = np.repeat(np.array(sizes)[:, np.newaxis], 3, axis=1)
    means = (start.means + offset) * deviations
    weights = np.array([1.0 - 1e-5, 1e-5, 1e-300])
    near = [
        m + distance * s * rng.standard_normal((2, 3))
        for m, s in zip(means, deviations, strict=True)
        for distance in (0.1, 1.0, 40.0, 1e4, 1e8)
    ]
    X = np.concatenate([*near, means, means[:1] + 0.3 * (means[1:] - means[:1]), np.zeros((1, 3))])
    return naive.Parameters(weights, means, covariances, kind), X


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e8])
@pytest.mark.parametrize("kind", TYPES)
def test_log_prob_is_mpmaths(kind, offset, sizes):
    parameters, X = hard_case(kind, offset, sizes)
    assert mixture_of(parameters).log_prob(X).min() < -1e6  # far below the logarithm of the least float
    assert_matches_mpmath(parameters, X)


@pytest.mark.parametrize("kind", TYPES)
def test_negligible_weight_decides_far_away(kind):
    """The component with weight 1e-300 is the only one that reaches the rows around it."""
    parameters = naive.random_parameters(np.random.default_rng(5), kind, 2, 2)
    parameters = parameters._replace(
        weights=np.array([1.0, 1e-300]), means=np.array([[0.0, 0.0], [500.0, -700.0]])
    )
    X = np.random.default_rng(6).standard_normal((20, 2)) + parameters.means[1]
    assert_matches_mpmath(parameters, X)
    np.testing.assert_allclose(mixture_of(parameters).responsibilities(X)[:, 1], 1.0, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_correlation_near_one(kind):
    # 1 - 1e-5: the Cholesky factor of a float64 matrix of condition 2e5 is good to 2e-11
    matrix = np.array([[1.0, 0.99999], [0.99999, 1.0]])
    covariances = np.array([matrix, matrix]) if kind == "full" else matrix
    parameters = naive.Parameters(
        np.array([0.5, 0.5]), np.array([[0.0, 0.0], [1.0, -1.0]]), covariances, kind
    )
    assert_matches_mpmath(parameters, np.array([[0.0, 0.0], [3.0, 3.001], [1.0, -1.0], [2.0, -7.0]]))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 9])
def test_log_prob_moves_with_the_origin(kind, n_features):
    """Rows and means lie on a grid on which adding 1e8 rounds nothing, and x - mean is exact.

    It must stay exact, whatever the compiler does with the rows that do not fill a SIMD register: the number
    of rows decides which these are.
    """
    rng = np.random.default_rng(n_features)
    parameters = naive.random_parameters(rng, kind, 3, n_features)
    X = np.round(naive.draw(rng, parameters, 131) * 2.0**20) / 2.0**20
    means = np.round(parameters.means * 2.0**20) / 2.0**20
    here = mixture_of(parameters._replace(means=means))
    there = mixture_of(parameters._replace(means=means + 1e8))
    for n in (1, 2, 3, 4, 5, 7, 8, 13, 127, 128, 131):
        np.testing.assert_allclose(there.log_prob(X[:n] + 1e8), here.log_prob(X[:n]), rtol=1e-13)
        np.testing.assert_allclose(
            there.responsibilities(X[:n] + 1e8), here.responsibilities(X[:n]), rtol=1e-12, atol=1e-300
        )


@pytest.mark.parametrize("kind", TYPES)
def test_one_row_equals_many(kind):
    rng = np.random.default_rng(2)
    parameters = naive.random_parameters(rng, kind, 3, 4)
    X = naive.draw(rng, parameters, 130)
    mixture = mixture_of(parameters)
    one_by_one = np.concatenate([mixture.log_prob(x[np.newaxis]) for x in X])
    np.testing.assert_allclose(one_by_one, mixture.log_prob(X), rtol=1e-13)


@pytest.mark.parametrize("kind", TYPES)
def test_zero_weight(kind):
    parameters = naive.random_parameters(np.random.default_rng(3), kind, 3, 2)
    mixture = mixture_of(parameters._replace(weights=np.array([0.25, 0.0, 0.75])))
    keep = slice(None) if kind == "tied" else [0, 2]
    without = Mixture([0.25, 0.75], parameters.means[[0, 2]], parameters.covariances[keep], kind)
    X = 2 * np.random.default_rng(4).standard_normal((50, 2))
    np.testing.assert_allclose(mixture.log_prob(X), without.log_prob(X), rtol=1e-13)
    np.testing.assert_allclose(
        mixture.responsibilities(X)[:, [0, 2]], without.responsibilities(X), rtol=1e-12, atol=1e-300
    )
    assert (mixture.responsibilities(X)[:, 1] < 1e-300).all()


# --- the dtype of the rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f4", ">f8", "longdouble"])
def test_rows_of_a_dtype_equal_their_float64_copy(kind, dtype):
    rng = np.random.default_rng(8)
    parameters = naive.random_parameters(rng, kind, 3, 5)
    X = naive.draw(rng, parameters, 259).astype(dtype)
    mixture = mixture_of(parameters)
    np.testing.assert_array_equal(mixture.log_prob(X), mixture.log_prob(X.astype(np.float64)))
    np.testing.assert_array_equal(mixture.responsibilities(X), mixture.responsibilities(X.astype(np.float64)))
    assert mixture.log_prob(X).dtype == np.float64


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "bool"])
def test_integers_score_as_floats(kind, dtype):
    rng = np.random.default_rng(9)
    mixture = mixture_of(naive.random_parameters(rng, kind, 3, 2))
    X = rng.integers(0, 2 if dtype == "bool" else 6, (50, 2)).astype(dtype)
    np.testing.assert_array_equal(mixture.log_prob(X), mixture.log_prob(X.astype(np.float64)))
    np.testing.assert_array_equal(mixture.log_prob(X.tolist()), mixture.log_prob(X.astype(np.float64)))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("size", [1e150, 1e200, 1e300])
def test_rows_too_far_to_be_squared_give_no_nan(kind, n_features, size):
    mixture = mixture_of(naive.random_parameters(np.random.default_rng(0), kind, 3, n_features))
    X = np.full((3, n_features), size)
    X[1] *= -1
    X[2, 1:] = 0
    assert (mixture.log_prob(X) < -1e290).all()
    resp = mixture.responsibilities(X)
    assert np.isfinite(resp).all()
    np.testing.assert_allclose(resp.sum(axis=1), 1.0, rtol=1e-12)


def test_rows_far_away_leave_the_others_alone():
    mixture = mixture_of(naive.random_parameters(np.random.default_rng(0), "full", 3, 3))
    X = np.random.default_rng(1).standard_normal((9, 3))
    with_far = X.copy()
    with_far[4] = 1e200
    keep = np.arange(9) != 4
    np.testing.assert_array_equal(mixture.log_prob(with_far)[keep], mixture.log_prob(X)[keep])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 2])
def test_row_that_is_not_finite_is_named(kind, bad, column):
    mixture = mixture_of(naive.random_parameters(np.random.default_rng(0), kind, 2, 3))
    X = np.zeros((200, 3))
    X[150, column] = bad
    for method in (mixture.log_prob, mixture.responsibilities, mixture.predict):
        with pytest.raises(ValueError, match=f"`X` must be finite, got {bad} in row 150, column {column}"):
            method(X)


def test_no_rows():
    mixture = Mixture([1.0], [[0.0, 0.0]], [1.0], "spherical")
    assert mixture.log_prob(np.empty((0, 2))).shape == (0,)
    assert mixture.responsibilities(np.empty((0, 2))).shape == (0, 1)


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_densities_do_not_depend_on_threads(n_threads):
    rng = np.random.default_rng(11)
    mixture = mixture_of(naive.random_parameters(rng, "full", 3, 2))
    X = rng.standard_normal((3 * CHUNK + 1, 2))
    np.testing.assert_array_equal(mixture.log_prob(X, n_threads=n_threads), mixture.log_prob(X, n_threads=3))
    np.testing.assert_array_equal(
        mixture.responsibilities(X, n_threads=n_threads), mixture.responsibilities(X, n_threads=3)
    )


# --- samples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_samples_have_the_components_moments(kind):
    """Every moment within 5 standard errors: one wrong in 10^6 by chance, and the seed is fixed."""
    parameters = naive.random_parameters(np.random.default_rng(12), kind, 3, 3)
    n_samples = 60000
    X, labels = mixture_of(parameters).sample(n_samples, random_state=13)
    assert X.shape == (n_samples, 3)
    counts = np.bincount(labels, minlength=3)
    w = parameters.weights
    assert (np.abs(counts - n_samples * w) < 5 * np.sqrt(n_samples * w * (1 - w))).all()
    for k, S in enumerate(naive.dense(parameters)):
        rows = X[labels == k]
        n = len(rows)
        assert (np.abs(rows.mean(axis=0) - parameters.means[k]) < 5 * np.sqrt(np.diag(S) / n)).all()
        errors = np.sqrt((np.outer(np.diag(S), np.diag(S)) + S**2) / n)
        assert (np.abs(np.cov(rows.T) - S) < 5 * errors).all()


def test_samples_follow_the_random_state():
    mixture = mixture_of(naive.random_parameters(np.random.default_rng(0), "full", 2, 2))
    X, labels = mixture.sample(20, random_state=1)
    again, labels_again = mixture.sample(20, random_state=np.random.default_rng(1))
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert not np.array_equal(X, mixture.sample(20, random_state=2)[0])


@pytest.mark.parametrize("n_samples", [0, -3])
def test_sample_needs_a_row(n_samples):
    mixture = Mixture([1.0], [[0.0]], [1.0], "spherical")
    with pytest.raises(ValueError, match=f"`n_samples` must be at least 1, got {n_samples}"):
        mixture.sample(n_samples)


# --- the constructor ---------------------------------------------------------------------------------------

GOOD = {
    "weights": [0.5, 0.5],
    "means": [[0.0, 0.0], [1.0, 1.0]],
    "covariances": [[1.0, 1.0], [1.0, 1.0]],
    "covariance_type": "diag",
}
EYE = [[1.0, 0.0], [0.0, 1.0]]
BAD = [
    ({"weights": [[0.5, 0.5]]}, r"`weights` must have shape \(n_components,\), got \(1, 2\)"),
    ({"weights": []}, r"`weights` must have shape \(n_components,\), got \(0,\)"),
    ({"weights": 1.0}, r"`weights` must have shape \(n_components,\), got \(\)"),
    ({"weights": [0.5, np.nan]}, r"`weights` must be finite, got \[0.5, nan\]"),
    ({"weights": ["a", "b"]}, r"`weights` must be an array of numbers, got \['a', 'b'\]"),
    ({"weights": None}, r"`weights` must be .*, got .*(None|nan)"),
    ({"weights": [0.5, 0.6]}, r"`weights` must not be negative and must sum to one, got .* with sum 1.1"),
    ({"weights": [1.5, -0.5]}, r"`weights` must not be negative and must sum to one, got \[1.5, -0.5\]"),
    ({"weights": [0.2, 0.3, 0.5]}, r"`means` must have shape \(3, n_features\), got \(2, 2\)"),
    ({"means": [0.0, 1.0]}, r"`means` must have shape \(2, n_features\), got \(2,\)"),
    ({"means": [[], []]}, r"`means` must have shape \(2, n_features\), got \(2, 0\)"),
    ({"means": [[0.0, np.inf], [0.0, 0.0]]}, r"`means` must be finite, got \[\[0.0, inf\]"),
    ({"means": [[0.0, 1.0], [2.0]]}, r"`means` must be an array of numbers, got \[\[0.0, 1.0\], \[2.0\]\]"),
    (
        {"covariances": EYE, "covariance_type": "full"},
        r"`covariances` must have shape \(2, 2, 2\) for 'full', got \(2, 2\)",
    ),
    (
        {"covariances": [EYE, EYE], "covariance_type": "tied"},
        r"must have shape \(2, 2\) for 'tied', got \(2, 2, 2\)",
    ),
    ({"covariances": [1.0, 1.0]}, r"must have shape \(2, 2\) for 'diag', got \(2,\)"),
    ({"covariance_type": "spherical"}, r"must have shape \(2,\) for 'spherical', got \(2, 2\)"),
    ({"covariances": [[1.0, 1.0], [np.nan, 1.0]]}, r"`covariances` must be finite"),
    ({"covariances": [[1.0, 1.0], [1.0, 0.0]]}, r"`covariances` must be positive, got 0.0 for component 1"),
    ({"covariances": [[1.0, -2.0], [1.0, 1.0]]}, r"`covariances` must be positive, got -2.0 for component 0"),
    (
        {"covariances": [1.0, -1.0], "covariance_type": "spherical"},
        r"must be positive, got -1.0 for component 1",
    ),
    (
        {"covariances": [EYE, [[1.0, 2.0], [2.0, 1.0]]], "covariance_type": "full"},
        r"`covariances\[1\]` must be positive definite, got smallest eigenvalue -1",
    ),
    (
        {"covariances": [[1.0, 1.0], [1.0, 1.0]], "covariance_type": "tied"},
        r"`covariances` must be positive definite, got smallest eigenvalue",
    ),
    (
        {"covariances": [[[0.0, 0.0], [0.0, 0.0]], EYE], "covariance_type": "full"},
        r"`covariances\[0\]` must be positive definite, got smallest eigenvalue 0",
    ),
    (
        {"covariances": [[[1.0, 0.5], [0.4, 1.0]], EYE], "covariance_type": "full"},
        r"`covariances\[0\]` must be symmetric, got \[\[1.0, 0.5\], \[0.4, 1.0\]\]",
    ),
    (
        {"covariance_type": "round"},
        r"`covariance_type` must be one of 'full', 'tied', 'diag', 'spherical', got 'round'",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD, ids=[f"{i}-{'+'.join(c)}" for i, (c, _) in enumerate(BAD)]
)
def test_constructor_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        Mixture(**{**GOOD, **change})


def test_weights_are_normalized():
    mixture = Mixture([0.5 + 4e-7, 0.5], [[0.0], [1.0]], [1.0, 1.0], "spherical")
    assert abs(mixture.weights.sum() - 1) < 1e-15


@pytest.mark.parametrize("kind", TYPES)
def test_parameters_come_back(kind):
    parameters = naive.random_parameters(np.random.default_rng(1), kind, 3, 4)
    mixture = mixture_of(parameters)
    np.testing.assert_allclose(mixture.weights, parameters.weights, rtol=1e-14)
    np.testing.assert_array_equal(mixture.means, parameters.means)
    np.testing.assert_allclose(mixture.covariances, parameters.covariances, rtol=1e-13, atol=1e-15)
    assert mixture.covariance_type == kind
    again = Mixture.from_kernel_form(mixture.kernel_form(), kind)
    np.testing.assert_allclose(again.factor, mixture.factor, rtol=1e-14)
    np.testing.assert_allclose(again.log_weights, mixture.log_weights, rtol=1e-13, atol=1e-14)


# --- a Mixture never changes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["means", "log_weights", "factor", "covariance_type", "weights", "other"])
def test_attributes_cannot_be_set(name):
    mixture = Mixture(**GOOD)
    with pytest.raises(AttributeError, match="a Mixture is immutable"):
        setattr(mixture, name, 1.0)
    with pytest.raises(AttributeError, match="a Mixture is immutable"):
        delattr(mixture, name)


@pytest.mark.parametrize("kind", TYPES)
def test_arrays_are_read_only_and_its_own(kind):
    parameters = naive.random_parameters(np.random.default_rng(1), kind, 2, 2)
    arrays = [np.array(value) for value in parameters[:3]]
    mixture = Mixture(*arrays, kind)
    X = np.ones((1, 2))
    before = mixture.log_prob(X), mixture.means.copy(), mixture.covariances
    for array in (mixture.means, mixture.log_weights, mixture.factor):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    for array in arrays:
        array[...] = 0.0
    mixture.kernel_factor()[...] = 0.0
    np.testing.assert_array_equal(mixture.log_prob(X), before[0])
    np.testing.assert_array_equal(mixture.means, before[1])
    np.testing.assert_array_equal(mixture.covariances, before[2])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal(kind, copied):
    mixture = mixture_of(naive.random_parameters(np.random.default_rng(1), kind, 3, 2))
    twin = copied(mixture)
    assert twin == mixture
    assert hash(twin) == hash(mixture)
    assert not twin.means.flags.writeable
    X = np.random.default_rng(2).standard_normal((20, 2))
    np.testing.assert_array_equal(twin.log_prob(X), mixture.log_prob(X))


def test_equality():
    mixture = Mixture(**GOOD)
    assert mixture == Mixture(**GOOD)
    different = [
        {"weights": [0.4, 0.6]},
        {"means": [[0.0, 0.0], [1.0, 2.0]]},
        {"covariances": [[1.0, 1.0], [1.0, 2.0]]},
        {"covariances": EYE, "covariance_type": "tied"},
    ]
    for change in different:
        assert mixture != Mixture(**{**GOOD, **change})
    assert mixture != "mixture"


def test_equal_mixtures_have_equal_hashes():
    one = Mixture([1.0], [[0.0]], [1.0], "spherical")
    other = Mixture([1.0], [[-0.0]], [1.0], "spherical")
    assert one == other
    assert hash(one) == hash(other)


def test_repr():
    assert repr(Mixture(**GOOD)) == "Mixture(n_components=2, n_features=2, covariance_type='diag')"
