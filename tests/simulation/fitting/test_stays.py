"""What is known of a stay: never less than nothing, and never wrong; complete, polled, and told by stamps alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core import SECOND_US, TERMINAL
from runengine.simulation.fitting.spans import FAR_US, Span, in_order, narrowed, of_stamp
from runengine.simulation.fitting.stays import Stay, StayReader, sight_of
from runengine.validation.observations import Observation
from tests.simulation.fitting.recorded import Life, complete, lives, polled

T0 = 1_760_000_000
SPANS = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda ends: Span(min(ends), max(ends)))


def stays_of(observations: Any, reader: StayReader | None = None) -> list[Stay]:
    """All stays of one run, the open one last."""
    reader = reader or StayReader()
    found: list[Stay] = []
    for item in observations:
        sight = sight_of(item)
        assert sight is not None
        found += reader.see("run", sight)
    return found + reader.close()


def at(status: str, seen_s: float | None = None, kind: str | None = None, **fields: Any) -> Observation:
    """A snapshot of a run that was created at T0, its stamps in seconds after."""
    stamps = {name: value + T0 for name, value in fields.items() if name.endswith("_at") and value is not None}
    rest = {name: value for name, value in fields.items() if not name.endswith("_at")}
    record = {"id": "run", "status": status, "created_at": T0, "started_at": None, **rest, **stamps}
    envelope = {"kind": kind} if kind else None
    seen = None if seen_s is None else T0 + seen_s
    return Observation(record, 1, "snapshot", None, kind == "create", seen, envelope)


def bounds(stay: Stay) -> tuple[str, float, float]:
    """The event, and the least and most seconds."""
    return (str(stay.row and stay.row.event), stay.least_us / SECOND_US, stay.most_us / SECOND_US)


class TestSpans:
    """Moments as far as they are known."""

    @given(SPANS, SPANS)
    def test_narrowed(self, one: Span, other: Span) -> None:
        """What two spans leave lies in both, and is the same either way round."""
        both = narrowed(one, other)
        assert both == narrowed(other, one)
        if both is not None:
            assert max(one.least_us, other.least_us) == both.least_us <= both.most_us
            assert both.most_us == min(one.most_us, other.most_us)

    @given(st.lists(SPANS, min_size=1, max_size=5))
    def test_in_order(self, spans: list[Span]) -> None:
        """No moment can be before the earliest of the one before; where it can have been at the latest stays."""
        made = in_order(spans)
        assert all(span.least_us <= span.most_us for span in made)
        assert all(before.least_us <= after.least_us for before, after in pairwise(made))
        assert all(span.most_us == max(span.least_us, own.most_us) for span, own in zip(made, spans, strict=True))

    @given(st.integers(0, 2**40))
    def test_stamps(self, moment_us: int) -> None:
        """A moment lies within the span of its stamp."""
        span = of_stamp(moment_us // SECOND_US)
        assert span.least_us <= moment_us < span.most_us

    def test_touching_spans(self) -> None:
        """Spans that share an end alone contradict each other, unless the moment is known exactly."""
        assert narrowed(Span(0, 5), Span(5, 9)) is None
        assert narrowed(Span(5, 5), Span(5, 9)) == Span(5, 5)


LIVES = st.integers(0, 599).map(lambda number: lives(5, 600)[number])


class TestSimulated:
    """Runs whose every moment is known."""

    @given(LIVES)
    def test_a_history_is_exact(self, life: Life) -> None:
        """Of a history each stay is what it was, to the microsecond."""
        stays = stays_of(complete(life))
        assert [stay.row for stay in stays] == list(life.rows[1:])
        for stay, began, ended in zip(stays, life.at_us, life.at_us[1:], strict=False):
            assert stay.is_exact
            assert stay.least_us == stay.most_us == ended - began

    @given(LIVES, st.floats(0.2, 30), st.floats(0.01, 1), st.booleans())
    @settings(max_examples=300)
    def test_a_poller_is_never_wrong(self, life: Life, interval_s: float, phase: float, acts: bool) -> None:
        """Of a polled run no stay is negative, and where all its steps are found the truth lies within the bounds."""
        stays = stays_of(polled(life, interval_s=interval_s, phase=phase, acts=acts))
        for stay in stays:
            assert 0 <= stay.least_us <= stay.most_us
            assert stay.start.least_us <= stay.start.most_us
            assert stay.end.least_us <= stay.end.most_us
        if [stay.row for stay in stays] == list(life.rows[1:]):
            for stay, began, ended in zip(stays, life.at_us, life.at_us[1:], strict=False):
                assert stay.start.least_us <= began <= stay.start.most_us
                assert stay.end.least_us <= ended <= stay.end.most_us
                assert stay.least_us <= ended - began <= stay.most_us

    def test_pollers_find_nearly_all(self) -> None:
        """At one look a second all steps of at least 95 % of the runs are found."""
        found = sum([s.row for s in stays_of(polled(life))] == list(life.rows[1:]) for life in lives(5, 600))
        assert found > 0.95 * 600

    @given(LIVES, st.integers(1, 9))
    def test_cut_short(self, life: Life, seen: int) -> None:
        """Where a recording ends early, the last stay is open, and has lasted until the last look."""
        looks = list(polled(life))[:seen]
        stays = stays_of(looks)
        if looks[-1].record["status"] not in TERMINAL:
            assert stays[-1].row is None
            assert stays[-1].most_us == FAR_US
            assert stays[-1].end.least_us <= round((looks[-1].observed_s or 0) * SECOND_US)


class TestPolled:
    """Single recordings, by hand."""

    def test_skipped_start(self) -> None:
        """From queued to completed the stamps tell both stays, to a second."""
        looks = [at("queued", 0.4, "create"), at("completed", 9.0, started_at=1, completed_at=7)]
        assert [bounds(stay) for stay in stays_of(looks)] == [("start", 0.6, 1.6), ("complete", 5.0, 7.0)]

    def test_polls_narrow_stamps(self) -> None:
        """A look within the second of a stamp halves it."""
        looks = [at("queued", 0.5, "create"), at("queued", 1.5), at("in_progress", 1.75, started_at=1)]
        assert bounds(stays_of(looks)[0]) == ("start", 1.0, 1.25)

    def test_dates_of_whole_seconds(self) -> None:
        """A whole second may be a date: the look was at any time within it."""
        looks = [at("queued", 0.0, "create"), at("queued", 3.0), at("in_progress", 4.0, started_at=4)]
        assert bounds(stays_of(looks)[0]) == ("start", 3.0, 5.0)

    def test_unseen_round(self) -> None:
        """A started_at that moved is a tool round that nobody saw."""
        looks = [at("in_progress", 1.5, "create", started_at=1), at("in_progress", 9.5, started_at=8)]
        assert [str(stay.row and stay.row.event) for stay in stays_of(looks)] == [
            "start",
            "require_action",
            "submit_tool_outputs",
            "start",
            "None",
        ]

    def test_round_within_a_second(self) -> None:
        """Started again in the second of the start before, the stamp is the same, and the run explained still."""
        looks = [at("queued", 1.2, "create", started_at=1), at("in_progress", 1.9, started_at=1)]
        reader = StayReader()
        assert [stay.row and stay.row.event for stay in stays_of(looks, reader)][-2:] == ["start", None]
        assert not reader.unexplained

    def test_an_answer_tells_the_moment(self) -> None:
        """The answer to a submit says when it came."""
        looks = [
            at("requires_action", 2.5, "create", started_at=1),
            at("queued", 4.25, "submit", started_at=1),
        ]
        assert stays_of(looks)[-2].end == Span((T0 + 4) * SECOND_US + 250_000, (T0 + 4) * SECOND_US + 250_000)

    def test_changed_metadata(self) -> None:
        """Metadata that changed while nothing else did is a modify."""
        looks = [at("queued", 0.5, "create", metadata={}), at("queued", 1.5, metadata={"a": "b"})]
        assert bounds(stays_of(looks)[0])[0] == "modify"

    def test_midway(self) -> None:
        """Of a run first seen at its end, the stamps tell the last stretch, and the first if it had no tools."""
        ended = at("completed", 90.0, started_at=2, completed_at=8, tools=[])
        assert [bounds(stay) for stay in stays_of([ended])] == [("start", 1.0, 3.0), ("complete", 5.0, 7.0)]
        with_tools = at("completed", 90.0, started_at=2, completed_at=8, tools=[{"type": "function"}])
        assert [bounds(stay)[0] for stay in stays_of([with_tools])] == ["complete"]

    @pytest.mark.parametrize(
        ("status", "stamp", "events"),
        [
            ("expired", "completed_at", ["expire"]),
            ("cancelled", "cancelled_at", ["cancel", "finish_cancel"]),
            ("failed", "failed_at", ["fail"]),
        ],
    )
    def test_midway_other_ends(self, status: str, stamp: str, events: list[str]) -> None:
        """A run first seen at another end is told by the fewest steps there, so no end is left out of the shares."""
        stamps: dict[str, Any] = {"started_at": 2, stamp: 700}
        ended = at(status, 900.0, tools=[{"type": "function"}], **stamps)
        stays = stays_of([ended])
        assert [stay.row and stay.row.event for stay in stays] == events
        assert all(stay.hidden for stay in stays)

    def test_already_working(self) -> None:
        """A run first seen at work was met because it lasted: its stay is not whole, the ones after it are."""
        looks = [
            at("in_progress", 50.5, started_at=3, tools=[{"type": "function"}]),
            at("completed", 60.5, started_at=3, completed_at=60),
        ]
        assert [stay.whole for stay in stays_of(looks)] == [False]

    def test_stale_and_backwards(self) -> None:
        """A look back at an earlier record moves nothing."""
        reader = StayReader()
        looks = [at("queued", 0.5, "create"), at("in_progress", 3.5, started_at=2), at("queued", 3.6)]
        assert len(stays_of(looks, reader)) == 2
        assert reader.disordered == 1

    def test_clash(self) -> None:
        """Where the recorder's clock and a stamp contradict each other, the stamp is taken, and that is counted."""
        reader = StayReader()
        looks = [at("queued", 0.5, "create"), at("queued", 9.5), at("in_progress", 9.9, started_at=2)]
        assert bounds(stays_of(looks, reader)[0])[1:] == (1.5, 2.5)
        assert reader.clashes == 1

    def test_resurrected(self) -> None:
        """What no policy explains is counted, and the stays beside it left out."""
        reader = StayReader()
        looks = [
            at("queued", 0.5, "create"),
            at("completed", 5.5, started_at=1, completed_at=4),
            at("in_progress", 9.5, started_at=8),
        ]
        assert len(stays_of(looks, reader)) == 2
        assert reader.unexplained == 1

    def test_without_any_time(self) -> None:
        """Records alone, without when they were seen, are told by their stamps."""
        looks = [at("queued"), at("in_progress", started_at=2), at("completed", started_at=2, completed_at=9)]
        assert [bounds(stay) for stay in stays_of(looks)] == [("start", 1.0, 3.0), ("complete", 6.0, 8.0)]


@pytest.mark.parametrize("record", [{}, {"status": "odd", "created_at": 5}, {"status": "queued", "created_at": 5.5}])
def test_too_little(record: dict[str, Any]) -> None:
    """Without a status of its own or a created_at in whole seconds nothing is told."""
    assert sight_of(Observation(record, 1)) is None
