"""The runtime: every change of a run's status goes through it, durable and decided once.

`Runtime` is made from `AsyncRuntime` by `python -m tests.unasync`, so the two never differ but in `await`. What is
decided, the plans decide; here a request is put together, handed to the store, and its answer shown to the observers.
Source: DESIGN §4.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from runengine.core import (
    STATUSES,
    RunObject,
    Status,
)
from runengine.embedding.aio.verbs import AsyncVerbs
from runengine.embedding.answers import Answer
from runengine.embedding.clock import ticks_s
from runengine.embedding.explanation import Explanation, explain_row
from runengine.embedding.plans import Claim, Heartbeat, Lapse, Release
from runengine.embedding.values import check_count
from runengine.stores import Entry, Row, RunQuery
from runengine.stores.records import PAGE

__all__ = ["AsyncRuntime"]

_WAIT_S: Final = 1.0
"""How long a reader of the feed waits at once."""


class AsyncRuntime(AsyncVerbs):
    """Runs, kept in a store and moved by the table.

    Args:
        store: An address (`memory:`, `sqlite:///FILE`, `postgresql://…`), opened at first use, or a store.
        clock: Where the time comes from; by default the database's own, where it has one, else the machine's.
        policy: Which rows of the table hold; every status in it must be able to expire.
        settings: The host's choices.
        observers: Who sees each answer.

    Raises:
        LifecycleDefinitionError: in the policy some run could not expire, or a cancel not end, so it could be stuck.
        TypeError: an observer has no `observe`, or it is `async def`.

    Every method may raise `StoreUnavailable`, and `SchemaMismatch` at first use. Answers that refuse are values: see
    `Answer`, and `Answer.or_raise` for errors instead. A value that no event takes (an empty id, a negative count)
    raises ValueError or TypeError before anything is asked of the store.

    Example:
        >>> import asyncio
        >>> async def life():
        ...     async with AsyncRuntime("memory:") as runtime:
        ...         run = (await runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")).run
        ...         claim = await runtime.claim("worker_1")
        ...         return (await runtime.complete(run.id, fence=claim.fence)).status
        >>> asyncio.run(life())
        'completed'
    """

    async def claim(self, worker: str, *, lease_s: float | None = None) -> Answer | None:
        """Take the run that has been claimable longest: a queued one is started, a lost worker's is taken over.

        Args:
            worker: The worker's name.
            lease_s: How long it is held without a heartbeat; the settings' by default.

        Returns:
            applied, with the run and the `fence` to show from now on; or None where there is nothing to claim. Runs
            past their deadline that stand before it are expired on the way.
        """
        store = await self.open()
        lease_s = self.settings.lease_s if lease_s is None else lease_s
        while True:
            claim = Claim(context=self._context, worker=worker, lease_s=lease_s, at_us=self._now_us())
            answer = await self._ask_maybe(store, claim)
            if answer is None or answer.worker is not None:
                return answer

    async def heartbeat(self, run_id: str, fence: int, *, lease_s: float | None = None) -> Answer:
        """Make the lease last longer, from now on.

        Args:
            run_id: The run.
            fence: The token of the claim.
            lease_s: For how long; the settings' by default.

        Returns:
            applied, and then `answer.status` tells whether the run is being cancelled; fenced, where another
            has claimed it or the lease has been taken away; lost, where it has ended; or not_found.
        """
        lease_s = self.settings.lease_s if lease_s is None else lease_s
        store = await self.open()
        beat = Heartbeat(context=self._context, run_id=run_id, fence=fence, at_us=self._now_us(), lease_s=lease_s)
        return await self._ask(store, beat)

    async def release(self, run_id: str, fence: int) -> Answer:
        """Give a run back: another worker may claim it at once. Answers as of `heartbeat`."""
        store = await self.open()
        return await self._ask(store, Release(context=self._context, run_id=run_id, fence=fence, at_us=self._now_us()))

    async def get(self, run_id: str) -> RunObject | None:
        """The run, or None."""
        row = await self.row(run_id)
        return None if row is None else row.run

    async def row(self, run_id: str) -> Row | None:
        """The run with what its record has no field for: version, fence, lease, deadline."""
        return await (await self.open()).row(run_id)

    async def list(
        self,
        *,
        thread_id: str | None = None,
        statuses: Iterable[Status] = (),
        created_from: int | None = None,
        created_until: int | None = None,
        after: str | None = None,
        limit: int = PAGE,
        newest_first: bool = True,
    ) -> tuple[RunObject, ...]:
        """Runs, by created_at and id.

        Args:
            thread_id: Of this thread only.
            statuses: In one of these only.
            created_from: created_at ≥ this, Unix seconds.
            created_until: created_at < this, Unix seconds.
            after: The last id of the page before.
            limit: Runs at most, > 0.
            newest_first: Or the oldest.

        Raises:
            RunNotFound: there is no run `after`.
            ValueError: the limit is not > 0, or a status is none of the nine.
        """
        wanted = tuple(statuses)
        check_count("limit", limit, 1)
        if unknown := [status for status in wanted if status not in STATUSES]:
            raise ValueError(f"there is no status {unknown[0]!r}; there are {', '.join(STATUSES)}")
        query = RunQuery(
            thread_id=thread_id,
            statuses=wanted,
            created_from=created_from,
            created_until=created_until,
            after=after,
            limit=limit,
            newest_first=newest_first,
        )
        return tuple(row.run for row in await (await self.open()).runs(query))

    async def history(self, run_id: str, after: int = 0, limit: int | None = None) -> tuple[Entry, ...]:
        """A run's history, from its beginning or after an entry's number; empty where there is no such run."""
        check_count("after", after)
        check_count("limit", 1 if limit is None else limit, 1)
        return await (await self.open()).history(run_id, after, limit)

    async def subscribe(self, after: int = 0, *, timeout_s: float | None = None) -> AsyncIterator[Entry]:
        """Every entry of every run from a position on, and the new ones as they are committed.

        At least once, nothing skipped, in order within a run: keep the position of the last entry that was dealt with,
        and begin there again. Of a run whose history was compacted meanwhile, one `snapshot` entry comes instead of
        what was cut.

        Args:
            after: The position of the last entry that was dealt with; 0 for all.
            timeout_s: Stop when there has been nothing new for so long; None: never.
        """
        store = await self.open()
        since_s = ticks_s()
        while True:
            entries = await store.feed(after)
            for entry in entries:
                yield entry
                after = entry.position
            if entries:
                since_s = ticks_s()
                continue
            left_s = _WAIT_S if timeout_s is None else timeout_s - (ticks_s() - since_s)
            if left_s <= 0:
                return
            await store.wait(min(left_s, _WAIT_S), after)

    async def sweep(self, now_us: int | None = None, limit: int = 1000) -> tuple[Answer, ...]:
        """Do what is due: expire, cancel runs whose worker did not stop, take lost workers' leases away.

        Args:
            now_us: The time to do it for; the clock's by default.
            limit: Runs at most; where that many answers come, call again.

        Returns:
            One answer for each run that moved.
        """
        check_count("limit", limit, 1)
        store = await self.open()
        at_us = self._now_us() if now_us is None else now_us
        began_s = ticks_s()
        due = await store.due(at_us, limit)
        lapses = [Lapse(context=self._context, run_id=run_id, at_us=at_us) for run_id in due]
        answers = tuple(answer for answer in await store.execute_all(lapses) if answer is not None)
        for answer in answers:
            self._tell(store, answer, began_s)
        return answers

    async def next_deadline(self) -> tuple[int, str] | None:
        """When `sweep` has something to do next, microseconds, and for which run; None where every run has ended."""
        return await (await self.open()).next_deadline()

    async def why(self, run_id: str) -> Explanation | None:
        """Who holds a run, until when, what happens then; None where there is no such run."""
        store = await self.open()
        row = await store.row(run_id)
        if row is None:
            return None
        waiting = await store.waiting(row.run.thread_id) if row.waiting else ()
        return explain_row(row, self.policy, waiting)
