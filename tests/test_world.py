"""What is learned of a stream beside the rule: rehearsal, order, change, the number of components."""

from __future__ import annotations

import copy
import json
import pickle
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from streamgmm import Mixture, OnlineGaussianMixture, rules
from streamgmm.fit import world as world_module
from streamgmm.fit.memory import Memory
from streamgmm.fit.state import from_record, to_record
from streamgmm.rules.schedules import HalfLife

TRUTH = Mixture(
    [0.3, 0.3, 0.2, 0.2],
    [[-6.0, 0.0], [0.0, 5.0], [0.0, -5.0], [6.0, 0.0]],
    [np.eye(2), [[1.0, 0.6], [0.6, 1.0]], np.eye(2), 2 * np.eye(2)],
)
OTHER = Mixture([0.5, 0.5], [[-3.0, 9.0], [9.0, -3.0]], [np.eye(2), 3 * np.eye(2)])
ORDERED = "not in random order"


@pytest.fixture(autouse=True)
def worlds_soon_known(monkeypatch):
    """Of a young stream what is new is an order, for 200 000 rows: too many for quick tests."""
    monkeypatch.setattr(world_module, "_KNOWN", 0)
    monkeypatch.setattr(world_module, "_KNOWN_MEMORIES", 10)


def rows_of(mixture, n_samples, seed=0):
    return mixture.sample(n_samples, random_state=seed)[0]


def model_of(**params):
    defaults = {"n_components": 4, "random_state": 0, "memory_rows": 1000, "init_size": 256, "batch_size": 64}
    return OnlineGaussianMixture(**{**defaults, **params})


