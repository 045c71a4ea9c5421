"""A memory of rows: bounded, the same however rows come in calls, and in expectation all that came by."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streamgmm.fit.memory import NO_WEIGHTS, Memory

STREAMS = 1500  # each takes other numbers, since it begins at another place

lives = st.sampled_from([None, 0.7, 20.0, 1e4])
cuts = st.lists(st.integers(0, 400), max_size=6)


def numbered(n, dtype=np.float64):
    """Rows that say which they are."""
    return np.column_stack([np.arange(n), -np.arange(n)]).astype(dtype)


def weights_of(n, seed=0):
    """Weights of very different sizes, some of them 0."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(0.0, 2.0, n)) * (rng.random(n) > 0.2)


def pieces(n, places):
    """Return the slices between some places."""
    edges = [0, *sorted(min(place, n) for place in places), n]
    return [slice(*pair) for pair in itertools.pairwise(edges)]


def seen_anew(memory):
    """Return what a memory holds now, not what it remembers to have held."""
    return replace(memory).sampled


def assert_same(one, other):
    for actual, expected in zip(one, other, strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


def over_streams(n, w, *, cut=(), **options):
    """Yield the places (of n) that are kept of many streams, and what each of them stands for."""
    X = numbered(n)
    for stream in range(STREAMS):
        memory = Memory(n_seen=stream * n, **options)
        for part in pieces(n, cut):
            memory = memory.add(X[part], w[part])
        rows, stands_for, _ = memory.sampled
        yield rows[:, 0].astype(int), stands_for


# --- one result, however it comes about --------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(1, 400),
    bound=st.integers(1, 60),
    n_whole=st.sampled_from([0, 30, 1000]),
    half_life=lives,
    places=cuts,
    weighted=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_cuts_records_pickles_and_branches_change_no_bit(
    n, bound, n_whole, half_life, places, weighted, dtype
):
    X, w = numbered(n, dtype), weights_of(n) if weighted else NO_WEIGHTS
    expected = Memory(bound, half_life, n_whole).add(X, w)
    memory, before = Memory(bound, half_life, n_whole), []
    for part in pieces(n, places):
        branch = memory.add(X[:5], w[:5])
        before += [(old, old.room and seen_anew(old)) for old in (memory, branch, branch.add(X, w))]
        memory = memory.add(X[part], w[part])
    for single in (Memory.from_record(*memory.to_record()), pickle.loads(pickle.dumps(memory)), memory):
        assert_same(single.sampled, expected.sampled)
        assert_same(single.add(X, w).sampled, expected.add(X, w).sampled)
    for old, sampled in before:
        if sampled is not None:
            assert_same(seen_anew(old), sampled)
            assert_same(seen_anew(copy.copy(old)), sampled)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 400), bound=st.integers(1, 60), half_life=lives, places=cuts, weighted=st.booleans())
def test_the_smallest_ranks_are_kept_and_no_row_of_weight_0(n, bound, half_life, places, weighted):
    w = weights_of(n) if weighted else NO_WEIGHTS
    memory = Memory(bound, half_life)
    for part in pieces(n, places):
        memory = memory.add(numbered(n)[part], w[part])
    written = w if weighted else np.ones(n)
    # by the definition, all at once: the numbers drawn are those of a memory that keeps everything
    log_e = Memory(n).add(numbered(n)).to_record()[1]["ranks"]
    ages = np.arange(n, 0, -1)
    with np.errstate(divide="ignore"):
        ranks = log_e - np.log(written) + (0.0 if half_life is None else ages * np.log(2.0) / half_life)
    order = np.argsort(ranks)[: min(bound, np.count_nonzero(written))]
    rows, stands_for, at = memory.sampled
    np.testing.assert_array_equal(at, np.sort(order))
    np.testing.assert_array_equal(rows, numbered(n)[at])
    assert len(stands_for) == (len(at) if weighted or half_life is not None else 0)
    assert memory.is_whole == (n <= bound)


def test_the_draws_are_from_the_uniform_distribution_and_independent():
    ranks = Memory(100_000).add(numbered(100_000)).to_record()[1]["ranks"]
    e = np.exp(ranks)
    assert stats.kstest(e, "expon").pvalue > 0.01
    assert abs(stats.spearmanr(e[1:], e[:-1]).statistic) < 4 / np.sqrt(len(e))


# --- what it stands for ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [(), (1, 2, 3, 30)])
@pytest.mark.parametrize("n_whole", [0, 20])
def test_every_row_is_kept_as_often_as_any_other(cut, n_whole):
    n, bound = 40, 5
    counts = np.zeros(n)
    for kept, stands_for in over_streams(n, NO_WEIGHTS, bound=bound, n_whole=n_whole, cut=cut):
        assert len(kept) == bound
        assert not len(stands_for)
        counts[kept] += 1
    p = bound / n  # chosen without replacement: the counts vary by p (1 - p) n / (n - 1)
    chi2 = np.square(counts - STREAMS * p).sum() / (STREAMS * p * (1 - p) * n / (n - 1))
    assert 0.001 < stats.chi2.sf(chi2, n - 1) < 0.999


