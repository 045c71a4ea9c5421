"""OnlineGaussianMixture: the estimator."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils.estimator_checks import parametrize_with_checks

from common import assert_mixtures_close
from streamgmm import Mixture, OnlineGaussianMixture, covariance, datasets, rules
from streamgmm.estimators._history import MAX_RECORDS, History
from streamgmm.priors import ConjugatePrior

TYPES = covariance.names()
STREAMING = [name for name in rules.names() if not rules.get(name).makes_passes]


def blobs(n, seed=0, n_features=2):
    """Rows of three well-separated Gaussians, and the mixture they came from."""
    means = 6.0 * np.array([[0.0] * n_features, [1.0] * n_features, [-1.0] + [1.0] * (n_features - 1)])
    truth = Mixture([0.5, 0.3, 0.2], means, np.stack([np.eye(n_features)] * 3))
    return truth.sample(n, seed)[0], truth


def parameters(model):
    mixture = model.to_mixture()
    return mixture.log_weights, mixture.means, mixture.factor


def assert_same(a, b):
    for left, right in zip(parameters(a), parameters(b), strict=True):
        np.testing.assert_array_equal(left, right)


@parametrize_with_checks([OnlineGaussianMixture(), OnlineGaussianMixture(batch_size=1, init_size=5)])
def test_sklearn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # constant columns and duplicates in the checks' data
        check(estimator)


def test_n_features_after_partial_fit():
    model = OnlineGaussianMixture(random_state=0).partial_fit(np.random.default_rng(0).normal(size=(30, 3)))
    assert model.n_features_in_ == 3
    for method in ("partial_fit", "predict", "predict_proba", "score", "score_samples"):
        with pytest.raises(ValueError, match="X has 2 features, but OnlineGaussianMixture is expecting 3"):
            getattr(model, method)(np.zeros((5, 2)))
    assert model.n_samples_seen_ == 30


def test_feature_names_after_partial_fit():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["a", "b"])
    model = OnlineGaussianMixture(random_state=0).partial_fit(frame)
    assert list(model.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[["b", "a"]])


@pytest.mark.parametrize(("kind", "n_components", "total"), [("full", 2, -1130.2640), ("tied", 3, -1126.316)])
def test_old_faithful(kind, n_components, total):
    """mclust's log-likelihoods (REFERENCE)."""
    X = datasets.load_faithful().data
    model = OnlineGaussianMixture(n_components, covariance_type=kind, random_state=0).fit(X)
    assert model.score_samples(X).sum() == pytest.approx(total, abs=2e-3)
    assert model.converged_
    if kind == "full":
        order = np.argsort(model.means_[:, 0])
        np.testing.assert_allclose(model.weights_[order], [0.3559, 0.6441], atol=1e-4)
        np.testing.assert_allclose(
            model.means_[order], [[2.0364, 54.4785], [4.2897, 79.9681]], atol=2e-4, rtol=1e-5
        )
        assert -model.bic(X) == pytest.approx(-2322.192, abs=5e-3)  # mclust's sign


@pytest.mark.parametrize("kind", TYPES)
def test_learns_what_made_the_rows(kind):
    X, truth = blobs(60_000)
    held_out = truth.sample(20_000, 1)[0]
    model = OnlineGaussianMixture(3, covariance_type=kind, random_state=0).partial_fit(X)
    em = GaussianMixture(3, covariance_type=kind, random_state=0, means_init=truth.means).fit(X)
    assert model.score(held_out) > em.score(held_out) - 0.005
    assert model.covariances_.shape == em.covariances_.shape
    assert model.precisions_.shape == em.precisions_.shape
    assert model.precisions_cholesky_.shape == em.precisions_cholesky_.shape
    assert model.aic(held_out) == pytest.approx(em.aic(held_out), rel=1e-3)