def learned(model, X, size, weights=None):
    """Learn rows in calls of so many, and let the warnings be: of an order, of equal rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        for begin in range(0, len(X), size):
            rows = slice(begin, begin + size)
            model.partial_fit(X[rows], sample_weight=None if weights is None else weights[rows])
    return model


def all_of(model):
    """Return all that can be seen of a model."""
    mixture = model.to_mixture()
    arrays = (mixture.log_weights, mixture.means, mixture.factor, model.history_, model.history_rows_)
    arrays += (np.array([tuple(event)[2] for event in model.events_]),)
    others = [(e.row, e.reason, e.n_components, e.since) for e in model.events_]
    return arrays, (others, model.n_samples_seen_, model.n_refused_, model.n_iter_, model.history_every_)


HISTORY = 3


def assert_same(one, other):
    (arrays, others), (arrays_2, others_2) = all_of(one), all_of(other)
    assert others == others_2
    for number, (array, array_2) in enumerate(zip(arrays, arrays_2, strict=True)):
        if number == HISTORY:  # a sum that nothing is made of; its last bit may depend on the call
            np.testing.assert_allclose(array, array_2, rtol=1e-14)
        else:
            np.testing.assert_array_equal(array, array_2)


def reasons(model):
    return [event.reason for event in model.events_]


def changing(n_samples=6000):
    """Return rows in random order that become others."""
    return np.concatenate([rows_of(TRUTH, n_samples), rows_of(OTHER, n_samples // 2, 1)])


def sorted_rows(n_samples=9000):
    X = rows_of(TRUTH, n_samples)
    return X[np.argsort(X[:, 0])]


STREAMS = {
    "shuffled": (lambda: rows_of(TRUTH, 9100), {}),
    "one by one": (lambda: rows_of(TRUTH, 5000), {"batch_size": 1}),
    "sevens": (lambda: rows_of(TRUTH, 7000), {"batch_size": 7}),
    "large": (lambda: rows_of(TRUTH, 18_100), {"batch_size": 3000, "init_size": 3000, "memory_rows": 4000}),
    "sorted": (sorted_rows, {"memory_rows": 2000}),
    "change": (changing, {"memory_rows": 400}),
    "forget": (changing, {"on_drift": "forget"}),
    "report": (changing, {"on_drift": "report"}),
    "auto": (lambda: rows_of(TRUTH, 4200), {"n_components": "auto", "max_components": 6}),
    "half-life": (changing, {"rule": rules.OnlineEM(HalfLife(1000.0))}),
    "natural": (changing, {"rule": "natural-gradient"}),
    "gradient": (lambda: rows_of(TRUTH, 5000), {"rule": "gradient"}),
    "tied": (changing, {"covariance_type": "tied"}),
}

MUST_TELL = {
    "sorted": "order",
    "change": "change",
    "forget": "change",
    "report": "report",
    "half-life": "change",
}


@pytest.mark.parametrize("rehearsal", ["now", "spread"])
@pytest.mark.parametrize("name", STREAMS)
def test_calls_may_be_cut_between_any_mini_batches(name, rehearsal):
    make, params = STREAMS[name]
    X, params = make(), {**params, "rehearsal": rehearsal}
    size = params.get("batch_size", 64)
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, len(X)) * 0.7 if name in ("shuffled", "change") else None
    whole = learned(model_of(**params), X, len(X), weights)
    if rehearsal == "now" and name in MUST_TELL:
        assert MUST_TELL[name] in reasons(whole)
    for step in (size * -(-320 // size), size * (1 + len(X) // (3 * size))):
        assert_same(whole, learned(model_of(**params), X, step, weights))


@pytest.mark.parametrize("rehearsal", ["now", "spread"])
@pytest.mark.parametrize("name", ["sorted", "change", "auto", "one by one"])
def test_calls_of_any_size_are_learned(name, rehearsal):
    make, params = STREAMS[name]
    X, model = make()[:4000], model_of(**params, rehearsal=rehearsal)
    rng = np.random.default_rng(0)
    begin = 0
    while begin < len(X):
        end = begin + int(rng.integers(1, 400))
        learned(model, X[begin:end], 400)
        begin = end
    assert model.n_samples_seen_ == len(X)
    assert np.isfinite(model.score(X))


# Copies, readers and failures


def continued(model, X):
    return learned(model, X, 256)


COPIES = copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))
MOMENTS = {
    # name: (stream, rows until then, what must be so then)
    "warm-up": (lambda: rows_of(TRUTH, 4096), {}, 128, lambda p: p.world is None),
    "start in pieces": (
        lambda: rows_of(TRUTH, 12_288),
        {"rehearsal": "spread", "init_size": 1024, "n_components": 6},
        1024 + 512,
        lambda p: p.world is None and p.stage.task._worker is not None,
    ),
    "start in pieces is due": (
        lambda: rows_of(TRUTH, 9216),
        {"rehearsal": "spread", "n_components": 2},
        256,
        lambda p: p.world is None and p.stage.task._worker is None,
    ),
    "rows wait": (
        lambda: rows_of(TRUTH, 12_288),
        {"rehearsal": "spread"},
        None,
        lambda p: p.world is not None and p.stage is not p.world,
    ),
    "rehearsal in pieces": (
        lambda: rows_of(TRUTH, 16_384),
        {"rehearsal": "spread"},
        None,
        lambda p: p.world is not None and p.stage is p.world and p.world.task is not None,
    ),
    "order": (sorted_rows, {"memory_rows": 2000}, 4096, lambda p: p.world.ordered),
    "before a rehearsal": (lambda: rows_of(TRUTH, 4096), {}, 1920, lambda p: p.world.n_rows == 1920),
}


def at(name):
    """Return a model at a moment, and the rows that follow."""
    make, params, n_rows, is_there = MOMENTS[name]
    X, model, begin = make(), model_of(**params), 0
    while begin < len(X):
        learned(model, X[begin : begin + 128], 128)
        begin += 128
        if begin == n_rows or (n_rows is None and is_there(model._progress)):
            break
    assert is_there(model._progress)
    return model, X[begin:]


@pytest.mark.parametrize("name", MOMENTS)
def test_a_copy_goes_on_to_the_same_bits(name):
    model, rest = at(name)
    rest = rest[:5120]
    copies = [copied(model) for copied in COPIES]
    learned(copy.copy(copies[0]), rows_of(OTHER, 1500, 3), 256)  # which disturbs nobody
    for other in copies:
        continued(other, rest)
    continued(model, rest)
    alone, _ = at(name)
    for other in (*copies, continued(alone, rest)):
        assert_same(model, other)


@pytest.mark.parametrize("name", MOMENTS)
def test_reading_changes_nothing(name):
    model, rest = at(name)
    silent = copy.deepcopy(model)
    for begin in range(0, min(1536, len(rest)), 128):
        rows = rest[begin : begin + 128]
        learned(model, rows, 128)
        model.predict(rows), model.means_, model.events_, model.lower_bound_
        learned(silent, rows, 128)
    assert_same(model, silent)


def test_copies_in_threads_do_not_disturb_each_other():
    model = learned(model_of(memory_rows=4000), rows_of(TRUTH, 512), 256)
    streams = [rows_of(TRUTH, 3000, seed) for seed in range(4)]
    expected = [learned(copy.deepcopy(model), X, 64) for X in streams]
    copies = [copy.copy(model) for _ in streams]
    threads = [
        threading.Thread(target=lambda m=m, X=X: [m.partial_fit(X[i : i + 64]) for i in range(0, 3000, 64)])
        for m, X in zip(copies, streams, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(copies, expected, strict=True):
        assert_same(one, other)
        np.testing.assert_array_equal(one._progress.world.memory.rows, other._progress.world.memory.rows)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", ["before a rehearsal", "rehearsal in pieces", "start in pieces"])
def test_a_failure_on_the_way_leaves_all_as_it_was(name, error, monkeypatch):
    model, rest = at(name)
    untouched, before = copy.deepcopy(model), all_of(model)[1]
    calls = []

    def failing(self, *args):
        calls.append(self)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("streamgmm.fit.climb.Climb.finish", failing)
        patched.setattr("streamgmm.sweep.breathe", failing)
        with pytest.raises(error):
            continued(model, rest)
    assert calls
    n_learned = model.n_samples_seen_ - untouched.n_samples_seen_
    assert n_learned >= 0
    assert before[1] <= model.n_samples_seen_
    continued(model, rest[n_learned:])
    assert_same(model, continued(untouched, rest))


@pytest.mark.parametrize("name", ["rehearsal in pieces", "order", "start in pieces"])
def test_bad_rows_leave_all_as_it_was(name):
    model, rest = at(name)
    untouched = copy.deepcopy(model)
    bad = rest[:2560].copy()
    bad[2000] = np.nan
    for X in (bad, rest[:10, :1], rest[:0]):
        with pytest.raises(ValueError, match=r"NaN|features|0 sample"):
            model.partial_fit(X)
    assert_same(continued(model, rest), continued(untouched, rest))


def test_an_estimator_is_cloned_and_keeps_its_parameters():
    model = learned(model_of(), rows_of(TRUTH, 2560), 256)
    other = clone(model)
    assert not hasattr(other, "_progress")
    assert other.get_params().keys() == model.get_params().keys()
    assert_same(learned(other, rows_of(TRUTH, 2560), 256), model)
    for name, value in (("memory_rows", 5), ("on_drift", "forget"), ("max_components", 3)):
        with pytest.raises(ValueError, match=name):
            copy.copy(model).set_params(**{name: value}).partial_fit(rows_of(TRUTH, 64))


# What the memory is for


def loss(model, mixture=TRUTH):
    """Return by how much a mixture explains its own rows better than a model does, in nats a row."""
    X = rows_of(mixture, 20_000, seed=12_345)
    return float(np.mean(mixture.log_prob(X)) - model.score(X))


STUCK = [[-7.0, 0.0], [-5.0, 0.0], [-6.0, 1.0], [3.0, 0.0]]  # three components for one cluster


def test_rehearsal_leads_out_of_a_bad_optimum():
    X = rows_of(TRUTH, 20_000)
    assert loss(learned(model_of(means_init=STUCK, memory_rows=0), X, 1024)) > 0.1
    model = learned(model_of(means_init=STUCK), X, 1024)
    assert loss(model) < 0.01
    assert reasons(model)[0] == "grown"
    assert model.events_[0].gain > 0.1
    assert model.events_[0].row <= 4096


def test_work_in_pieces_leads_there_too():
    X = rows_of(TRUTH, 120_000)
    model = learned(model_of(means_init=STUCK, rehearsal="spread"), X, 1024)
    assert loss(model) < 0.01
    assert "grown" in reasons(model)


@pytest.mark.parametrize("rule", ["online-em", "natural-gradient", "gradient"])
def test_every_rule_for_streams_rehearses(rule):
    X = rows_of(TRUTH, 12_000)
    model = learned(model_of(means_init=STUCK, rule=rule), X, 1024)
    assert "grown" in reasons(model)
    assert loss(model) < 0.02


@pytest.mark.parametrize("rule", ["em", "annealed-sgd", "sem-vr"])
def test_other_rules_take_no_memory(rule):
    with pytest.raises(ValueError, match=rf"rule '{rule}' takes no `memory_rows`"):
        model_of(rule=rule, covariance_type="diag").fit(rows_of(TRUTH, 1000))
    with pytest.raises(ValueError, match=r"n_components='auto'.*needs a memory"):
        model_of(rule=rule, covariance_type="diag", n_components="auto", memory_rows=None).fit(
            rows_of(TRUTH, 1000)
        )


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_rehearsal_of_a_stationary_stream_loses_nothing(covariance_type):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n_features, n_components = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        truth, *_ = (
            Mixture(
                rng.dirichlet(np.full(n_components, 5.0)),
                rng.normal(scale=2.5, size=(n_components, n_features)),
                [np.diag(rng.uniform(0.5, 2.0, n_features)) for _ in range(n_components)],
            ),
        )
        X = rows_of(truth, 16_000, seed)
        shape = {"n_components": n_components, "covariance_type": covariance_type}
        models = [learned(model_of(**shape, memory_rows=rows), X, 4096) for rows in (3000, 0)]
        assert loss(models[0], truth) <= loss(models[1], truth) + 0.003
        assert not {"order", "change"} & set(reasons(models[0]))


def test_work_in_pieces_gives_up_nothing_that_came_since(monkeypatch):
    """The memory still holds all rows, but the rehearsal has not seen those of the meantime."""
    monkeypatch.setattr(world_module, "GRANTED", 50_000)
    model = model_of(memory_rows=16_000, init_size=1024, rehearsal="spread")
    X, was_at_work = rows_of(TRUTH, 16_000), False
    for begin in range(0, len(X), 128):
        learned(model, X[begin : begin + 128], 128)
        world = model._progress.world
        if was_at_work and world.task is None:
            break
        was_at_work = world is not None and world.task is not None
    assert was_at_work
    assert world.memory.is_whole
    assert world.average.n_rows + world.pending == world.n_rows > 4096 + 2048


def test_what_stands_for_many_rows_is_not_given_up_for_a_few():
    X = rows_of(TRUTH, 5000)
    model = learned(OnlineGaussianMixture.from_mixture(TRUTH, n_rows=1e6, random_state=0), X, 256)
    assert model.events_ == ()
    assert abs(loss(model)) < 5e-5
    poor = Mixture(TRUTH.weights, STUCK, TRUTH.covariances)
    model = learned(OnlineGaussianMixture.from_mixture(poor, n_rows=1e6, random_state=0), X, 256)
    assert reasons(model)[0] == "grown"
    assert loss(model) < 0.02


# Order


ORDERS = {
    "by a feature": lambda X, labels: np.argsort(X[:, 0]),
    "by component": lambda X, labels: np.argsort(labels, kind="stable"),
    "in blocks": lambda X, labels: np.lexsort((labels, np.arange(len(X)) // 4000)),
}


@pytest.mark.parametrize("rehearsal", ["now", "spread"])
@pytest.mark.parametrize("name", ORDERS)
def test_rows_in_an_order_are_learned_from_memory(name, rehearsal):
    X, labels = TRUTH.sample(16_000, random_state=0)
    X = X[ORDERS[name](X, labels)]
    model = model_of(memory_rows=2000, rehearsal=rehearsal)
    with pytest.warns(UserWarning, match=ORDERED) as told:
        model.partial_fit(X)
    assert reasons(model).count("order") == len([w for w in told if ORDERED in str(w.message)]) == 1
    event = next(e for e in model.events_ if e.reason == "order")
    assert str(told[0].message) == str(event)
    assert 0 <= event.since <= event.row
    assert loss(model) < 0.05
    assert loss(learned(model_of(memory_rows=0), X, 1024)) > 0.2


def test_rows_in_random_order_give_no_alarm():
    for seed in range(4):
        for params in ({}, {"covariance_type": "diag"}, {"n_components": 2}):  # the model may be wrong
            model = model_of(**params, random_state=seed)
            learned(model, rows_of(TRUTH, 16_000, seed), 4096)
            assert set(reasons(model)) <= {"grown"}


def test_an_order_that_does_not_come_again_is_over():
    first, X = rows_of(OTHER, 2600), rows_of(TRUTH, 80_000, 1)
    model = learned(model_of(memory_rows=1500), np.concatenate([first, X]), 1024)
    assert reasons(model)[0] == "order"
    assert "over" in reasons(model)
    event = next(e for e in model.events_ if e.reason == "over")
    assert event.since >= 2600
    assert str(event).endswith(f"the rows before row {event.since} have not come again; they are given up")
    assert loss(model) < 0.02
    world = model._progress.world
    assert not world.ordered
    assert world.memory.sampled.places.min() >= event.since


@pytest.mark.parametrize("rehearsal", ["now", "spread"])
def test_what_is_over_may_begin_again(rehearsal, monkeypatch):
    """Places in the memory are counted from the first row, those of the world from where it began."""
    monkeypatch.setattr(world_module, "_LASTED", 1)
    monkeypatch.setattr(world_module, "GRANTED", 1_000_000)
    lengths = [(OTHER, 2600), (TRUTH, 20_000), (OTHER, 4096), (TRUTH, 60_000)]
    X = np.concatenate([rows_of(mixture, n, seed) for seed, (mixture, n) in enumerate(lengths)])
    model = learned(model_of(memory_rows=4000, rehearsal=rehearsal), X, 1024)
    assert reasons(model).count("over") == 2
    since = [event.since for event in model.events_ if event.reason == "over"]
    assert 2600 <= since[0] <= 6144
    assert 26_696 <= since[1] <= 32_000
    assert model._progress.world.memory.sampled.places.min() >= since[1]
    assert loss(model) < 0.02


# Change


@pytest.mark.parametrize("on_drift", ["rehearse", "forget", "report"])
def test_a_change_is_told_and_dated(on_drift):
    X = np.concatenate([rows_of(TRUTH, 20_000), rows_of(OTHER, 20_000, 1)])
    model = learned(model_of(on_drift=on_drift), X, 1000 * 64)
    first = next(e for e in model.events_ if e.reason != "grown")
    assert first.reason == ("report" if on_drift == "report" else "change")
    assert 20_000 < first.row < 23_000
    assert abs(first.since - 20_000) < 600
    if on_drift != "report":
        assert loss(model, OTHER) < 0.02


def test_a_report_warns():
    model = learned(model_of(on_drift="report"), rows_of(TRUTH, 12_800), 1024)
    with pytest.warns(UserWarning, match=r"^row \d+: the rows are others since about row 1\d{4}$"):
        model.partial_fit(rows_of(OTHER, 6400))


def test_a_world_that_returns_is_known_again():
    parts = [rows_of(TRUTH, 16_000), rows_of(OTHER, 16_000, 1), rows_of(TRUTH, 6000, 2)]
    model = learned(model_of(), np.concatenate(parts), 1024)
    assert reasons(model).count("change") == 2
    assert loss(model) < 0.02


def test_a_stream_with_a_half_life_follows_a_change():
    X = np.concatenate([rows_of(TRUTH, 12_000), rows_of(OTHER, 16_000, 1)])
    model = learned(model_of(rule=rules.OnlineEM(HalfLife(2000.0))), X, 1024)
    assert reasons(model)[-1] in ("change", "grown")
    assert "change" in reasons(model)
    assert loss(model, OTHER) < 0.1


class Fake:
    """A detector as River has them: an alarm once the mean of some values falls below a bound."""

    def __init__(self, bound=-7.0):
        self.bound, self.values, self.drift_detected = bound, [], False

    def update(self, value):
        self.values = [*self.values[-9:], value]
        self.drift_detected = len(self.values) == 10 and np.mean(self.values) < self.bound
        return self


@pytest.mark.parametrize("memory_rows", [0, 1000])
def test_somebodys_detector_takes_the_place_of_the_test(memory_rows):
    fake, X = Fake(), np.concatenate([rows_of(TRUTH, 12_800), rows_of(OTHER, 12_800, 1)])

    def fresh():
        return model_of(memory_rows=memory_rows, drift_detector=fake)

    whole = learned(fresh(), X, len(X))
    change = next(e for e in whole.events_ if e.reason == "change")
    assert 12_800 < change.row <= 12_800 + 2048
    assert fake.values == []
    assert whole._progress.world.test is None
    assert_same(whole, learned(fresh(), X, 640))
    model = learned(fresh(), X[:13_056], 256)
    values = model._progress.world.detector.values
    learned(copy.copy(model), rows_of(OTHER, 640, 2), 64)
    assert model._progress.world.detector.values == values
    other, bad = pickle.loads(pickle.dumps(model)), X[13_056:].copy()
    bad[-1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(bad)
    for one in (model, other):
        assert_same(whole, learned(one, X[13_056:], 256))
    assert fake.values == []
    if memory_rows:
        assert loss(whole, OTHER) < 0.05


def test_without_a_memory_nothing_can_be_learned_from_it(monkeypatch):
    """However young the stream is, an alarm is a change then: there are no rows to fit an order to."""
    monkeypatch.setattr(world_module, "_KNOWN", 10**9)
    X = np.concatenate([rows_of(TRUTH, 6400), rows_of(OTHER, 6400, 1)])
    model = learned(model_of(memory_rows=0, drift_detector=Fake()), X, 640)
    assert set(reasons(model)) == {"change"}
    assert_valid(model, X)


def test_a_detector_that_is_none_is_refused():
    class Mute:
        def update(self, value):
            return self

    for detector in (Mute(), object(), "adwin"):
        with pytest.raises(ValueError, match=r"drift_detector"):
            model_of(drift_detector=detector).partial_fit(rows_of(TRUTH, 64))


# How many components


def test_the_number_of_components_grows_and_shrinks():
    parts = [rows_of(OTHER, 12_800), rows_of(TRUTH, 12_800, 1), rows_of(OTHER, 12_800, 2)]
    model, found = model_of(n_components="auto"), []
    for X in parts:
        learned(model, X, 1024)
        found.append(len(model.weights_))
        labels = model.predict(X[:500])
        assert labels.min() >= 0
        assert labels.max() < found[-1]
    assert found == [2, 4, 2]
    assert model.events_[-1].n_components == 2
    assert model.n_components == "auto"


@pytest.mark.parametrize("max_components", [1, 3])
def test_the_number_of_components_is_bounded(max_components):
    X = rows_of(TRUTH, 6000)
    for stream in (X, X[np.argsort(X[:, 0])]):
        model = model_of(n_components="auto", max_components=max_components, memory_rows=1500)
        assert len(learned(model, stream, 1024).weights_) <= max_components


def test_the_number_of_components_is_found_in_sorted_rows():
    model = learned(model_of(n_components="auto", memory_rows=2000), sorted_rows(), 1024)
    assert len(model.weights_) == 4
    assert loss(model) < 0.05


def test_what_cannot_be_found_is_refused():
    X = rows_of(TRUTH, 640)
    for params in ({"init_params": "kmeans"}, {"means_init": STUCK}, {"weights_init": [0.5, 0.5]}):
        with pytest.raises(ValueError, match=r"n_components='auto'` must find starts"):
            model_of(n_components="auto", **params).partial_fit(X)
    with pytest.raises(ValueError, match=r"n_components='auto'` needs a memory.*memory_rows=0"):
        model_of(n_components="auto", memory_rows=0).partial_fit(X)
    for params in ({"n_components": "all"}, {"n_components": 0}, {"max_components": 0}, {"memory_rows": -1}):
        with pytest.raises(ValueError, match=next(iter(params))):
            model_of(**params).partial_fit(X)


# What streams bring


def far(value):
    X = rows_of(TRUTH, 6400)
    X[[3000, 4000]] = value
    return X


HOSTILE = {
    "far": (lambda: far(1e12), {}),
    "very far": (lambda: far([1e145, -1e145]), {}),
    "constant column": (lambda: np.column_stack([rows_of(TRUTH, 6400), np.full(6400, 3.0)]), {}),
    "constant from here": (lambda: np.concatenate([rows_of(TRUTH, 3200), np.zeros((6400, 2))]), {}),
    "one value": (lambda: np.ones((6400, 2)), {"n_components": 1}),
    "one value, auto": (lambda: np.ones((6400, 2)), {"n_components": "auto"}),
    "two values": (lambda: np.arange(6400.0).reshape(-1, 2) % 4 // 2, {"n_components": 2}),
    "few values": (lambda: rows_of(TRUTH, 6400)[:, :1].round() // 4, {}),
    "integers": (lambda: rows_of(TRUTH, 6400).round().astype(int), {}),
    "float32": (lambda: rows_of(TRUTH, 6400).astype(np.float32), {}),
    "many features": (lambda: np.random.default_rng(0).normal(size=(3200, 40)), {"n_components": 2}),
    "many components": (lambda: rows_of(TRUTH, 3200), {"n_components": 200, "memory_rows": 600}),
    "150 rows": (lambda: rows_of(TRUTH, 150), {}),
    "batch of all": (lambda: rows_of(TRUTH, 6400), {"batch_size": 10_000}),
    "one row to begin": (lambda: rows_of(TRUTH, 6400), {"init_size": 1}),
    "memory of one": (lambda: rows_of(TRUTH, 6400), {"memory_rows": 1}),
    "memory of two": (sorted_rows, {"memory_rows": 2}),
    "memory of less than components": (sorted_rows, {"memory_rows": 3}),
    "memory of less than components, auto": (sorted_rows, {"memory_rows": 3, "n_components": "auto"}),
    "half-life of ten": (lambda: rows_of(TRUTH, 6400), {"rule": rules.OnlineEM(HalfLife(10.0))}),
    "half-life of a tenth": (lambda: rows_of(TRUTH, 6400), {"rule": rules.OnlineEM(HalfLife(0.1))}),
    "half-life without end": (lambda: rows_of(TRUTH, 6400), {"rule": rules.OnlineEM(HalfLife(1e9))}),
    "small": (lambda: rows_of(TRUTH, 6400) * 1e-120, {}),
    "large": (lambda: rows_of(TRUTH, 6400) * 1e120, {}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_comes_leaves_a_mixture(name):
    make, params = HOSTILE[name]
    X = make()
    models = [model_of(**params, rehearsal=rehearsal) for rehearsal in ("now", "spread")]
    for model in models:
        assert_valid(learned(model, X, 640), X)


WEIGHTS = {
    "tiny": lambda rng, n: np.full(n, 1e-200),
    "tiny and one": lambda rng, n: np.where(rng.random(n) < 0.5, 1e-200, 1.0),
    "huge": lambda rng, n: np.full(n, 1e50),
    "huge and one": lambda rng, n: np.where(rng.random(n) < 0.5, 1e50, 1.0),
    "one that is huge": lambda rng, n: np.where(np.arange(n) == 3000, 1e50, 1.0),
    "mostly none": lambda rng, n: (np.arange(n) % 64 == 0).astype(float),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_whatever_rows_weigh_leaves_a_mixture(name):
    X = rows_of(TRUTH, 6400)
    weights = WEIGHTS[name](np.random.default_rng(0), len(X))
    for rehearsal in ("now", "spread"):
        assert_valid(learned(model_of(rehearsal=rehearsal), X, 640, weights), X)


def assert_valid(model, X):
    mixture = model.to_mixture()
    for array in (mixture.weights, mixture.means, mixture.covariances, model.precisions_cholesky_):
        assert np.isfinite(array).all()
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(mixture.log_prob(X[:100])).all()
    labels = model.predict(X[:100])
    assert labels.min() >= 0
    assert labels.max() < mixture.n_components


def test_fit_divides_no_work():
    """There are no following calls that could do the rest."""
    X = rows_of(TRUTH, 5000)
    assert_same(model_of(rehearsal="spread").fit(X), model_of().fit(X))


# A memory that is cut


@pytest.mark.parametrize("step", [1, 37, 900, 5000])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_memory_without_its_first_rows_does_not_depend_on_calls(step, weighted):
    X = np.arange(6000.0).reshape(-1, 1)
    weights = np.random.default_rng(0).exponential(size=len(X)) if weighted else np.empty(0)

    def grown(memory, begin, end, step):
        for first in range(begin, end, step):
            rows = slice(first, min(first + step, end))
            memory = memory.add(X[rows], weights[rows])
        return memory

    whole = grown(Memory(100), 0, 3000, 3000).since(500)
    parts = grown(Memory(100), 0, 3000, step).since(500)
    for begin, end in ((3000, 3010), (3010, 6000)):
        whole, parts = grown(whole, begin, end, 3000), grown(parts, begin, end, step)
        for one, other in zip(whole.sampled, parts.sampled, strict=True):
            np.testing.assert_array_equal(one, other)
        assert whole.sampled.places.min() >= 500


def test_a_memory_without_its_first_rows_weighs_as_the_others_do():
    X, totals = np.arange(2000.0).reshape(-1, 1), []
    weights = np.random.default_rng(0).exponential(size=2000) ** 3
    for seed in range(300):
        first = 10_000 * seed  # other places draw other numbers
        memory = Memory(100, n_seen=first).add(X, weights).since(first + 1000)
        totals.append(memory.sampled.weights.sum() / weights[1000:].sum())
    error = np.std(totals) / np.sqrt(len(totals))
    assert error < 0.02
    assert np.mean(totals) == pytest.approx(1.0, abs=4 * error)


# --- as settings and arrays --------------------------------------------------------------------------------


@pytest.mark.parametrize("rehearsal", ["now", "spread"])
@pytest.mark.parametrize("name", ["shuffled", "one by one", "sorted", "change", "auto", "half-life"])
def test_a_world_written_and_read_back_goes_on_to_the_last_bit(name, rehearsal):
    make, params = STREAMS[name]
    X = rows_of(TRUTH, 30_000) if name == "auto" else make()  # in pieces it takes its time
    half = 64 * (len(X) // 100)
    model = learned(model_of(**params, rehearsal=rehearsal), X[:half], 640)
    world = model._progress.world
    while world is None:  # the start is in work
        model.partial_fit(X[half : half + 640])
        half, world = half + 640, model._progress.world
    settings, arrays = to_record(world)
    text = json.dumps(settings)
    stored = {key: np.array(array.tolist(), dtype=array.dtype) for key, array in arrays.items()}
    back = from_record(world.plan, json.loads(text), stored)
    assert back.mixture == world.mixture
    ours, theirs = (one.learn(X[half:], np.empty(0))[0] for one in (back, world))
    assert ours.mixture == theirs.mixture
    assert ours.learner.mixture == theirs.learner.mixture
    assert list(map(str, ours.events)) == list(map(str, theirs.events))


def test_somebodys_detector_cannot_be_stored():
    class Detector:
        drift_detected = False

        def update(self, value):
            pass

    model = learned(model_of(drift_detector=Detector()), rows_of(TRUTH, 3000), 640)
    with pytest.raises(ValueError, match=r"a detector of change cannot be stored, got .*: leave it None"):
        to_record(model._progress.world)
