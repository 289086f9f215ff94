"""Records of JSON Lines as columns: typed rows in, arrays out, and which of them the rules on a record are silent of.

What the kinds below do not take is left to the checker; what they take is judged by the rules, each shape once (see
`runengine.validation.bulk.judging`). Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runengine.core.fields import END_STAMPS, FIELDS, STAMPS
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.dialects.wire import ABSENT, Kind, Number, Pairs, Rows, Whole, rows_decoder
from runengine.validation.bulk.batch import NONE, Bools, Ints, Keys, LayoutKey
from runengine.validation.bulk.hashing import hash_rows, hash_texts
from runengine.validation.bulk.judging import ASKED, RAW, STATED, Said, Shapes, is_silent
from runengine.validation.observations import Sampling
from runengine.validation.readers.envelopes import RUN_OBJECTS, http_seconds
from runengine.validation.rules.payload import METADATA_KEY, METADATA_PAIRS, METADATA_VALUE
from runengine.validation.rules.stamps import MILLISECONDS_FROM
from runengine.validation.rules.usual import USUAL

__all__ = ["LIGHT", "WAYS", "Tabulated", "Table", "Tabulating"]

_EXACT: Final = 2**53
_NO_KEY: Final = -2
_SECONDS: Final = Whole(1, MILLISECONDS_FROM - 1)
_STAMPS: Final = STATED[: len(STAMPS) - 1]
_PAYLOAD: Final = STATED[len(_STAMPS) : -1]
_INDEX: Final = {status: index for index, status in enumerate(STATUSES)}
_TERMINAL: Final = np.array([status in TERMINAL for status in STATUSES])
_NAN: Final = float("nan")

_OF_ROLE: Final[dict[str, Kind]] = {
    "status": STATUSES,
    "identity": "text",
    "payload": "object",
    "metadata": Pairs(METADATA_PAIRS, METADATA_KEY, METADATA_VALUE),
}
_OF_KIND: Final[dict[str, Kind]] = {
    "stamp": _SECONDS,
    "integer": Whole(),
    "number": Number(-_EXACT, _EXACT),
    "boolean": "boolean",
}


def _kind_of(name: str) -> Kind:
    if name == "object":
        return RUN_OBJECTS
    if name == "created_at":
        return _SECONDS._replace(needed=True)
    return "raw" if name in RAW else _OF_ROLE.get(FIELDS[name].role) or _OF_KIND[FIELDS[name].kind]


_KINDS: Final[dict[str, Kind]] = {name: _kind_of(name) for name in dict.fromkeys((*FIELDS, *ASKED))}
_WITHIN: Final[dict[str, Kind]] = {
    "kind": "string",
    "event": "string",
    "observed_at": Number(-_EXACT, _EXACT),
    "http_date": "string",
    "date": "string",
    "http_status": Whole(),
}
_LIGHT: Final[dict[str, Kind]] = {"id": "text", "object": RUN_OBJECTS, "thread_id": "text"}

WAYS: Final[tuple[Rows, Rows]] = (rows_decoder(_KINDS), rows_decoder(_KINDS, within=_WITHIN))
"""How a line is read: as a bare record, or as one in an envelope, `data` of it. All other lines are odd."""

LIGHT: Final[tuple[Rows, Rows]] = (
    rows_decoder(_LIGHT, others=True),
    rows_decoder(_LIGHT, others=True, within={"object": "absent"}),
)
"""The same for the ids alone: of one record a line, whatever else it holds."""

_asked_of: Final = attrgetter(*ASKED)
_id_of, _thread_of, _created_of = (attrgetter(name) for name in ("id", "thread_id", "created_at"))


class Tabulated(NamedTuple):
    """Rows as columns; see `runengine.validation.bulk.batch.Batch`, and `Details` there.

    Attributes:
        odd: The rules on the record alone have a word to say of it.

    Example:
        >>> Tabulated._fields[:3]
        ('odd', 'run', 'thread')
    """

    odd: Bools
    run: Keys
    thread: Keys
    status: NDArray[np.int8]
    created: Ints
    started: Ints
    expires: Ints
    ended: Ints
    same: Keys
    lasting: Keys
    observed: NDArray[np.float64]
    complete: Bools
    source: NDArray[np.int8]
    moved: Bools
    layout: NDArray[np.int32]


class Tabulating:
    """Judges typed rows, and remembers what it has judged from one piece to the next.

    Args:
        generation: The schema generation to hold records to, or None to infer it for each.
        sampling: Whether every status is visible.

    Attributes:
        shapes: What is known of records.
        said: What is known of what was said around them.

    Example:
        >>> Tabulating(None, "auto").begin().lines
        []
    """

    def __init__(self, generation: int | None, sampling: Sampling) -> None:
        self._generation = generation
        self._sampling: Sampling = sampling
        self.shapes, self.said = Shapes(generation), Said(sampling)

    def begin(self) -> Table:
        """A table for the rows of a piece, to be filled before the next one is begun."""
        if self.shapes.is_full:
            self.shapes = Shapes(self._generation)
        if self.said.is_full:
            self.said = Said(self._sampling)
        return Table(self.shapes, self.said)


class Table:
    """Takes rows, some at a time, and makes columns of all of them.

    Args:
        shapes: What is known of records.
        said: What is known of what was said around them.

    Attributes:
        lines: The line of each row.

    Example:
        >>> from runengine.dialects.wire import encode
        >>> from runengine.validation.catalogue.examples import record
        >>> table = Tabulating(None, "auto").begin()
        >>> table.bare([7], [WAYS[0].one(encode(record("queued")))])
        >>> made = table.columns()
        >>> table.lines, bool(made.odd[0]), STATUSES[made.status[0]]
        ([7], False, 'queued')
    """

    def __init__(self, shapes: Shapes, said: Said) -> None:
        self.lines: list[int] = []
        self._shapes, self._judge = shapes, said
        self._ids: list[str] = []
        self._threads: list[str] = []
        self._status: list[int] = []
        self._created: list[int] = []
        self._asked: list[int] = []
        self._said: list[int] = []
        self._observed: list[float] = []
        self._held: list[tuple[attrgetter[Any], list[Any]]] = [(attrgetter(name), []) for name in STATED]

    def bare(self, lines: Sequence[int], rows: Sequence[Any]) -> None:
        """Take rows that stand by themselves.

        Args:
            lines: Their lines.
            rows: Made by the first of `WAYS`.
        """
        self._said += self._judge.numbers([ABSENT], [ABSENT]) * len(rows)
        self._observed += [_NAN] * len(rows)
        self._take(lines, rows)

    def enveloped(self, lines: Sequence[int], envelopes: Sequence[Any]) -> None:
        """Take rows in envelopes.

        Args:
            lines: Their lines.
            envelopes: Made by the second of `WAYS`.
        """
        self._said += self._judge.numbers([e.kind for e in envelopes], [e.event for e in envelopes])
        self._observed += [e.observed_at if e.observed_at.__class__ is float else _dated(e) for e in envelopes]
        self._take(lines, [e.data for e in envelopes])

    def _take(self, lines: Sequence[int], rows: Sequence[Any]) -> None:
        index = _INDEX
        self.lines += lines
        self._ids += map(_id_of, rows)
        self._threads += map(_thread_of, rows)
        self._status += [index[row.status] for row in rows]
        self._created += map(_created_of, rows)
        self._asked += self._shapes.asked.numbers(list(map(_asked_of, rows)))
        for value_of, column in self._held:
            column += map(value_of, rows)

    @property
    def layouts(self) -> tuple[LayoutKey, ...]:
        """What `Tabulated.layout` counts in."""
        return tuple(self._shapes.layouts)

    def columns(self) -> Tabulated:
        """The rows that were taken, as columns."""
        n = len(self.lines)
        status, created, asked, said = (
            np.fromiter(column, np.int64, n) for column in (self._status, self._created, self._asked, self._said)
        )
        held = {name: column for name, (_, column) in zip(STATED, self._held, strict=True)}
        stamps = {name: _stamps(held[name]) for name in _STAMPS}
        states = np.zeros(n, np.int64)
        for name in STATED:
            states *= 3
            states += np.clip(stamps[name], _NO_KEY, 0) + 2 if name in stamps else _states(held[name])
        candidates = self._shapes.judged(asked, status, self._shapes.eras(created), states)
        good = (candidates >= 0) & self._judge.silent(said, status)
        usage = _Usage.of(held["usage"])
        self._judge_payload(good, candidates, held, usage.usual)
        ends = np.stack([stamps[name] for name in END_STAMPS])
        thread = hash_texts(self._threads)
        same = hash_rows(thread, created, self._shapes.asked.digests()[asked])
        return Tabulated(
            odd=~good,
            run=hash_texts(self._ids),
            thread=thread,
            status=status.astype(np.int8),
            created=created,
            started=np.maximum(stamps["started_at"], NONE),
            expires=np.maximum(stamps["expires_at"], NONE),
            ended=np.where(_TERMINAL[status], np.maximum(ends[_END[status], np.arange(n)], NONE), NONE),
            same=same,
            lasting=_lasting(good & _TERMINAL[status], (same, states, *stamps.values()), held, usage),
            observed=np.array(self._observed, np.float64),
            complete=self._judge.complete(said),
            source=self._judge.sources(said),
            moved=self._judge.moved(said),
            layout=np.maximum(candidates, 0).astype(np.int32),
        )

    def _judge_payload(self, good: Bools, candidates: Ints, held: dict[str, list[Any]], usual: Bools) -> None:
        """Mark records that hold something of which the rules are not silent; usual usages need no look."""
        for name in _PAYLOAD:
            column, is_usual = held[name], USUAL[name]
            for place in _objects(column, usual if name == "usage" else None):
                value = column[place]
                if good[place] and not is_usual(value):
                    good[place] = is_silent(name, value, self._shapes.candidates[candidates[place]])


_END: Final = np.array([END_STAMPS.index(end_stamp(status) or END_STAMPS[0]) for status in STATUSES])


def _stamps(column: list[Any]) -> Ints:
    """Stamps, NONE for null and `_NO_KEY` where there is none."""
    nulls = column.count(None)
    if nulls == len(column):
        return np.full(nulls, NONE, np.int64)
    plain = [NONE if value is None else _NO_KEY if value is ABSENT else value for value in column] if nulls else column
    try:
        return np.fromiter(plain, np.int64, len(column))
    except TypeError:
        return np.fromiter([_NO_KEY if value is ABSENT else value for value in plain], np.int64, len(column))


def _states(column: list[Any]) -> Ints | int:
    """0 where there is no key, 1 for null, 2 for a value."""
    nulls = column.count(None)
    if nulls == len(column):
        return 1
    return np.fromiter([1 if v is None else 0 if v is ABSENT else 2 for v in column], np.int64, len(column))


def _objects(column: list[Any], but: Bools | None = None) -> list[int]:
    """Where there are objects."""
    n, nulls = len(column), column.count(None)
    if nulls == n:
        return []
    if but is None:
        some = [*compress(range(n), column)]
        if len(some) + nulls + column.count(ABSENT) < n:  # objects with nothing in them, or else what is none
            some = [*range(n)]
        return [place for place in some if column[place].__class__ is dict]
    return [place for place in np.flatnonzero(~but).tolist() if column[place].__class__ is dict]


class _Usage(NamedTuple):
    """The usages of rows: three counts where they are the usual ones."""

    usual: Bools
    counts: tuple[Ints, Ints, Ints]

    @classmethod
    def of(cls, column: list[Any]) -> _Usage:
        """Those of a column."""
        n = len(column)
        usual, counts = np.zeros(n, np.bool_), (np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64))
        is_usual = USUAL["usage"]
        places = [place for place in _objects(column) if is_usual(column[place])]
        usages = [column[place] for place in places]
        try:
            for count, name in zip(counts, ("prompt_tokens", "completion_tokens", "total_tokens"), strict=True):
                count[places] = [usage[name] for usage in usages]
            usual[places] = True
        except OverflowError:  # whoever counts so many tokens is left to the rules
            pass
        return cls(usual, counts)


def _lasting(over: Bools, columns: tuple[Any, ...], held: dict[str, list[Any]], usage: _Usage) -> Keys:
    """Digests of what lasts, of the rows of runs that are over; 0 of the others."""
    lasting = np.zeros(len(over), np.uint64)
    places = np.flatnonzero(over)
    if len(places):
        inside = np.zeros(len(over), np.uint64)
        others = [held[name] for name in _PAYLOAD if name != "usage"]
        wanted = {place for column in others for place in _objects(column)}.union(_objects(held["usage"], usage.usual))
        named = [place for place in sorted(wanted) if over[place]]
        texts = [repr([held[name][place] for name in _PAYLOAD]).encode("utf-8", "surrogatepass") for place in named]
        inside[named] = hash_texts(texts)
        lasting[places] = hash_rows(*(column[places] for column in (*columns, *usage.counts, inside)))
    return lasting


def _dated(envelope: Any) -> float:
    """When something was seen by the date of its answer, as `readers.envelopes` tells it."""
    date = envelope.date if envelope.http_date is ABSENT else envelope.http_date
    seen = http_seconds(date) if date.__class__ is str else None
    return _NAN if seen is None else seen