@pytest.mark.parametrize("kind", TYPES)
def test_attributes_agree_with_sklearn(kind):
    """scikit-learn's own class, given our parameters, computes the same densities from the precisions."""
    X, _ = blobs(3000)
    model = OnlineGaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
    other = GaussianMixture(3, covariance_type=kind)
    other.weights_, other.means_ = model.weights_, model.means_
    other.precisions_cholesky_ = model.precisions_cholesky_
    other.covariances_ = model.covariances_
    np.testing.assert_allclose(model.score_samples(X), other.score_samples(X), rtol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert model.bic(X) == pytest.approx(other.bic(X), rel=1e-9)


@pytest.mark.parametrize("rule", STREAMING)
@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1, 7, 300]), (64, [64, 640]), (256, [256, 1024])])
def test_call_sizes_do_not_matter(rule, batch_size, sizes):
    """Bit for bit; an odd init_size is rounded up to whole mini-batches."""
    X, _ = blobs(4096)
    X = X / 6.0

    kind = rules.get(rule).covariance_types[0]

    def model():
        return OnlineGaussianMixture(
            3, covariance_type=kind, rule=rule, batch_size=batch_size, init_size=500, random_state=0
        )

    whole = model().partial_fit(X)
    for size in sizes:
        pieces = model()
        for start in range(0, len(X), size):
            pieces.partial_fit(X[start : start + size])
        assert_same(pieces, whole)
        np.testing.assert_array_equal(pieces.history_, whole.history_)


def test_rule_that_makes_passes_refuses_a_stream():
    X, _ = blobs(1500)
    message = (
        "`partial_fit` needs a rule for streams, got 'sem-vr', which makes passes over all rows: call `fit`"
    )
    random_state = np.random.RandomState(0)
    model = OnlineGaussianMixture(3, rule="sem-vr", max_epochs=5, init_size=300, random_state=random_state)
    for rows in (X, X[:10]):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(rows)
        assert vars(model) == vars(clone(model)) | {"random_state": random_state}
    assert random_state.randint(2**31) == np.random.RandomState(0).randint(2**31)
    model.fit(X)
    once = clone(model).set_params(max_epochs=1).fit(X)
    assert len(model.history_) > 4 * len(once.history_)  # the first pass leaves out the rows of the start
    assert model.score(X) > once.score(X)
    before, progress = parameters(model), model._progress
    model.set_params(rule="online-em")  # what has been learned stays with its rule
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X)
    assert model._progress is progress
    assert parameters(model) == before


def test_large_mini_batches_are_threaded_and_agree():
    X, _ = blobs(200_000)
    models = [
        OnlineGaussianMixture(3, batch_size=70_000, init_size=1000, random_state=0, n_threads=n).partial_fit(
            X
        )
        for n in (1, 2, 7)
    ]
    for model in models[1:]:
        assert_same(model, models[0])


def test_ten_rows_are_usable_at_once():
    X, truth = blobs(2000)
    model = OnlineGaussianMixture(3, random_state=0).partial_fit(X[:10])
    assert np.isfinite(model.score(truth.sample(1000, 5)[0]))
    assert model.weights_.sum() == pytest.approx(1)
    assert model.predict_proba(X).shape == (2000, 3)
    assert model.n_samples_seen_ == 10
    assert len(model.history_) == 0


def test_reading_does_not_change_what_is_learned():
    X, _ = blobs(3000)
    silent = OnlineGaussianMixture(3, random_state=0)
    read = OnlineGaussianMixture(3, random_state=0)
    for start in range(0, 3000, 256):
        silent.partial_fit(X[start : start + 256])
        read.partial_fit(X[start : start + 256]).predict(X[:5])
    assert_same(silent, read)


def test_single_rows_from_the_first():
    X, _ = blobs(300)
    model = OnlineGaussianMixture(3, batch_size=1, init_size=50, random_state=0)
    model.partial_fit(X[:1])
    with pytest.raises(NotFittedError, match="3 components need at least 3 distinct rows"):
        model.predict(X)
    for row in X[1:]:
        model.partial_fit(row[np.newaxis])
    assert model.score(X) > -5
    assert model.n_iter_ == 250


