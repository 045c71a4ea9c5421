"""Work that is done a piece at a time, for a stream that must not wait."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Task", "breathe", "is_spread"]

_local = threading.local()


class _Abandoned(BaseException):
    """Nobody waits for the work any more."""


class _Worker:
    """A thread that works as far as it is allowed, and no further."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.pid, self.done = os.getpid(), False
        self.result: Any = None
        self.error: BaseException | None = None
        self.cost, self.allowed, self.is_abandoned = 0.0, 0.0, False
        self._turn = threading.Condition()
        self._is_working = False
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def advance(self, allowed: float) -> None:
        """Let it work until the cost of what it did is so high, or it is done."""
        with self._turn:
            while not self.done and self.cost <= allowed:
                if not self._is_working:  # else somebody else has asked, perhaps for less
                    self.allowed = allowed
                    if self._thread.ident is None:
                        self._thread.start()
                    self._is_working = True
                    self._turn.notify_all()
                self._turn.wait()
        if self.error is not None and self.cost <= allowed:
            raise self.error

    def breathe(self, cost: float) -> None:
        """Account for a piece of work; wait if there has been enough."""
        self.cost += cost
        if self.cost <= self.allowed:
            return
        with self._turn:
            self._is_working = False
            self._turn.notify_all()
            while not self._is_working and not self.is_abandoned:
                self._turn.wait()
            if self.is_abandoned:
                raise _Abandoned

    def abandon(self) -> None:
        """Let the thread end."""
        if self.pid != os.getpid():  # there is no thread here, and its lock may have been taken with the fork
            return
        with self._turn:
            self.is_abandoned = True
            self._turn.notify_all()

    def _run(self, work: Callable[[], Any]) -> None:
        _local.worker = self
        try:
            self.result = work()
        except _Abandoned:
            return
        except BaseException as error:
            self.error = error
        finally:
            del _local.worker
            with self._turn:
                self.done, self._is_working = True, False
                self._turn.notify_all()


class Task:
    """A function whose work is divided: it calls `breathe` between its pieces.

    What it returns, and what it costs, must depend on nothing but itself. Then it does not matter who asked
    how often, and a copy, in another process or after a pickle, begins anew and comes to the same.

    Parameters
    ----------
    work : callable
        Takes nothing; can be pickled.

    Examples
    --------
    >>> from streamgmm._pieces import Task, breathe
    >>> def work():
    ...     total = 0
    ...     for number in range(4):
    ...         total += number
    ...         breathe(1.0)
    ...     return total
    >>> task = Task(work)
    >>> task.result(2.0) is None, task.result(10.0)
    (True, (6,))
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self._worker: _Worker | None = None

    def __reduce__(self) -> tuple[type[Task], tuple[Callable[[], Any]]]:
        return Task, (self.work,)

    def result(self, allowed: float) -> tuple[Any] | None:
        """Return the result in a tuple if it costs no more than ``allowed``, None if it costs more.

        An error in the work is raised where the result would be returned, each time.
        """
        worker = self._worker
        if worker is None or worker.pid != os.getpid():  # a thread does not live through a fork
            worker = self._worker = _Worker(self.work)
            weakref.finalize(self, worker.abandon)
        worker.advance(allowed)
        return (worker.result,) if worker.done and worker.cost <= allowed else None


def is_spread() -> bool:
    """Tell whether the work of this thread is divided."""
    return hasattr(_local, "worker")


def breathe(cost: float) -> None:
    """Say that work of this cost is done, in rows that a mixture has seen; does nothing without a task."""
    if is_spread():
        _local.worker.breathe(cost)
