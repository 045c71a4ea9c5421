"""Following a learner: it learns the same, and its components keep their names."""

from __future__ import annotations

import numpy as np
import pytest

from streamgmm import Mixture, OnlineGaussianMixture, datasets
from streamgmm.estimators import follow
from streamgmm.estimators.follow import reorder

TRUTH = Mixture([0.5, 0.3, 0.2], [[0.0, 0.0], [5.0, 5.0], [-5.0, 5.0]], [1.0, 0.5, 2.0], "spherical")


@pytest.mark.parametrize("rule", ["online-em", "natural-gradient", "gradient", "annealed-sgd"])
@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_learns_what_partial_fit_learns(rule, batch_size):
    X, _ = TRUTH.sample(5000, random_state=0)
    models = [
        OnlineGaussianMixture(3, covariance_type="diag", rule=rule, batch_size=batch_size, random_state=0)
        for _ in range(2)
    ]
    size = models[0].partial_fit(X)._progress.plan.batch_size
    end = len(X) // size * size
    models[0] = models[0].__class__(**models[0].get_params()).partial_fit(X[:end])
    trail = follow(models[1], X[:end])
    assert models[1].to_mixture() == models[0].to_mixture()
    assert trail.mixtures[-1] == models[0].to_mixture()
    np.testing.assert_array_equal(models[1].history_, models[0].history_)
    assert (np.diff(trail.rows) > 0).all()
    assert trail.rows[-1] == end
    assert len(trail.rows) > 20


def test_weights_and_calls():
    X, _ = TRUTH.sample(4096, random_state=0)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    one, other = (OnlineGaussianMixture(3, random_state=0) for _ in range(2))
    trail = follow(one, X, weights)
    parts = None
    for begin in range(0, len(X), 1024):
        parts = follow(other, X[begin : begin + 1024], weights[begin : begin + 1024], trail=parts)
    assert one.to_mixture() == other.to_mixture()
    assert trail.rows[-1] == parts.rows[-1] == 4096
    assert set(parts.rows) >= {1024, 2048, 3072}


def test_many_calls_leave_a_short_trail():
    X, _ = TRUTH.sample(50_000, random_state=0)
    model = OnlineGaussianMixture(3, random_state=0)
    trail = None
    for begin in range(0, len(X), 256):
        trail = follow(model, X[begin : begin + 256], trail=trail)
        assert trail.rows[-1] == model.n_samples_seen_
        assert trail.mixtures[-1] == model.to_mixture()
    assert (np.diff(trail.rows) > 0).all()
    assert len(trail.rows) < 60
    assert (trail.rows[2:] >= 1.2 * trail.rows[:-2]).all()


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_components_keep_their_place(covariance_type):
    """EM's fits of the first rows find the components in any order; the trail shows them in one."""
    X, _ = TRUTH.sample(3000, random_state=3)
    model = OnlineGaussianMixture(3, covariance_type=covariance_type, random_state=0)
    trail = follow(model, X)
    last = trail.mixtures[-1]
    late = [mixture for rows, mixture in zip(trail.rows, trail.mixtures, strict=True) if rows > 100]
    assert len(late) > 10
    for mixture in late:
        assert np.abs(mixture.means - last.means).max() < 1.5  # they are 7 apart
        assert np.abs(mixture.weights - last.weights).max() < 0.15


def test_the_number_of_components_may_change():
    """A component is at its place as long as it is there, in calls of any size; a gap is not a number."""
    later = Mixture([0.5, 0.5], [[30.0, 0.0], [40.0, 0.0]], [1.0, 1.0], "spherical")
    X = np.concatenate([TRUTH.sample(9216, random_state=0)[0], later.sample(10_240, random_state=1)[0]])
    params = {"max_components": 5, "on_drift": "forget", "random_state": 0}
    for step in (1024, len(X)):
        model, trail = OnlineGaussianMixture("auto", **params), None
        for begin in range(0, len(X), step):
            trail = follow(model, X[begin : begin + step], trail=trail)
        change = next(event.row for event in model.events_ if event.reason == "change")
        assert trail.mixtures[-1] == model.to_mixture()
        assert trail.places[-1].tolist() == [0, 1]
        assert all((np.diff(places) > 0).all() for places in trail.places)
        means = trail.at_places(lambda mixture: mixture.means)
        assert means.shape == (len(trail.rows), 3, 2)
        before, after = (trail.rows > 1000) & (trail.rows < 9216), trail.rows > change + 4096
        assert before.sum() > 5
        assert np.ptp(means[before], axis=0).max() < 0.5
        assert np.isnan(means[after, 2]).all()
        assert np.ptp(means[after, :2], axis=0).max() < 0.5


def test_components_that_are_renumbered_keep_their_place(monkeypatch):
    """A rehearsal may give components in any order: here it reverses them each time."""
    from streamgmm.fit import world

    made = []

    def reversed_(*args, **kwargs):
        made.append(args)
        found = rehearse(*args, **kwargs)
        mixture = reorder(found.mixture, [2, 1, 0])
        return found._replace(mixture=mixture, statistics=args[0].rows.e_step(mixture))

    rehearse = world.rehearse
    monkeypatch.setattr(world, "rehearse", reversed_)
    X, _ = TRUTH.sample(20_000, random_state=0)
    model = OnlineGaussianMixture(3, random_state=0)
    trail = follow(model, X)
    assert len(made) >= 2
    late = trail.at_places(lambda mixture: mixture.means)[trail.rows > 1000]
    assert np.ptp(late, axis=0).max() < 0.5


def test_small_data_has_a_trail():
    X = datasets.load_faithful().data
    trail = follow(OnlineGaussianMixture(2, random_state=0), X)
    assert len(trail.mixtures) > 10
    assert trail.rows[-1] == 272


def test_equal_rows_first():
    """What `partial_fit` learns of all rows is not refused because the first of them are equal."""
    X = np.concatenate([np.zeros((50, 1)), np.random.default_rng(0).normal(size=(400, 1))])
    one, other = (OnlineGaussianMixture(2, random_state=0) for _ in range(2))
    one.partial_fit(X)
    trail = follow(other, X)
    assert one.to_mixture() == other.to_mixture()
    assert trail.rows[-1] == len(X)


def test_failure_leaves_the_estimator():
    X, _ = TRUTH.sample(3000, random_state=0)
    model = OnlineGaussianMixture(3, random_state=0).partial_fit(X)
    before = model.to_mixture()
    bad = X.copy()
    bad[2500, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        follow(model, bad)
    assert model.n_samples_seen_ == 3000
    assert model.to_mixture() == before
    unfitted = OnlineGaussianMixture(3)
    with pytest.raises(ValueError, match="NaN"):
        follow(unfitted, bad)
    assert not hasattr(unfitted, "n_features_in_")


def test_only_streams():
    from streamgmm import GaussianMixture

    with pytest.raises(ValueError, match="must be an OnlineGaussianMixture"):
        follow(GaussianMixture(2), [[0.0], [1.0]])


def test_threads_leave_the_warnings_filters_alone():
    import threading
    import warnings

    X, _ = TRUTH.sample(400, random_state=0)
    before = list(warnings.filters)

    def work():
        for seed in range(4):
            follow(OnlineGaussianMixture(3, random_state=seed), X)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="0 sample"):
        follow(OnlineGaussianMixture(2), np.empty((0, 2)))
