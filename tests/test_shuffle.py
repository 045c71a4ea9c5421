"""Random order: every row once, another order each pass, bounded memory, and what it is for."""

from __future__ import annotations

import io
import itertools
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streamgmm import Mixture, OnlineGaussianMixture, load, rules
from streamgmm.cli.app import streamgmm
from streamgmm.fit import shuffle
from streamgmm.fit.rows import rows_of
from streamgmm.fit.shuffle import shuffled
from streamgmm.rules.schedules import Constant, HalfLife
from streamgmm.sources import SourceError, open_source

TRUTH = Mixture([0.5, 0.3, 0.2], [[0.0, 0.0], [4.0, 3.0], [-4.0, 3.0]], [1.0, 1.0, 1.0], "spherical")


def sorted_rows(n, seed=0):
    """Rows of the three components one after the other."""
    X, labels = TRUTH.sample(n, random_state=seed)
    return X[np.argsort(labels, kind="stable")]


def numbered(n, n_features=2):
    """Rows that say which they are."""
    return np.arange(float(n * n_features)).reshape(n, n_features)


def joined(parts):
    rows, weights = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(weights)


def order_of(rows, seed=0):
    """Return the places of numbered rows in the order in which they are learned."""
    return joined(rows.shuffled(np.random.RandomState(seed)))[0][:, 0].astype(int) // rows.n_features


# --- the buffer --------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 300),
    bound=st.integers(1, 200),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    weighted=st.booleans(),
)
def test_each_row_comes_once_with_its_weight_in_bounded_memory(n, bound, cuts, weighted):
    X = numbered(n)
    weights = X[:, 0] + 0.5 if weighted else np.empty(0)
    read, given_back = 0, 0

    def parts(places):
        nonlocal read
        for index in np.split(np.arange(n), sorted(min(cut, n) for cut in places)):
            read += len(index)
            yield X[index], weights[index] if weighted else weights

    out = []
    for part in shuffled(parts(range(1, n)), np.random.default_rng(0), bound):
        out.append(part)
        given_back += len(part[0])
        assert read - given_back <= bound
    rows, w = joined(out)
    np.testing.assert_array_equal(np.sort(rows[:, 0]), X[:, 0])
    np.testing.assert_array_equal(rows[:, 1], rows[:, 0] + 1)
    np.testing.assert_array_equal(w, rows[:, 0] + 0.5 if weighted else [])
    again, _ = joined(shuffled(parts(cuts), np.random.default_rng(0), bound))
    np.testing.assert_array_equal(again, rows)  # however the rows are cut
    if n <= bound:
        np.testing.assert_array_equal(rows, X[np.random.default_rng(0).permutation(n)])


def test_all_orders_of_few_rows_are_equally_likely():
    X, rng = np.arange(4.0).reshape(4, 1), np.random.RandomState(0)
    for given_rows in (X, lambda: np.array_split(X, 2)):
        rows = rows_of(given_rows)
        seen = Counter(tuple(joined(rows.shuffled(rng))[0].ravel()) for _ in range(2400))
        assert set(seen) <= set(itertools.permutations(X.ravel()))
        assert stats.chisquare([seen[order] for order in itertools.permutations(X.ravel())]).pvalue > 1e-3


def test_a_row_waits_for_as_many_as_the_buffer_holds():
    n, bound = 40_000, 1000
    order = joined(shuffled([(numbered(n, 1), np.empty(0))], np.random.default_rng(0), bound))[0].ravel()
    waited = np.argsort(order) + bound - np.arange(n)  # rows that came until it was given
    middle = waited[bound : n - 10 * bound]
    assert middle.mean() == pytest.approx(bound, rel=0.05)
    assert stats.kstest(middle, stats.expon(scale=bound).cdf).statistic < 0.05


def test_the_buffer_has_a_limit_for_wide_rows(monkeypatch):
    monkeypatch.setattr(shuffle, "_BUFFER_VALUES", 2000)
    read = 0

    def parts():
        nonlocal read
        for row in numbered(100, 100):
            read += 1
            yield row[np.newaxis], np.empty(0)

    next(shuffled(parts(), np.random.default_rng(0)))
    assert read == 21  # 20 rows of 100 values, and the next one


def test_rows_of_two_types_are_what_they_were():
    parts = [(np.full((3, 1), 0.1, np.float32), np.empty(0)), (np.full((3, 1), 0.1), np.empty(0))]
    rows, _ = joined(shuffled(parts, np.random.default_rng(0), 4))
    assert sorted(rows.ravel().tolist()) == [0.1] * 3 + [float(np.float32(0.1))] * 3


