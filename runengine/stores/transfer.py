"""A store as JSON Lines, and back: to move it, to keep it, to look into it with other tools.

| line | what it is |
|---|---|
| `{"runengine":"export","version":1,"policy":…}` | the first |
| `{"run":{…},"kept":{…},"history":[{…},…]}` | a run as the API has it, what the store keeps beside, and every entry |
| `{"waiting":{…}}` | a create that waits, in the order in which they will be born |
| `{"key":{…}}` | an answer given under an idempotency key |
| `{"end":{"runs":n,"waiting":n,"keys":n}}` | the last: without it the file was cut off |

Positions of the feed are not kept: whoever reads the feed of the new store begins at 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn, get_args

from attrs import frozen

from runengine.core import PRACTICAL, STATUSES, TERMINAL, Policy
from runengine.dialects import decode, encode, read_run, write_run
from runengine.dialects.wire import NotJSON
from runengine.errors import DialectError, StoreError
from runengine.stores.base import Store
from runengine.stores.columns import KEPT, SHAPED
from runengine.stores.records import Entry, EntryKind, Key, Life, Row, Waiting
from runengine.stores.soundness import create_problems, key_problems, life_findings
from runengine.stores.walking import every_entry, every_key, every_row, every_waiting, steady

__all__ = ["FORMAT_VERSION", "Transferred", "export", "import_"]

FORMAT_VERSION: Final = 1
"""Of the lines."""

_INT_MAX: Final = 2**63
_HEADER: Final = {"runengine": "export", "version": FORMAT_VERSION}
_KINDS: Final = ("header", "run", "waiting", "key", "end")
_Fields = dict[str, tuple[type, bool]]
_KEPT_FIELDS: Final[_Fields] = {c.name: (int if c.kind == "integer" else str, c.required) for c in KEPT}
_STAMPS: Final = tuple(c.name for c in SHAPED if c.kind == "integer")
_ENTRY_FIELDS: Final[_Fields] = {
    "seq": (int, True),
    "kind": (str, True),
    "name": (str, True),
    "at_us": (int, True),
    "status": (str, True),
    "data": (dict, True),
    "worker": (str, False),
    "fence": (int, False),
}
_WAITING_FIELDS: Final[_Fields] = {
    "run_id": (str, True),
    "thread_id": (str, True),
    "at_us": (int, True),
    "request": (dict, True),
    "digest": (str, True),
    "first": (bool, True),
}
_KEY_FIELDS: Final[_Fields] = {
    "key": (str, True),
    "run_id": (str, True),
    "event": (str, True),
    "digest": (str, True),
    "seq": (int, True),
    "at_us": (int, True),
    "record": (dict, False),
}


@frozen(kw_only=True)
class Transferred:
    """What was written or taken in.

    Attributes:
        runs: Runs, with their histories.
        waiting: Creates that wait.
        keys: Idempotency keys.

    Example:
        >>> Transferred(runs=2, waiting=0, keys=1).runs
        2
    """

    runs: int
    waiting: int
    keys: int


def export(store: Store, policy: Policy = PRACTICAL) -> Iterator[bytes]:
    r"""The lines of a store, each with its line feed; memory does not grow with the runs.

    Args:
        store: The store. Others may write to it meanwhile: where it is `Steady`, the lines are of one moment.
        policy: Whose rules it keeps, for the header.

    Raises:
        StoreUnavailable: it cannot be read.
        DialectError: it holds what cannot be read; `doctor` says where.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> b"".join(export(MemoryStore())).splitlines()[-1]
        b'{"end":{"runs":0,"waiting":0,"keys":0}}'
    """
    counts = {"runs": 0, "waiting": 0, "keys": 0}
    yield _line({**_HEADER, "policy": policy.name})
    with steady(store) as still:
        for row in every_row(still):
            counts["runs"] += 1
            yield _line(_life(row, every_entry(still, row.run.id, row.version)))
        for waiting in every_waiting(still):
            counts["waiting"] += 1
            yield _line({"waiting": {name: _plain(getattr(waiting, name)) for name in _WAITING_FIELDS}})
        for key in every_key(still):
            counts["keys"] += 1
            yield _line({"key": {name: _plain(getattr(key, name)) for name in _KEY_FIELDS}})
    yield _line({"end": counts})


def _line(document: dict[str, Any]) -> bytes:
    return encode(document) + b"\n"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int)) else dict(value)


def _life(row: Row, entries: Iterable[Entry]) -> dict[str, Any]:
    history = [
        {name: _plain(value) for name in _ENTRY_FIELDS if (value := getattr(entry, name)) is not None}
        for entry in entries
    ]
    return {"run": write_run(row.run), "kept": {c.name: getattr(row, c.name) for c in KEPT}, "history": history}


def import_(
    store: Store,
    lines: Iterable[bytes],
    policy: Policy = PRACTICAL,
    progress: Callable[[int], None] | None = None,
) -> Transferred:
    r"""Take in what `export` wrote: all of it, in one transaction, or nothing.

    Every line is held to what must be true of a store before it is handed on: above all, each run must be what its
    history makes of it. Runs that the store has already are refused; idempotency keys are replaced.

    Args:
        store: The store; others may write to it before and after, and it is not read by this.
        lines: The lines, as bytes; read as they come.
        policy: Whose rules the store keeps; a history that they do not allow is refused.
        progress: Told how many lines were read, every now and then.

    Raises:
        StoreError: a line is not right, which the message names with its number; nothing was taken in.
        RunExists: a run, or a create that waits, is there already; nothing was taken in.

    Example:
        >>> from runengine.stores.memory import MemoryStore
        >>> import_(MemoryStore(), export(MemoryStore()))
        Transferred(runs=0, waiting=0, keys=0)
        >>> import_(MemoryStore(), [b'{"runengine":"export","version":2}\n'])
        Traceback (most recent call last):
        runengine.errors.StoreError: line 1: it is an export of version 2, and this runengine reads 1; update runengine
    """
    reading = _Reading(lines, policy, progress)
    store.restore(reading.lives(), reading.creates(), reading.keys())
    reading.close()
    return reading.total


class _Reading:
    """The lines, read once: runs, then creates that wait, then keys, as the store draws them."""

    def __init__(self, lines: Iterable[bytes], policy: Policy, progress: Callable[[int], None] | None) -> None:
        self._lines = iter(lines)
        self._number = 0
        self._policy = policy
        self._progress = progress
        self._counts = Counter[str]()
        self._queues: dict[str, tuple[str, int]] = {}
        self._second = -1
        self._ids = set[str]()
        self._next: dict[str, Any] | None = None
        self._kind = ""
        self._begin()

    @property
    def total(self) -> Transferred:
        return Transferred(runs=self._counts["run"], waiting=self._counts["waiting"], keys=self._counts["key"])

    def lives(self) -> Iterator[Life]:
        yield from map(self._life, self._drawn("run"))

    def creates(self) -> Iterator[Waiting]:
        yield from map(self._create, self._drawn("waiting"))
        for thread_id, (run_id, count) in self._queues.items():
            if count:
                self._refuse(f"{run_id} has {count} more creates waiting on {thread_id} than there are")

    def keys(self) -> Iterator[Key]:
        yield from map(self._key, self._drawn("key"))
        self._end()

    def close(self) -> None:
        """A store that draws lazily has come to the end by now."""
        if self._kind != "end":
            raise StoreError(f"line {self._number}: the store has not read it")

    def _begin(self) -> None:
        self._draw()
        header = self._next or {}
        if header.get("runengine") != "export":
            self._refuse('an export begins with {"runengine":"export",…}; this is none')
        if header.get("version") != FORMAT_VERSION:
            said = f"it is an export of version {header.get('version')}, and this runengine reads {FORMAT_VERSION}"
            self._refuse(f"{said}; update runengine")
        self._draw()

    def _end(self) -> None:
        if self._kind != "end":
            self._refuse(f"a {self._kind} where the end was expected: runs come first, then waiting creates, then keys")
        found = {"runs": self._counts["run"], "waiting": self._counts["waiting"], "keys": self._counts["key"]}
        said = (self._next or {})["end"]
        if said != found:
            self._refuse(f"it should be the end of {said}, but before it stand {found}; the file is not whole")
        for rest in self._lines:
            if rest.strip():
                self._number += 1
                self._refuse("something stands behind the end")

    def _drawn(self, kind: str) -> Iterator[dict[str, Any]]:
        while self._kind == kind:
            assert self._next is not None
            yield self._next
            self._counts[kind] += 1
            self._draw()

    def _draw(self) -> None:
        line = next(self._lines, None)
        if line is None:
            self._number += 1
            self._refuse("the file is cut off: its last line, with the end, is missing")
        self._number += 1
        if self._progress is not None:
            self._progress(self._number)
        try:
            document = decode(line)
        except NotJSON as error:
            self._refuse(f"not JSON: {error.problem}")
        if not isinstance(document, dict):
            self._refuse("expected a JSON object")
        self._next = document
        self._kind = next((kind for kind in _KINDS if kind in document), "header")
        if self._kind == "header" and self._number > 1:
            self._refuse(f"it is none of {', '.join(_KINDS[1:])}")

    def _refuse(self, problem: str) -> NoReturn:
        raise StoreError(f"line {self._number}: {problem}")

    def _life(self, document: dict[str, Any]) -> Life:
        kept = self._fields(document.get("kept"), _KEPT_FIELDS, "kept")
        history = document.get("history")
        if not isinstance(history, list):
            self._refuse("history: expected an array")
        try:
            row = Row(run=read_run(document["run"]), **kept)
        except DialectError as error:
            self._refuse(f"run: {error}")
        run = row.run
        for name in _STAMPS:
            if (getattr(run, name) or 0) >= _INT_MAX:
                self._refuse(f"run.{name}: {getattr(run, name)} is more than a database keeps")
        entries = tuple(self._entry(run.id, entry, place) for place, entry in enumerate(history))
        for finding in life_findings(row, entries, self._policy):
            self._refuse(f"{run.id}: {finding.message}")
        self._among_others(row)
        return Life(row=row, entries=entries)

    def _among_others(self, row: Row) -> None:
        """No two runs of an id, and no two on a thread that have not ended."""
        run = row.run
        if run.created_at < self._second:
            self._refuse(f"{run.id}: it was created before the run that stands before it")
        if run.created_at > self._second:
            self._second, self._ids = run.created_at, set()
        if run.id in self._ids:
            self._refuse(f"{run.id}: it stands there twice")
        self._ids.add(run.id)
        if run.status not in TERMINAL:
            if run.thread_id in self._queues:
                other = self._queues[run.thread_id][0]
                self._refuse(f"{run.id}: {other} on the same thread, {run.thread_id}, has not ended either")
            self._queues[run.thread_id] = run.id, row.waiting

    def _entry(self, run_id: str, document: Any, place: int) -> Entry:
        where = f"history[{place}]"
        values = self._fields(document, _ENTRY_FIELDS, where)
        if values["kind"] not in get_args(EntryKind):
            self._refuse(f"{where}.kind: there is no {values['kind']!r}; there are {', '.join(get_args(EntryKind))}")
        if values["status"] not in STATUSES:
            self._refuse(f"{where}.status: there is no {values['status']!r}; there are {', '.join(STATUSES)}")
        return Entry(run_id=run_id, **values)

    def _create(self, document: dict[str, Any]) -> Waiting:
        waiting = Waiting(**self._fields(document["waiting"], _WAITING_FIELDS, "waiting"))
        run_id, count = self._queues.get(waiting.thread_id, ("", 0))
        if not count:
            why = f"{run_id} has no such create" if run_id else "there is no run that has not ended"
            self._refuse(f"{waiting.run_id}: it waits on {waiting.thread_id}, where {why}")
        self._queues[waiting.thread_id] = run_id, count - 1
        for problem in create_problems(waiting):
            self._refuse(f"{waiting.run_id}: {problem}")
        return waiting

    def _key(self, document: dict[str, Any]) -> Key:
        key = Key(**self._fields(document["key"], _KEY_FIELDS, "key"))
        for problem in key_problems(key):
            self._refuse(f"key {key.key!r}: {problem}")
        return key

    def _fields(self, document: Any, fields: _Fields, where: str) -> dict[str, Any]:
        """The fields of an object, each of its type; an optional one may be left out."""
        if not isinstance(document, dict):
            self._refuse(f"{where}: expected a JSON object")
        for name in document:
            if name not in fields:
                self._refuse(f"{where}.{name}: there is no such field")
        for name, (kind, required) in fields.items():
            value = document.get(name)
            if value is None and not required:
                continue
            if type(value) is not kind:
                said = "missing" if name not in document else f"found {type(value).__name__}"
                self._refuse(f"{where}.{name}: expected {kind.__name__}, {said}")
            if isinstance(value, int) and not -_INT_MAX <= value < _INT_MAX:
                self._refuse(f"{where}.{name}: {value} is more than a database keeps")
        return {name: document.get(name) for name in fields}
