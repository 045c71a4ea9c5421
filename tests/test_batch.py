"""GaussianMixture: scikit-learn's class is the oracle, and what goes beyond it."""

from __future__ import annotations

import io
import os
import pickle
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture as Other
from sklearn.utils.estimator_checks import parametrize_with_checks

import naive
from streamgmm import GaussianMixture, Mixture, OnlineGaussianMixture, covariance, datasets
from streamgmm.fit.accelerated import fit_accelerated
from streamgmm.fit.batch import fit_em
from streamgmm.fit.convergence import left_to_gain
from streamgmm.fit.penalty import penalty_of
from streamgmm.fit.rows import SAMPLE, WHOLE, ArrayRows, BatchRows
from streamgmm.fit.solvers import SOLVERS
from streamgmm.fit.start import start_mixture
from streamgmm.priors import ConjugatePrior, options

TYPES = [name for name in covariance.names() if covariance.get(name).in_sklearn]  # which is the oracle here
INITS = ("kmeans", "k-means++", "random", "random_from_data")
N_HOSTILE = int(os.environ.get("STREAMGMM_HOSTILE", "60"))  # 500 have passed
ATTRIBUTES = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")


def blobs(n=400, n_features=2, n_components=3, seed=0):
    """Rows of a mixture with some overlap, around zero."""
    rng = np.random.default_rng(seed)
    parameters = naive.random_parameters(rng, "full", n_components, n_features, spread=3.0)
    X = naive.draw(rng, parameters, n)
    return X - X.mean(axis=0)


