"""The injected store: the real one behind a door, at which others run, processes die, and the disk fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

from runengine.errors import StoreError, StoreUnavailable
from runengine.simulation.driving.asked import Asked, Peek, Watched, said, spoken
from runengine.simulation.driving.invariants.table import Broken
from runengine.simulation.driving.processes import Process
from runengine.simulation.driving.worldly import Worldly
from runengine.stores import AsyncStore, Entry, Request, Row, RunQuery, Waiting

__all__ = ["Door"]

A = TypeVar("A")


class Door:
    """A store as one process reaches it.

    Every request stands still before it reaches the store and after the commit; sometimes, too, between the store's
    reading for it and its commit: then what was planned on facts that are stale by now is given to the store, which has
    to find that out.

    Args:
        world: The world, which decides what fails.
        process: Who asks.

    Example:
        >>> Door.__mro__[-1] is object
        True
    """

    def __init__(self, world: Worldly, process: Process) -> None:
        self._world: Final = world
        self._process: Final = process

    @property
    def url(self) -> str:
        """Where it is; the same in every world."""
        return "simulated:"

    async def execute(self, request: Request[A]) -> A:
        """As `Store.execute`."""
        world, process = self._world, self._process
        process.asked = world.turn
        await process.stand("before")
        trouble = world.trouble()
        if trouble == "refused":
            raise world.fail(process, spoken(request), "refused before")
        peek = Peek(request)
        if world.is_split():
            world.ground.store.execute(peek)
            world.say(process, f"{spoken(request)}: planned, and not committed yet")
            await process.stand("between")
        watched = Watched(request, world.disk.take, peek.outcome if world.ground.guards else None)
        answer: A
        answer, asked = self._do(lambda: world.ground.store.execute(watched), (watched,))
        await process.stand("after")
        if trouble == "lost":
            raise world.fail(process, spoken(request), "answer lost")
        world.judge.heard(asked)
        return answer

    async def execute_all(self, requests: Sequence[Request[A]]) -> list[A]:
        """As `Store.execute_all`."""
        world, process = self._world, self._process
        process.asked = world.turn
        await process.stand("before")
        trouble = world.trouble()
        if trouble == "refused":
            raise world.fail(process, f"do what is due on {len(requests)} runs", "refused before")
        watched = [Watched(request, world.disk.take) for request in requests]
        answers: list[A]
        answers, asked = self._do(lambda: world.ground.store.execute_all(watched), watched)
        await process.stand("after")
        if trouble == "lost":
            raise world.fail(process, f"do what is due on {len(requests)} runs", "answer lost")
        world.judge.heard(asked)
        return answers

    async def row(self, run_id: str) -> Row | None:
        """As `Store.row`."""
        await self._read()
        found = self._world.ground.store.row(run_id)
        self._world.judge.shown("row", (run_id,), found)
        return found

    async def runs(self, query: RunQuery) -> tuple[Row, ...]:
        """As `Store.runs`."""
        await self._read()
        found = self._world.ground.store.runs(query)
        self._world.judge.shown("runs", (query,), found)
        return found

    async def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """As `Store.history`."""
        await self._read()
        found = self._world.ground.store.history(run_id, after, limit)
        self._world.judge.shown("history", (run_id, after, limit), found)
        return found

    async def feed(self, after: int = 0, limit: int = 1000) -> tuple[Entry, ...]:
        """As `Store.feed`."""
        await self._read()
        found = self._world.ground.store.feed(after, limit)
        self._world.judge.shown("feed", (after, limit), found)
        return found

    async def head(self) -> int:
        """As `Store.head`."""
        await self._read()
        found = self._world.ground.store.head()
        self._world.judge.shown("head", (), found)
        return found

    async def wait(self, timeout_s: float, after: int) -> None:  # noqa: ARG002
        """As `Store.wait`: until it is the process's turn again, which may be for nothing."""
        await self._process.stand("idle")

    async def waiting(self, thread_id: str | None = None, limit: int = 1000) -> tuple[Waiting, ...]:
        """As `Store.waiting`."""
        await self._read()
        found = self._world.ground.store.waiting(thread_id, limit)
        if thread_id is not None:
            self._world.judge.shown("waiting", (thread_id, limit), tuple(one.run_id for one in found))
        return found

    async def due(self, now_us: int | None, limit: int = 1000) -> tuple[str, ...]:
        """As `Store.due`."""
        await self._read()
        found = self._world.ground.store.due(now_us, limit)
        self._world.judge.shown("due", (now_us, limit), found)
        return found

    async def next_deadline(self) -> tuple[int, str] | None:
        """As `Store.next_deadline`."""
        await self._read()
        found = self._world.ground.store.next_deadline()
        self._world.judge.shown("next_deadline", (), found)
        return found

    async def compact(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.compact`."""
        await self._read()
        self._world.disk.take()
        count = self._world.ground.store.compact(before_us, limit)
        self._world.judge.cut(before_us, count, self._world.ground.store)
        self._world.say(self._process, f"cut the histories of runs that ended long ago: {count}")
        return count

    async def forget(self, before_us: int, limit: int = 1000) -> int:
        """As `Store.forget`."""
        await self._read()
        self._world.disk.take()
        count = self._world.ground.store.forget(before_us, limit)
        self._world.judge.forgotten(before_us, count)
        self._world.say(self._process, f"remove runs that ended long ago: {count}")
        return count

    def on(self, connection: Any) -> NoReturn:
        """As `Store.on`: there is no connection here."""
        raise StoreError(f"simulated: it has no connections, so it cannot write on {type(connection).__name__}")

    async def close(self) -> None:
        """As `Store.close`: the world closes the store."""

    async def _read(self) -> None:
        self._process.asked = self._world.turn
        await self._process.stand("before")
        if self._world.trouble(is_read=True) == "refused":
            raise self._world.fail(self._process, "a read", "refused before")

    def _do(self, ask: Callable[[], Any], watched: Sequence[Watched]) -> tuple[Any, list[Asked]]:
        """Ask the real store, and hold what it did to the book, also where it failed half way through."""
        world, process = self._world, self._process
        failure: StoreUnavailable | None = None
        answer = None
        try:
            answer = ask()
        except StoreUnavailable as error:
            failure = error
        except Exception as error:
            world.say(process, f"{spoken(watched[0].request)} → raises")
            world.judge.undeclared(error)
            raise
        try:
            asked = world.judge.committed(process.alias, watched, world.ground.store)
        except Broken:
            for one in watched:
                if one.outcome is not None:
                    world.say(process, f"{spoken(one.request)} → {said(one.outcome.answer)}")
            raise
        for done in asked:
            world.did(process, done, f"{spoken(done.request)} → {said(done.answer)}")
        if failure is not None:
            raise world.fail(process, spoken(watched[-1].request), world.disk.mode)
        return answer, asked


def _is_a_store(door: Door) -> AsyncStore:
    return door
