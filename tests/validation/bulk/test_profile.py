"""The profile by columns: what a profile makes of the same rows one by one, wherever a recording is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.candidates import era_of
from runengine.core.table import POLICIES
from runengine.dialects.wire import encode
from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.recording import Recording, View
from runengine.validation import Checker, Options
from runengine.validation.engines import Engines
from runengine.validation.observations import Item, Observation, Source
from runengine.validation.profiling.profile import Profile
from runengine.validation.profiling.variants import Example
from runengine.validation.readers import items_in
from runengine.validation.readers.natively import native
from tests.recall.worlds import WORLDS, recordings
from tests.validation.checking import clean

np = pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from attrs import evolve  # noqa: E402

from runengine.validation.bulk.batch import SEEN_IN, Batch, Details, LayoutKey  # noqa: E402 - the extra first
from runengine.validation.bulk.compiled import Compiled  # noqa: E402
from runengine.validation.bulk.fragments import Fragment  # noqa: E402
from runengine.validation.bulk.ndjson import NdjsonSource  # noqa: E402
from runengine.validation.bulk.parquet import sievable  # noqa: E402
from runengine.validation.bulk.profile import Picked, VolumeProfile, found_in  # noqa: E402
from tests.validation.bulk.logs import Form, in_time, write_log  # noqa: E402
from tests.validation.bulk.plainly import batch_of, kept, looked_at  # noqa: E402
from tests.validation.bulk.small_logs import small_logs  # noqa: E402


def profile_for(options: Options) -> Profile:
    """A profile as the command makes it."""
    return Profile(options.policy, sampling=options.sampling, skew_s=options.skew_s, forget_after=options.forget_after)


def by_rows(items: Sequence[Item], options: Options) -> dict[str, Any]:
    """The profile of every item."""
    profile = profile_for(options)
    list(Checker(options, [profile]).check("made", items))
    return profile.as_dict()


def detailed(batch: Batch, items: Sequence[Item]) -> Batch:
    """A batch with its details."""
    source, moved = np.zeros(len(items), np.int8), np.zeros(len(items), np.bool_)
    layouts: list[LayoutKey] = []
    for place, item in enumerate(items):
        if batch.odd[place] or not isinstance(item, Observation):
            layouts.append(("queued", (), (), -1, None))
            continue
        record = native(item, "auto").record
        source[place] = SEEN_IN.index(item.source)
        moved[place] = item.source == "history" and item.event not in (None, "modify")
        keys, types = tuple(record), tuple(map(type, record.values()))
        layouts.append((record["status"], keys, types, era_of(record["created_at"]), item.columns))
    layout = np.arange(len(items), dtype=np.int32)
    return evolve(batch, details=Details(source=source, moved=moved, layout=layout, layouts=layouts))


def by_columns(items: Sequence[Item], cuts: Sequence[int], options: Options, fold_rows: int = 1) -> dict[str, Any]:
    """The profile of items by the sieve, cut before these places."""
    return _by_columns(items, cuts, options, fold_rows)[0]


def _by_columns(
    items: Sequence[Item], cuts: Sequence[int], options: Options, fold_rows: int
) -> tuple[dict[str, Any], int]:
    compiled = Compiled.of(options)
    bounds = [0, *cuts, len(items)]
    parts = [items[a:b] for a, b in pairwise(bounds)]
    batches = [detailed(batch_of(part, options), part) for part in parts]
    suspects = kept((Fragment.of(batch, compiled) for batch in batches), compiled).suspects()
    profile, volume = profile_for(options), VolumeProfile(options, fold_rows)
    given_: list[Item] = []
    plain = 0
    for number, (part, batch) in enumerate(zip(parts, batches, strict=True)):
        some, chosen = looked_at(part, batch, suspects)
        given_ += some
        plain += int((~chosen).sum())
        volume.take(Picked.of(batch, ~chosen), number)
    list(Checker(options, [profile]).check("made", given_))

    def find(piece: int, places: Any) -> Iterator[Example]:
        for place in places.tolist():
            item = parts[piece][place]
            assert isinstance(item, Observation)
            yield Example(item.record["id"], "made", item.line)

    profile.add(volume.finish(find))
    return profile.as_dict(), plain


@given(
    items=small_logs(12),
    cuts=st.sets(st.integers(1, 11)),
    forget_after=st.sampled_from([0, 1, 3, 50_000]),
    sampling=st.sampled_from(["auto", "complete", "polled"]),
    fold_rows=st.sampled_from([1, 1, 4, 1000]),
)
def test_small_logs(items: list[Item], cuts: set[int], forget_after: int, sampling: Any, fold_rows: int) -> None:
    """Of any small log, cut anywhere, both profiles are the same."""
    options = Options(forget_after=forget_after, sampling=sampling)
    inside = sorted(cut for cut in cuts if cut < len(items))
    assert by_columns(items, inside, options, fold_rows) == by_rows(items, options)


TRACES = Path(__file__).parents[4] / "shared" / "traces"
BEGIN = clean("queued")["created_at"]
CREATED, LATER, SEEN = BEGIN + 3, BEGIN + 60, BEGIN + 5.5
LIVES: dict[str, list[tuple[str, int | None, Source, str | None, float | None]]] = {
    "a history with moments": [
        ("queued", None, "history", "create", SEEN),
        ("in_progress", CREATED, "history", "start", SEEN + 1.25),
        ("in_progress", CREATED, "history", "modify", SEEN + 2),
        ("requires_action", CREATED, "history", "require_action", SEEN + 4),
        ("requires_action", CREATED, "history", "modify", SEEN + 5),
        ("queued", CREATED, "history", "submit_tool_outputs", SEEN + 9),
        ("cancelling", CREATED, "history", "cancel", SEEN + 9.5),
    ],
    "a history that does not tell its events": [
        ("queued", None, "history", None, SEEN),
        ("in_progress", CREATED, "history", None, SEEN + 1.25),
        ("requires_action", CREATED, "history", None, SEEN + 4),
        ("queued", CREATED, "history", None, SEEN + 9),
    ],
    "a round of tools between two looks at a queued run": [
        ("queued", CREATED, "snapshot", None, SEEN),
        ("queued", CREATED, "snapshot", None, SEEN + 10),
        ("queued", LATER, "snapshot", None, SEEN + 90),
        ("queued", LATER, "snapshot", None, SEEN + 95),
        ("cancelling", LATER, "snapshot", None, SEEN + 101),
    ],
    "looks, some of them without a time": [
        ("in_progress", CREATED, "snapshot", None, SEEN),
        ("requires_action", CREATED, "snapshot", None, SEEN + 5),
        ("requires_action", CREATED, "snapshot", None, None),
        ("cancelling", CREATED, "snapshot", None, SEEN + 9),
        ("cancelling", CREATED, "snapshot", None, SEEN + 11),
    ],
}


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("cut", range(1, 7))
def test_evidence_of_stays(name: str, cut: int) -> None:
    """Of a run that needs no word, stays are told by the same evidence, also where it is cut between two rows."""
    items: list[Item] = [
        Observation(clean(status, started_at=started), line, source, event, observed_s=seen_s)
        for line, (status, started, source, event, seen_s) in enumerate(LIVES[name], 1)
    ]
    profile, plain = _by_columns(items, [cut] if cut < len(items) else [], Options(), 1)
    assert plain == len(items)
    assert profile == by_rows(items, Options())
    assert any(edge["dwell_s"] or edge["dwell_bounds_s"] for edge in profile["edges"].values())


def by_source(path: Path, options: Options, **pieces: int) -> tuple[dict[str, Any], int]:
    """The profile of a file, most of it by columns, and how many of its rows were."""
    source = source_of(path, options, **pieces)
    compiled = Compiled.of(options)
    batches = [source.columns(piece) for piece in source.pieces]
    suspects = kept((Fragment.of(batch, compiled) for batch in batches), compiled).suspects()
    profile, volume = profile_for(options), VolumeProfile(options, fold_rows=7)
    given_: list[Item] = []
    plain = 0
    for number, (piece, batch) in enumerate(zip(source.pieces, batches, strict=True)):
        chosen = batch.odd | suspects.mask(batch.run, batch.thread)
        plain += int((~chosen).sum())
        volume.take(Picked.of(batch, ~chosen), number)
        given_ += source.items(piece, np.flatnonzero(chosen))
    list(Checker(options, [profile]).check(str(path), given_))
    profile.add(volume.finish(found_in(source, str(path))))
    return profile.as_dict(), plain


def source_of(path: Path, options: Options, *, piece_rows: int = 16) -> Any:
    """A file as a source with details."""
    if path.suffix == ".parquet":
        return sievable(str(path), options, piece_rows=piece_rows, detailed=True)
    return evolve(NdjsonSource.of(str(path), options), piece_bytes=piece_rows * 500)


def same(path: Path, options: Options, **pieces: int) -> int:
    """Profile a file both ways, and hold one against the other; how many rows needed no word."""
    by_both, plain = by_source(path, options, **pieces)
    items = list(items_in(str(path)))
    profile = profile_for(options)
    list(Checker(options, [profile]).check(str(path), items))
    assert by_both == profile.as_dict()
    return plain


def broken(made: list[Recording], view: View, one_in: int, seed: int) -> list[Recording]:
    """The same runs, one in so many broken by the next fault that can be made of it."""
    faults = [fault for fault in FAULTS.values() if view in fault.views]
    for number in range(1, len(made), one_in):
        for turn in range(len(faults)):
            fault = faults[(number + turn) % len(faults)]
            one = made_by(fault, made[number], Chance(seed, "fault", number), made[number - 1])
            if one is not None:
                made[number] = one[0]
                break
    return made


@pytest.mark.parametrize("form", ["lifecycle", "record", "bare", "enveloped"])
@pytest.mark.parametrize("view", ["history", "polled"])
@pytest.mark.parametrize("world", ["steady", "tool-heavy", "flaky"])
def test_files(world: str, view: View, form: Form, tmp_path: Path) -> None:
    """Of a file of simulated runs, some of them broken, in order of time, both profiles are the same."""
    made = broken(list(recordings(WORLDS[world], 3, 60 if view == "history" else 12, view)), view, 10, 3)
    path = write_log(tmp_path, in_time(made), form, group_rows=40)
    options = Options(policy=POLICIES[WORLDS[world].policy])
    assert same(path, options)
    assert same(path, evolve(options, forget_after=15), piece_rows=100)


@pytest.mark.parametrize("form", ["lifecycle", "enveloped"])
def test_by_the_engine(form: Form, tmp_path: Path) -> None:
    """Two recordings checked by the bulk engine, one after the other, are one profile, as by the checker alone."""
    files = []
    for number, world in enumerate(("steady", "flaky")):
        made = broken(list(recordings(WORLDS[world], number, 40, "history")), "history", 15, number)
        (tmp_path / world).mkdir()
        files.append(str(write_log(tmp_path / world, in_time(made), form, group_rows=40)))
    profiles = []
    for engine in ("stream", "bulk"):
        profile, said = profile_for(Options()), list[str]()
        checker = Checker(Options(), [profile])
        engines = Engines(checker=checker, unread=_refused, engine=engine, say=said.append, profile=profile, workers=1)
        list(engines.check(files))
        assert not said
        profiles.append(profile.as_dict())
    assert profiles[0] == profiles[1]
    assert profiles[0]["runs"] == 80


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.is_dir(), reason="the recordings are not part of the project")
def test_recordings(tmp_path: Path) -> None:
    """Of every recording of lines that there is, and of all their records as one, both profiles are the same."""
    together = tmp_path / "together.jsonl"
    with together.open("wb") as file:
        for path in sorted(TRACES.rglob("*.jsonl")):
            same(path, Options(), piece_rows=3)
            records = (item.record for item in items_in(str(path)) if isinstance(item, Observation))
            file.writelines(encode(record) + b"\n" for record in records)
    assert same(together, Options(), piece_rows=30) > 100


def _refused(path: str, error: Exception) -> None:
    raise AssertionError(path) from error