def both(X, **params):
    """Return scikit-learn's fit and ours; not converging is as good as anything to compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Other(**params).fit(X), GaussianMixture(**params).fit(X)


def assert_same_fit(theirs, ours, rtol=1e-7, atol=1e-8):
    for name in ATTRIBUTES:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol, atol, err_msg=name)
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    np.testing.assert_allclose(ours.lower_bound_, theirs.lower_bound_, rtol, atol)


@parametrize_with_checks(
    [
        GaussianMixture(),
        GaussianMixture(solver="accelerated-em", prior="weak"),
        GaussianMixture("auto"),
        GaussianMixture(2, search=True),
    ],
    expected_failed_checks=lambda estimator: (
        {"check_sample_weight_equivalence_on_dense_data": "starts are drawn from the rows in their order"}
        if estimator.n_components == 2
        else {}
    ),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # checks allow few iterations
def test_sklearn_checks(estimator, check):
    check(estimator)


# --- the import changed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_same_fit_as_scikit_learn(kind, init):
    X = blobs()
    params = {"n_components": 3, "covariance_type": kind, "init_params": init, "random_state": 3}
    assert_same_fit(*both(X, tol=1e-5, max_iter=300, **params))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "given",
    [
        {"init_params": "kmeans"},
        {"tol": 1e-3},
        {"reg_covar": 1e-6},
        {"max_iter": 100},
        {"n_init": 1},
        {"means_init": [[-2e-3, 0.0], [0.0, 1e-3], [2e-3, 0.0]]},
        {"weights_init": [0.2, 0.3, 0.5]},
    ],
    ids=lambda given: "-".join(given),
)
def test_one_of_its_arguments_brings_back_all_of_scikit_learn(kind, given):
    X = 1e-3 * blobs()  # where its regularization is not ours
    theirs, ours = both(X, n_components=3, covariance_type=kind, random_state=2, **given)
    assert_same_fit(theirs, ours, atol=1e-12)


@pytest.mark.parametrize("given", [{}, {"init_params": "best"}, {"init_params": "best", "max_iter": 1000}])
def test_else_nothing_is_scikit_learns(given):
    X = 1e-3 * blobs()
    default, ours = (
        GaussianMixture(3, random_state=0).fit(X),
        GaussianMixture(3, random_state=0, **given).fit(X),
    )
    np.testing.assert_array_equal(ours.means_, default.means_)
    theirs = GaussianMixture(3, random_state=0, init_params="kmeans").fit(X)
    assert theirs.n_iter_ != ours.n_iter_
    assert ours.score(X) > theirs.score(X)


@pytest.mark.parametrize("kind", TYPES)
def test_each_iteration_is_the_same(kind):
    X = blobs(n_features=3)
    reached = {}
    for max_iter in (0, 1, 2, 3, 10):
        theirs, ours = both(
            X, n_components=4, covariance_type=kind, max_iter=max_iter, tol=0, random_state=1, reg_covar=1e-3
        )
        assert_same_fit(theirs, ours, atol=1e-8)
        reached[max_iter] = theirs.lower_bound_
    assert len(ours.lower_bounds_) == 10
    ours_then = [ours.lower_bounds_[n - 1] for n in (1, 2, 3, 10)]
    np.testing.assert_allclose(ours_then, [reached[n] for n in (1, 2, 3, 10)], rtol=1e-9)


@pytest.mark.parametrize("kind", TYPES)
def test_reading_methods_are_the_same(kind):
    X = blobs()
    theirs, ours = both(X, n_components=3, covariance_type=kind, random_state=0, init_params="kmeans")
    new = blobs(seed=1)
    np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(new), atol=1e-8)
    np.testing.assert_allclose(ours.score_samples(new), theirs.score_samples(new), rtol=1e-8)
    assert ours.score(new) == pytest.approx(theirs.score(new), rel=1e-9)
    assert ours.bic(new) == pytest.approx(theirs.bic(new), rel=1e-9)
    assert ours.aic(new) == pytest.approx(theirs.aic(new), rel=1e-9)
    for mine, other in zip(ours.sample(50), theirs.sample(50), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    labels = GaussianMixture(3, covariance_type=kind, random_state=0, init_params="kmeans").fit_predict(X)
    np.testing.assert_array_equal(labels, theirs.predict(X))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("which", ["weights", "means", "precisions", "all"])
def test_given_starts(kind, which):
    X = blobs()
    theirs = Other(3, covariance_type=kind, random_state=5).fit(X[:100])
    given = {
        "weights_init": theirs.weights_,
        "means_init": theirs.means_,
        "precisions_init": theirs.precisions_,
    }
    if which != "all":
        given = {f"{which}_init": given[f"{which}_init"]}
    params = {"n_components": 3, "covariance_type": kind, "tol": 1e-6, "max_iter": 500, "random_state": 0}
    assert_same_fit(*both(X, **params, **given))


def test_best_of_several_starts():
    X = blobs(n_components=5, n=300)
    params = {"n_components": 5, "init_params": "random", "random_state": 2, "tol": 1e-4, "max_iter": 300}
    theirs, ours = both(X, n_init=6, **params)
    assert_same_fit(theirs, ours, atol=1e-6)
    one = GaussianMixture(n_init=6, n_threads=1, **params).fit(X)
    np.testing.assert_array_equal(one.means_, ours.means_)  # side by side or not


def test_warm_start():
    X = blobs()
    models = [
        cls(3, warm_start=True, max_iter=2, tol=1e-9, random_state=0, init_params="random")
        for cls in (Other, GaussianMixture)
    ]
    for _ in range(3):
        for model in models:
            with pytest.warns(ConvergenceWarning, match="Best performing initialization did not converge"):
                model.fit(X)
        assert_same_fit(*models)
    for model in models:
        model.set_params(max_iter=1000, tol=1e-6).fit(X)
    assert_same_fit(*models, atol=1e-7)


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose(verbose):
    X = blobs()
    texts = []
    for cls in (Other, GaussianMixture):
        out = io.StringIO()
        with redirect_stdout(out):
            cls(3, n_init=2, random_state=0, verbose=verbose, verbose_interval=2, tol=1e-5, max_iter=500).fit(
                X
            )
        lines = out.getvalue().splitlines()
        texts.append([line.split("time lapse")[0].rstrip() for line in lines])
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "params",
    [
        {"n_components": 0},
        {"covariance_type": "other"},
        {"tol": -1},
        {"reg_covar": -1},
        {"max_iter": -1},
        {"n_init": 0},
        {"init_params": "other"},
        {"n_components": 401},
        {"n_components": 2, "weights_init": [0.5, 0.25, 0.25]},
        {"n_components": 2, "weights_init": [0.7, 0.7]},
        {"n_components": 2, "weights_init": [1.5, -0.5]},
        {"n_components": 2, "means_init": [[0.0, 0.0]]},
        {"n_components": 2, "precisions_init": [np.eye(2)]},
        {"n_components": 2, "precisions_init": [np.eye(2), -np.eye(2)]},
        {"n_components": 2, "covariance_type": "tied", "precisions_init": [[1.0, 2.0], [2.0, 1.0]]},
        {"n_components": 2, "covariance_type": "diag", "precisions_init": [[1.0, 2.0], [2.0, -1.0]]},
        {"n_components": 2, "covariance_type": "spherical", "precisions_init": [1.0, 0.0]},
    ],
)
def test_same_errors(params):
    X = blobs()
    raised = []
    for cls in (Other, GaussianMixture):
        with pytest.raises(ValueError, match=r"\w") as error:
            cls(**params).fit(X)
        raised.append(error)
    assert raised[0].type is raised[1].type
    if "covariance_type" not in str(raised[0].value) and "init_params" not in str(raised[0].value):
        assert str(raised[0].value) == str(raised[1].value)


@pytest.mark.parametrize("kind", TYPES)
def test_collapse_without_regularization(kind):
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0)
    for cls in (Other, GaussianMixture):
        with pytest.raises(ValueError, match="some components have ill-defined empirical covariance"):
            cls(2, reg_covar=0, covariance_type=kind, random_state=0).fit(X)


def test_unfitted():
    model = GaussianMixture()
    for method in ("predict", "predict_proba", "score", "score_samples", "bic", "aic"):
        with pytest.raises(NotFittedError):
            getattr(model, method)(np.zeros((3, 2)))
    with pytest.raises(NotFittedError):
        model.sample()
    with pytest.raises(ValueError, match="at least one sample"):
        GaussianMixture().fit(blobs()).sample(0)


def test_feature_names_of_frames():
    pandas = pytest.importorskip("pandas")
    X = blobs()
    frame = pandas.DataFrame(X, columns=["a", "b"])
    model = GaussianMixture(2, random_state=0).fit(frame)
    assert list(model.feature_names_in_) == ["a", "b"]
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a"]])
    pyarrow = pytest.importorskip("pyarrow")
    table = GaussianMixture(2, random_state=0).fit(pyarrow.table({"a": X[:, 0], "b": X[:, 1]}))
    np.testing.assert_array_equal(table.means_, model.means_)


def test_attributes_set_by_hand_are_read():
    X = blobs()
    theirs, ours = both(X, n_components=2, random_state=0, init_params="kmeans")
    for model in (theirs, ours):
        model.means_[0] += 1.0
        model.weights_ = np.array([0.25, 0.75])
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-9)
    bare = GaussianMixture(2)
    for name in ATTRIBUTES:
        setattr(bare, name, getattr(theirs, name))
    np.testing.assert_allclose(bare.score_samples(X), theirs.score_samples(X), rtol=1e-9)


# --- right where scikit-learn is not -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("init", INITS)
def test_far_from_the_origin(kind, init):
    X = np.round(blobs(), 7)  # exact to within the spacing of numbers at 1e8, 1.5e-8
    params = {"covariance_type": kind, "init_params": init, "random_state": 0, "tol": 1e-6, "max_iter": 500}
    near = GaussianMixture(3, **params).fit(X)
    far = GaussianMixture(3, **params).fit(X + 1e8)
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(far.means_ - 1e8, near.means_, atol=1e-4)


@pytest.mark.parametrize("kind", TYPES)
def test_float32_with_an_offset(kind):
    X = (blobs() + 1e4).astype(np.float32)
    params = {"covariance_type": kind, "random_state": 0, "tol": 1e-6, "max_iter": 500}
    single = GaussianMixture(3, **params).fit(X)
    double = GaussianMixture(3, **params).fit(X.astype(float))
    assert single.means_.dtype == np.float32
    np.testing.assert_allclose(single.covariances_, double.covariances_, rtol=1e-4, atol=1e-5)
    assert single.score(X) == pytest.approx(double.score(X), abs=1e-6)  # not rounded to float32


def test_integers_are_scored_like_floats():
    X = np.random.default_rng(0).integers(-20, 20, (200, 2))
    model = GaussianMixture(2, random_state=0).fit(X)
    np.testing.assert_array_equal(model.score_samples(X), model.score_samples(X.astype(float)))


@pytest.mark.parametrize("solver", ["em", "accelerated-em", "lbfgs"])
@pytest.mark.parametrize(("kind", "n_components", "total"), [("full", 2, -1130.2640), ("tied", 3, -1126.316)])
def test_old_faithful(kind, n_components, total, solver):
    """mclust's log-likelihoods (REFERENCE)."""
    X = datasets.load_faithful().data
    model = GaussianMixture(
        n_components, covariance_type=kind, solver=solver, tol=1e-9, max_iter=5000, n_init=5, random_state=0
    ).fit(X)
    assert model.score(X) * len(X) == pytest.approx(total, abs=2e-3)
    if kind == "full":
        assert -model.bic(X) == pytest.approx(-2322.192, abs=5e-3)  # mclust's sign


