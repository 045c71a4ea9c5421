"""What a learner remembers, by name: written and read back, carried to other components, told as it goes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from common import NO_WEIGHTS, assert_mixtures_close, assert_valid, learner_of, options_of, start
from streamgmm import Mixture, OnlineGaussianMixture, covariance, e_step, parameterizations, rules
from streamgmm.fit.stream import Learner
from streamgmm.kernels.records import flattened
from streamgmm.priors import ConjugatePrior
from streamgmm.rules.schedules import Constant, HalfLife, PowerDecay
from streamgmm.rules.transforms import Adam, Clip, GroupRates, Momentum

TYPES = covariance.names()
SETTINGS = {name: rules.get(name) for name in rules.names()} | {
    "online-em": rules.OnlineEM(HalfLife(100)),
    "sem-vr": rules.SEMVR(Constant(0.05)),
    "natural-gradient": rules.NaturalGradient(PowerDecay(0.7)),
    "gradient": rules.GradientAscent(
        "precision-cholesky",
        PowerDecay(scale=0.02),
        optimizer=(Clip(5.0), Adam(0.8), Momentum(0.5, True)),
        relative_rates={"weights": 0.1, "means": Constant(0.9)},
        averaging=5,
    ),
    "annealed-sgd": rules.AnnealedSGD(width=0.2, period=50.0),
}
CASES = [(name, kind) for name in SETTINGS for kind in TYPES if kind in rules.get(name).covariance_types]
every_case = pytest.mark.parametrize(("name", "kind"), CASES)


def learner(name, kind, *, batch_size=8, prior=True, n_samples=400):
    rule = SETTINGS[name]
    _, mixture, X = start(kind, n_samples=n_samples)
    chosen = ConjugatePrior(np.zeros(3), np.eye(3), concentration=1.5) if prior and rule.takes_prior else None
    options = options_of(kind, 3, 3, 0.01, chosen)
    return Learner.start(rule, mixture, n_rows=50.0, batch_size=batch_size, options=options), X


def arrays_of(one):
    return {k: v.copy() for k, v in one.to_record()[1].items()}


def assert_same(one, other):
    mine, others = one.to_record(), other.to_record()
    assert mine[0] == others[0]
    assert mine[1].keys() == others[1].keys()
    for name, array in mine[1].items():
        np.testing.assert_array_equal(array, others[1][name], err_msg=name)


# --- settings and arrays -----------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_learner_written_and_read_back_goes_on_to_the_last_bit(name, kind, batch_size):
    whole, X = learner(name, kind, batch_size=batch_size)
    half, _ = whole.learn(X[:200], NO_WEIGHTS)
    settings, arrays = half.to_record()
    text = json.dumps(settings, allow_nan=False)
    stored = {key: np.array(value.tolist(), dtype=value.dtype) for key, value in arrays.items()}
    back = Learner.from_record(json.loads(text), stored)
    assert back.rule == half.rule
    assert_same(half.learn(X[200:], NO_WEIGHTS)[0], back.learn(X[200:], NO_WEIGHTS)[0])


@every_case
def test_names_are_those_of_the_compiled_code(name, kind):
    one, _ = learner(name, kind)
    assert set(flattened(one.state.memory)) == {
        key.removeprefix("memory.") for key in one.to_record()[1] if key.startswith("memory.")
    }
    assert one.state.memory.counters.window == 50.0  # every rule counts the rows behind it
    assert one.state.memory.weights.shape == (3,)


@pytest.mark.parametrize("damage", ["missing", "shape", "dtype", "rule", "setting"])
def test_a_record_that_does_not_fit_is_an_error(damage):
    settings, arrays = learner("online-em", "full")[0].to_record()
    if damage == "missing":
        del arrays["memory.means"]
        expected = "`memory.means` must be an array float64 \\(3, 3\\), got nothing"
    elif damage == "shape":
        arrays["memory.weights"] = np.ones(4)
        expected = "`memory.weights` must be an array float64 \\(3,\\), got float64 \\(4,\\)"
    elif damage == "dtype":
        arrays["parameters.scale"] = arrays["parameters.scale"].astype(np.float32)
        expected = "`parameters.scale` must be an array float64"
    elif damage == "rule":
        settings["rule"] = {"name": "newer-rule"}
        expected = "`rule` must be one of"
    else:
        settings["rule"] = {"name": "online-em", "speed": 3}
        expected = "rule 'online-em': .*speed"
    with pytest.raises(ValueError, match=expected):
        Learner.from_record(settings, arrays)


@pytest.mark.parametrize("name", ["rule", "covariance_type", "n_components", "t", "batch_size", "n_refused"])
@pytest.mark.parametrize("value", [None, [], float("nan"), -1])
def test_settings_of_a_learner_that_cannot_be_are_an_error(name, value):
    settings, arrays = learner("online-em", "full")[0].to_record()
    with pytest.raises(ValueError, match=f"`{name}` of a learner must be as `to_record` wrote it, got"):
        Learner.from_record(settings | {name: value}, arrays)
    del settings[name]
    with pytest.raises(ValueError, match=f"`{name}` of a learner must be as `to_record` wrote it, got None"):
        Learner.from_record(settings, arrays)


@pytest.mark.parametrize("batch_size", [np.int64(8), 8.0])
def test_a_batch_size_of_another_type_can_be_written(batch_size):
    settings, _ = learner("online-em", "full", batch_size=batch_size)[0].to_record()
    assert json.dumps(settings["batch_size"]) == "8"


@pytest.mark.parametrize("rule", [*SETTINGS.values(), *map(rules.get, rules.names())], ids=repr)
def test_rules_come_back_from_json(rule):
    assert rules.from_settings(json.loads(json.dumps(rules.to_settings(rule)))) == rule


def test_groups_and_schedules_come_back_from_json():
    rates = GroupRates(weights=0.5, means=PowerDecay(0.9), correlations=Constant(0.1))
    rule = rules.GradientAscent("covariance", 0.01, optimizer=rates, sd_floor=None, clip=2.0)
    assert rules.from_settings(json.loads(json.dumps(rules.to_settings(rule)))) == rule


@pytest.mark.parametrize("rows", [1, 50, np.int64(50)])
def test_the_unit_of_a_schedule_comes_back_from_json(rows):
    settings = json.loads(json.dumps(rules.to_settings(rules.OnlineEM(PowerDecay(0.7, rows=rows)))))
    assert settings["schedule"] == {
        "PowerDecay": {"exponent": 0.7, "offset": None, "scale": 1.0, "rows": int(rows)}
    }
    assert rules.from_settings(settings) == rules.OnlineEM(PowerDecay(0.7, rows=int(rows)))
    assert rules.from_settings(settings) != rules.OnlineEM(PowerDecay(0.7))


class Mine(type(parameterizations.get("cholesky"))):
    name = "mine"


def test_a_rule_of_the_users_own_cannot_be_written():
    class Mine(rules.OnlineEM):
        """It has the name of another, and would be read back as that."""

    with pytest.raises(
        ValueError, match="only one of this package's rules can be written as settings, got Mine"
    ):
        rules.to_settings(Mine())


def test_an_object_of_the_users_own_cannot_be_written():
    with pytest.raises(ValueError, match="settings must be numbers, names, schedules and transforms, got <"):
        rules.to_settings(rules.GradientAscent(Mine()))


@pytest.mark.parametrize("setting", [{"Popen": {}}, {"HalfLife": {"rows": 3}, "Constant": {"value": 1}}])
def test_settings_name_no_other_classes(setting):
    with pytest.raises(ValueError, match="a setting must be one of this version's"):
        rules.from_settings({"name": "online-em", "schedule": setting})


# --- what happened -----------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("batch_size", [1, 20])
def test_info_tells_what_became_of_each_mini_batch(name, kind, batch_size):
    one, X = learner(name, kind, batch_size=batch_size, n_samples=100)
    batch_size = one.state.batch_size
    X[45] = 1e200
    w = np.ones(100)
    w[60:80] = 0.0
    after, info = one.learn(X, w)
    at = np.arange(0, 100, batch_size)
    np.testing.assert_array_equal(info.refused, (at <= 45) & (at + batch_size > 45))
    np.testing.assert_array_equal(info.weight, np.add.reduceat(w, at))
    np.testing.assert_array_equal(info.accepted, (info.weight > 0) & ~info.refused)
    assert after.state.n_refused == 1
    assert info.shortened.sum() == after.state.n_shortened
    assert info.n_rows.sum() == 100


def test_steps_that_are_shortened_are_told():
    mixture = Mixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]], "diag")
    one = learner_of(rules.GradientAscent(learning_rate=1.0), mixture)
    after, info = one.learn(np.array([[0.5], [30.0], [0.5]]), NO_WEIGHTS)
    assert info.shortened.tolist() == [0, 1, 0]
    assert after.state.n_shortened == 1


def test_a_monitor_acts_between_runs_of_compiled_code():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150_000, 1)) + 4.0 * rng.integers(0, 2, (150_000, 1))
    mixture = Mixture([0.4, 0.4, 0.2], [[0.0], [4.0], [40.0]], [[1.0], [1.0], [1.0]], "diag")
    seen = []

    def monitor(learner, info):
        seen.append(int(info.n_rows.sum()))
        weights = learner.mixture.weights
        keep = np.flatnonzero(weights > 1e-3)
        if len(keep) == len(weights):
            return None
        rest = Mixture(
            weights[keep] / weights[keep].sum(), learner.mixture.means[keep], np.ones((2, 1)), "diag"
        )
        return learner.carry(rest, keep)

    after, info = learner_of(rules.OnlineEM(), mixture, n_rows=100.0, batch_size=100).learn(
        X, NO_WEIGHTS, monitor=monitor
    )
    assert seen == [65500, 65500, 19000]
    assert info.n_rows.sum() == len(X)
    assert after.mixture.n_components == 2
    assert after.state.t == 1501.0
    np.testing.assert_allclose(np.sort(after.mixture.means.ravel()), [0.0, 4.0], atol=0.05)


# --- other components --------------------------------------------------------------------------------------


def permuted(mixture, order):
    factor = mixture.kind.select(mixture.factor, order)
    return Mixture.from_factor(
        mixture.log_weights[order], mixture.means[order], factor, mixture.covariance_type
    )


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[0] != "annealed-sgd"])
def test_reordered_components_go_on_as_they_would_have(name, kind):
    """To rounding: sums over components are in another order. Not on a grid, where neighbors matter."""
    # EM on four rows at a time magnifies rounding
    one, X = learner(name, kind, batch_size=50 if name == "em" else 4)
    one, _ = one.learn(X[:200], NO_WEIGHTS)
    order = [2, 0, 1]
    carried = one.carry(permuted(one.current, order), order)
    assert carried.state.t == one.state.t
    rest, info = one.learn(X[200:], NO_WEIGHTS)
    other, told = carried.learn(X[200:], NO_WEIGHTS)
    assert_mixtures_close(other.mixture, permuted(rest.mixture, order), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(told.log_likelihood, info.log_likelihood, rtol=1e-6)


@every_case
def test_the_same_components_keep_every_bit(name, kind):
    one, X = learner(name, kind)
    one, _ = one.learn(X, NO_WEIGHTS)
    if name == "sem-vr":
        one = replace(one, state=one.rule.anchor(one.state, one.current, None))
    before, after = arrays_of(one), arrays_of(one.carry(one.current, np.arange(3)))
    for key in before:
        if key.startswith(("memory.anchor", "memory.total")):
            continue  # there is none any more
        exact = not any(
            part in key for part in ("weights", "theta", "base", "parameters", "count", "scatter")
        )
        rtol = 0 if exact else 1e-13
        np.testing.assert_allclose(after[key], before[key], rtol=rtol, atol=1e-14, err_msg=key)


@every_case
@pytest.mark.parametrize("batch_size", [1, 8])
def test_selected_split_merged_and_added_components_go_on(name, kind, batch_size):
    one, X = learner(name, kind, batch_size=batch_size)
    one, _ = one.learn(X[:200], NO_WEIGHTS)
    mixture = one.current
    scale = mixture.means.std(axis=0)
    shared = mixture.kind.is_shared

    def made(weights, means, chosen):
        factor = mixture.factor if shared else mixture.kind.select(mixture.factor, chosen)
        return Mixture.from_factor(np.log(weights), means, factor, kind)

    w, m = mixture.weights, mixture.means
    changes = {
        "selected": (made(w[[2, 0]] / w[[2, 0]].sum(), m[[2, 0]], [2, 0]), [2, 0]),
        "merged": (mixture.merge(0, 2), [0, 1]),
        "split": (
            made(
                [w[0] / 2, w[0] / 2, w[1], w[2]],
                np.array([m[0] - scale, m[0] + scale, m[1], m[2]]),
                [0, 0, 1, 2],
            ),
            [0, 0, 1, 2],
        ),
        "added": (made([*(0.9 * w), 0.1], np.vstack([m, m[0] + 3 * scale]), [0, 1, 2, 0]), [0, 1, 2, -1]),
    }
    for new, index in changes.values():
        carried = one.carry(new, index)
        assert_mixtures_close(carried.current, new)
        memory, old = carried.state.memory, one.state.memory
        assert carried.state.t == one.state.t
        for counter in old.counters.dtype.names:
            if counter != "anchor_weight":
                assert memory.counters[counter] == old.counters[counter]
        assert memory.weights.shape == (new.n_components,)
        np.testing.assert_allclose(memory.weights.sum(), 1.0)
        after, info = carried.learn(X[200:], NO_WEIGHTS)
        assert info.accepted.all()
        assert_valid(after.mixture, X)
        assert np.isfinite(info.log_likelihood).all()


def test_carried_moments_are_the_rows_own():
    """With a prior the mixture is not what the rows say: the memory of what goes on is not taken from it."""
    one, X = learner("online-em", "full")
    one, _ = one.learn(X, NO_WEIGHTS)
    order = [1, 2]
    carried = one.carry(permuted(one.current, order), order).state.memory
    np.testing.assert_array_equal(carried.means, one.state.memory.means[order])
    np.testing.assert_array_equal(carried.covariances, one.state.memory.covariances[order])
    assert np.abs(carried.means - one.current.means[order]).max() > 1e-6


def test_averages_and_momentum_go_on():
    one, X = learner("gradient", "tied")
    one, _ = one.learn(X, NO_WEIGHTS)
    memory, carried = one.state.memory, one.carry(permuted(one.current, [2, 1]), [2, 1]).state.memory
    entries = parameterizations.get("precision-cholesky").components(one.kind, 3, 3)
    kept = parameterizations.get("precision-cholesky").components(one.kind, 2, 3)
    assert memory.counters.averaged > 0
    for k, before in enumerate([2, 1]):
        np.testing.assert_array_equal(carried.average[kept[k]][1:], memory.average[entries[before]][1:])
        np.testing.assert_array_equal(carried.slots[:, kept[k]], memory.slots[:, entries[before]])
        np.testing.assert_array_equal(carried.theta[kept[k]][1:], memory.theta[entries[before]][1:])


@pytest.mark.parametrize("weights", ["softmax", "simplex"])
@pytest.mark.parametrize("kind", TYPES)
def test_an_average_goes_on_with_what_split_and_merged_components_have_become(kind, weights):
    rule = rules.GradientAscent(averaging=5, weights=weights)
    _, mixture, X = start(kind, n_samples=200)
    one = Learner.start(rule, mixture, n_rows=50.0, batch_size=8, options=options_of(kind, 3, 3))
    one, _ = one.learn(X, NO_WEIGHTS)
    current, was = one.current, one.mixture.weights
    ratio = current.weights[0] / (current.weights[0] + current.weights[1])
    merged = one.carry(current.merge(0, 1), [0, 2]).mixture
    expected = np.array([was[0] / ratio, was[2]])
    np.testing.assert_allclose(merged.weights, expected / expected.sum())
    np.testing.assert_allclose(merged.means[0], current.merge(0, 1).means[0])
    w, m, index = current.weights, current.means, [0, 0, 1, 2]
    factor = current.factor if current.kind.is_shared else current.kind.select(current.factor, index)
    means = np.array([m[0] - 1.0, m[0] + 1.0, m[1], m[2]])
    halves = Mixture.from_factor(np.log([w[0] / 2, w[0] / 2, w[1], w[2]]), means, factor, kind)
    split = one.carry(halves, index).mixture
    np.testing.assert_allclose(split.weights, [was[0] / 2, was[0] / 2, was[1], was[2]])
    np.testing.assert_allclose(split.means[:2], means[:2])
    np.testing.assert_allclose(split.means[2:], one.mixture.means[1:])
    if kind == "tied":  # it did not change
        np.testing.assert_allclose(split.covariances, one.mixture.covariances)


def test_an_average_of_components_without_weight_is_a_number():
    mixture = Mixture([0.5, 0.5, 0.0], [[0.0], [2.0], [4.0]], [1.0, 1.0, 1.0], "spherical")
    rule = rules.GradientAscent(averaging=2)
    one = Learner.start(rule, mixture, n_rows=50.0, batch_size=4, options=options_of("spherical", 3, 1))
    one, _ = one.learn(np.linspace(-1.0, 3.0, 80)[:, np.newaxis], NO_WEIGHTS)
    assert not np.isnan(one.state.memory.average).any()
    assert np.abs(one.mixture.means - one.current.means).max() > 1e-6  # it is reported
    carried = one.carry(one.current, [0, 1, 2])
    np.testing.assert_allclose(carried.mixture.means, one.mixture.means)
    np.testing.assert_allclose(carried.mixture.weights, one.mixture.weights, atol=1e-290)


def test_what_goes_on_may_have_had_no_rows():
    """The prior gave a component its weight, the rows gave it none."""
    prior = ConjugatePrior([900.0], np.eye(1), mean_count=1e-9, concentration=2.0)
    mixture = Mixture([0.5, 0.5], [[0.0], [900.0]], [1.0, 1.0], "spherical")
    options = options_of("spherical", 2, 1, 0.01, prior)
    one = Learner.start(rules.EM(), mixture, n_rows=50.0, batch_size=1, options=options)
    one, _ = one.learn(np.linspace(-1.0, 1.0, 8)[:, np.newaxis], NO_WEIGHTS)
    assert one.state.memory.weights[1] == 0.0
    alone = Mixture([1.0], one.current.means[1:], one.current.covariances[1:], "spherical")
    np.testing.assert_array_equal(one.carry(alone, [1]).state.memory.weights, [1.0])


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ([0], "`index` must hold a component of `old`, or -1, for each of 2 components, got \\[0\\]"),
        ([0, 3], "`index` must hold a component"),
        ([-2, 0], "`index` must hold a component"),
        ([0.0, 1.0], "`index` must hold a component"),
    ],
)
def test_a_wrong_index_is_an_error(index, expected):
    one, _ = learner("online-em", "full")
    with pytest.raises(ValueError, match=expected):
        one.carry(permuted(one.current, [0, 1]), index)


def test_another_type_is_an_error():
    one, _ = learner("online-em", "full")
    other = Mixture([1.0], [[0.0, 0.0, 0.0]], [1.0], "spherical")
    with pytest.raises(
        ValueError, match="`new` must be a mixture of 3 features and `covariance_type` 'full'"
    ):
        one.carry(other, [0])


# --- a prior for each component ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_each_component_may_have_a_prior_of_its_own(kind):
    """EM's M-step is that of each component alone with its own prior, where covariances are not shared."""
    _, mixture, X = start(kind)
    priors = [
        ConjugatePrior(np.full(3, k), (1.0 + k) * np.eye(3), 2.0 + k, 7.0 + k, 1.0 + k) for k in range(3)
    ]
    statistics = e_step(mixture, X)
    rule = rules.EM()

    def fit(prior):
        options = options_of(kind, 3, 3, 0.0, prior)
        return rule.update(statistics, rule.init(mixture, n_rows=len(X), options=options), mixture)[0]

    fitted, alone = fit(priors), [fit(prior) for prior in priors]
    count = statistics.nk + np.arange(3)
    np.testing.assert_allclose(fitted.weights, count / count.sum(), rtol=1e-12)
    for k, one in enumerate(alone):
        np.testing.assert_allclose(fitted.means[k], one.means[k], rtol=1e-12)
        if not mixture.kind.is_shared:
            np.testing.assert_allclose(fitted.covariances[k], one.covariances[k], rtol=1e-12)
    if mixture.kind.is_shared:
        mean = np.mean([one.covariances for one in alone], axis=0)
        assert np.abs(fitted.covariances - mean).max() < 0.2 * np.abs(mean).max()


