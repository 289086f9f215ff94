"""Rows as the columns of a table, and back: the one list that the schema, the statements and the readers share.

What the shape table ties to a status has a column of its own, so that the database can hold it to the same rules;
the rest of the record is one JSON text, `body`, which only `create` and `modify` write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal

from attrs import fields, frozen

from runengine.core import FIELDS, SHAPE, RunObject
from runengine.dialects import decode, encode, read_run, write_run
from runengine.stores.records import Entry, Key, Row, Waiting

__all__ = [
    "BODY",
    "COLUMNS",
    "KEPT",
    "SHAPED",
    "Column",
    "body_of",
    "entry_of",
    "entry_values",
    "key_of",
    "key_values",
    "row_of",
    "row_values",
    "waiting_of",
    "waiting_values",
]


@frozen
class Column:
    """A column of the table of runs.

    Attributes:
        name: Its name: that of the record's field, or of the row's attribute.
        kind: What it holds; "json" is text.
        required: Whether it is never null, whatever the status.

    Example:
        >>> COLUMNS[0]
        Column(name='id', kind='text', required=True)
    """

    name: str
    kind: Literal["text", "integer", "json"]
    required: bool


SHAPED: Final = tuple(
    Column(shape.field, "integer" if FIELDS[shape.field].kind == "stamp" else "json", shape.field == "created_at")
    for shape in SHAPE
)
"""What the shape table speaks of."""

KEPT: Final = (
    Column("version", "integer", True),
    Column("last_us", "integer", True),
    Column("arrived_us", "integer", True),
    Column("deadline_us", "integer", False),
    Column("claimable_us", "integer", False),
    Column("fence", "integer", True),
    Column("owner", "text", False),
    Column("lease_until_us", "integer", False),
    Column("cancel_until_us", "integer", False),
    Column("waiting", "integer", True),
    Column("losses", "integer", True),
    Column("digest", "text", False),
)
"""What a `Row` has beside the record, under the same names."""

BODY: Final = Column("body", "json", True)

COLUMNS: Final = (
    Column("id", "text", True),
    Column("thread_id", "text", True),
    Column("status", "text", True),
    *SHAPED,
    *KEPT,
    BODY,
)
"""Every column of a run, in the order of `row_values` and `row_of`."""

_APART: Final = frozenset({"id", "thread_id", "status", *(column.name for column in SHAPED)})
_JSON: Final = tuple(column.name for column in SHAPED if column.kind == "json")
_HEAD: Final = len(COLUMNS) - len(KEPT) - 1
_SHAPED_NAMES: Final = tuple(column.name for column in COLUMNS[:_HEAD])
_KEPT_NAMES: Final = tuple(column.name for column in KEPT)
_JSON_PLACES: Final = tuple(place for place, name in enumerate(_SHAPED_NAMES) if name in _JSON)
_of_run: Final = attrgetter(*_SHAPED_NAMES)
_of_row: Final = attrgetter(*_KEPT_NAMES)

assert set(_KEPT_NAMES) == {a.name for a in fields(Row)} - {"run"}


def row_values(row: Row) -> tuple[Any, ...]:
    """The values of all columns but the body, in their order.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row_values(Row(run=run, version=1, last_us=0, deadline_us=600_000_000))[:4]
        ('r', 't', 'queued', 0)
    """
    values: Sequence[Any] = _of_run(row.run)
    given = [place for place in _JSON_PLACES if values[place] is not None]
    if given:
        values, written = list(values), write_run(row.run)
        for place in given:
            values[place] = encode(written[_SHAPED_NAMES[place]]).decode()
    return (*values, *_of_row(row))


def body_of(run: RunObject) -> str:
    """The record's other fields, as JSON.

    Example:
        >>> body_of(RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0))[:50]
        '{"object":"thread.run","assistant_id":"a","model":'
    """
    return encode({name: value for name, value in write_run(run).items() if name not in _APART}).decode()


def row_of(values: Sequence[Any]) -> Row:
    """The row of a table's line.

    Args:
        values: In the order of `COLUMNS`.

    Raises:
        PayloadError: they are not what the columns declare.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=600_000_000)
        >>> row_of((*row_values(row), body_of(run))) == row
        True
    """
    document: dict[str, Any] = dict(zip(_SHAPED_NAMES, values, strict=False))
    for name in _JSON:
        if document[name] is not None:
            document[name] = decode(document[name])
    document |= decode(values[-1])
    return Row(run=read_run(document), **dict(zip(_KEPT_NAMES, values[_HEAD:-1], strict=True)))


def entry_values(entry: Entry) -> tuple[Any, ...]:
    """The values of a line of history, in the order of `Entry` and without its position.

    Example:
        >>> entry_values(Entry(run_id="r", seq=2, kind="event", name="start", at_us=5, status="in_progress", fence=1))
        ('r', 2, 'event', 'start', 5, 'in_progress', '{}', None, 1)
    """
    return (
        entry.run_id,
        entry.seq,
        entry.kind,
        entry.name,
        entry.at_us,
        entry.status,
        encode(dict(entry.data)).decode(),
        entry.worker,
        entry.fence,
    )


def entry_of(values: Sequence[Any]) -> Entry:
    """The entry of a line of history.

    Args:
        values: As `entry_values` gives them, and the position.

    Example:
        >>> entry_of(("r", 2, "event", "start", 5, "in_progress", "{}", None, 1, 9)).position
        9
    """
    run_id, seq, kind, name, at_us, status, data, worker, fence, position = values
    return Entry(
        run_id=run_id,
        seq=seq,
        kind=kind,
        name=name,
        at_us=at_us,
        status=status,
        data=decode(data),
        worker=worker,
        fence=fence,
        position=position,
    )


def key_values(key: Key) -> tuple[Any, ...]:
    """The values of a key, in the order of `Key`.

    Example:
        >>> key_values(Key(key="k", run_id="r", event="cancel", digest="9f", seq=3, at_us=5, record=None))[-1] is None
        True
    """
    record = None if key.record is None else _text(key.record)
    return (key.key, key.run_id, key.event, key.digest, key.seq, key.at_us, record)


def key_of(values: Sequence[Any]) -> Key:
    """The key of a line.

    Example:
        >>> key_of(("k", "r", "cancel", "9f", 3, 5, None)).seq
        3
    """
    key, run_id, event, digest, seq, at_us, record = values
    return Key(
        key=key,
        run_id=run_id,
        event=event,
        digest=digest,
        seq=seq,
        at_us=at_us,
        record=None if record is None else decode(record),
    )


def waiting_values(waiting: Waiting) -> tuple[Any, ...]:
    """The values of a waiting create, in the order of `Waiting`; `first` as 1 or 0.

    Example:
        >>> waiting_values(Waiting(run_id="r2", thread_id="t", at_us=5, request={}, digest="9f"))
        ('r2', 't', 5, '{}', '9f', 0)
    """
    return (
        waiting.run_id,
        waiting.thread_id,
        waiting.at_us,
        _text(waiting.request),
        waiting.digest,
        int(waiting.first),
    )


def waiting_of(values: Sequence[Any]) -> Waiting:
    """The waiting create of a line.

    Example:
        >>> waiting_of(("r2", "t", 5, "{}", "9f", 0)).run_id
        'r2'
    """
    run_id, thread_id, at_us, request, digest, first = values
    return Waiting(
        run_id=run_id, thread_id=thread_id, at_us=at_us, request=decode(request), digest=digest, first=bool(first)
    )


def _text(value: Mapping[str, Any]) -> str:
    return encode(dict(value)).decode()
