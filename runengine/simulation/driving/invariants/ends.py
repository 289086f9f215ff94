"""What must hold when a world has ended: every actor is gone, time has passed, and what was due was done."""

from __future__ import annotations

from attrs import frozen

from runengine.core import SECOND_US
from runengine.dialects import write_run
from runengine.simulation.driving.book import Book
from runengine.stores import Entry
from runengine.validation import Checker, Options
from runengine.validation.observations import Observation

__all__ = ["Reader", "all_read", "born_or_withdrawn", "checked", "nothing_stuck"]


@frozen
class Reader:
    """What a reader of the feed was given, over all its lives.

    Attributes:
        name: The reader's.
        read: In which life of it, and which entry, as they came.
        until: Position of the last that it has dealt with.

    Example:
        >>> Reader("subscriber-1", [], [0]).read
        []
    """

    name: str
    read: list[tuple[int, Entry]]
    until: list[int]


def nothing_stuck(book: Book) -> str | None:
    """After enough time and sweeps every run has ended, and no create waits.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK
        >>> nothing_stuck(BOOK)
        'run_1 is queued for ever'
    """
    for life in book.lives.values():
        if not life.has_ended:
            return f"{life.run_id} is {life.status} for ever"
    for queue in book.queue.values():
        for queued in queue:
            return f"{queued.run_id} waits for ever"
    return None


def born_or_withdrawn(book: Book) -> str | None:
    """A create that was made to wait is born, or is withdrawn.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK
        >>> born_or_withdrawn(BOOK) is None
        True
    """
    for run_id in book.waited:
        if run_id not in book.born and run_id not in book.withdrawn:
            return f"{run_id} was to wait, and was never born"
    return None


def all_read(book: Book, reader: Reader) -> str | None:
    """A reader of the feed is given every entry that is still there, none twice but after a crash, in order.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK
        >>> all_read(BOOK, Reader("subscriber-1", [], [0]))
        'subscriber-1 was never given run_1 1 create'
    """
    seen = {entry.position for _, entry in reader.read}
    for entry in book.feed:
        if entry.position not in seen:
            return f"{reader.name} was never given {entry.run_id} {entry.seq} {entry.name}"
    lives: dict[int, int] = {}
    for life, entry in reader.read:
        if entry.position <= lives.get(life, 0):
            return f"{reader.name} was given {entry.run_id} {entry.seq} {entry.name} again, or behind a later one"
        lives[life] = entry.position
    return None


def checked(book: Book) -> str | None:
    """The whole trace is checked clean.

    But for RE501: clocks are set back in these worlds, so stamps of two runs prove nothing; `one-active` judges.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding import Settings
        >>> checked(Book(PRACTICAL, Settings())) is None
        True
    """
    checker = Checker(Options(policy=book.policy, sampling="complete", ignore=("RE501",)))
    for run_id, life in book.lives.items():
        for entry, run in life.trace:
            seen = Observation(
                write_run(run), entry.seq, "history", entry.name, entry.name == "create", entry.at_us / SECOND_US
            )
            for violation in checker.observe(run_id, seen):
                if violation.severity == "error":
                    return f"{run_id}, entry {entry.seq}: {violation.code} {violation.message}"
    return None
