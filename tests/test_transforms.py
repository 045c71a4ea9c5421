"""Transforms of the gradient: each against a readable oracle, alone and in a chain, ours and a user's."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pytest

from common import NO_WEIGHTS, assert_mixtures_close, learner_of, start
from streamgmm import e_step, parameterizations, rules
from streamgmm.kernels.transform import run_chain
from streamgmm.rules import transforms
from streamgmm.rules.schedules import PowerDecay
from streamgmm.rules.transforms import AdaGrad, Adam, Clip, GroupRates, Momentum, RMSProp, Transform

NAMES = parameterizations.names()
CASES = [(name, kind) for name in NAMES for kind in parameterizations.get(name).covariance_types]


@numba.njit
def follow_signs(settings, time, n_weights, n_means, n_features, change, memory):
    """Count each entry's signs, and follow these, smaller from update to update."""
    for i in range(change.size):
        memory[1, i] += np.sign(change[i])
        memory[0, i] = change[i]
        change[i] = settings[1] * memory[1, i] / (settings[0] + time)


@dataclass(frozen=True)
class Signs(Transform):
    """A user's own transform: nothing in the package knows it."""

    delay: float = 2.0
    size: float = 1.0
    slots = ("last", "signs")
    compiled = follow_signs


TRANSFORMS = [
    Signs(3.0, 0.5),
    Clip(0.7),
    Clip(100.0),
    Momentum(0.8),
    Momentum(0.8, nesterov=True),
    AdaGrad(1e-3),
    RMSProp(0.7, 1e-3),
    Adam(0.6, 0.9, 1e-3),
    GroupRates(0.5, 0.0, 3.0),
]