def test_as_many_priors_as_components():
    with pytest.raises(ValueError, match="`prior` must be one, or one for each of 3 components, got 2"):
        options_of("full", 3, 1, 0.0, [ConjugatePrior([0.0], [[1.0]])] * 2)


# --- hard columns ------------------------------------------------------------------------------------------


def hard(columns, rng):
    a, b, z = rng.normal(size=(3, 600))
    a, b = np.where(np.arange(600) < 300, a, a + 3.0), b + 1.0
    if columns == "collinear":
        return np.column_stack([3e4 * a, 3e4 * b, 3e4 * a + 3e4 * b, z])
    if columns == "constant":
        return np.column_stack([a, b, np.full(600, 7.0), np.zeros(600)])
    return np.column_stack([1e-6 * a, 1e6 * b, a + 1e9, 1e-9 * z])


@pytest.mark.parametrize("columns", ["collinear", "constant", "scaled"])
@pytest.mark.parametrize("batch_size", [1, 7, 50])
@every_case
def test_hard_columns_give_a_valid_model_or_one_error(name, kind, batch_size, columns):
    X = hard(columns, np.random.default_rng(0))
    np.random.default_rng(1).shuffle(X)
    model = OnlineGaussianMixture(
        2,
        covariance_type=kind,
        rule=name,
        batch_size=batch_size,
        init_size=100,
        max_epochs=2,
        random_state=0,
    )
    with np.errstate(all="raise", under="ignore"):
        if columns == "constant":
            with pytest.warns(UserWarning, match="constant columns"):
                model.fit(X)
        else:
            model.fit(X)
    assert_valid(model.to_mixture())
    assert np.isfinite(model.score(X))
    assert model.n_refused_ == 0