# --- weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("solver", ["em", "accelerated-em", "lbfgs"])
@pytest.mark.parametrize("prior", [None, "weak"])
def test_weight_two_is_twice_and_zero_is_absent(kind, solver, prior):
    X = blobs(200)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    given = Other(2, covariance_type=kind, random_state=0).fit(X)
    params = {
        "n_components": 2,
        "covariance_type": kind,
        "solver": solver,
        "prior": prior,
        "weights_init": given.weights_,
        "means_init": given.means_,
        "precisions_init": given.precisions_,
        "max_iter": 20,
        "tol": 1e-4,
    }
    weighted = GaussianMixture(**params).fit(X, sample_weight=weights)
    repeated = GaussianMixture(**params).fit(np.repeat(X, weights, axis=0))
    tolerance = 1e-9 if solver == "em" else 1e-6  # rounding, amplified by an ill-conditioned extrapolation
    for name in ATTRIBUTES:
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=tolerance, atol=tolerance
        )
    more = np.repeat(X, weights, axis=0)
    assert weighted.score(X, sample_weight=weights) == pytest.approx(weighted.score(more), rel=1e-12)
    assert weighted.bic(X, sample_weight=weights) == pytest.approx(weighted.bic(more), rel=1e-12)
    assert weighted.aic(X, sample_weight=weights) == pytest.approx(weighted.aic(more), rel=1e-12)


