"""What must hold of the row of every run that a request has touched."""

from __future__ import annotations

from runengine.core import SECOND_US, TERMINAL, shape_problems
from runengine.simulation.driving.book import Book, Life
from runengine.stores import Row

__all__ = ["due_some_day", "folded", "held_rightly", "shaped", "waited_for"]


def folded(book: Book, life: Life, row: Row) -> str | None:  # noqa: ARG001
    """The row is what its history makes of it.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, LIFE, ROW
        >>> folded(BOOK, LIFE, ROW.changed(fence=3))
        'run_1: its fence is 3, but its history makes it 0'
    """
    for name, kept, found in (
        ("version", row.version, life.seq),
        ("time", row.last_us, life.at_us),
        ("status", row.run.status, life.status),
        ("fence", row.fence, life.fence),
        ("count of losses", row.losses, life.losses),
        ("owner", row.owner, life.holder),
        ("record", row.run, life.run),
    ):
        if kept != found:
            return f"{life.run_id}: its {name} is {kept}, but its history makes it {found}"
    return None


def shaped(book: Book, life: Life, row: Row) -> str | None:  # noqa: ARG001
    """The fields of the record agree with its status.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, LIFE, ROW
        >>> shaped(BOOK, LIFE, ROW) is None
        True
    """
    problems = shape_problems(row.run.status, vars(row.run))
    return f"{life.run_id}: {problems[0].rule}" if problems else None


def due_some_day(book: Book, life: Life, row: Row) -> str | None:  # noqa: ARG001
    """A run that has not ended has a next deadline, not after its own; one that has ended has none.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, LIFE, ROW
        >>> due_some_day(BOOK, LIFE, ROW.changed(deadline_us=None))
        'run_1: it is queued, and never due'
    """
    if row.run.status in TERMINAL:
        return None if row.deadline_us is None else f"{life.run_id}: it has ended, and is due at {row.deadline_us} us"
    if row.deadline_us is None or row.run.expires_at is None:
        return f"{life.run_id}: it is {row.run.status}, and never due"
    if row.deadline_us > row.run.expires_at * SECOND_US:
        return f"{life.run_id}: it is due only at {row.deadline_us} us, after its deadline, {row.run.expires_at} s"
    return None


def held_rightly(book: Book, life: Life, row: Row) -> str | None:  # noqa: ARG001
    """A lease is held only while a run is worked on, and ends; a run that is queued can be claimed.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, LIFE, ROW
        >>> held_rightly(BOOK, LIFE, ROW.changed(owner="w", lease_until_us=9))
        'run_1: w holds it while it is queued'
    """
    status, is_held = row.run.status, row.owner is not None
    if is_held and status not in ("in_progress", "cancelling"):
        return f"{life.run_id}: {row.owner} holds it while it is {status}"
    if is_held != (row.lease_until_us is not None):
        return f"{life.run_id}: {row.owner or 'nobody'} holds it until {row.lease_until_us}"
    if row.lease_until_us is not None and row.deadline_us is not None and row.deadline_us > row.lease_until_us:
        return f"{life.run_id}: its lease ends at {row.lease_until_us} us, and it is due only at {row.deadline_us} us"
    if status == "queued" and row.claimable_us is None:
        return f"{life.run_id}: it is queued, and nobody can claim it"
    if status == "in_progress" and is_held and row.claimable_us != row.lease_until_us:
        return f"{life.run_id}: it is held until {row.lease_until_us}, and can be claimed from {row.claimable_us} us on"
    if status not in ("queued", "in_progress") and row.claimable_us is not None:
        return f"{life.run_id}: it can be claimed while it is {status}"
    return None


def waited_for(book: Book, life: Life, row: Row) -> str | None:
    """The row counts the creates that wait for the run's end.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, LIFE, ROW
        >>> waited_for(BOOK, LIFE, ROW.changed(waiting=1))
        'run_1: 1 creates wait for its end by its row, and 0 do'
    """
    found = 0 if row.run.status in TERMINAL else len(book.queue.get(row.run.thread_id, ()))
    if row.waiting == found:
        return None
    return f"{life.run_id}: {row.waiting} creates wait for its end by its row, and {found} do"
