"""Rows of any kind: arrays, frames, files, batches and functions are the same rows to every estimator."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from streamgmm import GaussianMixture, Mixture, OnlineGaussianMixture, datasets, select
from streamgmm.fit.checksum import checksum
from streamgmm.fit.rows import SAMPLE, WHOLE, RowsChangedError, rows_of
from streamgmm.fit.solvers import SOLVERS

TRUTH = Mixture([0.5, 0.3, 0.2], [[0.0, 0.0], [6.0, 6.0], [-6.0, 6.0]], [1.0, 1.0, 1.0], "spherical")


def kinds_of(X, tmp_path):
    """Return the same rows in every form that can be given."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    np.save(tmp_path / "x.npy", X)
    for part, rows in enumerate(np.array_split(X, 3)):
        np.save(tmp_path / f"part-{part}.npy", rows)
    pieces = np.array_split(X, 7)
    return {
        "array": X,
        "list": X.tolist(),
        "mapped": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "frame": frame,
        "path": tmp_path / "x.npy",
        "glob": str(tmp_path / "part-*.npy"),
        "paths": [str(tmp_path / f"part-{part}.npy") for part in range(3)],
        "batches": lambda: iter(pieces),
        "frames": lambda: (frame[begin : begin + 1000] for begin in range(0, len(X), 1000)),
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_both_estimators_take_all_rows_in_the_same_way(tmp_path, weighted):
    X, _ = TRUTH.sample(4000, random_state=0)
    weights = np.random.default_rng(0).integers(0, 3, 4000) if weighted else None
    for model in (GaussianMixture(3, random_state=0), OnlineGaussianMixture(3, max_epochs=2, random_state=0)):
        whole = clone(model).fit(X, sample_weight=weights)
        for name, rows in kinds_of(X, tmp_path).items():
            other = clone(model).fit(rows, sample_weight=weights)
            is_drawn = isinstance(model, OnlineGaussianMixture) and not weighted
            if is_drawn and name in ("path", "glob", "paths"):  # the order of slices and files is drawn, too
                found, expected = (np.sort(one.means_, axis=0) for one in (other, whole))
                np.testing.assert_allclose(found, expected, atol=0.1, err_msg=name)
                continue
            np.testing.assert_allclose(other.means_, whole.means_, rtol=1e-9, atol=1e-9, err_msg=name)
            assert other.n_features_in_ == 2
            has_names = name in ("frame", "frames")
            assert (list(getattr(other, "feature_names_in_", [])) == ["a", "b"]) == has_names
            assert other.score(rows, sample_weight=weights) == pytest.approx(
                whole.score(X, sample_weight=weights), rel=1e-9
            )
            if isinstance(model, OnlineGaussianMixture) and name != "frames":
                assert other.to_mixture() == whole.to_mixture()  # however the rows were cut
                once = clone(model).partial_fit(rows, sample_weight=weights)
                assert once.to_mixture() == clone(model).partial_fit(X, sample_weight=weights).to_mixture()


def test_rows_are_taken_as_they_are():
    X, _ = TRUTH.sample(1000, random_state=0)
    weights = np.random.default_rng(0).integers(0, 3, 1000)
    model = GaussianMixture(3, random_state=0)
    expected = clone(model).fit(X, sample_weight=weights)
    for given in (X, lambda: np.array_split(X, 3)):
        rows = rows_of(given, weights)
        assert rows_of(rows) is rows
        fitted = clone(model).fit(rows)
        np.testing.assert_allclose(fitted.means_, expected.means_)
        with pytest.raises(ValueError, match="`sample_weight` must be None for Rows"):
            model.fit(rows, sample_weight=weights)


def test_the_online_estimator_holds_one_batch():
    X, _ = TRUTH.sample(5000, random_state=0)
    alive, most = [], []

    def batches():
        for begin in range(0, len(X), 512):
            batch = X[begin : begin + 512].copy()
            alive.append(weakref.ref(batch))
            most.append(sum(one() is not None for one in alive))
            yield batch
            del batch

    model = OnlineGaussianMixture(3, init_size=100, random_state=0).fit(batches)
    assert len(alive) == 10  # one pass, none to count
    assert max(most) <= 2  # the last is let go when the next has come
    assert model.to_mixture() == OnlineGaussianMixture(3, init_size=100, random_state=0).fit(X).to_mixture()


def test_a_rule_that_makes_passes_sees_all_rows_of_batches():
    X, _ = TRUTH.sample(3000, random_state=0)
    model = OnlineGaussianMixture(3, rule="sem-vr", max_epochs=3, init_size=300, random_state=0)
    whole = clone(model).fit(X)
    assert model.fit(lambda: np.array_split(X, 7)).to_mixture() == whole.to_mixture()


def test_select_reads_each_row_once_for_all(tmp_path):
    X, _ = TRUTH.sample(600, random_state=0)
    passes = []

    def batches():
        passes.append(1)
        return np.array_split(X, 4)

    settings = {"covariance_types": ["diag"], "random_state": 0, "max_iter": 3, "tol": 0.0, "prior": None}
    found = select(batches, [1, 2], **settings)
    for row, other in zip(found.table, select(X, [1, 2], **settings).table, strict=True):
        assert row.value == pytest.approx(other.value, rel=1e-9)
    assert len(passes) == 1 + 2 * (3 + 1)  # the first, then EM's and one for the criterion
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b"])
    for criterion in ("bic", "held-out"):
        best = select(frame, [3], criterion=criterion, random_state=0).best
        assert list(best.feature_names_in_) == ["a", "b"]


def test_the_first_pass_tells_the_center_and_a_sample():
    X = np.random.default_rng(0).normal(1e8, 1.0, size=(2 * WHOLE, 2))
    X[:, 1] = 7.0
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    for sample_weight in (None, weights):
        whole = rows_of(X, sample_weight)
        parts = rows_of(lambda: np.array_split(X, 11), sample_weight)
        expected = 1e8 + np.average(X - 1e8, axis=0, weights=sample_weight)
        np.testing.assert_allclose(whole.center, expected, rtol=1e-15)
        np.testing.assert_allclose(parts.center, whole.center, rtol=1e-15)
        assert whole.center[1] == 7.0
        assert whole.sample[0].shape == (SAMPLE, 2)
        for part, expected in zip(parts.sample, whole.sample, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[:-10],
        lambda X: np.concatenate([X, X[:10]]),
        lambda X: np.concatenate([X[:-1], X[-1:] + 1e-9]),
    ],
    ids=["less", "more", "other"],
)
def test_rows_that_change_between_passes_are_an_error(solver, change):
    X, _ = TRUTH.sample(500, random_state=0)
    n_passes = 0

    def batches():
        nonlocal n_passes
        n_passes += 1
        return np.array_split(X if n_passes < 4 else change(X), 3)

    model = GaussianMixture(3, solver=solver, tol=0.0, random_state=0)
    with pytest.raises(
        RowsChangedError, match="`X` must give the same rows every time, got 500 rows at first"
    ):
        model.fit(batches)
    assert not hasattr(model, "n_features_in_")