def test_natural_gradient_follows_a_collinear_stream_that_changes():
    """A factorization that stopped half way froze it: the mean stayed at 89 566, the deviation of z at 1."""
    rng = np.random.default_rng(0)

    def rows(n, mean, sd):
        a, b = rng.normal(mean, 3e4, n), rng.normal(0.0, 3e4, n)
        return np.column_stack([a, b, a + b, rng.normal(0.0, sd, n)])

    model = OnlineGaussianMixture(
        1,
        rule=rules.NaturalGradient(HalfLife(100)),
        batch_size=50,
        reg_covar=1e-6,
        random_state=0,
    )
    model.partial_fit(rows(1000, 0.0, 1.0))
    for mean, sd in zip(np.linspace(0, 330_000, 60), np.linspace(1, 30, 60), strict=True):
        model.partial_fit(rows(100, mean, sd))
    model.partial_fit(rows(4000, 330_000, 30.0))
    assert model.n_refused_ == 0
    np.testing.assert_allclose(model.means_[0, 0], 330_000, atol=15_000)
    np.testing.assert_allclose(np.sqrt(model.covariances_[0, 3, 3]), 30.0, rtol=0.25)
    np.testing.assert_allclose(np.sqrt(model.covariances_[0, 0, 0]), 3e4, rtol=0.25)


@pytest.mark.parametrize("make", [rules.OnlineEM, rules.NaturalGradient, rules.SEMVR])
def test_a_mini_batch_without_weight_at_a_gain_of_one_changes_nothing(make):
    """Zero times the logarithm of zero is a warning in NumPy, which is an error in these tests."""
    fraction = np.array([1.0, 0.0, 0.5])
    steps = make(Constant(1.0)).steps(np.zeros(3), fraction, start=0.0, batch_size=8)
    assert steps.tolist() == [1.0, 0.0, 1.0]
    _, mixture, X = start("full", n_samples=60)
    one = learner_of(make(Constant(1.0)), mixture, n_rows=10.0, batch_size=20, floor=0.1)
    after, info = one.learn(X, np.repeat([1.0, 0.0], [40, 20]))
    assert info.accepted.tolist() == [True, True, False]
    assert after.mixture == one.learn(X[:40], NO_WEIGHTS)[0].mixture
