"""Between plans and statements: facts from a line, values from a commit, and the rows that are still known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, is_, itemgetter
from threading import Lock
from typing import Any, Final

from attrs import fields, frozen

from runengine.core import JSON, TERMINAL, RunObject
from runengine.dialects import encode
from runengine.stores.columns import (
    COLUMNS,
    body_of,
    entry_of,
    entry_values,
    key_of,
    key_values,
    row_of,
    row_values,
    waiting_of,
    waiting_values,
)
from runengine.stores.postgres import statements as sql
from runengine.stores.postgres.driver import Lines, Statement
from runengine.stores.records import Commit, Entry, Facts, Key, Row, Step, Waiting, Wants

__all__ = [
    "HOSTED",
    "OWN",
    "Frame",
    "Known",
    "asking",
    "facts_of",
    "is_birth",
    "is_plain",
    "is_plain_step",
    "place_of",
    "placed",
    "texts",
    "together",
    "writing",
]

_SERIALS: Final = 10**12
"""A position is the feed key times this, and the serial: one integer, in the order of the pair."""

_KNOWN_MAX: Final = 4096
_LONG: Final = 10_000  # signs of instructions: longer ones are not kept in memory by the thousand
_WIDTHS: Final[dict[str, tuple[int, Callable[[Sequence[Any]], Any]]]] = {
    "row": (len(COLUMNS), row_of),
    "active": (len(COLUMNS), row_of),
    "twin": (len(COLUMNS), row_of),
    "key": (len(fields(Key)), key_of),
    "waiting": (len(fields(Waiting)), waiting_of),
    "pending": (len(fields(Waiting)), waiting_of),
}
_APART: Final = frozenset(column.name for column in COLUMNS)
_in_body: Final = attrgetter(*(a.name for a in fields(RunObject) if a.name not in _APART))
_FIXED: Final = ("id", "thread_id", "created_at")
_changing: Final = itemgetter(*(place for place, column in enumerate(COLUMNS[:-1]) if column.name not in _FIXED))
_GIVEN: Final = tuple(sql.GIVEN)


@frozen
class Frame:
    """How a transaction begins and ends.

    Attributes:
        begin: Its statements, as of the others.
        commit: What keeps it.
        rollback: What undoes it.

    Example:
        >>> OWN.commit
        ((b'COMMIT', None),)
    """

    begin: tuple[Statement, ...]
    commit: tuple[Statement, ...]
    rollback: tuple[Statement, ...]


OWN: Final = Frame(((sql.BEGIN, None),), ((sql.COMMIT, None),), ((sql.ROLLBACK, None),))
"""A transaction of the store's."""

HOSTED: Final = Frame(
    ((sql.HOSTED_BEGIN, None),),
    ((sql.HOSTED_COMMIT, None),),
    ((sql.HOSTED_ROLLBACK, None), (sql.HOSTED_COMMIT, None)),
)
"""A part of the host's transaction, which can be undone by itself."""


def is_plain(wants: Wants) -> bool:
    """Whether a run alone is wanted, by its id.

    Example:
        >>> is_plain(Wants(run_id="r")), is_plain(Wants(run_id="r", key="k"))
        (True, False)
    """
    return wants.run_id is not None and wants.thread_id is None and wants.key is None and not wants.claim


def is_birth(wants: Wants) -> bool:
    """Whether a run of a new id may be born, if its thread is free.

    Example:
        >>> is_birth(Wants(thread_id="t")), is_birth(Wants(thread_id="t", digest="9f"))
        (True, False)
    """
    return wants.thread_id is not None and wants.run_id is None and wants.key is None and wants.digest is None


def asking(wants: Wants, *, whole: bool) -> tuple[Statement, tuple[str, ...]]:
    """The statement that reads what is wanted, and the names of what it returns.

    Args:
        wants: What is wanted.
        whole: Whether to look for a waiting create too; without, a run that is not there needs a second look.

    Example:
        >>> asking(Wants(run_id="r"), whole=False)[1]
        ('row', 'waiting')
    """
    by = "claim" if wants.claim else "id" if wants.run_id is not None else None
    digest = wants.digest is not None and wants.thread_id is not None
    text, names = sql.facts(
        row=by,
        thread=wants.thread_id is not None,
        digest=digest,
        key=wants.key is not None,
        pending=digest or (whole and by == "id"),
    )
    values = {"run": wants.run_id, "thread": wants.thread_id, "digest": wants.digest, "key": wants.key}
    return (text, {**values, "at": None if wants.at_us is None else str(wants.at_us)}), names


def facts_of(line: Sequence[Any], names: Sequence[str]) -> Facts:
    """The facts of a line.

    Example:
        >>> facts_of((5, *[None] * 6), ("waiting",))
        Facts(row=None, active=None, twin=None, key=None, waiting=None, pending=None, now_us=5)
    """
    found: dict[str, Any] = {}
    place = 1
    for name in names:
        width, read = _WIDTHS[name]
        if line[place] is not None:
            found[name] = read(line[place : place + width])
        place += width
    return Facts(now_us=line[0], **found)


