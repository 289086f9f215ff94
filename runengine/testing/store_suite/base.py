"""What the tests of the store suite share: the fixtures, a run's usual life, and what must hold of every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pytest

from runengine.core import SECOND_US, TERMINAL, FunctionCall, ToolCall, ToolOutput, Usage
from runengine.embedding import Answer, ManualClock, Runtime, Settings
from runengine.stores import Entry, Row, RunQuery, Store
from runengine.stores.folding import fold

__all__ = [
    "CALLS",
    "OUTPUTS",
    "T0_S",
    "T0_US",
    "USAGE",
    "MakeRuntime",
    "Suite",
    "all_rows",
    "at_once",
    "born",
    "check_sound",
    "claimed",
    "names",
    "us",
]

T = TypeVar("T")

MakeRuntime = Callable[..., Runtime]
"""Makes a runtime on the store under test, with these settings."""

T0_S: Final = 1_700_000_000
T0_US: Final = T0_S * SECOND_US
"""Where the clock of every test begins."""

USAGE: Final = Usage(completion_tokens=5, prompt_tokens=7, total_tokens=12)
CALLS: Final = (ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}")),)
OUTPUTS: Final = (ToolOutput(tool_call_id="call_1", output="12:00"),)


def us(second: float) -> int:
    """Microseconds since the epoch, given in seconds after the clock began.

    Example:
        >>> us(1.5) - T0_US
        1500000
    """
    return T0_US + round(second * SECOND_US)


def born(runtime: Runtime, run_id: str = "run_1", thread_id: str | None = None, **more: Any) -> Answer:
    """The answer to a create that is applied, by default on a thread of its own.

    Example:
        >>> born(Runtime("memory:")).status
        'queued'
    """
    answer = runtime.create(thread_id or f"thread_of_{run_id}", "asst_1", "gpt-4o", run_id=run_id, **more)
    assert answer.kind == "applied", answer
    return answer


def claimed(runtime: Runtime, worker: str = "worker_1", **more: Any) -> Answer:
    """The answer to a claim for which there is a run.

    Example:
        >>> runtime = Runtime("memory:")
        >>> _ = born(runtime)
        >>> claimed(runtime).fence
        1
    """
    answer = runtime.claim(worker, **more)
    assert answer is not None
    return answer


def names(entries: tuple[Entry, ...]) -> list[str]:
    """The names of entries, those that were lost in brackets.

    Example:
        >>> runtime = Runtime("memory:")
        >>> _ = born(runtime)
        >>> names(runtime.history("run_1"))
        ['create']
    """
    return [f"({entry.name})" if entry.kind == "lost" else entry.name for entry in entries]


def all_rows(store: Store) -> tuple[Row, ...]:
    """Every run of a store, the oldest first.

    Example:
        >>> runtime = Runtime("memory:")
        >>> all_rows(runtime.open())
        ()
    """
    return store.runs(RunQuery(limit=10_000, newest_first=False))


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """What a function answers in so many threads at the same time; what one raises is raised.

    Example:
        >>> at_once(3, abs)
        [0, 1, 2]
    """
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def check_sound(store: Store) -> None:
    """What holds of every store at every moment.

    A run has a deadline if and only if it has not ended; a thread has one such run at most; a create waits only behind
    such a run, which knows how many do; a history has no gap, never goes back in time, and leads to the row.

    Raises:
        AssertionError: something of this does not hold.

    Example:
        >>> check_sound(Runtime("memory:").open())
    """
    open_rows: dict[str, Row] = {}
    for row in all_rows(store):
        run = row.run
        assert (row.deadline_us is None) == (run.status in TERMINAL), row
        if run.status not in TERMINAL:
            assert run.thread_id not in open_rows, (row, open_rows[run.thread_id])
            open_rows[run.thread_id] = row
        else:
            assert row.waiting == 0, row
        entries = store.history(run.id)
        assert entries, row
        assert [e.seq for e in entries] == list(range(row.version - len(entries) + 1, row.version + 1)), (row, entries)
        assert [e.at_us for e in entries] == sorted(e.at_us for e in entries), entries
        assert [e.position for e in entries] == sorted({e.position for e in entries}), entries
        *_, (last, folded) = fold(entries)
        assert folded == run, (folded, run)
        assert last.at_us == row.last_us, (last, row)
    waiting = store.waiting()
    for create in waiting:
        assert create.thread_id in open_rows, create
    for thread_id, row in open_rows.items():
        assert row.waiting == sum(create.thread_id == thread_id for create in waiting), (row, waiting)


class Suite:
    """The fixtures; after every test the store must be sound.

    Example:
        >>> Suite().make_settings(ttl_s=5).ttl_s
        5
    """

    @pytest.fixture
    def store(self) -> Store:
        """The store under test, with nothing in it; to be given by the subclass."""
        raise NotImplementedError("give the suite a fixture `store`: a store with nothing in it")

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of all runtimes of a test."""
        return ManualClock(T0_US)

    @pytest.fixture
    def make(self, store: Store, clock: ManualClock) -> MakeRuntime:
        """Makes runtimes that share the store and the clock."""
        return lambda **settings: Runtime(store, clock=clock, settings=self.make_settings(**settings))

    @pytest.fixture
    def runtime(self, make: MakeRuntime) -> Runtime:
        """A runtime with the default settings."""
        return make()

    @pytest.fixture(autouse=True)
    def _sound(self, store: Store) -> Iterator[None]:
        yield
        check_sound(store)

    def make_settings(self, **settings: Any) -> Settings:
        """Settings for a runtime of a test."""
        return Settings(**settings)
