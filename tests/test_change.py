"""The test for change: uniform p-values, fair bets, no more false alarms than stated, and alarms in time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import binom, chisquare, kstest

from common import long_without_compilation
from streamgmm import Mixture
from streamgmm.fit.change import ChangeTest
from streamgmm.fit.memory import draws_of
from streamgmm.kernels import conformal
from streamgmm.kernels.conformal import BLOCK, EDGES, TOOLS
from streamgmm.sweep import densities

TWO = Mixture([0.5, 0.5], [[-2.0, 0.0], [2.0, 0.0]], [np.eye(2)] * 2)
WRONG = Mixture([0.7, 0.3], [[-1.0, 0.0], [1.0, 3.0]], [np.eye(2), 4 * np.eye(2)])
CODES = {
    "one": [1.0],
    "two": [0.5, 0.5],
    "rare": [0.999, 0.001],
    "gaps": [0.2, 0.0, 0.5, 0.0, 0.3],
    "many": np.full(40, 1 / 40),
}


def frozen(mixture=TWO, n_samples=2000, **options):
    return ChangeTest.start(**options).freeze(mixture, TWO.sample(n_samples, random_state=99)[0])


def ranks(codes, draws, n_codes):
    counts = np.zeros(n_codes, dtype=np.int64)
    return np.array(
        [conformal.rank(counts, i + 1, c, u) for i, (c, u) in enumerate(zip(codes, draws, strict=True))]
    )


def ranks_by_definition(codes, draws):
    """Return the share of codes so far that are less, and a drawn part of those that are equal."""
    return np.array(
        [
            (np.sum(codes[: i + 1] < codes[i]) + draws[i] * np.sum(codes[: i + 1] == codes[i])) / (i + 1)
            for i in range(len(codes))
        ]
    )


def wealth_by_definition(p):
    """Return the log wealth after each block: every bettor with every start, each with its own product."""
    n_blocks = len(p) // BLOCK
    blocks = p[: n_blocks * BLOCK].reshape(n_blocks, BLOCK)
    idle = 1 / (1 + np.log(1 + np.arange(n_blocks + 1)))
    begin = idle[:-1] - idle[1:]
    log_bettors = []
    for memory in TOOLS.memories:
        for grid in TOOLS.grids:
            edges = np.append(EDGES[:-1][np.diff(grid, prepend=-1) > 0], 1.0)
            counts, gains = np.zeros(len(edges) - 1), []
            for block in blocks:
                share = (counts + TOOLS.prior * np.diff(edges)) / (counts.sum() + TOOLS.prior)
                new, _ = np.histogram(block, edges)
                gains.append(new @ np.log(share / np.diff(edges)))
                counts = counts * np.exp(-BLOCK / memory) + new
            log_bettors.append(gains)
    gains = np.array(log_bettors)
    return np.array(
        [
            logsumexp(
                [
                    *(
                        logsumexp(gains[:, start : b + 1].sum(axis=1))
                        - np.log(len(gains))
                        + np.log(begin[start])
                        for start in range(b + 1)
                    ),
                    np.log(idle[b + 1]),
                ]
            )
            for b in range(n_blocks)
        ]
    )


def codes_of(test, X):
    """Return both codes of rows by their definition."""
    log_prob, resp = densities(test.mixture, X, responsibilities=True)
    return (log_prob[:, np.newaxis] > test.edges).sum(axis=1), resp.argmax(axis=1)


@pytest.mark.parametrize("name", CODES)
def test_p_values_are_ranks_with_drawn_ties(name):
    rng = np.random.default_rng(0)
    codes, draws = rng.choice(len(CODES[name]), 300, p=CODES[name]), rng.random(300)
    np.testing.assert_allclose(ranks(codes, draws, len(CODES[name])), ranks_by_definition(codes, draws))


@pytest.mark.parametrize("name", CODES)
def test_p_values_of_exchangeable_codes_are_uniform_and_independent(name):
    rng = np.random.default_rng(1)
    n_codes = len(CODES[name])
    # exchangeable, not independent: drawn without replacement
    pool = np.repeat(np.arange(n_codes), np.round(4000 * np.array(CODES[name])).astype(int))
    p = ranks(rng.permutation(pool), rng.random(len(pool)), n_codes)
    assert kstest(p, "uniform").pvalue > 1e-3
    pairs = np.histogram2d(p[:-1:2], p[1::2], bins=8, range=[[0, 1]] * 2)[0]
    assert chisquare(pairs.ravel()).pvalue > 1e-3
    # the first ranks too, over many short streams
    short = np.array(
        [ranks(rng.choice(n_codes, 6, p=CODES[name]), rng.random(6), n_codes) for _ in range(1500)]
    )
    for column in short.T:
        assert kstest(column, "uniform").pvalue > 1e-4


def test_cells_are_between_their_edges():
    p = np.concatenate([EDGES[:-1], np.nextafter(EDGES[1:], 0), np.random.default_rng(0).random(1000), [1.0]])
    expected = np.minimum(np.searchsorted(EDGES, p, side="right") - 1, len(EDGES) - 2)
    assert [conformal.cell(v) for v in p] == expected.tolist()


def test_densities_on_which_is_bet_integrate_to_one():
    rng = np.random.default_rng(0)
    inside, density = np.empty((2, len(EDGES) - 1))
    for grid, widths in zip(TOOLS.grids, TOOLS.widths, strict=True):
        for scale in (0.0, 1.0, 1e4):
            memory = scale * rng.random(len(density)) ** 4
            conformal.place_bets(memory, grid, widths, TOOLS.prior, inside, density)
            assert density @ np.diff(EDGES) == pytest.approx(1.0, abs=1e-14)
            assert density.min() > 0


def test_shares_of_all_who_begin_sum_to_one():
    n_blocks = 5000
    begin = np.exp([conformal.log_beginning(float(b)) for b in range(n_blocks)])
    assert begin.min() > 0
    assert begin.sum() + np.exp(conformal.log_idle(float(n_blocks))) == pytest.approx(1.0, abs=1e-12)
    assert conformal.log_idle(0.0) == 0.0


def test_the_wealth_is_that_of_bettors_with_every_start():
    X = np.concatenate([TWO.sample(1500, random_state=0)[0], WRONG.sample(500, random_state=1)[0]])
    test = frozen(rate=1e-250)
    draws = draws_of((0x6368616E, 0x6765, 0), 0, 2 * len(X)).reshape(-1, 2)
    pairs = zip(codes_of(test, X), draws.T, strict=True)
    wealth = np.array([wealth_by_definition(ranks_by_definition(codes, u)) for codes, u in pairs])
    expected = np.maximum(np.maximum.accumulate(wealth.max(axis=0)), 0.0) - np.log(2)
    assert expected[-1] > 10
    evidence = []
    for begin in range(0, len(X) - BLOCK + 1, BLOCK):
        test = test.update(X[begin : begin + BLOCK])
        evidence.append(test.evidence)
    np.testing.assert_allclose(evidence, expected, rtol=1e-9)


def assert_same(one, other):
    settings, arrays = one.to_record()
    settings_2, arrays_2 = other.to_record()
    assert settings == settings_2
    assert arrays.keys() == arrays_2.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(value, arrays_2[name], err_msg=name, strict=True)


@pytest.mark.parametrize("size", [1, 7, 32, 700])
def test_cut_calls_equal_one(size):
    X = TWO.sample(1500, random_state=0)[0]
    whole = frozen().update(X[:900]).freeze(WRONG, X[:900]).update(X[900:])
    parts = frozen()
    for begin in range(0, 900, size):
        parts = parts.update(X[begin : min(begin + size, 900)])
    parts = parts.freeze(WRONG, X[:900])
    for begin in range(900, 1500, size):
        parts = parts.update(X[begin : begin + size])
    assert_same(whole, parts)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_a_record_goes_on_to_the_last_bit(covariance_type):
    shapes = {"full": [np.eye(2)] * 2, "tied": np.eye(2), "diag": np.ones((2, 2)), "spherical": [1.0, 1.0]}
    X = TWO.sample(1000, random_state=0)[0]
    mixture = Mixture([0.3, 0.7], [[-2.0, 0.0], [2.0, 0.0]], shapes[covariance_type], covariance_type)
    for test in (ChangeTest.start(0.01, seed=3), frozen(mixture).update(X[:517])):
        settings, arrays = test.to_record()
        again = ChangeTest.from_record(json.loads(json.dumps(settings)), arrays)
        assert_same(test, again)
        if test.mixture is not None:
            assert_same(test.update(X[517:]), again.update(X[517:]))


def test_a_record_that_is_not_one_is_refused():
    settings, arrays = frozen().to_record()
    for name, value in (("rate", None), ("n_tested", -1), ("n_edges", 3), ("covariance_type", 7)):
        with pytest.raises(ValueError, match=r"must be"):
            ChangeTest.from_record(settings | {name: value}, arrays)
    with pytest.raises(ValueError, match=r"bets\.memory.*nothing"):
        ChangeTest.from_record(settings, {k: v for k, v in arrays.items() if k != "bets.memory"})


def test_an_update_changes_nothing_in_place():
    test = frozen()
    before = {name: value.copy() for name, value in test.to_record()[1].items()}
    test.update(TWO.sample(500, random_state=0)[0])
    for name, value in test.to_record()[1].items():
        np.testing.assert_array_equal(value, before[name])


@long_without_compilation
@pytest.mark.parametrize("digits", [12, 0], ids=["continuous", "tied"])
def test_false_alarms_are_no_more_than_stated(digits):
    """The frozen mixtures are wrong, which does not matter, and others come while a stream goes by."""
    n_alarms = 0
    for seed in range(200):
        X = np.round(TWO.sample(3000, random_state=seed)[0], digits)
        test = ChangeTest.start(rate=0.05, seed=seed).freeze(WRONG, X[:200]).update(X[200:700])
        test = test.freeze(TWO, X[:700]).update(X[700:])
        n_alarms += test.alarm
    assert n_alarms <= binom.ppf(0.999, 200, 0.05)


def test_an_order_that_the_scores_decide_always_alarms():
    """So the count above can fail: these are the same rows, but not exchangeable."""
    for seed in range(20):
        X = TWO.sample(3000, random_state=seed)[0]
        test = ChangeTest.start(rate=0.05, seed=seed).freeze(WRONG, X[:200])
        for begin in range(200, 3000, 400):
            part = X[begin : begin + 400]
            test = test.update(part[np.argsort(WRONG.log_prob(part))])
        assert test.alarm


def moved(shift):
    """Return codes (n, 2) before a change and after it: scores in bins of equal share, and components."""
    n_bins = 32

    def draw(rng, n_samples, changed):
        score, component = rng.random(n_samples), rng.random(n_samples) < 0.5
        if changed and shift == "scores":
            poor = rng.random(n_samples) < 0.1
            score[poor] *= 0.1
        elif changed:
            component = rng.random(n_samples) < 0.6
        return np.column_stack([(n_bins * score).astype(np.int64), component.astype(np.int64)])

    return draw


@long_without_compilation
@pytest.mark.parametrize("shift", ["scores", "weights"])
def test_a_change_after_a_long_peace_is_seen_in_time(shift):
    """10 % of the scores go to the lowest decile; weights of .5 and .5 become .6 and .4."""
    n_before, delays, found = 100_000, [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        codes = np.concatenate([moved(shift)(rng, n_before, False), moved(shift)(rng, 5000, True)])
        bets = conformal.empty_bets(2)._replace(counts=np.zeros((2, 32), dtype=np.int64))
        test = ChangeTest.start()
        n_used, highest = conformal.bet(
            codes, rng.random(codes.shape), 0, np.log(2 / test.rate), 0.0, bets, TOOLS
        )
        delays.append(n_used - n_before)
        test = ChangeTest(0.001, 0, n_used, highest - np.log(2), None, np.empty(0), bets)
        found.append(n_used - n_before - test.began)
    assert min(delays) > 0
    assert np.median(delays) < 2000
    assert np.abs(np.median(found)) < 500


def test_a_change_of_rows_is_dated():
    X, new = TWO.sample(20_000, random_state=0)[0], TWO.sample(2000, random_state=1)[0] + [0.0, 1.5]
    test = frozen().update(X)
    assert not test.alarm
    assert test.began == 0
    test = test.update(new)
    delay = test.n_tested - len(X)
    assert test.alarm
    assert 0 < delay < 300
    assert abs(test.began - delay) <= 2 * BLOCK
    assert test.update(new) is test


def test_rows_all_the_same_and_one_component_do_not_alarm():
    mixture = Mixture([1.0], [[0.0]], [1.0], "spherical")
    X = np.zeros((20_000, 1))
    test = ChangeTest.start().freeze(mixture, X[:10]).update(X)
    assert not test.alarm
    assert len(test.edges) == 1


def test_rows_too_far_to_be_squared_are_the_poorest():
    far = np.full((400, 2), 1e200)
    test = frozen().update(far[:1])
    assert test.bets.counts[0, 0] == 1
    X = TWO.sample(2000, random_state=0)[0]
    assert frozen().update(X).update(far).alarm
    assert np.isfinite(frozen(n_samples=1).freeze(TWO, far).edges).all()


def test_weights_of_the_sample_count():
    X = TWO.sample(300, random_state=0)[0]
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = ChangeTest.start().freeze(TWO, X, weights.astype(float))
    repeated = ChangeTest.start().freeze(TWO, np.repeat(X, weights, axis=0), np.empty(0))
    np.testing.assert_array_equal(weighted.edges, repeated.edges)


def test_bad_input_is_named():
    for rate in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"`rate` must be between 0 and 1"):
            ChangeTest.start(rate)
    with pytest.raises(ValueError, match=r"`seed` must not be negative, got -1"):
        ChangeTest.start(seed=-1)
    with pytest.raises(ValueError, match=r"`freeze` one first"):
        ChangeTest.start().update(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"at least one row"):
        ChangeTest.start().freeze(TWO, np.empty((0, 2)))
    with pytest.raises(ValueError, match=r"`X` must be finite"):
        frozen().update([[np.nan, 0.0]])