@pytest.mark.parametrize("learn", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("X", "weights", "message"),
    [
        (np.array([[1.0, np.nan], [2.0, 3.0]]), None, "NaN"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), None, "infinity"),
        (np.array([["a", "b"], ["c", "d"]]), None, "could not convert string to float"),
        (np.zeros((4, 5)), None, "5 features"),
        (np.zeros((0, 2)), None, "0 sample"),
        (np.zeros(4), None, "Expected 2D array"),
        (
            np.array([[0.0, 1.0], [1e155, 0.0]]),
            None,
            r"got 1e\+155 in row 1, column 0: too large to be squared",
        ),
        (
            np.arange(8.0).reshape(4, 2),
            [1e300] * 4,
            "`sample_weight` must have a sum between .*, got 4e\\+300",
        ),
        (np.arange(8.0).reshape(4, 2), [1, 1, -1, 1], "must be finite and not negative, got -1.0 for row 2"),
        (np.arange(8.0).reshape(4, 2), [1, 1, 1], r"`sample_weight` must have shape \(4,\), got \(3,\)"),
        (np.arange(8.0).reshape(4, 2), [0, 0, 0, 0], "positive weight, got only zero"),
    ],
)
def test_bad_rows_leave_the_estimator_as_it_was(learn, X, weights, message):
    good, _ = blobs(600)
    fresh = OnlineGaussianMixture(3, random_state=0)
    if X.shape[1:] != (5,):
        with pytest.raises(ValueError, match=message):
            getattr(fresh, learn)(X, sample_weight=weights)
        assert not [name for name in vars(fresh) if name.endswith("_") or name.startswith("_")]
    fitted = OnlineGaussianMixture(3, batch_size=50, init_size=100, random_state=0).partial_fit(good)
    before = pickle.dumps(fitted)
    if learn == "fit" and X.shape[1:] == (5,):
        return  # fit starts anew, with as many columns as there are; zeros are too few distinct rows
    with pytest.raises(ValueError, match=message):
        getattr(fitted, learn)(X, sample_weight=weights)
    assert pickle.dumps(fitted) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components"),
        ({"covariance_type": "round"}, "covariance_type"),
        ({"rule": "magic"}, "online-em"),
        ({"batch_size": 0}, "batch_size"),
        ({"init_params": "guess"}, "init_params"),
        ({"reg_covar": -1.0}, "reg_covar"),
        ({"prior": "strong"}, "prior"),
        ({"n_threads": 0}, "n_threads"),
        ({"n_components": 2, "weights_init": [0.5, 0.6]}, "'weights' should be normalized"),
        ({"n_components": 2, "means_init": np.zeros((3, 2))}, r"'means' should have the shape of \(2, 2\)"),
        ({"n_components": 2, "weights_init": [1.0]}, r"'weights' should have the shape of \(2,\)"),
        ({"n_components": 2, "precisions_init": np.ones((2, 2, 2))}, "positive-definite"),
        ({"n_components": 2, "precisions_init": np.eye(2)}, "precision' should have the shape"),
    ],
)
def test_bad_parameters(arguments, message):
    """At once, also by the first row of a stream."""
    X, _ = blobs(100)
    for learn in (lambda model: model.fit(X), lambda model: model.partial_fit(X[:1])):
        model = OnlineGaussianMixture(**arguments)
        with pytest.raises(ValueError, match=message):
            learn(model)
        assert vars(model) == model.get_params(deep=False)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("learn_online", [False, True])
