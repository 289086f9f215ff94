"""Export and import: a round trip keeps all; what is not right is refused with its line, and nothing is taken in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import DOCUMENTED, PERMISSIVE
from runengine.embedding import Runtime
from runengine.errors import RunExists, SchemaMismatch, StoreError, StoreUnavailable
from runengine.stores import Store
from runengine.stores.doctor import examine
from runengine.stores.memory import MemoryStore
from runengine.stores.opening import open_store
from runengine.stores.transfer import Transferred, export, import_
from tests.stores.working import choices, content, worked

CHOSEN: list[Any] = [
    ("create", 0, 0, True),
    ("claim", 0, 0, False),
    ("create", 0, 0, True),
    ("create", 1, 0, False),
    ("fail", 0, 0, False),
    ("complete", 0, 0, False),
]
LINES = tuple(export(worked(MemoryStore(), CHOSEN)))
EMPTY = content(MemoryStore())


@given(choices(), st.booleans())
def test_a_round_trip_in_memory(chosen: list[Any], compacted: bool) -> None:
    """What is taken in is what was written, run by run, and is written again the same."""
    store, copy = worked(MemoryStore(), chosen), MemoryStore()
    if compacted:
        store.compact(10**18)
    lines = list(export(store))
    done = import_(copy, lines)
    assert content(copy) == content(store)
    assert list(export(copy)) == lines
    assert done == Transferred(runs=len(content(store)[0]), waiting=len(store.waiting()), keys=len(store.keys()))


@settings(max_examples=15)
@given(choices())
def test_a_round_trip_through_sqlite(chosen: list[Any]) -> None:
    """From memory into a file, and from there into memory."""
    store, copy = worked(MemoryStore(), chosen), MemoryStore()
    with TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/runs.db")) as file:
        import_(file, export(store))
        assert content(file) == content(store)
        assert list(examine(file)) == []
        import_(copy, export(file))
    assert content(copy) == content(store)


def test_a_round_trip_through_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL, after which the work goes on there."""
    store = worked(MemoryStore(), CHOSEN)
    with closing(open_store(postgres_url)) as database:
        assert import_(database, export(store)) == Transferred(runs=2, waiting=1, keys=2)
        assert content(database) == content(store)
        assert list(examine(database)) == []
        assert list(export(database)) == list(LINES)
        Runtime(database).cancel("run_0")
        assert [finding.rule for finding in examine(database)] == []


def test_another_policy() -> None:
    """The histories must be legal where they come in; the header's policy is only told."""
    lines = list(export(MemoryStore(), PERMISSIVE))
    assert json.loads(lines[0])["policy"] == "permissive"
    import_(MemoryStore(), LINES, PERMISSIVE)
    waiting: list[Any] = [("create", 0, 0, False), ("claim", 0, 0, False), ("tools", 0, 0, False), ("cancel", 0, 0, 0)]
    lines = list(export(worked(MemoryStore(), waiting)))
    with pytest.raises(StoreError, match=r"^line 2: run_0: entry 4: .*cancel"):
        import_(MemoryStore(), lines, DOCUMENTED)


def test_one_moment_while_others_write(sqlite_url: str) -> None:
    """What is exported while runs come and go can be taken in: it is of one moment."""
    store, stop = open_store(sqlite_url), Event()

    def write() -> None:
        runtime, number = Runtime(store), 0
        while not stop.is_set():
            number += 1
            runtime.create(f"thread_{number % 2}", "a", "m", run_id=f"run_{number}", thread="enqueue")
            if claimed := runtime.claim("w"):
                runtime.complete(claimed.run_id, fence=claimed.fence)

    writer = Thread(target=write)
    writer.start()
    try:
        while store.row("run_20") is None:
            import_(MemoryStore(), export(store))
    finally:
        stop.set()
        writer.join()
    store.close()


def changed(number: int, change: Callable[[dict[str, Any]], Any]) -> Iterator[bytes]:
    """The lines, one of them changed."""
    for place, line in enumerate(LINES, 1):
        if place != number:
            yield line
            continue
        document = json.loads(line)
        change(document)
        yield json.dumps(document).encode()


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *way, last = path.split(".")

    def change(document: Any) -> None:
        for name in way:
            document = document[int(name) if name.isdigit() else name]
        if value is None:
            del document[last]
        else:
            document[last] = value

    return change