# --- rows --------------------------------------------------------------------------------------------------


def stored(X, folder):
    """Return the same rows in all forms, sorted files in several pieces among them."""
    table = pa.table({f"x{a}": np.ascontiguousarray(X[:, a]) for a in range(X.shape[1])})
    pq.write_table(table, folder / "x.parquet", row_group_size=700)
    with pa.ipc.new_file(folder / "x.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    with pa.ipc.new_stream(folder / "x.ipc", table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    np.save(folder / "x.npy", X)
    np.savetxt(folder / "x.csv", X, delimiter=",", fmt="%.17g")
    for part, rows in enumerate(np.array_split(X, 3)):
        np.savetxt(folder / f"part-{part}.csv", rows, delimiter=",", fmt="%.17g")
    names = ("x.parquet", "x.arrow", "x.ipc", "x.npy", "x.csv", "part-*.csv")
    return {
        "array": X,
        "batches": lambda: np.array_split(X, 9),
        **{name: str(folder / name) for name in names},
    }


def test_rows_of_all_kinds(tmp_path):
    """Each once; the same seed, the same order; another one each pass; no trace of where rows lay."""
    X = numbered(20_000)
    for name, given_rows in stored(X, tmp_path).items():
        rows = rows_of(given_rows)
        order = order_of(rows)
        np.testing.assert_array_equal(np.sort(order), np.arange(len(X)), err_msg=name)
        np.testing.assert_array_equal(order_of(rows), order, err_msg=name)
        assert abs(stats.spearmanr(order, np.arange(len(X))).statistic) < 5 / np.sqrt(len(X)), name
        rng = np.random.RandomState(0)
        passes = [joined(rows.shuffled(rng, 300))[0][:, 0] for _ in range(2)]
        np.testing.assert_array_equal(passes[0], X[order, 0], err_msg=name)
        assert abs(stats.spearmanr(*passes).statistic) < 5 / np.sqrt(len(X)), name
        sizes = [len(part) for part, _ in rows.shuffled(np.random.RandomState(0), 300)]
        assert all(size % 300 == 0 for size in sizes[:-1])
        if name in ("array", "batches", "x.csv", "x.ipc"):
            np.testing.assert_array_equal(order, order_of(rows_of(X)), err_msg=name)


def test_weights_stay_with_their_rows(tmp_path):
    X = numbered(5000)
    weights = 1.0 + X[:, 0]
    for name, given_rows in stored(X, tmp_path).items():
        rows, w = joined(rows_of(given_rows, weights).shuffled(np.random.RandomState(0)))
        np.testing.assert_array_equal(w, 1.0 + rows[:, 0], err_msg=name)
        assert len(np.unique(rows[:, 0])) == len(X), name


# --- files -------------------------------------------------------------------------------------------------


def test_pieces_of_files_come_side_by_side(tmp_path):
    """Beyond the buffer, too: the first batches are not of the first file."""
    X = numbered(6000)
    paths = stored(X, tmp_path)
    for name in ("x.parquet", "x.arrow", "part-*.csv"):
        source = open_source([paths[name]], batch_rows=500)
        batches = list(source.batches(order=np.random.default_rng(0)))
        rows = np.concatenate([batch.rows for batch in batches])
        np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], X)
        assert max(len(batch.rows) for batch in batches) <= 500
        read = [batch.bytes_read for batch in batches]
        assert read == sorted(read)
        assert 0 <= source.total_bytes - read[-1] <= 16
        again = [batch.rows for batch in source.batches(order=np.random.default_rng(0))]
        np.testing.assert_array_equal(np.concatenate(again), rows)
        other = [batch.rows for batch in source.batches(order=np.random.default_rng(1))]
        assert (np.concatenate(other) != rows).any()
        seen = set()
        for batch in source.batches(order=np.random.default_rng(0)):
            seen |= set((batch.rows[:, 0] // 4000).astype(int).tolist())
            assert len(seen) <= 3
        assert seen == {0, 1, 2}


def test_npy_slices_come_in_random_order(tmp_path):
    X = numbered(100_000)
    np.save(tmp_path / "x.npy", X)
    source = open_source([str(tmp_path / "x.npy")])
    rows = np.concatenate([batch.rows for batch in source.batches(order=np.random.default_rng(0))])
    assert (np.diff(rows[:, 0]) != 2.0).sum() >= 40
    np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], X)


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.ipc", "x.npy", "x.csv"])
def test_errors_in_a_random_order_name_the_same_row(tmp_path, name):
    X = numbered(20_000)
    X[19_000, 1] = np.nan
    source = open_source([stored(X, tmp_path)[name]])
    messages = []
    for order in (None, np.random.default_rng(0)):
        with pytest.raises(SourceError, match="column 'x1' is nan") as caught:
            list(source.batches(order=order))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert ("row 19001" if name != "x.csv" else ":19001:") in messages[0]