@pytest.mark.parametrize("init", INITS)
def test_rows_of_weight_zero_never_start_a_component(init):
    X = blobs(200)
    weights = np.ones(200)
    X[100:], weights[100:] = 1e6, 0.0
    ours = GaussianMixture(3, init_params=init, random_state=0).fit(X, sample_weight=weights)
    assert np.abs(ours.means_).max() < 100
    with pytest.raises(ValueError, match="positive weight"):
        ours.fit(X, sample_weight=np.zeros(200))


# --- solvers -----------------------------------------------------------------------------------------------


def slow(kind, seed, n=3000):
    """Overlapping components, on which EM converges slowly, and a start."""
    rng = np.random.default_rng(seed)
    X = naive.draw(rng, naive.random_parameters(rng, kind, 3, 2, spread=1.0), n)
    settings = options(covariance.get(kind), 3, 2, 1e-6)
    state = np.random.RandomState(0)
    start = start_mixture(X, np.empty(0), 3, kind, init_params="kmeans", random_state=state, options=settings)
    return X, start, settings


@pytest.mark.parametrize("kind", TYPES)
def test_accelerated_em_needs_a_fifth_of_the_passes(kind):
    X, start, settings = slow(kind, 0)
    accelerated = fit_accelerated(start, X, options=settings, tol=1e-10, max_iter=1000)
    em = fit_em(start, X, options=settings, tol=1e-10, max_iter=5000)
    assert accelerated.converged
    assert accelerated.lower_bounds[-1] >= em.lower_bounds[-1] - 1e-9
    assert (np.diff(accelerated.lower_bounds) >= 0).all()
    reached = np.searchsorted(em.lower_bounds, accelerated.lower_bounds[-1] - 1e-8)
    assert reached >= 5 * accelerated.n_iter


