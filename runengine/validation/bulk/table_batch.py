"""A table of runs as a batch: what the rules on one record say is asked once for each combination that is there.

Source: DESIGN §5 (Volume); FACTS §1.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runengine.core.fields import END_STAMPS, FIELDS, IDENTITY, IMMUTABLE, STAMPS
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES
from runengine.core.table import TERMINAL
from runengine.validation.bulk.batch import NONE, SEEN_IN, Batch, Bools, Details, Keys, LayoutKey
from runengine.validation.bulk.coded import Coded, Fold, coded, keys_of
from runengine.validation.bulk.digests import Digest
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.judging import is_silent
from runengine.validation.bulk.kernel import indices
from runengine.validation.bulk.table_stamps import Stamp, eras_of, observed_of, stamp_of
from runengine.validation.observations import Observation, shows_all
from runengine.validation.profiling.dwell import MODIFY
from runengine.validation.readers.columns import Column, Plan
from runengine.validation.readers.envelopes import RUN_OBJECTS, http_seconds, items_of
from runengine.validation.readers.tables import enveloped
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import birth_findings, event_findings
from runengine.validation.rules.payload import LOOKED_INTO
from runengine.validation.rules.usual import USUAL
from runengine.validation.summary import Options

__all__ = ["Decoder"]

_NULL: Final = type(None)
_APART: Final = ("id", "thread_id", "status", *STAMPS)
_TIMES: Final = ("created_at", "started_at", "expires_at")
_CERTAIN: Final = ("id", "thread_id", "status", "created_at")
_AROUND: Final = ("kind", "event")
_FEW: Final = 4096
_STATUS: Final = Column("status", "status", "text")
_NO_KEYS: Final = np.zeros(0, np.uint64)
_SAME: Final = (*(name for name in IDENTITY if name != "thread_id"), *IMMUTABLE)
_REMEMBERED_MAX: Final = 1 << 16
_TERMINAL: Final = np.array([*(status in TERMINAL for status in STATUSES), False])
_STATUS_KEYS: Final = hash_texts(STATUSES)

Candidates = tuple[int, ...]


class _Told(NamedTuple):
    """What is known of a combination of a layout and what was said around it."""

    good: bool
    candidates: Candidates
    complete: bool
    source: int
    moved: bool
    layout: LayoutKey | None


_ODD: Final = _Told(False, (), False, 0, False, None)


class _Judged:
    """What is known of the values of one column, by their digests: types, and whether nothing is to be said of them."""

    def __init__(self) -> None:
        self.types: dict[int, type] = {}
        self.silent: dict[tuple[int, Candidates], bool] = {}

    def bound(self) -> None:
        """Forget all where it has become too much."""
        if len(self.types) > _REMEMBERED_MAX:
            self.types = {}
        if len(self.silent) > _REMEMBERED_MAX:
            self.silent = {}


class _Field(NamedTuple):
    """A column of one table.

    Attributes:
        column: Its distinct values.
        types: Their types, each once.
        kinds: By value: index into `types`.
        made: Values that were made already.
    """

    column: Coded
    types: tuple[type, ...]
    kinds: NDArray[np.int8]
    made: dict[int, Any] | list[Any]


class Decoder:
    """Makes batches of the tables of one file; may be used by several threads.

    Args:
            plan: What is read of the file.
            options: What records are held to.
            detailed: Batches have their details.

    Example:
            >>> import pyarrow as pa
        >>> from runengine.validation.bulk.coded import ARROW
        >>> from runengine.validation.readers.columns import plan_of
        >>> columns = {"id": ["r"], "thread_id": ["t"], "status": ["queued"], "created_at": [1_700_000_000]}
            >>> table = pa.table({**columns, "started_at": pa.array([None], pa.int64())})
            >>> plan, _ = plan_of(ARROW, table.schema)
            >>> batch = Decoder(plan, Options()).batch(table)
            >>> batch.created.tolist(), batch.started.tolist(), batch.odd.tolist()
            ([1700000000], [-1], [False])
    """

    def __init__(self, plan: Plan, options: Options, detailed: bool = False) -> None:
        self._plan, self._options, self._detailed = plan, options, detailed
        self._keys = tuple(each.name for each in plan.fields)
        self._told: dict[tuple[Any, ...], _Told] = {}
        self._judged = {each.name: _Judged() for each in plan.fields}

    def batch(self, table: Any) -> Batch:
        """A table as a batch.

        Args:
            table: The columns of the plan.
        """
        n = table.num_rows
        columns = {each.name: table.column(each.column) for each in self._plan.fields}
        run, thread = keys_of(columns["id"]), keys_of(columns["thread_id"])
        stamps = {e.name: stamp_of(columns[e.name], e) for e in self._plan.fields if e.name in STAMPS}
        fields = {e.name: self._field(columns[e.name], e) for e in self._plan.fields if e.name not in _APART}
        around = {e.name: coded(table.column(e.column), e) for e in self._plan.envelope if e.name in _AROUND}
        status = _statuses(coded(columns["status"], _STATUS), n)
        fold, told = self._combined(run, thread, status, stamps, fields, around)
        odd = fold.spread([not each.good for each in told], np.bool_)
        for stamp in stamps.values():
            if stamp.unfit is not None:
                odd |= stamp.unfit
        self._look_into(fields, fold, told, odd)
        none = np.full(n, NONE, np.int64)
        ended = none
        for name in END_STAMPS:
            if name in stamps:
                ended = np.maximum(ended, stamps[name].values)
        times = {name: stamps[name].values if name in stamps else none for name in _TIMES}
        seen_s, unknown = self._observed(table)
        if unknown is not None:
            odd |= unknown
        same, lasting = _digests(fields, {"thread_id": thread, **times, "ended": ended, "status": status})
        return Batch(
            at=np.arange(n),
            total=n,
            odd=odd,
            run=run,
            thread=thread,
            status=status,
            created=times["created_at"],
            started=times["started_at"],
            expires=times["expires_at"],
            ended=ended,
            same=same,
            lasting=lasting,
            observed=seen_s,
            complete=fold.spread([each.complete for each in told], np.bool_),
            details=_details(told, fold) if self._detailed else None,
        )

    def _field(self, array: Any, column: Column) -> _Field:
        """A column and the types of its values; of JSON text, once for each text."""
        made = coded(array, column)
        n, null = len(made), made.null
        if column.form == "text":
            kinds = np.zeros(n, np.int8)
            kinds[null:] = null >= 0
            return _Field(made, (str, _NULL), kinds, {})
        values: dict[int, Any] | list[Any]
        if n > _FEW:
            values = made.values(range(n))
            types = [value.__class__ for value in values]
        else:
            judged = self._judged[column.name]
            judged.bound()
            known, digests = judged.types, made.digests.tolist()
            new = [number for number, digest in enumerate(digests) if digest not in known]
            values = dict(zip(new, made.values(new), strict=True))
            known.update((digests[number], type(value)) for number, value in values.items())
            types = [known[digest] for digest in digests]
            if null >= 0:
                types[null] = _NULL
        distinct = tuple(dict.fromkeys(types))
        if _NULL in distinct:  # a text of null, a number that is none: what is not there is one value
            made.digests[[kind is _NULL for kind in types]] = 0
        place = {kind: number for number, kind in enumerate(distinct)}
        return _Field(made, distinct, np.array([place[kind] for kind in types], np.int8), values)

    def _combined(
        self,
        run: Keys,
        thread: Keys,
        status: NDArray[np.int8],
        stamps: dict[str, Stamp],
        fields: dict[str, _Field],
        around: dict[str, Coded],
    ) -> tuple[Fold, list[_Told]]:
        """The combination of layout and surroundings that each row has, and what is known of each."""
        fold = Fold(len(run))
        fold.add(status, len(STATUSES) + 1)
        eras = eras_of(stamps["created_at"])
        fold.add(eras[0], len(eras[1]))
        kinds: list[tuple[type, ...]] = []
        for name in self._keys:
            if name in stamps:
                kinds.append(stamps[name].types)
                fold.add(stamps[name].kinds, len(kinds[-1]))
            elif name in fields:
                field = fields[name]
                numbers = field.column.codes
                if numbers is None or (field.kinds == field.kinds[0]).all():
                    kinds.append((field.types[field.kinds[0]],))
                    fold.add(None, 1)
                else:
                    kinds.append(field.types)
                    fold.add(field.kinds[numbers], len(field.types))
            else:
                keys = {"id": run, "thread_id": thread}.get(name, _NO_KEYS)
                kinds.append((str, _NULL))
                none = keys == 0 if len(keys) and not keys.all() else None
                fold.add(none, 1 if none is None else 2)
        for column in around.values():
            fold.add(column.codes, len(column))
        told = []
        words = {name: column.values(range(len(column))) for name, column in around.items()}
        for status_number, era, *others in fold.combinations():
            types = tuple(each[number] for each, number in zip(kinds, others, strict=False))
            pairs = zip(words.items(), others[len(kinds) :], strict=True)
            said = tuple((name, some[number]) for (name, some), number in pairs)
            told.append(self._telling(status_number, eras[1][era], types, said))
        return fold, told

    def _telling(self, status: int, era: int, types: tuple[type, ...], said: tuple[tuple[str, Any], ...]) -> _Told:
        key = (status, era, types, said)
        told = self._told.get(key)
        if told is None:
            if len(self._told) > _REMEMBERED_MAX:
                self._told = {}
            told = self._told[key] = self._judge(status, era, types, dict(said))
        return told

    def _judge(self, number: int, era: int, types: tuple[type, ...], said: dict[str, Any]) -> _Told:
        if number >= len(STATUSES):
            return _ODD
        status, kinds = STATUSES[number], dict(zip(self._keys, types, strict=True))
        layout = layout_of(status, self._keys, types, era, self._options.generation, self._plan.columns)
        ends = all(kinds.get(name, _NULL) is _NULL for name in END_STAMPS if name != end_stamp(status))
        record = {"object": RUN_OBJECTS[0], "status": status}
        (item,) = items_of(enveloped({name: word for name, word in said.items() if word is not None}, record), 1)
        if layout.findings or not ends or not isinstance(item, Observation) or item.source == "stream":
            return _ODD
        if any(birth_findings(status, item.created)) or any(event_findings(item.event, status)):
            return _ODD
        return _Told(
            good=all(kinds[name] in (str, int) for name in _CERTAIN),
            candidates=layout.candidates,
            complete=shows_all(item.source, self._options.sampling),
            source=SEEN_IN.index(item.source),
            moved=item.source == "history" and item.event not in (None, MODIFY),
            layout=(status, self._keys, types, era, self._plan.columns),
        )

    def _look_into(self, fields: dict[str, _Field], fold: Fold, told: list[_Told], odd: Bools) -> None:
        """What is inside the fields makes rows odd."""
        several = list(dict.fromkeys(each.candidates for each in told if each.good))
        places = [several.index(each.candidates) if each.good else -1 for each in told]
        of_row: NDArray[Any] | None = None
        for name, field in fields.items():
            column = field.column
            if name not in LOOKED_INTO or (len(column) == 1 and column.null == 0 and name != "object"):
                continue
            numbers = np.zeros(len(odd), np.int32) if column.codes is None else column.codes
            for place, candidates in enumerate(several):
                asked: Any = range(len(column))
                if len(several) > 1 and len(column) > _FEW:
                    of_row = fold.spread(places, np.int8) if of_row is None else of_row
                    asked = np.flatnonzero(np.bincount(numbers[of_row == place])).tolist()
                bad = self._said_of(name, field, asked, candidates)
                if bad:
                    of_row = fold.spread(places, np.int8) if of_row is None else of_row
                    table = np.zeros(len(column), np.bool_)
                    table[bad] = True
                    odd |= table[numbers] & (of_row == place)

    def _said_of(self, name: str, field: _Field, asked: Iterable[int], candidates: Candidates) -> list[int]:
        """Of which values something is to be said."""
        column, made = field.column, field.made
        if isinstance(made, list):
            usual = USUAL.get(name, _never)
            unusual = [n for n in asked if not ((value := made[n]).__class__ is dict and usual(value))]
            return [number for number in unusual if not _is_silent(name, made[number], candidates)]
        known, digests, null, bad, new = self._judged[name].silent, column.digests.tolist(), column.null, [], []
        for number in asked:
            silent = (name != "object") if number == null else known.get((digests[number], candidates))
            if silent is None:
                new.append(number)
            elif not silent:
                bad.append(number)
        late = [number for number in new if number not in made]
        values = {**made, **dict(zip(late, column.values(late), strict=True))}
        for number in new:
            silent = known[digests[number], candidates] = _is_silent(name, values[number], candidates)
            if not silent:
                bad.append(number)
        self._judged[name].bound()
        return bad

    def _observed(self, table: Any) -> tuple[NDArray[np.float64], Bools | None]:
        """When rows were observed, and where that is not certain."""
        seen_s, unknown, dates = np.full(table.num_rows, np.nan), None, None
        for column in self._plan.envelope:
            if column.name == "observed_at":
                seen_s, unknown = observed_of(table.column(column.column), column)
            elif column.name == "http_date":
                dates = coded(table.column(column.column), column)
        if dates is None:
            return seen_s, unknown
        said = [None if date is None else http_seconds(date) for date in dates.values(range(len(dates)))]
        dated_s = np.array([np.nan if at_s is None else at_s for at_s in said])
        codes = np.zeros(table.num_rows, np.int32) if dates.codes is None else dates.codes
        return np.where(np.isnan(seen_s), dated_s[codes], seen_s), unknown


def _is_silent(name: str, value: Any, candidates: Candidates) -> bool:
    """Whether nothing is to be said of a value."""
    if name == "object" and value not in RUN_OBJECTS:
        return False
    return value is None or is_silent(name, value, candidates)


def _never(_value: dict[str, Any]) -> bool:
    return False


def _statuses(column: Coded, n: int) -> NDArray[np.int8]:
    """The index of each row's status; of what is none, one more than the last."""
    places = {status: number for number, status in enumerate(STATUSES)}
    words = column.values(range(len(column)))
    table = np.array([places.get(word, len(STATUSES)) for word in words], np.int8)
    statuses: NDArray[np.int8] = np.repeat(table[:1], n) if column.codes is None else table.take(indices(column.codes))
    return statuses


