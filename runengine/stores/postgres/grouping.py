# Made by `python -m tests.unasync` from runengine/stores/postgres/async_grouping.py: change that file, not this one.
# fmt: off
# ruff: noqa: I001, RUF100
"""Group commit: callers who want to write while others do are written together, in one statement.

There is no thread or task in the background. A caller who finds none writing leads: it writes its own commit and all
that are queued. The others sleep, and wake up written, refused, or to lead the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from runengine.errors import StoreUnavailable
from runengine.stores.postgres.waking import Signal, apart
from runengine.stores.records import Commit

__all__ = ["BATCH_MAX", "Grouping", "Ticket"]

BATCH_MAX: Final = 64
"""Commits in one statement at most."""

GATHER_S: Final = 0.001
"""How long at most a leader waits for those who were here: about what a statement and the disk take."""


class Ticket:
    """One caller's commit, of one step, and what has become of it.

    Args:
        run_id: The run.
        commit: What to write.

    Example:
        >>> Ticket("r", Commit(steps=())).is_settled
        False
    """

    __slots__ = ("commit", "error", "is_leader", "is_settled", "is_written", "run_id", "woken")

    def __init__(self, run_id: str, commit: Commit) -> None:
        self.run_id = run_id
        self.commit = commit
        self.error: StoreUnavailable | None = None
        self.is_leader = False
        self.is_settled = False
        self.is_written = False
        self.woken = Signal()

    def settle(self, *, is_written: bool = False, error: StoreUnavailable | None = None) -> None:
        """Say what has become of it; not written and no error: it met a conflict, or another of its statement did."""
        self.is_written, self.error = is_written, error
        self.is_settled = True

    def result(self) -> bool:
        """Whether it is written.

        Raises:
            StoreUnavailable: the database cannot be used, or was lost meanwhile.
        """
        if self.error is not None:  # an error of its own: several threads must not raise the same
            raise StoreUnavailable(self.error.url, self.error.problem)
        return self.is_written


class Grouping:
    """Who writes for whom.

    Args:
        write: Writes the commits of tickets of different runs, and settles each.
        doubt: What a ticket is told whose writer was stopped midway.

    Example:
        >>> def write(tickets):
        ...     for ticket in tickets:
        ...         ticket.settle(is_written=True)
        >>> grouping = Grouping(write, StoreUnavailable("postgresql://h/runs", "stopped"))
        >>> grouping.do("r", Commit(steps=()))
        True
    """

    def __init__(self, write: Callable[[Sequence[Ticket]], None], doubt: StoreUnavailable) -> None:
        self._write: Final = write
        self._doubt: Final = doubt
        self._lock: Final = Lock()
        self._queue: Final[deque[Ticket]] = deque()
        self._is_led = False
        self._callers = 1  # how many were here at last: as many may come again
        self._gathered: Signal | None = None

    def do(self, run_id: str, commit: Commit) -> bool:
        """Write a commit of one step on a run, alone or with others'; False: nothing of it is written.

        Raises:
            StoreUnavailable: the database cannot be used, or was lost meanwhile.
        """
        own = Ticket(run_id, commit)
        batch: list[Ticket] = []
        try:
            with self._lock:
                own.is_leader, self._is_led = not self._is_led, True
                if not own.is_leader:
                    self._queue.append(own)
                    if self._gathered is not None and len(self._queue) + 1 >= self._callers:
                        self._gathered.set()
                        self._gathered = None
            if not own.is_leader:
                own.woken.wait()
            if own.is_leader:
                self._gather()
                self._join(own, batch)
                own.is_leader = False
                if len(batch) == 1:
                    self._lead(batch)
                else:  # whoever leads may be cancelled; the others must not be left in doubt by that
                    apart(self._lead(batch))
        except BaseException:
            self._abandon(own, batch)
            raise
        return own.result()

    def _gather(self) -> None:
        """Give those who were here a moment ago the time to come again: alone each would be a statement of its own."""
        with self._lock:
            is_short = len(self._queue) + 1 < self._callers
            gathered = self._gathered = Signal() if is_short else None
        if gathered is not None:
            gathered.wait_for(GATHER_S)
            with self._lock:
                self._gathered = None

    def _join(self, own: Ticket, batch: list[Ticket]) -> None:
        """Those who wait, each of another run; the second of a run waits for the next statement, which refuses it."""
        runs, later = {own.run_id}, []
        with self._lock:
            batch.append(own)
            while self._queue and len(batch) < BATCH_MAX:
                ticket = self._queue.popleft()
                if ticket.run_id in runs:
                    later.append(ticket)
                    continue
                runs.add(ticket.run_id)
                batch.append(ticket)
            self._queue.extendleft(reversed(later))

    def _lead(self, batch: Sequence[Ticket]) -> int:
        """Write these; how many are written."""
        try:
            self._write(batch)
            return sum(ticket.is_written for ticket in batch)
        finally:
            for ticket in batch:
                if not ticket.is_settled:
                    ticket.settle(error=self._doubt)
            self._pass_on(len(batch))
            for ticket in batch[1:]:
                ticket.woken.set()

    def _pass_on(self, answered: int) -> None:
        """Let the next lead; those who were answered now and those who came meanwhile are all who may come again.

        Counting the answered alone, two halves of the callers would take turns for ever, each waiting for the other.
        """
        with self._lock:
            self._callers = answered + len(self._queue)
            if not self._queue:
                self._is_led = False
                return
            following = self._queue.popleft()
            following.is_leader = True
        following.woken.set()

    def _abandon(self, own: Ticket, batch: Sequence[Ticket]) -> None:
        """The caller is interrupted: it neither waits nor leads any more."""
        with self._lock:
            if own in self._queue:
                self._queue.remove(own)
            leads, own.is_leader = own.is_leader, False
            self._gathered = None if leads else self._gathered
        if leads:
            for ticket in batch[1:]:
                ticket.settle()
                ticket.woken.set()
            self._pass_on(len(batch))