def test_rows_that_change_between_epochs_or_candidates_are_an_error():
    X, _ = TRUTH.sample(3000, random_state=0)
    drawn = np.random.default_rng(0)
    with pytest.raises(RowsChangedError):
        OnlineGaussianMixture(3, max_epochs=2, random_state=0).fit(lambda: [drawn.normal(size=(3000, 2))])
    with pytest.raises(RowsChangedError):
        select(lambda: [drawn.normal(size=(300, 2))], [1, 2], random_state=0)
    order = np.random.default_rng(0)
    model = GaussianMixture(3, random_state=0, tol=1e-6).fit(lambda: [order.permutation(X)])  # as a loader
    np.testing.assert_allclose(
        np.sort(model.means_, axis=0),
        np.sort(GaussianMixture(3, random_state=0, tol=1e-6).fit(X).means_, axis=0),
        atol=1e-3,
    )


def test_checksum_sees_every_number_but_not_the_order():
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(100, 3)), rng.random(100)
    value = checksum(X, w)
    order = rng.permutation(100)
    assert (checksum(X[order], w[order]) - value) % 2**64 == 0
    parts = sum(checksum(X[k::3], w[k::3]) for k in range(3))
    assert (parts - value) % 2**64 == 0
    assert (checksum(X[order], w) - value) % 2**64
    seen = {value % 2**64}
    for row in range(100):
        for column in range(3):
            other = X.copy()
            other[row, column] = np.nextafter(other[row, column], np.inf)
            seen.add(checksum(other, w) % 2**64)
    assert len(seen) == 301
    assert checksum(X[:, ::-1], w) % 2**64 not in seen