def test_files_without_rows_and_standard_input(tmp_path, monkeypatch):
    empty = tmp_path / "empty.npy"
    np.save(empty, np.empty((0, 2)))
    np.save(tmp_path / "x.npy", numbered(10))
    source = open_source([str(tmp_path / "x.npy"), str(empty)])
    with pytest.raises(SourceError, match=r"empty\.npy: has no rows"):
        list(source.batches(order=np.random.default_rng(0)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1,2\n3,4\n")))
    source = open_source(["-"])
    with pytest.raises(SourceError, match="<stdin>: must be read in its order, got a random one"):
        source.batches(order=np.random.default_rng(0))
    assert len(next(source.batches()).rows) == 2  # nothing was read


# --- learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rules.OnlineEM(HalfLife(500.0)), rules.NaturalGradient(Constant(0.05))])
def test_a_rule_that_forgets_keeps_the_order(rule):
    X = sorted_rows(4000)
    one = OnlineGaussianMixture(3, rule=rule, random_state=0).fit(X)
    other = OnlineGaussianMixture(3, rule=rule, random_state=0).partial_fit(X)
    assert one.to_mixture() == other.to_mixture()
    free = OnlineGaussianMixture(3, rule=type(rule)(), random_state=0)
    assert free.fit(X).to_mixture() != free.__class__(**free.get_params()).partial_fit(X).to_mixture()


def test_the_order_is_drawn_from_the_seed():
    X = sorted_rows(4000)
    first, same, other = (OnlineGaussianMixture(3, random_state=seed).fit(X) for seed in (0, 0, 1))
    assert first.to_mixture() == same.to_mixture()
    assert not np.array_equal(first.history_, other.history_)
    state = np.random.RandomState(0)
    drawn = [OnlineGaussianMixture(3, random_state=state).fit(X).history_ for _ in range(2)]
    assert not np.array_equal(*drawn)


def test_sorted_rows_are_learned_as_well_as_shuffled_ones(tmp_path):
    """A file within the buffer, to the estimator and to the command."""
    X = sorted_rows(100_000)
    held_out = TRUTH.sample(20_000, random_state=1)[0]
    best = TRUTH.log_prob(held_out).mean()
    pa.csv.write_csv(pa.table({"x": X[:, 0], "y": X[:, 1]}), tmp_path / "x.csv")
    model = OnlineGaussianMixture(3, random_state=0).fit(tmp_path / "x.csv")
    assert model.to_mixture().log_prob(held_out).mean() > best - 0.002
    in_order = OnlineGaussianMixture(3, random_state=0, memory_rows=0).partial_fit(X)
    assert in_order.score(held_out) < best - 0.2  # what it would be
    arguments = ["fit", str(tmp_path / "x.csv"), "-k", "3", "-o", str(tmp_path / "m")]
    streamgmm.main(arguments, standalone_mode=False)
    assert load(tmp_path / "m") == model.to_mixture()


def test_sorted_pieces_beyond_the_buffer(tmp_path, monkeypatch):
    """Some 40 pieces fit into the buffer, whose mix is that noisy; the buffer alone does not mix the ends."""
    monkeypatch.setattr(shuffle, "BUFFER_ROWS", 20_000)
    X = sorted_rows(100_000)
    pq.write_table(pa.table({"x": X[:, 0], "y": X[:, 1]}), tmp_path / "x.parquet", row_group_size=500)
    held_out = TRUTH.sample(20_000, random_state=1)[0]
    best = TRUTH.log_prob(held_out).mean()
    model = OnlineGaussianMixture(3, random_state=0, memory_rows=0).fit(tmp_path / "x.parquet")
    assert model.to_mixture().log_prob(held_out).mean() > best - 0.02
    alone = OnlineGaussianMixture(3, random_state=0, memory_rows=0).fit(lambda: np.array_split(X, 9))
    assert alone.score(held_out) < best - 0.2