@pytest.mark.parametrize("half_life", [None, 2.0])
def test_one_row_is_kept_in_proportion_to_weight_and_age(half_life):
    w = np.array([1.0, 4.0, 2.0, 0.0, 1.0, 0.5])
    decay = 0.5 ** (np.arange(6, 0, -1) / half_life) if half_life else 1.0
    expected = w * decay / (w * decay).sum()
    kept = np.concatenate([kept for kept, _ in over_streams(6, w, bound=1, half_life=half_life)])
    counts = np.bincount(kept, minlength=6)
    assert counts[3] == 0
    used = w > 0
    assert stats.chisquare(counts[used], STREAMS * expected[used]).pvalue > 0.001


@pytest.mark.parametrize(
    ("half_life", "weighted", "cut"),
    [(None, True, (7, 9, 31)), (15.0, True, ()), (3.0, True, (7, 9, 31)), (15.0, False, (7, 9, 31))],
)
def test_the_weight_of_any_region_is_right_in_expectation(half_life, weighted, cut):
    n, bound = 60, 12
    rng = np.random.default_rng(5)
    w = rng.lognormal(0.0, 1.0, n) if weighted else NO_WEIGHTS
    w[10:20] = 0.0
    decay = 0.5 ** (np.arange(n, 0, -1) / half_life) if half_life else np.ones(n)
    truth = decay * (w if weighted else 1.0)
    f = np.stack([np.ones(n), np.arange(n) >= n - 8, np.arange(n) < n // 2, rng.random(n), np.arange(n) % 2])
    sums = []
    for kept, stands_for in over_streams(n, w, bound=bound, half_life=half_life, cut=cut):
        assert (stands_for > 0).all()
        assert (stands_for >= truth[kept] * (1 - 1e-9)).all()  # kept with a probability of at most 1
        sums.append(f[:, kept] @ stands_for)
    error = np.std(sums, axis=0) / np.sqrt(STREAMS)
    exact = f @ truth
    assert (np.abs(np.mean(sums, axis=0) - exact) < 4 * error + 1e-12).all()
    assert (error[[0, 1, 3, 4]] < 0.03 * exact[[0, 1, 3, 4]]).all()  # so that the test can fail


def test_a_row_of_weight_2_stands_for_as_much_as_the_row_twice():
    once, twice = np.ones(20), np.ones(21)
    once[:4], twice[:8] = 2.0, 1.0
    sums = []
    for w, region in ((once, 4), (np.ones(24), 8)):
        found = [s[kept < region].sum() for kept, s in over_streams(len(w), w, bound=6)]
        sums.append((np.mean(found), np.std(found) / np.sqrt(STREAMS)))
    for mean, error in sums:
        assert abs(mean - 8.0) < 4 * error < 0.6


def test_a_short_half_life_keeps_the_last_rows_of_a_long_stream():
    n, half_life, bound = 1_000_000, 300.0, 2000
    X = np.broadcast_to(np.float32(1.0), (n, 1))
    _, stands_for, places = Memory(bound, half_life).add(X).sampled
    total = 1 / (2 ** (1 / half_life) - 1)
    assert stands_for.sum() == pytest.approx(total, rel=0.02)
    assert np.average(n - places, weights=stands_for) == pytest.approx(half_life / np.log(2.0), rel=0.05)


def test_no_row_is_left_out_as_long_as_there_are_few():
    X = numbered(100)
    memory = Memory(10, n_whole=50).add(X[:50])
    assert memory.is_whole
    np.testing.assert_array_equal(memory.rows, X[:50])
    memory = memory.add(X[50:51])
    assert not memory.is_whole
    assert len(memory.rows) == 10
    assert Memory(10).add(X[:10]).is_whole
    assert not Memory(10).add(X[:11]).is_whole


@pytest.mark.parametrize("half_life", [None, 3.0])
def test_extreme_weights_far_down_a_stream(half_life):
    n = 5000
    w = np.tile([1e-300, 1e100, 1.0, 0.0, 5e-324], n // 5)
    memory = Memory(600, half_life, n_seen=10**7)
    X = numbered(n)
    for begin in range(0, n, 700):
        memory = memory.add(X[begin : begin + 700], w[begin : begin + 700])
    rows, stands_for, places = memory.sampled
    assert np.isfinite(stands_for).all()
    assert len(rows) == 600
    np.testing.assert_array_equal(places - 10**7, rows[:, 0])
    kept = rows[:, 0].astype(int)
    assert half_life or set(w[kept]) == {1e100}  # 600 of these are 3000 rows: a factor of 1e301 to the oldest
    decay = 0.5 ** (np.arange(n, 0, -1) / half_life) if half_life else np.ones(n)
    assert (stands_for >= (w * decay)[kept] * (1 - 1e-6)).all()
    assert stands_for.sum() == pytest.approx((w * decay).sum(), rel=0.1)


def test_heavy_rows_among_many_that_weigh_next_to_nothing():
    w = np.full(3000, 1e-300)
    w[::1000] = 1e100
    _, stands_for, places = Memory(200).add(numbered(3000), w).sampled
    heavy = w[places] == 1e100
    np.testing.assert_allclose(stands_for[heavy], [1e100] * 3)  # they are kept for sure
    assert stands_for[~heavy].sum() == pytest.approx(2997e-300, rel=0.2)


# --- bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half_life", [None, 500.0])
@pytest.mark.parametrize("size", [1, 100, 50_000])
def test_it_holds_no_more_than_twice_its_bound(size, half_life):
    bound, n = 1500, 50_000 if size > 1 else 8000
    X, memory = numbered(n), Memory(bound, half_life)
    for begin in range(0, n, size):
        memory = memory.add(X[begin : begin + size])
        assert memory.n_held <= len(memory.room.arrays[0]) <= 2 * bound + 1
    assert len(memory.rows) == bound
    _, arrays = memory.to_record()
    assert all(len(array) <= bound + 1 for array in arrays.values())


@pytest.mark.parametrize("half_life", [None, 500.0])
def test_a_huge_array_takes_no_more_room_than_many_small_ones(half_life):
    bound, n_features = 1500, 100
    X = np.broadcast_to(np.arange(float(n_features)), (200_000, n_features))
    tracemalloc.start()
    Memory(bound, half_life).add(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6.5 * bound * n_features * 8  # those held, in the old room and the new, and those to come


def test_a_pickle_holds_what_was_written_and_no_more():
    memory = Memory(5000).add(numbered(1030))
    assert len(memory.room.arrays[0]) > 2000
    assert len(pickle.dumps(memory)) < 1030 * (16 + 3 * 8) + 1500
    assert pickle.dumps(memory) == pickle.dumps(pickle.loads(pickle.dumps(memory)))
    assert_same(copy.deepcopy(memory).add(numbered(50)).sampled, memory.add(numbered(50)).sampled)


# --- digits, records, nothing ------------------------------------------------------------------------------


def test_rows_keep_their_digits():
    X = numbered(3000) + 0.1
    single = Memory(100).add(X.astype(np.float32))
    assert single.rows.dtype == np.float32
    assert single.add(X.astype(np.float32)).rows.dtype == np.float32
    mixed = single.add(X)
    assert mixed.rows.dtype == np.float64
    old = mixed.sampled.places < 3000
    np.testing.assert_array_equal(mixed.rows[~old], X[mixed.sampled.places[~old] - 3000])
    np.testing.assert_array_equal(mixed.rows[old], X.astype(np.float32)[mixed.sampled.places[old]])
    assert mixed.add(X.astype(np.float32)).rows.dtype == np.float64
    assert single.rows.dtype == np.float32


def test_one_row_of_more_digits_is_enough_even_if_it_is_not_kept():
    X = numbered(3000, np.float32)
    memory = Memory(2).add(X)
    places = [Memory(2).add(X).add(row[np.newaxis].astype(float)) for row in X[:5]]
    assert all(after.rows.dtype == np.float64 for after in places)
    np.testing.assert_array_equal(places[0].rows, memory.rows)  # none of them was kept


def test_a_record_is_json_whatever_the_settings_came_as():
    memory = Memory(np.int64(5), np.float32(20.0), np.int32(0)).add(numbered(40), np.ones(40))
    settings, arrays = memory.to_record()
    again = Memory.from_record(json.loads(json.dumps(settings)), arrays)
    assert_same(again.add(numbered(40)).sampled, memory.add(numbered(40)).sampled)


def test_an_empty_memory():
    memory = Memory(5, 10.0)
    assert memory.is_whole
    again = Memory.from_record(*memory.to_record())
    assert_same(again.add(numbered(40)).sampled, memory.add(numbered(40)).sampled)
    assert memory.add(numbered(0)).n_seen == 0
    with pytest.raises(ValueError, match="once rows have come"):
        memory.add(numbered(0)).sampled  # noqa: B018
    nothing = memory.add(numbered(3), np.zeros(3))
    assert nothing.rows.shape == (0, 2)
    assert nothing.n_seen == 3
    again = Memory.from_record(*nothing.to_record())
    assert_same(again.add(numbered(40)).sampled, nothing.add(numbered(40)).sampled)
