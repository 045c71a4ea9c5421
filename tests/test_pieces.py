"""Work in pieces: one result, however it is divided; no thread is left."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from common import NO_WEIGHTS, assert_mixtures_close, options_of
from streamgmm import Mixture, covariance
from streamgmm._pieces import Task, breathe, is_spread
from streamgmm.fit.climb import Climb
from streamgmm.priors import ConjugatePrior

COSTS = (1.0, 0.5, 3.0, 0.0, 2.5, 4.0)
TOTAL = sum(COSTS)


def summed(costs=COSTS, seen=None):
    """Work in pieces of these costs; ``seen`` notes how far it has come."""
    total = 0.0
    for number, cost in enumerate(costs):
        total += number * cost
        if seen is not None:
            seen.append(number)
        breathe(cost)
    return total


EXPECTED = summed()


class NoLuckError(Exception):
    """What the work raises."""


def failing(costs=COSTS):
    summed(costs)
    raise NoLuckError("no luck")


def threads_end(before):
    """Tell whether there soon are no more threads than before."""
    gc.collect()
    deadline = time.monotonic() + 5.0
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    return threading.active_count() <= before


# --- the result --------------------------------------------------------------------------------------------


@given(grants=st.lists(st.floats(0.0, 2 * TOTAL), max_size=12))
def test_the_result_is_given_exactly_when_it_may_cost_so_much(grants):
    task = Task(summed)
    for allowed in [*grants, TOTAL, np.nextafter(TOTAL, 0.0), TOTAL]:
        assert task.result(allowed) == ((EXPECTED,) if allowed >= TOTAL else None)


def test_no_piece_begins_that_may_not():
    seen: list[int] = []
    task = Task(partial(summed, COSTS, seen))
    assert seen == []  # nobody has asked
    for allowed in (0.0, 1.0, 1.4, 1.5, 7.0, 3.0, TOTAL - 1):
        task.result(allowed)
        within = np.cumsum(COSTS) <= allowed if allowed != 3.0 else np.cumsum(COSTS) <= 7.0
        assert len(seen) == min(np.count_nonzero(within) + 1, len(COSTS))
    assert task.result(TOTAL) == (EXPECTED,)
    task.result(TOTAL)
    assert seen == list(range(len(COSTS)))  # nothing is done twice


def test_work_without_a_breath_and_without_a_result():
    assert Task(partial(summed, ())).result(0.0) == (0.0,)
    assert Task(int).result(0.0) == (0,)
    assert Task(list).result(1.0) == ([],)
    assert Task(gc.enable).result(1.0) == (None,)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda task: pickle.loads(pickle.dumps(task))])
@pytest.mark.parametrize("granted", [None, 2.0, TOTAL])
def test_a_copy_begins_anew_and_comes_to_the_same(copied, granted):
    task = Task(summed)
    if granted is not None:
        task.result(granted)
    again = copied(task)
    assert again.result(2.0) is None
    assert again.result(TOTAL) == (EXPECTED,)
    assert task.result(TOTAL) == (EXPECTED,)


def test_only_the_work_of_a_task_is_divided():
    assert not is_spread()
    breathe(1e9)  # does nothing
    assert Task(is_spread).result(0.0) == (True,)
    assert not is_spread()


# --- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda task: task, copy.copy])
def test_an_error_is_raised_where_the_result_would_be_given(copied):
    task = Task(failing)
    assert task.result(TOTAL - 1) is None
    task = copied(task)
    for _ in range(2):  # an error must not be taken for a result when it is asked for again
        with pytest.raises(NoLuckError, match=r"^no luck$") as caught:
            task.result(TOTAL)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert "failing" in [entry.name for entry in caught.traceback]
        assert task.result(TOTAL - 1) is None


def test_what_ends_a_process_is_passed_on():
    with pytest.raises(SystemExit):
        Task(sys.exit).result(1.0)


# --- threads and processes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("work", [summed, failing])
@pytest.mark.parametrize("granted", [0.0, 2.0, TOTAL])
def test_no_thread_is_left(work, granted):
    before = threading.active_count()
    tasks = [Task(work) for _ in range(5)]
    for task in tasks:
        try:
            task.result(granted)
        except NoLuckError as error:
            error.__traceback__ = None
    if granted < TOTAL:
        assert threading.active_count() == before + len(tasks)
    del task, tasks
    assert threads_end(before)


def test_an_abandoned_task_goes_no_further_and_cleans_up():
    before, ended = threading.active_count(), []
    seen: list[int] = []

    def work():
        try:
            summed(COSTS, seen)
        finally:
            ended.append(is_spread())

    task = Task(work)
    task.result(2.0)
    assert (seen, ended) == ([0, 1, 2], [])
    del task
    assert threads_end(before)
    assert (seen, ended) == ([0, 1, 2], [True])


def test_an_unfinished_task_does_not_keep_python_from_ending():
    code = (
        "from streamgmm._pieces import Task, breathe\n"
        "def work():\n"
        "    for _ in range(10):\n"
        "        breathe(1.0)\n"
        "task = Task(work)\n"
        "print(task.result(3.0))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "None\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of threads
@pytest.mark.parametrize("granted", [0.0, 2.0, TOTAL])
@pytest.mark.parametrize("is_locked", [False, True])
def test_a_forked_process_comes_to_the_same(granted, is_locked):
    task = Task(summed)
    task.result(granted)
    locked, forked = threading.Event(), threading.Event()

    def hold(turn):  # as another thread may do at this moment
        with turn:
            locked.set()
            forked.wait()

    holder = threading.Thread(target=hold, args=(task._worker._turn,))
    if is_locked:
        holder.start()
        locked.wait()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            right = task.result(TOTAL - 1) is None and task.result(TOTAL) == (EXPECTED,)
            task = None  # which abandons what never came with the fork
            status = 0 if right else 2
        finally:
            os._exit(status)
    forked.set()
    if is_locked:
        holder.join()
    deadline, ended = time.monotonic() + 10.0, (0, 0)
    while ended[0] == 0 and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)
        time.sleep(0.001)
    if ended[0] == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)
    assert task.result(TOTAL) == (EXPECTED,)


@pytest.mark.parametrize("grants", [(10.0, 2.0), (2.0, 10.0), (10.0, 10.0), (2.0, 4.0), (12.0, 0.0)])
def test_who_asks_while_another_waits_gets_the_right_answer(grants):
    begun, go = threading.Event(), threading.Event()

    def work():
        begun.set()
        go.wait()
        for _ in range(10):
            breathe(1.0)
        return 7

    task = Task(work)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(task.result, grants[0])
        begun.wait()
        second = pool.submit(task.result, grants[1])
        time.sleep(0.05)  # until it waits too
        go.set()
        found = [first.result(10.0), second.result(10.0)]
    assert found == [(7,) if allowed >= 10.0 else None for allowed in grants]


def test_tasks_in_a_pool_and_a_pool_in_a_task():
    def in_two_threads():
        with ThreadPoolExecutor(2) as pool:
            parts = list(pool.map(summed, [COSTS, COSTS[:3]]))  # not divided: their threads are their own
        breathe(TOTAL)
        inner = Task(summed)
        while (found := inner.result(100.0)) is None:
            pass
        return sum(parts) + found[0]

    expected = 2 * EXPECTED + summed(COSTS[:3])
    tasks = [Task(in_two_threads) for _ in range(6)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda task: task.result(TOTAL - 1), tasks)) == [None] * 6
        assert list(pool.map(lambda task: task.result(TOTAL), tasks)) == [(expected,)] * 6


# --- EM in pieces ------------------------------------------------------------------------------------------


def climbed(kind, weighted, prior, n_samples, how):
    rng = np.random.default_rng(0)
    X = naive.draw(rng, naive.random_parameters(rng, kind, 3, 3), n_samples)
    weights = rng.exponential(size=n_samples) * (rng.random(n_samples) > 0.1) if weighted else NO_WEIGHTS
    start = Mixture(*naive.random_parameters(rng, kind, 3, 3))
    climb = Climb(start, X, weights, options_of(kind, 3, 3, 1e-6, prior))
    how(climb)
    return climb


@pytest.mark.parametrize("kind", covariance.names())
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("prior", [None, ConjugatePrior([0.5, 0.0, -1.0], np.eye(3), 20.0, 30.0, 2.0)])
def test_em_in_pieces_is_em(kind, weighted, prior):
    work = partial(climbed, kind, weighted, prior, 5000, lambda climb: climb.run(6))
    whole, task = work(), Task(work)
    grants = 0
    while (found := task.result(3000.0 * grants)) is None:
        grants += 1
    assert grants > 12  # more than two pieces an iteration
    divided = found[0]
    np.testing.assert_allclose(divided.bounds, whole.bounds, rtol=1e-12)
    np.testing.assert_allclose(divided.nk, whole.nk, rtol=1e-9)
    for name in ("s1", "s2"):
        np.testing.assert_allclose(
            getattr(divided.moments, name), getattr(whole.moments, name), rtol=1e-9, atol=1e-7
        )
    assert_mixtures_close(divided.mixture, whole.mixture)


@pytest.mark.parametrize("kind", covariance.names())
def test_em_in_pieces_ends_at_the_same_optimum(kind):
    work = partial(climbed, kind, True, None, 3000, lambda climb: climb.finish(1e-9, 3000))
    whole, divided = work(), Task(work).result(np.inf)[0]
    assert divided.bounds[-1] == pytest.approx(whole.bounds[-1], abs=1e-7)


@pytest.mark.parametrize("n_samples", [1, 2047, 2048, 2049])
def test_no_row_is_lost_at_the_edge_of_a_piece(n_samples):
    work = partial(climbed, "diag", False, None, n_samples, lambda climb: climb.run(1))
    whole, divided = work(), Task(work).result(np.inf)[0]
    assert divided.bounds == pytest.approx(whole.bounds, rel=1e-12)
    assert divided.nk.sum() == pytest.approx(n_samples, rel=1e-12)