@pytest.mark.parametrize("kind", TYPES)
def test_accelerated_em_with_a_prior_climbs_the_posterior(kind):
    X, start, _ = slow(kind, 1, 300)
    prior = ConjugatePrior(X.mean(axis=0), np.cov(X.T) / 3, concentration=2.0)
    settings = options(covariance.get(kind), 3, 2, 0.0, prior)
    penalty = penalty_of(settings)
    em = fit_em(start, X, options=settings, tol=1e-12, max_iter=20_000)
    accelerated = fit_accelerated(start, X, options=settings, penalty=penalty, tol=1e-12, max_iter=2000)

    def posterior(mixture):
        return mixture.log_prob(X).sum() + penalty(mixture)[0]

    assert posterior(accelerated.mixture) >= posterior(em.mixture) - 1e-6


@pytest.mark.parametrize("kind", TYPES)
def test_penalty_gradient(kind):
    from streamgmm import parameterizations

    mixture = Mixture(*naive.random_parameters(np.random.default_rng(1), kind, 3, 2))
    prior = ConjugatePrior([1.0, 2.0], [[2.0, 0.5], [0.5, 1.0]], mean_count=0.7, concentration=1.5)
    for name, given in (("cholesky", prior), ("natural", prior), ("cholesky", None)):
        theta_of = parameterizations.get(name)
        penalty = penalty_of(options(mixture.kind, 3, 2, 0.1, given), n_rows=50, parameterization=name)
        numeric = naive.central_differences(
            lambda theta, at=theta_of, f=penalty: f(at.unpack(theta, mixture))[0], theta_of.pack(mixture)
        )
        np.testing.assert_allclose(penalty(mixture)[1], numeric, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("prior", [None, "weak"])
def test_lbfgs_finds_the_optimum_of_em(kind, prior):
    """On well-separated components the two have one optimum."""
    X = blobs(600, n_components=2, seed=3)
    params = {"covariance_type": kind, "prior": prior, "random_state": 0, "max_iter": 3000, "tol": 1e-8}
    if prior == "weak" or kind == "tied":
        params["reg_covar"] = 0.0 if prior else 0.05
    em = GaussianMixture(2, **params).fit(X)
    with warnings.catch_warnings():  # so close to the optimum rounding may hide that the slope is zero
        warnings.simplefilter("ignore", ConvergenceWarning)
        climbed = GaussianMixture(2, solver="lbfgs", **params).fit(X)
    np.testing.assert_allclose(climbed.means_, em.means_, atol=1e-3)
    np.testing.assert_allclose(climbed.covariances_, em.covariances_, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_solver_comes_near_em(solver, kind):
    X = blobs(8000, n_components=2, seed=3)
    params = {"covariance_type": kind, "random_state": 0, "tol": 1e-4, "max_iter": 30}
    em = GaussianMixture(2, **params).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(2, solver=solver, **params).fit(X)
    assert model.score(X) > em.score(X) - 0.01
    assert model.lower_bound_ == pytest.approx(model.score(X), abs=1e-3)
    assert clone(model).get_params()["solver"] == solver


# --- hostile data ------------------------------------------------------------------------------------------


def hostile(seed):
    """Return a data set that makes mixtures collapse, and settings."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 60)), int(rng.integers(1, 6))
    X = rng.standard_normal((n, d)) * np.exp(rng.normal(0, 3, d))
    for trouble in rng.choice(6, size=rng.integers(1, 4), replace=False):
        if trouble == 0:
            X = X[rng.integers(0, max(1, n // 4), n)]  # duplicates
        elif trouble == 1:
            X[:, rng.integers(0, d)] = rng.choice([0.0, 3.0, 1e6])  # a constant column
        elif trouble == 2:
            X[rng.integers(0, n)] = rng.choice([1e12, -1e12])
        elif trouble == 3:
            X = (X + 1e4).astype(np.float32)
        elif trouble == 4:
            X[:] = X[0]
        else:
            X[:, 0] = X[:, -1]  # collinear
    K = int(rng.choice([1, 2, n // 2 or 1, n - 1 or 1, n]))
    return X, {
        "n_components": K,
        "covariance_type": rng.choice(TYPES).item(),
        "init_params": rng.choice(INITS).item(),
        "reg_covar": float(rng.choice([0.0, 1e-6])),
        "solver": rng.choice(["em", "em", "accelerated-em"]).item(),
        "random_state": seed,
        "prior": "weak",
    }


def check_hostile(seed):
    X, params = hostile(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(**params).fit(X)
    for name in ATTRIBUTES[:3]:
        assert np.isfinite(getattr(model, name)).all(), (seed, name)
    mixture = model.to_mixture()
    assert np.isfinite(mixture.factor).all()
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert (np.diagonal(mixture.kernel_factor(), axis1=1, axis2=2) > 0).all()
    assert np.isfinite(model.score_samples(X)).all(), seed
    assert np.isfinite(model.predict_proba(X)).all(), seed
    assert np.isfinite(model.lower_bound_), seed


@pytest.mark.parametrize("first", range(0, N_HOSTILE, 20))
def test_hostile_data_with_a_prior(first):
    for seed in range(first, first + 20):
        check_hostile(seed)


# --- rows that do not fit into memory ----------------------------------------------------------------------


def test_files_and_batches_are_the_same_rows(tmp_path):
    X = blobs(1000)
    weights = np.random.default_rng(0).uniform(0.5, 2, 1000)
    params = {"n_components": 3, "random_state": 0, "tol": 1e-6, "max_iter": 300}
    whole = GaussianMixture(**params).fit(X, sample_weight=weights)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    pieces = np.array_split(X, 7)

    class Pieces:
        def __iter__(self):
            return iter(pieces)

    for rows in (tmp_path / "x.npy", str(tmp_path / "*.npy"), mapped, Pieces(), lambda: iter(pieces)):
        model = GaussianMixture(**params).fit(rows, sample_weight=weights)
        np.testing.assert_allclose(model.means_, whole.means_, rtol=1e-8)
        assert model.n_features_in_ == 2
        assert model.score(rows) == pytest.approx(whole.score(X), rel=1e-9)
        np.testing.assert_array_equal(model.predict(rows), whole.predict(X))
    with pytest.raises(ValueError, match="got an iterator"):
        GaussianMixture().fit(iter(pieces))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        GaussianMixture().fit(lambda: [X, np.array([[np.nan, 0.0]])])


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_a_parquet_file(tmp_path, solver):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    X = blobs(3000)
    parquet.write_table(pyarrow.table({"a": X[:, 0], "b": X[:, 1]}), tmp_path / "x.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(3, solver=solver, random_state=0, prior="weak").fit(tmp_path / "x.parquet")
    assert list(model.feature_names_in_) == ["a", "b"]
    assert model.score(tmp_path / "x.parquet") > GaussianMixture().fit(X).score(X)


def test_the_sample_is_not_what_chose_the_components():
    """Components of rows drawn with a common seed are chosen by the first numbers of that seed."""
    truth = Mixture([0.5, 0.5], [[-9.0], [9.0]], [1.0, 1.0], "spherical")
    for seed in range(5):
        X, _ = truth.sample(100_000, seed)
        for rows in (ArrayRows(X), BatchRows(lambda X=X: np.array_split(X, 9))):
            sample, weights = rows.sample
            assert sample.shape == (SAMPLE, 1)
            assert not len(weights)
            assert (sample > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_the_start_of_many_rows_needs_a_sample_of_them():
    X = blobs(WHOLE + 5000)
    model = GaussianMixture(3, random_state=0).fit(X)
    again = GaussianMixture(3, random_state=0).fit(lambda: np.array_split(X, 9))
    np.testing.assert_allclose(again.means_, model.means_, rtol=1e-9)
    assert model.score(X) == pytest.approx(Other(3, random_state=0).fit(X).score(X), abs=1e-2)


# --- when to stop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.999])
def test_what_is_left_of_a_geometric_series_is_its_rest(rate):
    rests = 0.3 * rate ** np.arange(10)
    assert left_to_gain((-4.0 - rests).tolist()) == pytest.approx(rests[-1], rel=1e-6)


def test_rounding_that_comes_again_and_again_is_nothing_left():
    bounds = [-4.866883495013183, -4.866883495013017] * 3  # of a fit that had come to its end
    assert left_to_gain(bounds) == 0.0


# --- to other classes and back -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"init_params": "best", "tol": 1e-4}, {"search": True}])
def test_what_scikit_learn_gets_it_can_fit_again(options):
    X = blobs()
    model = GaussianMixture(3, random_state=0, **options).fit(X)
    again = model.to_sklearn().fit(X)
    same = Other(3, random_state=0, **{name: value for name, value in options.items() if name == "tol"}).fit(
        X
    )
    np.testing.assert_array_equal(again.means_, same.means_)


@pytest.mark.parametrize("kind", TYPES)
def test_round_trips(kind):
    X = blobs()
    model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
    theirs = model.to_sklearn()
    assert type(theirs) is Other
    np.testing.assert_allclose(theirs.score_samples(X), model.score_samples(X), rtol=1e-9)
    back = GaussianMixture.from_sklearn(theirs)
    np.testing.assert_allclose(back.score_samples(X), model.score_samples(X), rtol=1e-9)
    assert back.get_params()["covariance_type"] == kind
    assert back.n_features_in_ == 2
    assert GaussianMixture.from_mixture(model.to_mixture()).to_mixture() == model.to_mixture()
    again = pickle.loads(pickle.dumps(model))
    assert again.to_mixture() == model.to_mixture()
    online = OnlineGaussianMixture.from_mixture(model.to_mixture(), n_rows=400, random_state=0)
    assert online.to_mixture() == model.to_mixture()
    np.testing.assert_allclose(online.to_sklearn().score_samples(X), model.score_samples(X), rtol=1e-9)
    before = online.score(X)
    online.partial_fit(naive.draw(np.random.default_rng(0), model_parameters(model), 2000))
    assert online.score(X) > before - 0.1
    assert online.n_samples_seen_ == 2400


def model_parameters(model):
    mixture = model.to_mixture()
    return naive.Parameters(mixture.weights, mixture.means, mixture.covariances, mixture.covariance_type)


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
def test_sgd_does_not_care_for_units(factor):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(0, 1, (150, 3)), rng.normal(4, 1.5, (150, 3))])
    fits = [
        GaussianMixture(2, solver="sgd", reg_covar=0.0, random_state=0).fit(rows) for rows in (X, X * factor)
    ]
    np.testing.assert_allclose(fits[1].means_ / factor, fits[0].means_, rtol=1e-9)