def oracle(transform, n_weights, n_means):
    """Return a function from one gradient after the other to what the transform makes of them."""
    first, second, time = 0.0, 0.0, 0

    def follow(g):
        nonlocal first, second, time
        time += 1
        match transform:
            case Clip(norm):
                return g * min(1.0, norm / np.linalg.norm(g))
            case Momentum(decay, nesterov):
                first = decay * first + g
                return g + decay * first if nesterov else first
            case AdaGrad(epsilon):
                second = second + g**2
                return g / (np.sqrt(second) + epsilon)
            case RMSProp(decay, epsilon):
                second = decay * second + (1 - decay) * g**2
                return g / (np.sqrt(second) + epsilon)
            case Adam(decay, decay_squares, epsilon):
                first = decay * first + (1 - decay) * g
                second = decay_squares * second + (1 - decay_squares) * g**2
                unbiased = second / (1 - decay_squares**time)
                return first / (1 - decay**time) / (np.sqrt(unbiased) + epsilon)
            case Signs(delay, size):
                first = first + np.sign(g)
                return size * first / (delay + time)
            case GroupRates(weights, means, covariances):
                rates = np.full(len(g), covariances)
                rates[:n_weights], rates[n_weights : n_weights + n_means] = weights, means
                return g * rates

    return follow


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_transform_is_the_oracles(transform):
    rng = np.random.default_rng(0)
    follow = oracle(transform, 2, 3)
    state = transform.init(np.zeros(9), 2, 3)
    for size in (1.0, 1e-3, 30.0, 1.0, 0.1):
        gradient = size * rng.standard_normal(9)
        kept, slots = gradient.copy(), {name: slot.copy() for name, slot in state.slots.items()}
        change, after = transform.update(gradient, state)
        np.testing.assert_allclose(change, follow(gradient), rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(gradient, kept)
        np.testing.assert_equal(state.slots, slots)
        state = after
    assert state.updates == 5
    assert tuple(state.slots) == transform.slots


def test_what_a_transform_remembers_has_names():
    g, h = np.array([2.0, -1.0]), np.array([1.0, 3.0])
    for transform, expected in [
        (Clip(0.1), {}),
        (Momentum(0.5), {"velocity": 0.5 * g + h}),
        (AdaGrad(), {"squares": g**2 + h**2}),
        (RMSProp(0.75), {"squares": 0.25 * (0.75 * g**2 + h**2)}),
        (Adam(0.5, 0.75), {"means": 0.5 * (0.5 * g + h), "squares": 0.25 * (0.75 * g**2 + h**2)}),
        (Signs(), {"last": h, "signs": np.array([2.0, 0.0])}),
    ]:
        state = transform.init(g)
        for gradient in (g, h):
            _, state = transform.update(gradient, state)
        np.testing.assert_equal(state.slots, expected)


def test_adaptive_transforms_say_so():
    found = [transform for transform in TRANSFORMS if transforms.is_adaptive([Clip(), transform])]
    assert [type(transform) for transform in found] == [AdaGrad, RMSProp, Adam]
    assert rules.GradientAscent(optimizer=[Clip(), Adam()]).learning_rate.scale == 0.1
    assert rules.GradientAscent(optimizer=Signs()).learning_rate.scale == 1.0


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("precondition", [False, True], ids=["", "preconditioned"])
def test_chain_in_the_rule_is_one_transform_after_the_other(name, kind, precondition):
    """Clip first, then the optimizer, momentum, and the rates of the groups."""
    rate, n_features = 1e-3, 3
    _, mixture, X = start(kind, 3, n_features)
    optimizer = (Adam(0.6, 0.9), Clip(2.0), AdaGrad(1e-2))
    relative_rates = {"weights": 0.5, "covariances": 2.0}
    rule = rules.GradientAscent(
        name,
        rate,
        momentum=0.4,
        nesterov=True,
        optimizer=optimizer,
        precondition=precondition,
        guard="raise",
        relative_rates=relative_rates,
        clip=0.3,
    )
    chain = [Clip(0.3), *optimizer, Momentum(0.4, nesterov=True), GroupRates(**relative_rates)]
    chain = [oracle(transform, 3, 3 * n_features) for transform in chain]
    parameterization = parameterizations.get(name)
    direction = parameterization.preconditioned if precondition else parameterization.gradient
    state = rule.init(mixture)
    for batch in range(5):
        statistics = e_step(mixture, X[8 * batch : 8 * batch + 8])
        change = direction(statistics, mixture) / statistics.weight
        for transform in chain:
            change = transform(change)
        expected = parameterization.unpack(parameterization.pack(mixture) + rate * change, mixture)
        mixture, state = rule.update(statistics, state, mixture)
        # Adam divides entries that are zero but for rounding by their own size: hence epsilon, and 1e-8
        assert_mixtures_close(mixture, expected, rtol=1e-8, atol=1e-10)
    assert rule.n_shortened(state) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop", "adam"])
def test_optimizers_by_name(optimizer):
    named = {"sgd": (), "adagrad": AdaGrad(), "rmsprop": RMSProp(), "adam": [Adam()]}[optimizer]
    _, mixture, X = start("full")
    by_name = learner_of(rules.GradientAscent(optimizer=optimizer, learning_rate=0.01), mixture)
    by_hand = learner_of(rules.GradientAscent(optimizer=named, learning_rate=0.01), mixture)
    assert by_name.learn(X, NO_WEIGHTS)[0].mixture == by_hand.learn(X, NO_WEIGHTS)[0].mixture


@pytest.mark.parametrize("optimizer", ["adagrad", "rmsprop", "adam"])
def test_default_rate_of_optimizers_is_a_tenth(optimizer):
    assert rules.GradientAscent().learning_rate == PowerDecay()
    assert rules.GradientAscent(optimizer=optimizer).learning_rate == PowerDecay(scale=0.1)


@pytest.mark.parametrize("kind", ["full", "diag"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_own_transform_runs_in_the_rule(kind, batch_size):
    """Between others, that remember something too, and in the compiled loop as in Python."""
    _, mixture, X = start(kind, 3, 2)
    optimizer = (Momentum(0.5), Signs(), RMSProp(0.9, 0.1))
    rule = rules.GradientAscent("cholesky", 1e-3, optimizer=optimizer, guard="shorten")
    chain = [oracle(transform, 3, 6) for transform in optimizer]
    learner = learner_of(rule, mixture, batch_size=batch_size).learn(X, NO_WEIGHTS)[0]
    theta_of = parameterizations.get("cholesky")
    for batch in range(0, len(X), batch_size):
        statistics = e_step(mixture, X[batch : batch + batch_size])
        change = theta_of.gradient(statistics, mixture) / statistics.weight
        for transform in chain:
            change = transform(change)
        mixture = theta_of.unpack(theta_of.pack(mixture) + 1e-3 * change, mixture)
    assert_mixtures_close(learner.mixture, mixture, rtol=1e-8, atol=1e-10)


def test_transforms_of_one_class_keep_their_memories_apart():
    gradients = np.random.default_rng(1).standard_normal((4, 3))
    chain = (Momentum(0.5), Momentum(0.9), Clip(10.0), Momentum(0.1))
    addresses, numbers, ends = transforms.chain(chain)
    assert ends.tolist() == [0, 1, 2, 2, 3]
    follow = [oracle(transform, 0, 0) for transform in chain]
    memory = np.zeros((3, 3))
    for time, gradient in enumerate(gradients, start=1):
        change = gradient.copy()
        run_chain(addresses, numbers, ends, float(time), 0, 0, 0, change, memory)
        for each in follow:
            gradient = each(gradient)
        np.testing.assert_allclose(change, gradient, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clip(0.0), "`norm` must be positive and finite, got 0"),
        (lambda: Momentum(1.0), r"`momentum` must be in \[0, 1\), got 1"),
        (lambda: AdaGrad(0.0), "`epsilon` must be positive and finite, got 0"),
        (lambda: RMSProp(decay=1.0), r"`decay` must be in \[0, 1\), got 1"),
        (lambda: RMSProp(epsilon=-1.0), "`epsilon` must be positive and finite, got -1"),
        (lambda: Adam(first=-0.1), r"`first` must be in \[0, 1\), got -0.1"),
        (lambda: Adam(second=1.0), r"`second` must be in \[0, 1\), got 1"),
        (lambda: Adam(epsilon=np.nan), "`epsilon` must be positive and finite, got nan"),
        (
            lambda: GroupRates(weights=-1.0),
            "the rate of 'weights' must be finite and not negative, or a `Constant` or `PowerDecay`, got -1",
        ),
        (
            lambda: GroupRates(means=PowerDecay(rows=100)),
            "the rate of 'means' must be a `PowerDecay` without `rows`, since its time counts updates, "
            "got rows=100",
        ),
    ],
)
def test_bad_transforms(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("gradient", "state"),
    [
        (np.ones(3), Adam().init(np.zeros(2))),
        (np.ones(3), Clip().init(np.ones(3))),
        (np.ones((3, 1)), Adam().init(np.zeros(3))),
    ],
)
def test_state_of_another_size_is_refused(gradient, state):
    """The compiled code would write past the end of the state."""
    with pytest.raises(ValueError, match="`gradient` must be a vector and `state` from `init`"):
        Adam().update(gradient, state)