def test_shift_and_scale(kind, learn_online):
    """Shifted data give the shifted model, scaled data the scaled one."""
    X, _ = blobs(3000)
    X = np.round(X * 64) / 64  # so that the shift loses nothing
    settings = {"covariance_type": kind, "random_state": 0, "init_size": 500 if learn_online else 5000}
    plain = OnlineGaussianMixture(3, **settings).partial_fit(X)

    def ordered(model):  # the metrics of the starts differ by rounding, which may give them another order
        order = np.argsort(model.means_[:, 0])
        return model.means_[order], model.covariances_[order] if kind != "tied" else model.covariances_

    means, covariances = ordered(plain)
    for shift, tolerance in ((1e6, 1e-6), (1e8, 1e-4)):  # 1e8 costs eight of float64's sixteen digits
        moved = ordered(OnlineGaussianMixture(3, **settings).partial_fit(X + shift))
        np.testing.assert_allclose(moved[1], covariances, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(moved[0] - shift, means, atol=1e-6)
    for scale in (2.0**-26, 2.0**26):
        scaled = ordered(OnlineGaussianMixture(3, **settings).partial_fit(X * scale))
        np.testing.assert_allclose(scaled[1] / scale**2, covariances, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(scaled[0] / scale, means, rtol=1e-7, atol=1e-9)


def test_integers_and_float32():
    X = np.random.default_rng(0).integers(-50, 50, (2000, 2))
    model = OnlineGaussianMixture(2, random_state=0).fit(X)
    np.testing.assert_array_equal(model.score_samples(X), model.score_samples(X.astype(float)))
    assert_same(model, OnlineGaussianMixture(2, random_state=0).fit(X.astype(np.float32)))


@pytest.mark.parametrize("batch_size", [1, 100])
def test_weights(batch_size):
    """A weight of 2 is the row twice, a weight of 0 the row left out; here in the rows of the start."""
    X, _ = blobs(400)
    weights = np.random.default_rng(0).integers(0, 3, 400)
    settings = {"means_init": [[0, 0], [6, 6], [-6, 6]], "batch_size": batch_size, "random_state": 0}
    weighted = OnlineGaussianMixture(3, **settings).fit(X, sample_weight=weights)
    repeated = OnlineGaussianMixture(3, **settings).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.means_, repeated.means_, atol=1e-9)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, atol=1e-9)
    assert weighted.score(X, sample_weight=weights) == pytest.approx(
        repeated.score(np.repeat(X, weights, axis=0)), rel=1e-9
    )


@pytest.mark.parametrize("rule", STREAMING)
@pytest.mark.parametrize("batch_size", [1, 256])
def test_zero_weights_while_online_change_nothing(rule, batch_size):
    """Mini-batches of weight 0, far away, between others: as if they had not come."""
    X, _ = blobs(4096)
    kind = rules.get(rule).covariance_types[0]
    settings = {"covariance_type": kind, "rule": rule, "batch_size": batch_size, "init_size": 512}
    settings["memory_rows"] = 0  # what is kept of the rows is drawn by their places
    plain, padded = (OnlineGaussianMixture(3, random_state=0, **settings) for _ in range(2))
    plain.partial_fit(X, sample_weight=np.ones(4096))
    far = np.full((512, 2), 1e3)
    padded.partial_fit(
        np.concatenate([X[:2048], far, X[2048:]]),
        sample_weight=np.concatenate([np.ones(2048), np.zeros(512), np.ones(2048)]),
    )
    assert len(padded.history_) > len(plain.history_)
    ours, theirs = (model._progress.world.learner.mixture for model in (padded, plain))
    assert_mixtures_close(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(padded.means_, plain.means_, atol=0.05)  # averages are taken at other rows
    assert padded.lower_bound_ == pytest.approx(plain.lower_bound_, rel=0.1)


def test_last_rows_of_weight_zero_leave_a_lower_bound():
    X, _ = blobs(10_000)
    weights = np.repeat([1.0, 0.0], 5000)
    model = OnlineGaussianMixture(3, random_state=0).fit(X, sample_weight=weights)
    weighed = model._progress.history.weight > 0
    assert model.history_[weighed].min() <= model.lower_bound_ <= model.history_[weighed].max()


def test_constant_columns_and_duplicates_fit_with_a_warning():
    X, _ = blobs(300)
    X = np.column_stack([X, np.full(300, 7.0)])
    with pytest.warns(UserWarning, match=r"constant columns in the first 300 rows: \[2\]") as raised:
        model = OnlineGaussianMixture(3, random_state=0).fit(X)
    (finding,) = raised[0].message.args
    assert (finding.kind, finding.features, finding.values["rows"]) == ("constant-columns", (2,), 300)
    assert finding.text("xyz").startswith("constant columns in the first 300 rows: 'z'; ")
    assert np.isfinite(model.score(X))
    rows = np.repeat(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]]), 20, axis=0)
    with pytest.warns(UserWarning, match=r"duplicate rows: only 3 .* \[1.0, 2.0\] occurs 20 times"):
        model = OnlineGaussianMixture(2, random_state=0).fit(rows)
    assert np.isfinite(model.score(rows))


