"""select: the criteria against their definitions, the winner, and what does not change it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as Other

import naive
from streamgmm import GaussianMixture, datasets, select

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