def test_columns_of_files_have_the_names_of_the_fit(tmp_path):
    X, _ = TRUTH.sample(500, random_state=0)
    for name, header in (("x", "a,b"), ("y", "b,a")):
        np.savetxt(tmp_path / f"{name}.csv", X, delimiter=",", header=header, comments="")
    model = GaussianMixture(2, random_state=0).fit(tmp_path / "x.csv")
    assert list(model.feature_names_in_) == ["a", "b"]
    assert np.isfinite(model.score(tmp_path / "x.csv"))
    with pytest.raises(ValueError, match=r"`X` must have the columns \['a', 'b'\], got \['b', 'a'\]"):
        model.score(tmp_path / "y.csv")


@pytest.mark.parametrize("make", [GaussianMixture, OnlineGaussianMixture])
def test_weights_of_batches_are_as_many_as_the_rows(make):
    X, _ = TRUTH.sample(500, random_state=0)
    for n_weights in (400, 600):
        with pytest.raises(ValueError, match=f"`sample_weight` must have as many numbers .* got {n_weights}"):
            make(2, random_state=0).fit(lambda: np.array_split(X, 3), sample_weight=np.ones(n_weights))
    with pytest.raises(ValueError, match="`X` must hold at least one row"):
        make(2).fit(lambda: iter(()))
    with pytest.raises(ValueError, match=r"batches of `X` must have shape \(n, 2\), got \(5, 3\)"):
        make(2).fit(lambda: [X, np.zeros((5, 3))])


# --- after parameters were set to others -------------------------------------------------------------------


@pytest.mark.parametrize("make", [GaussianMixture, OnlineGaussianMixture])
def test_reading_keeps_to_what_was_fitted(make):
    X, _ = TRUTH.sample(2000, random_state=0)
    model = make(3, random_state=0).fit(X)
    expected = {name: getattr(model, name)(X) for name in ("score_samples", "predict_proba", "bic", "aic")}
    rows = model.sample(20)[0]
    for kind in ("tied", "diag", "spherical"):
        model.set_params(covariance_type=kind, n_components=2)
        for name, value in expected.items():
            np.testing.assert_array_equal(getattr(model, name)(X), value)
        np.testing.assert_array_equal(model.sample(20)[0], rows)
        theirs = model.to_sklearn()
        assert (theirs.n_components, theirs.covariance_type) == (3, "full")
        assert theirs.bic(X) == pytest.approx(expected["bic"], rel=1e-9)
        if make is GaussianMixture:
            back = GaussianMixture.from_sklearn(theirs).set_params(covariance_type=kind)
            assert back.bic(X) == pytest.approx(expected["bic"], rel=1e-9)
        assert model.to_mixture().covariance_type == "full"
        fitted = clone(model).fit(X)
        assert fitted.to_mixture().covariance_type == kind


def test_attributes_set_by_hand_may_have_another_type():
    X, _ = TRUTH.sample(500, random_state=0)
    full, diag = (
        GaussianMixture(3, covariance_type=kind, random_state=0).fit(X) for kind in ("full", "diag")
    )
    model = copy.deepcopy(full).set_params(covariance_type="diag")
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        setattr(model, name, getattr(diag, name))
    np.testing.assert_allclose(model.score_samples(X), diag.score_samples(X), rtol=1e-9)
    assert model.bic(X) == pytest.approx(diag.bic(X), rel=1e-9)
    np.testing.assert_allclose(model.sample(9)[0], diag.sample(9)[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"covariance_type": "diag"},
        {"n_components": 2},
        {"rule": "gradient"},
        {"batch_size": 64},
        {"reg_covar": 1.0},
        {"prior": "weak"},
        {"means_init": np.zeros((3, 2))},
    ],
)
@pytest.mark.parametrize("n_rows", [50, 2000])
def test_partial_fit_does_not_mix_old_and_new(changed, n_rows):
    X, _ = TRUTH.sample(2000, random_state=0)
    model = OnlineGaussianMixture(3, random_state=0).partial_fit(X[:n_rows])
    before, old = model.to_mixture(), model.get_params()
    name = next(iter(changed))
    model.set_params(**changed)
    with pytest.raises(ValueError, match=f"(?s)`{name}` must be what the model was fitted with.*call `fit`"):
        model.partial_fit(X)
    assert model.to_mixture() == before
    model.set_params(**{name: old[name]}).set_params(n_threads=1, verbose=1, max_epochs=3).partial_fit(X)
    assert model.n_samples_seen_ == n_rows + 2000


