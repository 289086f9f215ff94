"""What must hold of every entry as it is committed, by the history before it alone."""

from __future__ import annotations

from runengine.core import SECOND_US, TERMINAL
from runengine.embedding.plans import Birth
from runengine.simulation.driving.asked import Asked
from runengine.simulation.driving.book import Book, Life
from runengine.stores import Entry

__all__ = [
    "by_the_table",
    "cancel_wins",
    "deadline_first",
    "forward",
    "gapless",
    "in_turn",
    "one_active",
    "one_holder",
    "stays_ended",
]

_AT_ANY_TIME = ("create", "expire", "finish_cancel", "modify")


def gapless(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """The history has no gap, and begins with a create.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, entry
        >>> gapless(BOOK, None, entry("start"), ASKED)
        'run_1: its history begins with entry 2, start'
    """
    seq = 0 if life is None else life.seq
    if life is None and (entry.seq, entry.name) != (1, "create"):
        return f"{entry.run_id}: its history begins with entry {entry.seq}, {entry.name}"
    if entry.seq != seq + 1:
        return f"{entry.run_id}: entry {entry.seq}, {entry.name}, stands behind entry {seq}"
    return None


def by_the_table(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """An event leads from the status before to the one it says by a row of the policy; what is no event, nowhere.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> by_the_table(BOOK, LIFE, entry("complete", status="completed"), ASKED)
        'run_1: complete took it from queued to completed, and practical has no such row'
    """
    before = None if life is None else life.status
    if entry.kind == "event":
        if (entry.name, before, entry.status) in book.rows:
            return None
        way = f"from {before or '(no run)'} to {entry.status}"
        return f"{entry.run_id}: {entry.name} took it {way}, and {book.policy.name} has no such row"
    if entry.status != before:
        return f"{entry.run_id}: the {entry.kind} {entry.name} took it from {before} to {entry.status}"
    return None


def stays_ended(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """Nothing leaves a terminal status.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> stays_ended(BOOK, LIFE, entry("start"), ASKED) is None
        True
    """
    if life is None or life.status not in TERMINAL or entry.kind == "lost" or entry.name == "modify":
        return None
    return f"{entry.run_id}: it has ended as {life.status}, and then came {entry.name}, to {entry.status}"


def forward(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """Whatever the clocks do, an entry is not of a time before the one that stands before it.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> forward(BOOK, LIFE, entry("start", at_us=-1), ASKED)
        'run_1: entry 2, start, is of 1 us before entry 1'
    """
    if life is None or entry.at_us >= life.at_us:
        return None
    return (
        f"{entry.run_id}: entry {entry.seq}, {entry.name}, is of {life.at_us - entry.at_us} us before entry {life.seq}"
    )


def deadline_first(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """An event at or after the deadline loses to expire, and expire never comes before it.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> deadline_first(BOOK, LIFE, entry("start", at_us=600_000_000), ASKED)
        'run_1: start came 0 us after its deadline'
    """
    if life is None or life.run is None or entry.kind != "event" or life.run.expires_at is None:
        return None
    over_us = entry.at_us - life.run.expires_at * SECOND_US
    if entry.name == "expire" and over_us < 0:
        return f"{entry.run_id}: it was expired {-over_us} us before its deadline"
    if entry.name not in _AT_ANY_TIME and over_us >= 0:
        return f"{entry.run_id}: {entry.name} came {over_us} us after its deadline"
    return None


def one_holder(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """No worker is given a run that another holds.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> one_holder(BOOK, LIFE, entry("start"), ASKED) is None
        True
    """
    if life is None or life.row is None or life.holder is None or (entry.fence or 0) <= life.fence:
        return None
    until_us = life.row.lease_until_us
    if entry.kind == "lost" or until_us is None or until_us <= entry.at_us:
        return None
    left_us = until_us - entry.at_us
    return f"{entry.run_id}: {entry.worker} was given it while {life.holder} held it for {left_us} us more"


def one_active(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """A thread has at most one run that has not ended.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, entry
        >>> one_active(BOOK, None, entry("create", seq=1, data={"run": {"thread_id": "t"}}), ASKED) is None
        True
    """
    if life is not None or entry.name != "create":
        return None
    other = book.active.get(entry.data["run"]["thread_id"])
    return None if other is None else f"{entry.run_id} was born while {other} was active on the thread"


def in_turn(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:
    """Creates that wait are born in their order; only one that interrupts goes before them.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, entry
        >>> in_turn(BOOK, None, entry("create", seq=1, data={"run": {"thread_id": "t"}}), ASKED) is None
        True
    """
    if life is not None or entry.name != "create":
        return None
    queue = book.queue.get(entry.data["run"]["thread_id"])
    if not queue or queue[0].run_id == entry.run_id:
        return None
    request = asked.request
    if isinstance(request, Birth) and request.thread == "interrupt" and request.create.run_id == entry.run_id:
        return None
    return f"{entry.run_id} was born, and {queue[0].run_id} was first in the queue"


def cancel_wins(book: Book, life: Life | None, entry: Entry, asked: Asked) -> str | None:  # noqa: ARG001
    """Where cancel wins, a run that is being cancelled is not completed.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK, LIFE, entry
        >>> cancel_wins(BOOK, LIFE, entry("complete"), ASKED) is None
        True
    """
    if book.settings.completion != "cancel_wins" or life is None or life.status != "cancelling":
        return None
    if entry.kind == "event" and entry.name in ("complete", "exhaust_tokens"):
        return f"{entry.run_id}: {entry.name} won over its cancel"
    return None
