"""Who reads the pieces of a recording: threads, or processes, a bounded number of pieces at a time.

Of processes this one is the first. It reads while the others begin, which takes as long as some pieces do; where there
are few pieces it reads all of them, and where there is one worker, too.
Processes are spawned, since forking one that has threads may block. They leave an interrupt to whoever asked them, and
end when that process does, however it ends. Inside them Arrow reads with one thread.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import pyarrow as pa
from attrs import define, field

from runengine.errors import RunEngineError

__all__ = ["Pool", "WorkerLost"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 1
"""So many pieces more than there are workers are read, and wait to be taken."""

_FEW: Final = 32
"""Of fewer pieces than so many this process has read most before another one has begun."""


class WorkerLost(RunEngineError):
    """A process that read pieces of a recording has gone: it was ended from outside, or there was no memory left.

    Example:
        >>> str(WorkerLost())
        'a process that read it was ended from outside, or had no memory left'
    """

    def __str__(self) -> str:
        return "a process that read it was ended from outside, or had no memory left"


class Pool:
    """Workers, begun when they are first asked for, and ended with the block.

    Args:
        workers: How many; one for each core where None.

    Attributes:
        ahead: So many pieces are read by threads, or wait to be taken, at a time.
        ahead_apart: The same of processes. This one goes on with another piece where the next result is not there yet.

    Example:
        >>> with Pool(2) as pool:
        ...     list(pool.map(str.upper, True, [("a", ("x",)), ("b", None)]))
        [('a', 'X'), ('b', None)]
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None
        self._coming: list[Future[None]] = []
        self.ahead = self._workers + _AHEAD
        self.ahead_apart = 2 * self._workers + _AHEAD

    def __enter__(self) -> Self:
        """Begin nothing yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the workers; what they have not begun is dropped."""
        self.close()

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""
        for pool in (self._threads, self._processes):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)
        self._threads = self._processes = None
        self._coming = []

    def map(
        self, function: Callable[..., R], in_threads: bool, tasks: Iterable[tuple[T, tuple[Any, ...] | None]]
    ) -> Iterator[tuple[T, R | None]]:
        """Let the workers do what there is to do; the results are in the order of the tasks.

        Args:
            function: What to do.
            in_threads: By threads; else by this process and others, and then it all must be picklable.
            tasks: What each is, and the arguments; None where there is nothing to do.

        Raises:
            WorkerLost: a process was ended.
        """
        return self._by_threads(function, iter(tasks)) if in_threads else self._by_processes(function, iter(tasks))

    def _by_threads(
        self, function: Callable[..., R], todo: Iterator[tuple[T, tuple[Any, ...] | None]]
    ) -> Iterator[tuple[T, R | None]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="runengine")
        waiting: deque[tuple[T, Future[R] | None]] = deque()
        try:
            while True:
                for what, arguments in islice(todo, self.ahead - len(waiting)):
                    future = None if arguments is None else self._threads.submit(function, *arguments)
                    waiting.append((what, future))
                if not waiting:
                    return
                first, begun = waiting.popleft()
                yield first, None if begun is None else begun.result()
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()

    def _by_processes(
        self, function: Callable[..., R], todo: Iterator[tuple[T, tuple[Any, ...] | None]]
    ) -> Iterator[tuple[T, R | None]]:
        waiting: deque[_Task[T, R]] = deque()
        try:
            while True:
                known = self.ahead_apart + _FEW
                waiting.extend(_Task(what, arguments) for what, arguments in islice(todo, known - len(waiting)))
                if not waiting:
                    return
                self._send(function, waiting)
                first = waiting[0]
                if not first.is_done and (unbegun := self._next(waiting)) is not None:
                    unbegun.do(function)
                else:
                    waiting.popleft()
                    yield first.what, first.result()
        except BrokenProcessPool:
            self._processes, self._coming = None, []
            raise WorkerLost from None
        finally:
            for task in waiting:
                if task.future is not None:
                    task.future.cancel()

    def _next(self, waiting: Iterable[_Task[T, R]]) -> _Task[T, R] | None:
        """The next that nobody has begun and that may be begun."""
        return next((task for task in islice(waiting, self.ahead_apart) if task.is_unbegun), None)

    def _send(self, function: Callable[..., R], waiting: deque[_Task[T, R]]) -> None:
        """Send the other processes what they may do, once they are there; begin them where that is worth it."""
        unbegun = [task for task in waiting if task.is_unbegun]
        if self._processes is None:
            if self._workers > 1 and len(unbegun) >= _FEW:
                self._processes = ProcessPoolExecutor(self._workers - 1, get_context("spawn"), initializer=_begin)
                arguments = unbegun[0].arguments
                with _uninterrupted():
                    self._coming = [
                        self._processes.submit(_come, function, arguments) for _ in range(self._workers - 1)
                    ]
            return
        there = sum(came.done() for came in self._coming)
        busy = sum(task.future is not None and not task.future.done() for task in waiting)
        while there and busy <= there and (task := self._next(waiting)) is not None:
            task.future = self._processes.submit(function, *task.arguments or ())
            busy += 1


@define(eq=False)
class _Task(Generic[T, R]):
    """One that waits for its turn, is done by another process, or has been done by this one."""

    what: T
    arguments: tuple[Any, ...] | None
    future: Future[R] | None = None
    done: list[R] = field(factory=list)

    @property
    def is_unbegun(self) -> bool:
        """There is something to do, and nobody does it."""
        return self.arguments is not None and self.future is None and not self.done

    @property
    def is_done(self) -> bool:
        """Its result is there, or it has none."""
        return not self.is_unbegun if self.future is None else self.future.done()

    def do(self, function: Callable[..., R]) -> None:
        """Do it here."""
        self.done.append(function(*self.arguments or ()))

    def result(self) -> R | None:
        """Its result, once it is there."""
        if self.future is not None:
            return self.future.result()
        return self.done[0] if self.done else None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that begin inside are not interrupted before they have said that they leave it to this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _come(_function: Callable[..., object], _arguments: object) -> None:
    """Done once a process is there, and has imported what it was sent."""


def _begin() -> None:
    """In a new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