@pytest.mark.parametrize("changed", [{"covariance_type": "tied"}, {"n_components": 2}])
def test_warm_start_does_not_mix_old_and_new(changed):
    X, _ = TRUTH.sample(500, random_state=0)
    model = GaussianMixture(3, warm_start=True, random_state=0).fit(X)
    before = model.to_mixture()
    model.set_params(**changed)
    name = next(iter(changed))
    with pytest.raises(
        ValueError, match=f"`{name}` must be what the model was fitted with.*`warm_start=False`"
    ):
        model.fit(X)
    assert model.to_mixture() == before
    model.set_params(warm_start=False).fit(X)
    assert model.get_params()[name] == changed[name]
    assert model.to_mixture() != before
    with pytest.raises(ValueError, match="`n_features_in_` must be"):
        model.set_params(warm_start=True).fit(X[:, :1])
    assert model.n_features_in_ == 2


# --- all or nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_fit_that_fails_leaves_the_model(error):
    X, _ = TRUTH.sample(500, random_state=0)
    model = GaussianMixture(3, random_state=0).fit(X)
    before, score = pickle.dumps(model), model.score(X)

    def batches():
        yield np.zeros((5, 3))
        raise error("stop")

    for rows in (batches, np.full((5, 3), np.nan), np.zeros((2, 3))):
        with pytest.raises((KeyboardInterrupt, ValueError)):
            model.fit(rows)
        assert pickle.dumps(model) == before
        assert model.score(X) == score
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            model.set_params(tol=0.0).fit(X[:, :1])
    assert model.n_features_in_ == 2