def texts(values: Sequence[Any]) -> list[str | None]:
    """Values as they are sent: text or null.

    Example:
        >>> texts(("r", 5, None))
        ['r', '5', None]
    """
    return [value if value is None or value.__class__ is str else str(value) for value in values]


def writing(commit: Commit, notify_us: int | None) -> list[Statement]:
    """The statements of a commit: each returns a line, or is a conflict.

    Args:
        commit: What to write.
        notify_us: The time from which the first of them tells those who listen; None: none does.

    Example:
        >>> len(writing(Commit(steps=(), dequeue="r"), None))
        1
    """
    alone = len(commit.steps) == 1 and commit.enqueue is None and commit.dequeue is None
    made = [_step(step, commit.key if alone else None, notify_us) for step in commit.steps]
    if commit.key is not None and not alone:
        made.append((sql.KEEP, texts(key_values(commit.key))))
    if commit.enqueue is not None:
        made.append((sql.ENQUEUE, texts(waiting_values(commit.enqueue))))
    if commit.dequeue is not None:
        made.append((sql.DEQUEUE, [commit.dequeue]))
    return made


def _step(step: Step, key: Key | None, notify_us: int | None) -> Statement:
    before, after, entry = step.before, step.after, step.entry
    more = [*(() if entry is None else entry_values(entry)), *(() if key is None else key_values(key)), notify_us]
    values = row_values(after)
    if before is None:
        text = sql.insert(entry=entry is not None, key=key is not None)
        return text, texts((*values, body_of(after.run), *more))
    body = _changes_body(before, after)
    text = sql.update(body=body, entry=entry is not None, key=key is not None)
    changed = (*_changing(values), body_of(after.run)) if body else _changing(values)
    guard = (before.run.id, before.version, before.run.status, before.fence, before.lease_until_us, before.last_us)
    return text, texts((*changed, *guard, *more))


def is_plain_step(commit: Commit) -> bool:
    """Whether it is one step of a run that is there, and nothing else; the record's body stays.

    Example:
        >>> is_plain_step(Commit(steps=(), dequeue="r"))
        False
    """
    if len(commit.steps) != 1 or (commit.key or commit.enqueue or commit.dequeue) is not None:
        return False
    [step] = commit.steps
    return step.before is not None and not _changes_body(step.before, step.after)


def together(commits: Iterable[Commit], notify_us: int) -> Statement:
    """The statement of several plain steps, each of another run: it returns the lines of those that are written.

    Args:
        commits: What to write, each as `is_plain_step` has it.
        notify_us: The time from which they tell those who listen.

    Raises:
        ValueError: a text that cannot be kept.

    Example:
        >>> together((), 5)[1]
        ['[]', '5']
    """
    lines: list[JSON] = [_given(step) for commit in commits for step in commit.steps]
    return sql.MOVE_ALL, [encode(lines).decode(), str(notify_us)]


def _given(step: Step) -> JSON:
    before, after, entry = step.before, step.after, step.entry
    assert before is not None
    guard = (before.run.id, before.version, before.run.status, before.fence, before.lease_until_us, before.last_us)
    more = () if entry is None else entry_values(entry)[1:]
    given = zip(_GIVEN, (*_changing(row_values(after)), *guard, *more), strict=False)
    return {name: value for name, value in given if value is not None}


def _changes_body(before: Row, after: Row) -> bool:
    """Whoever moves a run keeps the very objects that it does not change."""
    return not all(map(is_, _in_body(before.run), _in_body(after.run)))


def placed(lines: Lines) -> tuple[Entry, ...]:
    """Entries of lines that end in feed key and serial.

    Example:
        >>> placed([("r", 1, "note", "claim", 5, "queued", "{}", None, None, 7, 3)])[0].position
        7000000000003
    """
    return tuple(entry_of((*line[:-2], line[-2] * _SERIALS + line[-1])) for line in lines)


def place_of(position: int) -> tuple[str, str]:
    """Feed key and serial of a position.

    Example:
        >>> place_of(7000000000003)
        ('7', '3')
    """
    key, serial = divmod(position, _SERIALS)
    return str(key), str(serial)


class Known:
    """Rows that this store has written or read lately. Others may have changed them since: the guard finds out.

    Example:
        >>> Known().get("r") is None
        True
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, Row] = {}

    def get(self, run_id: str) -> Row | None:
        """The row, if it is known."""
        return self._rows.get(run_id)

    def drop(self, run_id: str) -> None:
        """Know it no longer."""
        with self._lock:
            self._rows.pop(run_id, None)

    def put(self, row: Row) -> None:
        """Know it, and forget the one that was put longest ago; not one that has ended or has a queue."""
        run_id = row.run.id
        with self._lock:
            self._rows.pop(run_id, None)
            if row.waiting or row.run.status in TERMINAL or len(row.run.instructions or "") > _LONG:
                return
            self._rows[run_id] = row
            if len(self._rows) > _KNOWN_MAX:
                del self._rows[next(iter(self._rows))]