@pytest.mark.parametrize("kind", TYPES)
def test_hostile_rows_never_break_it(kind):
    """One outlier at 1e12, one too far from every component to be squared, K near n: always a valid model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    X[1500] = 1e12
    model = OnlineGaussianMixture(5, covariance_type=kind, batch_size=10, init_size=100, random_state=0)
    model.partial_fit(X)
    assert np.isfinite(model.score(X))
    X[1500] = 1e156
    model = OnlineGaussianMixture(5, covariance_type=kind, batch_size=10, init_size=100, random_state=0)
    with pytest.warns(UserWarning, match="1 mini-batches were passed over"):
        model.partial_fit(X * 1e-10)
    assert model.n_refused_ == 1
    assert np.isfinite(model.score(rng.normal(size=(1000, 2))))
    assert np.isfinite(model.covariances_).all()
    few = OnlineGaussianMixture(9, covariance_type=kind, random_state=0).fit(rng.normal(size=(10, 2)))
    assert np.isfinite(few.score(X[:100]))


def test_prior():
    X, _ = blobs(60)
    prior = ConjugatePrior(mean=np.zeros(2), scale=100 * np.eye(2), degrees_of_freedom=1e4)
    strong = OnlineGaussianMixture(1, prior=prior, random_state=0).fit(X)
    mean, scatter = X.mean(axis=0), np.cov(X.T, bias=True)
    shrunk = 60 * 0.01 / 60.01 * np.outer(mean, mean)
    expected = (60 * scatter + 100 * np.eye(2) + shrunk) / (60 + 1e4 + 2 + 2)  # the posterior's mode
    expected += 1e-6 * np.diag(np.diag(scatter))
    np.testing.assert_allclose(strong.covariances_[0], expected, rtol=1e-7)
    np.testing.assert_allclose(strong.means_[0], 60 * mean / 60.01)
    weak = OnlineGaussianMixture(1, prior="weak", random_state=0).fit(X)
    expected = (60 * scatter + scatter + np.outer(mean - mean, mean - mean)) / (60 + 4 + 2 + 2)
    expected += 1e-6 * np.diag(np.diag(scatter))
    np.testing.assert_allclose(weak.covariances_[0], expected, rtol=1e-9)
    online = OnlineGaussianMixture(3, prior="weak", init_size=100, batch_size=1, random_state=0)
    assert np.isfinite(online.partial_fit(blobs(2000)[0]).score(X))


def test_half_life_follows_a_stream_that_moves():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (5000, 1)), rng.normal(10, 1, (5000, 1))])
    rule = rules.OnlineEM(rules.schedules.HalfLife(500))
    follower = OnlineGaussianMixture(1, rule=rule, batch_size=50, random_state=0).partial_fit(X)
    assert follower.means_[0, 0] == pytest.approx(10, abs=0.3)
    assert follower.covariances_.item() == pytest.approx(1, abs=0.3)


def test_gradient_ascent_approaches_em():
    X, _ = blobs(100_000)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = OnlineGaussianMixture(3, rule="gradient", init_size=100, random_state=0).fit(X)
    em = GaussianMixture(3, random_state=0, means_init=model.means_).fit(X)
    assert model.score(X) > em.score(X) - 0.01


def test_epochs_and_history():
    X, _ = blobs(5000)
    model = OnlineGaussianMixture(3, max_epochs=3, init_size=1000, random_state=0).fit(X)
    first = -(-(5000 - 1024) // 256)
    assert len(model.history_) == first + 2 * 20
    assert model.n_iter_ == len(model.history_)
    assert model.history_rows_[0] == 1024 + 256
    assert model.history_rows_[-1] == 15_000
    assert np.isfinite(model.history_).all()
    assert model.converged_
    one = OnlineGaussianMixture(1, batch_size=100, init_size=100, random_state=0).partial_fit(X[:100])
    expected = one.score(X[100:200])
    one.partial_fit(X[100:200])
    assert one.history_[-1] == pytest.approx(expected, rel=1e-9)  # scored before it was learned
    assert one.lower_bound_ == one.history_[-1]


def test_history_is_bounded_and_leaves_no_trace_of_calls():
    rng = np.random.default_rng(0)
    n = 3 * MAX_RECORDS + 5
    values = rng.normal(size=(2, n))
    rows = np.full(n, 2)
    whole = History().extend(values[0], np.abs(values[1]), rows)
    assert len(whole.weight) <= MAX_RECORDS
    assert whole.every == 4
    assert whole.n_rows.sum() == 2 * n
    pieces = History()
    for start in range(0, n, 999):
        piece = slice(start, start + 999)
        pieces = pieces.extend(values[0][piece], np.abs(values[1][piece]), rows[piece])
    np.testing.assert_allclose(pieces.log_likelihood, whole.log_likelihood, rtol=1e-12, atol=1e-12)
    assert pieces.every == whole.every


def test_clone_pickle_and_repr():
    X, _ = blobs(3000)
    model = OnlineGaussianMixture(3, rule=rules.OnlineEM(rules.schedules.Constant(0.1)), random_state=0)
    assert clone(model).get_params()["rule"] == model.rule
    model.partial_fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_same(again.partial_fit(X), model.partial_fit(X))
    assert "OnlineEM(schedule=Constant(value=0.1))" in repr(model)


def test_sampling_is_reproducible():
    X, _ = blobs(1000)
    model = OnlineGaussianMixture(3, random_state=0).fit(X)
    rows, labels = model.sample(50)
    np.testing.assert_array_equal(rows, model.sample(50)[0])
    assert rows.shape == (50, 2)
    assert set(labels) <= {0, 1, 2}


def test_em_that_stops_early_says_so():
    X = np.random.default_rng(0).normal(size=(900, 2))
    with pytest.warns(ConvergenceWarning, match="EM did not converge in 500 iterations"):
        model = OnlineGaussianMixture(8, random_state=2).fit(X)
    assert not model.converged_


def test_rows_that_just_fill_the_start():
    """The model has gone online, but no mini-batch has come: what can be read is EM's."""
    X, _ = blobs(1024)
    model = OnlineGaussianMixture(2, random_state=0).fit(X)
    assert len(model.history_) == 0
    assert model.lower_bound_ == pytest.approx(model.score(X), abs=1e-4)
    assert model.converged_
    assert model.n_iter_ > 1


