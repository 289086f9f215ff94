"""What must hold of what a store has committed, of what it shows, and of what it still has after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from runengine.simulation.driving.book import Book
from runengine.stores import Entry, Row, RunQuery

__all__ = ["Shown", "committed", "shows_what_is", "stays_told"]


class Shown(NamedTuple):
    """What a store answered to a question.

    Attributes:
        what: The method asked.
        asked: Its arguments.
        found: The answer.

    Example:
        >>> Shown("row", ("run_1",), None).what
        'row'
    """

    what: str
    asked: tuple[Any, ...]
    found: Any


def committed(book: Book, wanted: Sequence[Entry], found: Sequence[Entry]) -> str | None:
    """What was committed, and nothing else, stands in the feed, each entry once and in order.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK, entry
        >>> committed(BOOK, [entry("start")], [])
        'committed: run_1 2 start; in the feed behind position 1: nothing'
    """
    last = book.head
    is_same = len(wanted) == len(found)
    for entry, other in zip(wanted, found, strict=False):
        is_same = is_same and other.position > last and _bare(entry) == _bare(other)
        last = other.position
    if is_same:
        return None
    return f"committed: {_named(wanted)}; in the feed behind position {book.head}: {_named(found)}"


def _bare(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.run_id,
        entry.seq,
        entry.kind,
        entry.name,
        entry.at_us,
        entry.status,
        entry.worker,
        entry.fence,
        entry.data,
    )


def _named(entries: Sequence[Entry]) -> str:
    return ", ".join(f"{entry.run_id} {entry.seq} {entry.name}" for entry in entries) or "nothing"


def shows_what_is(book: Book, shown: Shown) -> str | None:
    """Whoever reads sees what was committed: rows, lists, histories, the feed, the queue, and what is due.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK
        >>> shows_what_is(BOOK, Shown("head", (), 7))
        'head() shows 7, and there is 1'
    """
    wanted = _expected(book, shown)
    if wanted == shown.found:
        return None
    return f"{shown.what}{shown.asked!r} shows {_short(shown.found)}, and there is {_short(wanted)}"


def _short(value: Any) -> str:
    if isinstance(value, Row):
        return f"{value.run.id} version {value.version} {value.run.status}"
    if isinstance(value, Entry):
        return f"{value.run_id} {value.seq} {value.name}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_short, value)) + ")"
    return repr(value)


def _expected(book: Book, shown: Shown) -> Any:
    rows = [life.row for life in book.lives.values() if life.row is not None]
    match shown:
        case ("row", (run_id,), _):
            return book.lives[run_id].row if run_id in book.lives else None
        case ("runs", (query,), _):
            return _listed(rows, query)
        case ("history", (run_id, after, limit), _):
            life = book.lives.get(run_id)
            return tuple(entry for entry in (life.entries if life else ()) if entry.seq > after)[:limit]
        case ("feed", (after, limit), _):
            return tuple(entry for entry in book.feed if entry.position > after)[:limit]
        case ("head", (), _):
            return book.feed[-1].position if book.feed else 0
        case ("waiting", (thread_id, _), _):
            return tuple(queued.run_id for queued in book.queue.get(thread_id, ()))
        case ("compacted", (wanted,), _) | ("forgotten", (wanted,), _):
            return wanted
        case ("due", (now_us, limit), _):
            due = sorted((row.deadline_us, row.run.id) for row in rows if row.deadline_us is not None)
            return tuple(run_id for deadline_us, run_id in due if deadline_us <= now_us)[:limit]
    dues = [(row.deadline_us, row.run.id) for row in rows if row.deadline_us is not None]
    return min(dues, default=None)


def _listed(rows: Sequence[Row], query: RunQuery) -> tuple[Row, ...]:
    fitting = [
        row
        for row in rows
        if (query.thread_id is None or row.run.thread_id == query.thread_id)
        and (not query.statuses or row.run.status in query.statuses)
    ]
    fitting.sort(key=lambda row: (row.run.created_at, row.run.id), reverse=query.newest_first)
    return tuple(fitting[: query.limit])


def stays_told(book: Book, entries: dict[str, tuple[Entry, ...]]) -> str | None:
    """What somebody was told is in the history, after every crash, until retention removes it.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import BOOK
        >>> stays_told(BOOK, {"run_1": tuple(BOOK.feed)}) is None
        True
    """
    for life, version, event in book.heard:
        run_id = life.run_id
        if book.lives.get(run_id) is not life:
            continue  # it was removed; the id may be another run's by now
        kept = entries.get(run_id, ())
        if not kept or kept[-1].seq < version or (kept[0].kind != "snapshot" and len(kept) < version):
            there = kept[-1].seq if kept else 0
            return f"{run_id}: {event} was acknowledged as version {version}, and the history ends at {there}"
    for run_id, life in book.lives.items():
        if tuple(life.entries) != entries.get(run_id, ()):
            return f"{run_id}: its history had {_named(life.entries)}, and has {_named(entries.get(run_id, ()))}"
    return None
