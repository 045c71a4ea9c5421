"""select: the criteria against their definitions, the winner, and what does not change it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.mixture import GaussianMixture as Other

import naive
from streamgmm import GaussianMixture, covariance, datasets, select

SETTINGS = {"random_state": 0, "tol": 1e-5, "max_iter": 500}


def rows(n=600):
    """Three Gaussians, well apart, each round but of its own size."""
    rng = np.random.default_rng(0)
    means = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 9.0]])
    return naive.draw(
        rng, naive.Parameters(np.full(3, 1 / 3), means, np.array([1.0, 2.0, 0.5]), "spherical"), n
    )


@pytest.mark.parametrize("criterion", ["bic", "aic", "icl"])
def test_values_are_those_of_scikit_learn(criterion):
    X = rows()
    found = select(X, [1, 3], covariance_types=["diag", "tied"], criterion=criterion, prior=None, **SETTINGS)
    assert len(found.table) == 4
    for row in found.table:
        theirs = Other(row.n_components, covariance_type=row.covariance_type, **SETTINGS).fit(X)
        expected = theirs.aic(X) if criterion == "aic" else theirs.bic(X)
        if criterion == "icl":
            resp = theirs.predict_proba(X)
            expected -= 2 * (resp * np.log(np.maximum(resp, 1e-300))).sum()
        assert row.value == pytest.approx(expected, rel=1e-7)
    values = [row.value for row in found.table]
    assert values == sorted(values)


@pytest.mark.parametrize("criterion", ["bic", "icl", "held-out"])
def test_finds_what_made_the_rows(criterion):
    X = rows(2000)
    found = select(X, range(1, 6), criterion=criterion, n_init=2, **SETTINGS)
    if criterion == "held-out":  # more than needed loses little on held-out rows
        assert found.best.n_components >= 3
        assert found.best.get_params()["warm_start"] is False
    else:
        assert (found.best.n_components, found.best.covariance_type) == (3, "spherical")
    assert isinstance(found.best, GaussianMixture)
    n_fitted = 1600 if criterion == "held-out" else 2000
    assert found.best.score(X) == pytest.approx(found.table[0].log_likelihood / n_fitted, abs=0.1)
    assert repr(found).count("\n") == 20


def test_threads_and_files_change_nothing(tmp_path):
    X = rows()
    whole = select(X, range(1, 5), n_threads=1, **SETTINGS)
    again = select(X, range(1, 5), n_threads=3, **SETTINGS)
    assert whole.table == again.table
    np.save(tmp_path / "x.npy", X)
    file = select(tmp_path / "x.npy", range(1, 5), **SETTINGS)
    assert [row[:2] for row in file.table] == [row[:2] for row in whole.table]


def test_weights():
    X = rows(200)
    weights = np.random.default_rng(0).integers(1, 3, 200)
    weighted = select(X, [1, 2], sample_weight=weights, covariance_types=["full"], **SETTINGS)
    repeated = select(np.repeat(X, weights, axis=0), [1, 2], covariance_types=["full"], **SETTINGS)
    np.testing.assert_allclose(
        [row.value for row in weighted.table], [row.value for row in repeated.table], 1e-3
    )
    held = select(
        X, [1, 3], sample_weight=weights, criterion="held-out", covariance_types=["full"], **SETTINGS
    )
    assert held.best.n_components == 3


def test_progress_and_failures(capsys):
    calls = []
    X = np.repeat([[0.0], [1.0], [5.0]], 4, axis=0)
    found = select(
        X,
        [1, 3],
        covariance_types=["full"],
        reg_covar=0.0,
        prior=None,
        progress=lambda *done: calls.append(done),
        **SETTINGS,
    )
    assert calls == [(0, 2), (1, 2), (2, 2)]
    assert found.failures[0][:2] == (3, "full")
    assert found.best.n_components == 1
    with pytest.raises(ValueError, match="no mixture could be fitted"):
        select(X, [3], reg_covar=0.0, prior=None, **SETTINGS)
    select(X, [1], progress=True, **SETTINGS)
    assert "4 of 4 mixtures" in capsys.readouterr().err


def test_what_makes_no_sense():
    X = datasets.load_faithful().data
    with pytest.raises(ValueError, match="`criterion` must be one of"):
        select(X, criterion="other")
    with pytest.raises(ValueError, match="must hold something"):
        select(X, [])
    with pytest.raises(ValueError, match="`held_out` must"):
        select(X, held_out=1.0)
    with pytest.raises(ValueError, match="must have the rows at hand"):
        select(lambda: [X], criterion="held-out")


def test_sizes_are_integers():
    X = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match=r"`n_components` must hold integers, got \[1\.5\]"):
        select(X, [1.5])
    assert select(X, 1, covariance_types="diag", random_state=0).best.n_components == 1


# --- n_components="auto" -----------------------------------------------------------------------------------


def many_clusters(n_components, n=700):
    """Return rows of round clusters on a grid, well apart."""
    labels = np.arange(n) % n_components
    centers = 12.0 * np.stack(np.divmod(np.arange(n_components), 4), axis=1)
    return centers[labels] + np.random.default_rng(0).normal(size=(n, 2)), labels


@pytest.mark.parametrize("kind", covariance.names())
def test_auto_is_the_winner_of_select(kind):
    X = rows()
    best = select(X, covariance_types=kind, random_state=0).best
    model = GaussianMixture("auto", covariance_type=kind, random_state=0).fit(X)
    assert model.weights_.shape == (best.n_components,)
    np.testing.assert_array_equal(model.means_, best.means_)
    np.testing.assert_array_equal(model.covariances_, best.covariances_)
    assert model.n_components == "auto"  # a parameter is never changed
    expected = [GaussianMixture(K, covariance_type=kind, random_state=0).fit(X).bic(X) for K in (1, 2, 3, 4)]
    assert model.bic(X) < min(expected) + 2.0  # those have no prior


def test_auto_goes_on_beyond_ten():
    X, labels = many_clusters(14)
    for kind in ("diag", "spherical"):
        model = GaussianMixture("auto", covariance_type=kind, random_state=0).fit(X)
        assert len(model.weights_) == 14
        found = model.predict(X)
        assert all(len(set(found[labels == k])) == 1 for k in range(14))


def test_auto_takes_weights_files_and_batches(tmp_path):
    X, _ = many_clusters(3, 200)
    w = np.random.default_rng(0).integers(1, 4, len(X))
    model = GaussianMixture("auto", random_state=0)
    weighted = clone(model).fit(X, sample_weight=w)
    repeated = clone(model).fit(np.repeat(X, w, axis=0))
    assert len(weighted.weights_) == len(repeated.weights_) == 3
    np.testing.assert_allclose(np.sort(weighted.weights_), np.sort(repeated.weights_), atol=1e-4)
    np.save(tmp_path / "x.npy", X)
    whole = clone(model).fit(X)
    for source in (tmp_path / "x.npy", lambda: [X[:50], X[50:]]):
        np.testing.assert_allclose(clone(model).fit(source).means_, whole.means_, rtol=1e-9)


def test_after_auto_all_is_as_after_any_fit():
    X, labels = many_clusters(5, 300)
    model = GaussianMixture("auto", random_state=0).fit(X)
    assert model.to_mixture().n_components == 5
    theirs = model.to_sklearn()
    assert model.bic(X) == pytest.approx(theirs.bic(X), rel=1e-9)
    assert theirs.fit(X).weights_.shape == (5,)  # its own parameters are valid, too
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert len(set(zip(model.predict(X), labels, strict=True))) == 5
    assert clone(model).get_params() == model.get_params()
    assert model.predict_proba(X).shape == (300, 5)
    rows, drawn = model.sample(40)
    assert rows.shape == (40, 2)
    assert set(drawn) <= set(range(5))
    before = model.means_.copy()
    model.set_params(warm_start=True).fit(X)
    assert len(model.weights_) == 5
    np.testing.assert_allclose(model.means_, before, atol=1e-3)  # it goes on with this number, and the prior


def test_auto_of_few_rows():
    for n in (2, 3, 5):
        X = np.random.default_rng(n).normal(size=(n, 2))
        model = GaussianMixture("auto", random_state=0).fit(X)
        assert 1 <= len(model.weights_) <= n
        assert np.isfinite(model.score_samples(X)).all()
    found = select(X, range(1, 9), covariance_types=["full"], random_state=0)
    assert sorted(row.n_components for row in found.table) == [1, 2, 3, 4, 5]
    assert sorted(failure.n_components for failure in found.failures) == [6, 7, 8]
    assert "Expected n_samples >= n_components" in found.failures[0].why


@pytest.mark.parametrize(
    "given", [{"means_init": [[0.0, 0.0]]}, {"weights_init": [1.0]}, {"init_params": "kmeans"}]
)
def test_auto_finds_its_own_starts(given):
    with pytest.raises(ValueError, match="must find starts of its own"):
        GaussianMixture("auto", **given).fit(rows(50))
    with pytest.raises(ValueError, match="'n_components' parameter"):
        GaussianMixture("other").fit(rows(50))


@pytest.mark.parametrize("criterion", ["bic", "held-out"])
def test_sizes_with_gaps_and_in_any_order(criterion):
    X = rows()
    found = select(X, [5, 2, 3], covariance_types=["full"], criterion=criterion, random_state=0)
    assert sorted(row.n_components for row in found.table) == [2, 3, 5]
    by_size = {row.n_components: row for row in found.table}
    assert by_size[2].log_likelihood < by_size[3].log_likelihood
    for K, row in by_size.items():  # within a few nats of a fit of its own
        if criterion == "bic":
            own = GaussianMixture(K, prior="weak", random_state=0).fit(X)
            assert row.log_likelihood > own.score(X) * len(X) - 6.0


def test_the_likelihood_does_not_fall_with_more_components():
    X = naive.draw(
        np.random.default_rng(3), naive.random_parameters(np.random.default_rng(3), "full", 4, 2), 300
    )
    found = select(X, range(1, 8), prior=None, random_state=0)
    for kind in covariance.names():
        by_size = {row[0]: row.log_likelihood for row in found.table if row.covariance_type == kind}
        likelihoods = [by_size[K] for K in range(1, 8)]
        assert np.diff(likelihoods).min() > -0.1  # of all rows, from fits that stop at 1e-5 nats a row