@pytest.mark.parametrize("rule", ["online-em", "gradient"])
@pytest.mark.parametrize("batch_size", [1, 16, 250])
def test_weights_count_while_online(rule, batch_size):
    """A row of weight 99 counts 99 times one of weight 1, also when mini-batches differ in weight."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 1))
    second = rng.random(20_000) < 0.5
    X[second] += 5
    weights = np.where(second, 0.02, 1.98)
    model = OnlineGaussianMixture(2, rule=rule, batch_size=batch_size, init_size=250, random_state=0)
    model.fit(X, sample_weight=weights)
    assert model.weights_.max() == pytest.approx(0.99, abs=0.015)


@pytest.mark.parametrize("batch_size", [1, 250])
def test_average_of_weighted_rows(batch_size):
    """With steps 1 / t online EM of one component is the weighted mean of all rows."""
    X = np.random.default_rng(0).normal(size=(4000, 1))
    X[2000:] += 10
    weights = np.repeat([1.0, 100.0], 2000)
    rule = rules.OnlineEM(rules.schedules.PowerDecay(1.0, rows=50))
    model = OnlineGaussianMixture(1, rule=rule, batch_size=batch_size, init_size=250, random_state=0)
    model.fit(X, sample_weight=weights)
    tolerance = 0.05 if batch_size == 1 else 0.5  # a mini-batch is as many steps at once
    assert model.means_.item() == pytest.approx(
        np.average(X, weights=np.ravel(weights)[:, None]), abs=tolerance
    )


@pytest.mark.parametrize("kind", TYPES)
def test_regularization_and_prior_count_once(kind):
    """With steps 1 / t online EM of one component is the posterior mode of all rows, wherever it began."""
    X = np.random.default_rng(0).normal(size=(4000, 2))
    rule = rules.OnlineEM(rules.schedules.PowerDecay(1.0, rows=50))
    prior = ConjugatePrior(mean=[1.0, 1.0], scale=1e4 * np.eye(2), degrees_of_freedom=1000)
    for settings in ({"reg_covar": 10.0}, {"reg_covar": 1e-3, "prior": prior}):
        settings = {**settings, "covariance_type": kind, "random_state": 0, "batch_size": 50}
        settings |= {"rule": rule, "memory_rows": 0}
        online = OnlineGaussianMixture(1, init_size=100, **settings).fit(X)
        whole = OnlineGaussianMixture(1, init_size=4000, **settings).fit(X)
        np.testing.assert_allclose(online.covariances_, whole.covariances_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(online.means_, whole.means_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_gradient_ascent_stays_among_the_rows(kind, scale):
    """The guard: no step moves a mean by more than a standard deviation, whatever the data's unit."""
    X, _ = blobs(3000)
    model = OnlineGaussianMixture(3, covariance_type=kind, rule="gradient", init_size=100, random_state=0)
    model.fit(X * scale)
    assert (model.means_ >= X.min(axis=0) * scale).all()
    assert (model.means_ <= X.max(axis=0) * scale).all()
    assert np.isfinite(model.score(X * scale))