def _digests(fields: dict[str, _Field], columns: dict[str, NDArray[Any]]) -> tuple[Keys, Keys]:
    """Digests of what is the same in all of a run's life; and, of rows at its end, of what lasts after it."""
    status = columns["status"]
    digest = Digest(len(status))
    for name in _SAME:
        if name in fields:
            digest.add(name, fields[name].column.codes, fields[name].column.digests)
    digest.take_in(columns["thread_id"])
    same = digest.made()
    over = np.flatnonzero(_TERMINAL[status])
    lasting = np.zeros(len(status), np.uint64)
    digest = digest.some(over)
    digest.add("status", status.take(over), _STATUS_KEYS)
    for name, field in fields.items():
        if name in FIELDS and FIELDS[name].role == "payload":
            codes = field.column.codes
            digest.add(name, None if codes is None else codes.take(over), field.column.digests)
    for name in (*_TIMES, "ended"):
        digest.mix(name, columns[name].take(over))
    lasting[over] = digest.made()
    return same, lasting


def _details(told: list[_Told], fold: Fold) -> Details:
    """What a profile asks for."""
    layouts = list(dict.fromkeys(each.layout for each in told if each.layout is not None))
    places = [0 if each.layout is None else layouts.index(each.layout) for each in told]
    return Details(
        source=fold.spread([each.source for each in told], np.int8),
        moved=fold.spread([each.moved for each in told], np.bool_),
        layout=fold.spread(places, np.int32),
        layouts=tuple(layouts),
    )