REFUSED: list[tuple[int, str, Any, str]] = [
    (1, "runengine", "store", 'line 1: an export begins with {"runengine":"export",'),
    (1, "version", 2, "line 1: it is an export of version 2, and this runengine reads 1; update runengine"),
    (2, "run.status", "queued", "line 2: run_0: "),
    (2, "run.model", None, "line 2: run: $.model: missing"),
    (2, "run.model", "other", "line 2: run_0: model is 'other', but its history makes it 'gpt-4o'"),
    (2, "kept.fence", 2, "line 2: run_0: fence is 2, but that of its last claim is 1"),
    (2, "kept.fence", "1", "line 2: kept.fence: expected int, found str"),
    (2, "kept.fence", True, "line 2: kept.fence: expected int, found bool"),
    (2, "kept.fence", None, "line 2: kept.fence: expected int, missing"),
    (2, "kept.last_us", 2**63, "line 2: kept.last_us: 9223372036854775808 is more than a database keeps"),
    (2, "kept.colour", "red", "line 2: kept.colour: there is no such field"),
    (2, "kept", 5, "line 2: kept: expected a JSON object"),
    (2, "history", {}, "line 2: history: expected an array"),
    (2, "history.0.kind", "guess", "line 2: history[0].kind: there is no 'guess'; there are event, "),
    (2, "history.0.status", "done", "line 2: history[0].status: there is no 'done'; there are queued, "),
    (2, "history.1.seq", 3, "line 2: run_0: entry 3: the one before is 1; the history has a gap"),
    (3, "run.thread_id", "thread_0", "line 3: run_3: thread_id is 'thread_0', but its history makes it 'thread_1'"),
    (4, "waiting.thread_id", "thread_9", "line 4: run_2: it waits on thread_9, where there is no run that has not"),
    (4, "waiting.request", {}, "line 4: run_2: its request cannot be read: $."),
    (4, "waiting.first", 0, "line 4: waiting.first: expected bool, found int"),
    (5, "key.record", {}, "line 5: key 'key_0': its answer cannot be read: $."),
    (7, "end.runs", 3, "line 7: it should be the end of {'runs': 3, "),
]


@pytest.mark.parametrize(("number", "path", "value", "said"), REFUSED, ids=[f"{r[0]}-{r[1]}" for r in REFUSED])
def test_what_is_not_right_is_refused(number: int, path: str, value: Any, said: str) -> None:
    """The line is named with what is wrong, and nothing is taken in."""
    store = MemoryStore()
    with pytest.raises(StoreError) as refused:
        import_(store, changed(number, _set(path, value)))
    assert str(refused.value).startswith(said)
    assert content(store) == EMPTY


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "line 1: the file is cut off"),
        ((b"not JSON",), "line 1: not JSON: "),
        ((b"[]",), "line 1: expected a JSON object"),
        (LINES[:-1], "line 7: the file is cut off"),
        ((*LINES[:2], *LINES[3:]), "line 6: it should be the end of "),
        ((*LINES[:3], *LINES[4:]), "line 4: run_0 has 1 more creates waiting on thread_0 than there are"),
        ((*LINES[:3], *LINES[2:]), "line 4: run_3: it stands there twice"),
        ((LINES[0], LINES[2], LINES[1], *LINES[3:]), "line 3: run_0: it was created before"),
        ((*LINES[:5], LINES[3], *LINES[5:]), "line 6: a waiting where the end was expected"),
        ((*LINES, LINES[-1]), "line 8: something stands behind the end"),
        ((*LINES[:2], b'{"what":1}', *LINES[2:]), "line 3: it is none of run, waiting, key, end"),
    ],
)
def test_lines_that_are_not_whole(lines: tuple[bytes, ...], said: str) -> None:
    """A line too few, too many, or in the wrong place is told."""
    store = MemoryStore()
    with pytest.raises(StoreError) as refused:
        import_(store, lines)
    assert str(refused.value).startswith(said)
    assert content(store) == EMPTY


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_changed(data: st.DataObject) -> None:
    """A file with one value replaced is taken in as a sound store, or refused with its line: nothing else happens."""
    number = data.draw(st.integers(1, len(LINES)))
    odd = st.sampled_from([None, True, 0, -1, 2**70, 1.5, "", "x", "queued", [], {}, [1], {"id": 1}])

    def change(document: Any) -> None:
        while True:
            names = range(len(document)) if isinstance(document, list) else sorted(document)
            name = data.draw(st.sampled_from(names))
            inner = document[name]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.integers(0, 3)) == 0:
                document[name] = data.draw(odd)
                return
            document = inner

    store = MemoryStore()
    refused = None
    try:
        import_(store, changed(number, change))
    except StoreError as error:
        refused = str(error)
    if refused is None:
        assert list(examine(store)) == []
    else:
        assert refused.startswith("line ")
        assert content(store) == EMPTY


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
def test_nothing_of_a_refused_file_is_in(request: pytest.FixtureRequest, kind: str) -> None:
    """Whether the last line is wrong or a run is there already, the store stays as it was, and can be written."""
    url = "memory:" if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    with closing(open_store(url)) as store:
        with pytest.raises(StoreError, match="line 7: the file is cut off"):
            import_(store, LINES[:-1])
        assert content(store) == EMPTY
        Runtime(store).create("thread_7", "a", "m", run_id="run_2")
        before = content(store)
        with pytest.raises(RunExists):
            import_(store, LINES)
        assert content(store) == before
        assert list(examine(store)) == []


def test_progress() -> None:
    """It is told how many lines were read, up to the last."""
    told: list[int] = []
    import_(MemoryStore(), LINES, progress=told.append)
    assert told == [*range(1, len(LINES) + 1)]


def test_a_store_that_is_no_more(tmp_path: Path) -> None:
    """A file that is removed while it is open is an error of the store, not of a line."""
    store: Store = open_store(f"sqlite:///{tmp_path}/runs.db")
    (tmp_path / "runs.db").unlink()
    with pytest.raises((StoreUnavailable, SchemaMismatch)):
        import_(store, LINES)
    store.close()
