"""Equality: the bulk engine says what the stream engine says, in the same order, and counts the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runengine.core import DOCUMENTED, PERMISSIVE, PRACTICAL
from runengine.dialects.wire import encode
from runengine.simulation.chance import Chance
from runengine.simulation.faults import FAULTS, made_by
from runengine.simulation.recording import Recording, Row, View
from runengine.validation import Options
from runengine.validation.observations import Companion, Observation, Sampling
from runengine.validation.readers import items_in
from tests.recall.worlds import VIEWS, WORLDS, recordings
from tests.validation.mixtures import Mixture, mixtures

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

from tests.validation.bulk.both import same, suspected
from tests.validation.bulk.logs import FORMS, Form, in_time, write_log

TRACES = Path(__file__).parents[4] / "shared" / "traces"
NEAR = tuple(dict.fromkeys(("archive-2024", "steady", "tool-heavy", "rush-hour", "bursty", "flaky", *WORLDS)))
"""Worlds in which a fault is tried, in turn: one of them has what it needs."""

COLUMNS = ("lifecycle", "record")
SPELLED = tuple(label for label, world in WORLDS.items() if world.dialect in ("julia", "typescript-instance"))
"""Their columns are spelled otherwise: such a table is for the checker alone."""

LARGER = {"piece_bytes": 40_000, "piece_rows": 64}


@lru_cache(maxsize=64)
def pool(label: str, view: View) -> list[Recording]:
    """Runs of a world; no two worlds have one in common."""
    return recordings(WORLDS[label], NEAR.index(label), 200, view)


def broken_by(name: str, view: View, turn: int = 0) -> list[Recording]:
    """A run broken by a fault, and one before it that is whole; nothing where it cannot be made in the view."""
    fault = FAULTS[name]
    for label in NEAR:
        whole = pool(label, view)
        for place in range(len(whole) // 2):
            number = 1 + 2 * ((place + 7 * turn) % (len(whole) // 2))
            one = made_by(fault, whole[number], Chance(turn, "fault", number), whole[number - 1])
            if one is not None:
                return [whole[number - 1], one[0]]
    return []


def usable(view: View) -> list[str]:
    """Faults of a view."""
    return [name for name, fault in FAULTS.items() if view in fault.views]


def all_broken(view: View, step: int = 1) -> list[Recording]:
    """Runs broken by each operator there is, each beside one that is whole; no run twice."""
    made: dict[tuple[str, int], Recording] = {}
    for turn, name in enumerate(usable(view)[::step]):
        for recording in broken_by(name, view, turn):
            made.setdefault((recording.life.scenario.name, recording.life.index), recording)
    return list(made.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_fault(view: View, form: Form, tmp_path: Path) -> None:
    """A log with runs broken by operators, between others that are whole; over the forms, by each there is."""
    step = 1 if view == "history" or form == "enveloped" else 2 if view == "polled" else 8
    path = write_log(tmp_path, in_time(all_broken(view, step)), form, group_rows=40)
    assert len(same(path, Options(), **LARGER).violations) > len(usable(view)) // (2 * step)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault(name: str, tmp_path: Path) -> None:
    """Each operator alone, in each of its views and forms, with several seeds, cut at almost every row."""
    for view in FAULTS[name].views:
        for turn in range(5):
            rows = in_time(broken_by(name, view, turn))
            assert rows, f"{name} can be made in no world"
            for form in FORMS:
                same(write_log(tmp_path, rows, form), Options())


Order = Literal["time", "any", "run by run", "reversed", "threads woven", "twice"]


class Held(NamedTuple):
    """What a log is held to."""

    policy: str
    sampling: Sampling
    generation: int | None
    skew_s: float
    forget_after: int
    select: tuple[str, ...]
    ignore: tuple[str, ...]

    @property
    def options(self) -> Options:
        """The same as options."""
        policies = {policy.name: policy for policy in (PRACTICAL, DOCUMENTED, PERMISSIVE)}
        return Options(**{**self._asdict(), "policy": policies[self.policy]})


HELD = st.builds(
    Held,
    policy=st.sampled_from(("practical", "documented", "permissive")),
    sampling=st.sampled_from(("auto", "complete", "polled")),
    generation=st.sampled_from((None, None, 16, 11, 2)),
    skew_s=st.sampled_from((2.0, 0.0, 0.5, 60.0)),
    forget_after=st.sampled_from((50_000, 0, 1, 3, 10, 30)),
    select=st.sampled_from(((), (), ("RE1", "RE501"))),
    ignore=st.sampled_from(((), (), ("RE204", "RE4"))),
)


def ordered(made: Sequence[Recording], order: Order, chance: Random) -> list[Row]:
    """The rows of recordings in an order."""
    rows = in_time(made)
    if order == "time":
        return rows
    if order == "any":
        return chance.sample(rows, len(rows))
    if order == "reversed":
        return rows[::-1]
    if order == "twice":
        return [row for row in rows for _ in range(1 + (chance.random() < 0.4))]
    if order == "run by run":
        return [row for recording in made for row in recording.rows]
    # As if the runs of a thread were recorded by turns, and the threads one after another.
    threads: dict[str, list[list[Row]]] = {}
    for recording in made:
        threads.setdefault(recording.life.thread_id, []).append(list(recording.rows))
    woven: list[Row] = []
    for lives in threads.values():
        while any(lives):
            woven.append(chance.choice([life for life in lives if life]).pop(0))
    return woven


@settings(max_examples=settings().max_examples // 8)
@given(
    mixtures(("history", "polled")),
    st.sampled_from(FORMS),
    st.sampled_from(get_args(Order)),
    HELD,
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_order(mixture: Mixture, form: Form, order: Order, held: Held, one: bool, chance: Any) -> None:
    """Rows in whatever order, runs and threads woven, rows doubled; on one thread all, or each on its own."""
    assume(form not in COLUMNS or mixture.label not in SPELLED)
    made = [on_one_thread(recording) for recording in mixture.made] if one else mixture.made
    with TemporaryDirectory() as folder:
        path = write_log(Path(folder), ordered(made, order, chance), form)
        same(path, held.options)


def on_one_thread(recording: Recording) -> Recording:
    """The same, its runs on one thread with those of others."""
    rows = [
        row.changed(data={**row.data, "thread_id": "thread_1"})
        if isinstance(row.data, dict) and isinstance(row.data.get("thread_id"), str)
        else row
        for row in recording.rows
    ]
    return recording.changed(rows)


@pytest.mark.parametrize("form", COLUMNS)
@pytest.mark.parametrize("view", ["history", "polled"])
def test_what_is_said_is_suspect(view: View, form: Form, tmp_path: Path) -> None:
    """A row of which something is said is for the checker; of the others, some are not."""
    path = write_log(tmp_path, in_time(all_broken(view, 3)), form, group_rows=40)
    fed = suspected(path, Options(), **LARGER)
    said = {violation.line for violation in same(path, Options(), **LARGER).violations}
    assert said
    assert all(fed[line - 1] for line in said)
    assert sum(fed) < 0.7 * len(fed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("view", ["history", "polled"])
def test_a_clean_log_is_settled(view: View, form: Form, tmp_path: Path) -> None:
    """Of a log without a fault fewer than one row in a thousand is for the checker."""
    made = recordings(WORLDS["archive-2024"], 1, 400, view)
    rows = [row for row in in_time(made) if isinstance(row.data, dict) and "error" not in row.data]
    path = write_log(tmp_path, rows, form, group_rows=500)
    assert not same(path, Options(), **LARGER).violations
    fed = suspected(path, Options(), **LARGER)
    assert len(fed) == len(rows)
    assert sum(fed) * 1000 < len(fed)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the recordings are not here: {TRACES}")
class TestRecordings:
    """Real recordings."""

    def test_lines(self, tmp_path: Path) -> None:
        """Those that are JSON Lines: all of them as one file."""
        path = tmp_path / "all.jsonl"
        texts = [file.read_bytes() for file in sorted(TRACES.rglob("*.jsonl"))]
        path.write_bytes(b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts))
        assert len(same(path, Options(), **LARGER).summary.statuses) >= 6

    def test_streams(self, tmp_path: Path) -> None:
        """Streams, written as JSON Lines of their events: what they show of runs, and around them."""
        path = tmp_path / "streams.jsonl"
        items = (item for file in sorted(TRACES.rglob("*.sse")) for item in items_in(str(file)))
        seen = (item for item in items if isinstance(item, Observation | Companion))
        events = ({"kind": "stream", "event": item.event, "data": item.record} for item in seen)
        path.write_bytes(b"".join(encode(each) + b"\n" for each in events))
        assert same(path, Options(), **LARGER).summary.companions

    @pytest.mark.slow
    def test_each(self) -> None:
        """Those that are JSON Lines, each alone."""
        for file in sorted(TRACES.rglob("*.jsonl")):
            for forget_after in (50_000, 1):
                same(file, Options(forget_after=forget_after))