def test_threads_that_write_one_estimator_lose_no_rows():
    X, _ = TRUTH.sample(6000, random_state=0)
    model = OnlineGaussianMixture(3, init_size=100, batch_size=10, random_state=0).partial_fit(X[:100])

    def work(part):
        for begin in range(0, len(part), 10):
            model.partial_fit(part[begin : begin + 10])

    threads = [threading.Thread(target=work, args=(part,)) for part in np.array_split(X, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.n_samples_seen_ == 6100
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.partial_fit(X).to_mixture() == copy.deepcopy(model).partial_fit(X).to_mixture()


# --- the first rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 256])
@pytest.mark.parametrize("n_equal", [1024, 3000])
def test_equal_rows_at_first_are_waited_through(batch_size, n_equal):
    """A sensor that is stuck: no component sits on the point for ever."""
    X, _ = TRUTH.sample(8192, random_state=0)
    rows = np.concatenate([np.full((n_equal, 2), 2.0), X])
    model = OnlineGaussianMixture(3, batch_size=batch_size, random_state=0)
    model.partial_fit(rows[:n_equal])
    message = f"3 components need at least 3 distinct rows of positive weight, got 1 in n_samples={n_equal}"
    for read in (model.predict, model.bic):
        with pytest.raises(NotFittedError, match=message):
            read(X)
    pieces = copy.deepcopy(model)
    with pytest.warns(UserWarning, match=rf"duplicate rows: .* \[2.0, 2.0\] occurs {n_equal} times"):
        model.partial_fit(rows[n_equal:])
    assert model.score(X) > TRUTH.log_prob(X).mean() - 0.05
    assert model.n_samples_seen_ == len(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the same
        for begin in range(n_equal, len(rows), 500):  # the start does not depend on how calls are cut
            pieces.partial_fit(rows[begin : begin + 500])
    assert pieces._progress.start.mixture == model._progress.start.mixture


def test_one_row_calls_are_never_refused():
    X, _ = TRUTH.sample(3000, random_state=0)
    rows = np.concatenate([np.full((200, 2), 2.0), X])
    model = OnlineGaussianMixture(3, batch_size=1, init_size=100, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # duplicate rows
        whole = clone(model).partial_fit(rows)
        for row in rows:
            model.partial_fit(row[np.newaxis])
    assert model.n_iter_ > 2900
    assert model.to_mixture() == whole.to_mixture()
    assert model.to_mixture().standard_deviations.min() > 0.5


def test_equal_rows_for_ever_need_no_memory():
    model = OnlineGaussianMixture(2, random_state=0)
    begin = time.perf_counter()
    for _ in range(30):
        model.partial_fit(np.full((10_000, 2), 3.0))
    assert time.perf_counter() - begin < 60
    assert len(model._progress.stage.X) == 1
    with pytest.raises(NotFittedError, match="got 1 in n_samples=300000 rows"):
        model.predict([[3.0, 3.0]])
    with pytest.raises(ValueError, match="2 components need at least 2 distinct rows"):
        model.fit(np.full((5000, 2), 3.0))
    assert model.n_samples_seen_ == 300_000
    with pytest.warns(UserWarning, match="duplicate rows|constant columns"):
        one = OnlineGaussianMixture(1, random_state=0).partial_fit(np.full((5000, 2), 3.0))
    assert one.n_iter_ > 10
    np.testing.assert_array_equal(one.means_, [[3.0, 3.0]])


def test_two_values_are_two_components():
    X = np.where(np.random.default_rng(0).random((20_000, 1)) < 0.1, 1.0, 5.0)
    share = (X == 1.0).mean()
    model = OnlineGaussianMixture(2, random_state=0)
    with pytest.warns(
        UserWarning, match=r"duplicate rows: only 2 of the first 2000 rows are distinct; \[5.0\]"
    ):
        means = model.partial_fit(X[:2000]).means_
    np.testing.assert_allclose(np.sort(means.ravel()), [1.0, 5.0])
    assert model.n_iter_ < 10  # EM's: there may be more values to come
    with pytest.warns(UserWarning, match="duplicate rows"):
        model.partial_fit(X[2000:])
    assert len(model.history_) > 50
    np.testing.assert_allclose(np.sort(model.weights_), [share, 1 - share], atol=0.01)


def test_rows_of_no_weight_are_not_waited_for():
    X, _ = TRUTH.sample(4096, random_state=0)
    rows = np.concatenate([np.zeros((1024, 2)), X])
    weights = np.concatenate([np.ones(1024), np.zeros(1024), np.ones(3072)])
    model = OnlineGaussianMixture(3, random_state=0).partial_fit(rows[:2048], sample_weight=weights[:2048])
    with pytest.raises(NotFittedError, match="got 1 in n_samples=2048 rows"):
        model.predict(X)
    with pytest.warns(UserWarning, match="duplicate rows"):
        model.partial_fit(rows[2048:], sample_weight=weights[2048:])
    assert model.score(X) > TRUTH.log_prob(X).mean() - 0.1


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-120, 1e120])
@pytest.mark.parametrize("make", [GaussianMixture, OnlineGaussianMixture])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_tiny_and_huge_rows_work(make, scale, kind):
    X, _ = TRUTH.sample(2000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what cannot be squared is as good as constant
        model = make(3, covariance_type=kind, random_state=0, prior="weak").fit(X * scale)
    assert np.isfinite(model.means_).all()
    assert np.isfinite(model.covariances_).all()
    assert np.isfinite(model.score(X * scale))


@pytest.mark.parametrize("solver", ["lbfgs"])
@pytest.mark.parametrize("prior", [None, "weak"])
def test_lower_bounds_of_lbfgs_are_likelihoods(solver, prior):
    X = datasets.load_faithful().data
    bounds = []
    for max_iter in (1, 2, 3, 5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(
                2, solver=solver, prior=prior, max_iter=max_iter, tol=1e-12, random_state=0
            ).fit(X)
        assert model.lower_bound_ == pytest.approx(model.score(X), rel=1e-9)
        bounds.append(model.lower_bounds_)
    for shorter in bounds[:-1]:
        np.testing.assert_allclose(shorter, bounds[-1][: len(shorter)], rtol=1e-12)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_k_means_starts_after_a_fork():
    """OpenMP's threads, once used, make a forked process wait for ever: none may be."""
    code = """
import os, time, numpy as np
from streamgmm import GaussianMixture, OnlineGaussianMixture
X = np.random.default_rng(0).normal(size=(5000, 2))
def fit():
    GaussianMixture(3, max_iter=1, tol=1e9, random_state=0).fit(X)
    OnlineGaussianMixture(3, init_params="kmeans", random_state=0).fit(X)
fit()
child = os.fork()
if child == 0:
    fit()
    os._exit(0)
print(child, flush=True)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    settings = {**os.environ, "OMP_NUM_THREADS": "4"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], env=settings, stdout=subprocess.PIPE, text=True
    )
    child = int(process.stdout.readline())
    try:
        assert process.wait(timeout=120) == 0
    except subprocess.TimeoutExpired:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        process.kill()
        process.stdout.close()