def test_weighted_calls_of_any_size_agree():
    X, _ = blobs(4096)
    weights = np.random.default_rng(0).uniform(0.1, 2, 4096)
    whole = OnlineGaussianMixture(3, init_size=500, random_state=0).partial_fit(X, sample_weight=weights)
    for size in (256, 1024):
        pieces = OnlineGaussianMixture(3, init_size=500, random_state=0)
        for start in range(0, 4096, size):
            piece = slice(start, start + size)
            pieces.partial_fit(X[piece], sample_weight=weights[piece])
        assert_same(pieces, whole)


def test_score_of_no_weight():
    X, _ = blobs(100)
    with pytest.raises(ValueError, match="positive weight"):
        OnlineGaussianMixture(random_state=0).fit(X).score(X, sample_weight=np.zeros(100))


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("on_drift", ["report", "forget"])
def test_verbose_prints_events_of_which_nothing_warns(capsys, verbose, on_drift):
    X = np.concatenate([blobs(12_000)[0], blobs(6000, seed=1)[0] + 30.0])
    model = OnlineGaussianMixture(3, random_state=0, verbose=verbose, on_drift=on_drift)
    printed = []
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for begin in range(0, len(X), 1024):
            n_events = len(model.events_) if begin else 0
            model.partial_fit(X[begin : begin + 1024])
            lines = capsys.readouterr().err.splitlines()
            new = model.events_[n_events:]
            assert lines == [str(event) for event in new if verbose and event.reason != "report"]
            printed += lines
    assert [str(one.message) for one in raised] == [str(e) for e in model.events_ if e.reason == "report"]
    assert bool(printed) == bool(verbose) or on_drift == "report"  # which warns
    assert {"report": "report", "forget": "change"}[on_drift] in {e.reason for e in model.events_}
