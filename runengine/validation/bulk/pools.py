"""Who reads the pieces of a recording: threads, or processes, a bounded number of pieces at a time.

Processes are spawned, since forking one that has threads may block. They leave an interrupt to whoever asked them, and
end when that process does, however it ends. Inside them Arrow reads with one thread.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import pyarrow as pa

from runengine.errors import RunEngineError

__all__ = ["Pool", "WorkerLost"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 1
"""So many pieces more than there are workers are read, and wait to be taken."""


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
        ahead: So many pieces are read, or wait to be taken, at a time.

    Example:
        >>> with Pool(2) as pool:
        ...     list(pool.map(str.upper, True, [("a", ("x",)), ("b", None)]))
        [('a', 'X'), ('b', None)]
    """

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None
        self.ahead = self._workers + _AHEAD

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

    def map(
        self, function: Callable[..., R], in_threads: bool, tasks: Iterable[tuple[T, tuple[Any, ...] | None]]
    ) -> Iterator[tuple[T, R | None]]:
        """Let the workers do what there is to do; the results are in the order of the tasks.

        Args:
            function: What to do.
            in_threads: By threads; else by processes, and then it all must be picklable.
            tasks: What each is, and the arguments; None where there is nothing to do.

        Raises:
            WorkerLost: a process was ended.
        """
        waiting: deque[tuple[T, Future[R] | None]] = deque()
        try:
            todo = iter(tasks)
            while True:
                for what, arguments in islice(todo, self.ahead - len(waiting)):
                    future = None if arguments is None else self._pool(in_threads).submit(function, *arguments)
                    waiting.append((what, future))
                if not waiting:
                    return
                first, begun = waiting.popleft()
                yield first, None if begun is None else begun.result()
        except BrokenProcessPool:
            self._processes = None
            raise WorkerLost from None
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()

    def _pool(self, in_threads: bool) -> Executor:
        if in_threads:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="runengine")
            return self._threads
        if self._processes is None:
            self._processes = ProcessPoolExecutor(self._workers, get_context("spawn"), initializer=_begin)
        return self._processes


def _begin() -> None:
    """In a new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
