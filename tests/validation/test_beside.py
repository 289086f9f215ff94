"""Steps and messages where runs mix: polls beside a stream, tails, lost events, eviction, and what waits."""

from __future__ import annotations

from typing import Any

import pytest

from runengine.validation import Checker, Observation, Options, Violation
from runengine.validation.catalogue.examples import CREATED, message, record, step
from runengine.validation.checker import HELD_MAX
from runengine.validation.monitor import Monitor
from runengine.validation.observations import COMPANIONS, Companion, Item, StreamEnd
from tests.validation.checking import as_lines, check_bytes
from tests.validation.test_around import (
    ASKED,
    BEGUN,
    DONE,
    HEAD,
    RESUMED,
    TAIL,
    WRITING,
    WRITTEN,
    Events,
    stepped,
    tools,
)
from tests.validation.test_around import said as said_of

PIECE: tuple[str, Any] = ("thread.message.delta", {"id": "msg_1", "object": "thread.message.delta", "delta": {}})
WHOLE: Events = (*HEAD, BEGUN, WRITING, PIECE, WRITTEN, stepped(), *TAIL)


def polled(data: dict[str, Any]) -> tuple[str, Any]:
    """A snapshot of a run, step or message that was asked for."""
    return ("", data)


def of_other(events: Events, number: int) -> Events:
    """The same events of another run."""
    names = {
        "run_1": f"run_{number}",
        "thread_1": f"thread_{number}",
        "step_1": f"step_{number}",
        "msg_1": f"msg_{number}",
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(each) for key, each in value.items()}
        return names.get(value, value) if isinstance(value, str) else value

    return tuple((event, renamed(data)) for event, data in events)


def items_of(*events: tuple[str, Any]) -> list[Item]:
    """Events and polls as a reader yields them, an event a line."""
    made: list[Item] = []
    for line, (event, data) in enumerate(events, 1):
        source: Any = "stream" if event else "snapshot"
        if event == "done":
            made.append(StreamEnd(line=line, done=True))
        elif data["object"] in COMPANIONS:
            made.append(Companion(data, COMPANIONS[data["object"]], line, source, event or None))
        else:
            made.append(Observation(data, line, source, event or None))
    return made


def found(items: list[Item], **options: Any) -> list[Violation]:
    """All that is said of items."""
    return list(Checker(Options(**options)).check("a", items))


def said(*events: tuple[str, Any], **options: Any) -> list[tuple[str, int]]:
    """Code and line of all that is said of events and polls."""
    return [(v.code, v.line) for v in found(items_of(*events), **options)]


class TestUnknownStatus:
    """After an illegal step the run's status is not known."""

    def test_nothing_is_held_to_it(self) -> None:
        """Neither a step's place nor what is open at the end; the illegal step alone is said."""
        back = ("thread.run.queued", record("queued", started_at=CREATED + 1))
        failed = ("thread.run.failed", record("failed"))
        assert said(*HEAD, back, BEGUN, stepped(), failed, DONE) == [("RE101", 4), ("RE102", 7)]
        assert said(*HEAD, back, BEGUN, failed, DONE) == [("RE101", 4), ("RE102", 6)]

    def test_until_it_is_in_progress(self) -> None:
        """Once the run is legally in progress again, it is held to its status as before."""
        back = ("thread.run.queued", record("queued", started_at=CREATED + 1))
        assert said(*HEAD, back, HEAD[2], BEGUN, *TAIL) == [("RE101", 4), ("RE503", 7)]

    def test_an_end_that_is_taken_back(self) -> None:
        """What begins after an illegal end is not said to come after it."""
        done = ("thread.run.completed", record("completed"))
        assert said(*HEAD[:2], done, BEGUN, stepped(), DONE) == [("RE101", 3)]

    def test_an_illegal_end(self) -> None:
        """What is open where an event of the run was lost is not held against its end."""
        assert said(*HEAD[:2], BEGUN, *TAIL) == [("RE101", 4)]


class TestPollBesideStream:
    """Somebody asks for what a stream is about to show."""

    def test_same_status(self) -> None:
        """A poll that shows what the stream has shown changes nothing, wherever it comes."""
        for place in range(3, len(WHOLE) - 2):
            assert said(*WHOLE[:place], polled(record("in_progress")), *WHOLE[place:]) == []
        assert said(*HEAD, BEGUN, polled(record("in_progress")), *TAIL) == [("RE503", 6)]

    @pytest.mark.parametrize("status", ["requires_action", "completed"])
    def test_other_status(self, status: str) -> None:
        """After a poll that shows another status, what is open is not known."""
        seen = polled(record(status))
        assert said(*HEAD, BEGUN, seen, WRITING, WRITTEN, stepped(), *TAIL) in ([], [("RE103", 9)])
        codes = {code for code, _ in said(*HEAD, BEGUN, polled(record("requires_action")), *TAIL)}
        assert codes.isdisjoint({"RE503", "RE505", "RE506"})

    def test_step_seen_before_its_events(self) -> None:
        """A step and a message that a poll sees to end go on in the stream."""
        seen = (polled(step("completed")), polled(message("completed")))
        for place in range(3, 9):
            assert said(*WHOLE[:place], *seen, *WHOLE[place:]) == []


class TestWhatIsWhole:
    """What only a stream that shows its run's creation can tell."""

    @pytest.mark.parametrize(("left_out", "wanted"), [(3, [("RE505", 7)]), (4, [("RE506", 5)])])
    def test_never_created(self, left_out: int, wanted: list[tuple[str, int]]) -> None:
        """A step or message that ends without having been created."""
        events = [event for event in WHOLE if event is not WHOLE[left_out] and event != PIECE]
        if left_out == 3:
            events = [event for event in events if event not in (WRITING, WRITTEN)]
            wanted = [("RE505", 4)]
        assert said(*events) == wanted
        assert said(*events[1:]) == []

    def test_after_a_pause(self) -> None:
        """A stream that goes on after a pause begins in the middle."""
        ended = ("thread.run.step.completed", tools("completed", "12"))
        assert said(*ASKED, ended, *RESUMED[:2], stepped(), *RESUMED[2:]) == []
        asked = [event for event in ASKED if event is not DONE]
        assert said(*asked, ended, *RESUMED[:2], stepped(), *RESUMED[2:]) == []

    def test_tail_beside_a_whole_stream(self) -> None:
        """Pieces of another run, whose creation is not shown, are not held against this one."""
        tail = of_other((PIECE, WRITTEN, stepped(), TAIL[0]), 2)
        assert said(*HEAD, *tail, *WHOLE[3:]) == []
        assert said(*HEAD, PIECE, *tail, *WHOLE[3:]) == [("RE506", 4)]

    def test_next_stream(self) -> None:
        """A stream that follows another one is whole only if it begins so itself."""
        ended = ("thread.run.step.completed", tools("completed", "12"))
        assert said(*ASKED, PIECE, ended, *RESUMED[:2], BEGUN, WRITING, WRITTEN, stepped(), *RESUMED[2:]) == []

    def test_message_without_a_step(self) -> None:
        """Where a step came in the stream, a message needs one, although the run's creation is not shown."""
        assert said(HEAD[2], BEGUN, stepped(), WRITING, WRITTEN, *TAIL) == [("RE506", 4)]
        assert said(HEAD[2], WRITING, WRITTEN, *TAIL) == []


class TestOnce:
    """One mistake is said once."""

    def test_steps_that_never_end(self) -> None:
        """Each step is held to the one before it alone, and once more at the run's end."""
        begun = [("thread.run.step.created", step("in_progress", id=f"step_{n}")) for n in range(50)]
        codes = [code for code, _ in said(*HEAD, *begun, *TAIL)]
        assert (codes.count("RE505"), codes.count("RE503")) == (49, 50)

    def test_a_run_never_shown(self) -> None:
        """All steps of a run that is never shown are one finding, at the first, in every stream."""
        orphans = [stepped(id=f"step_{n}", run_id="run_9") for n in range(20)]
        assert said(*HEAD, *orphans, *TAIL, *of_other(HEAD, 2), *orphans, *of_other(TAIL, 2)) == [("RE504", 4)]

    def test_after_the_end(self) -> None:
        """A message that begins after its run's end is not said to lack a step as well."""
        assert said(*HEAD, BEGUN, stepped(), TAIL[0], WRITING, WRITTEN, DONE) == [("RE506", 7)]

    def test_ended_otherwise(self) -> None:
        """A step that is completed stays so, whatever is shown of it in between."""
        assert said(*(polled(step(status)) for status in ("completed", "failed", "completed"))) == [("RE505", 2)]

    def test_run_contradicts_itself(self) -> None:
        """Where the run's own thread is wrong, its steps are not said to be on another one."""
        odd = [(event, {**data, "thread_id": "thread_9"}) for event, data in HEAD]
        for events in ((*odd, BEGUN, stepped(), *TAIL), (*HEAD[:2], odd[2], BEGUN, stepped(), *TAIL)):
            codes = {code for code, _ in said(*events)}
            assert codes
            assert "RE504" not in codes


class TestPlaces:
    """Where a step may begin and end."""

    def test_cancelling(self) -> None:
        """A step may begin while its run is cancelling."""
        stopping = ("thread.run.cancelling", record("cancelling"))
        cancelled = (
            ("thread.run.step.cancelled", step("cancelled")),
            ("thread.run.cancelled", record("cancelled")),
            DONE,
        )
        assert said(*HEAD, stopping, BEGUN, *cancelled) == []

    def test_expiry(self) -> None:
        """A step counts as expired with its run, streamed or polled, and is not said to be open."""
        ended = record("expired", completed_at=CREATED + 600)
        assert said(*HEAD, BEGUN, ("thread.run.expired", ended), DONE) == []
        late = Companion(step("in_progress"), "step", 2, observed_s=CREATED + 900.0)
        assert found([Observation(ended, 1), late]) == []

    def test_a_step_and_a_message_of_one_id(self) -> None:
        """Ids of steps and of messages are told apart."""
        assert said(polled(step("completed", id="one")), polled(message("in_progress", id="one"))) == []

    @pytest.mark.parametrize(("later_s", "wanted"), [(0, []), (1, ["RE505"])])
    def test_created_after_the_end(self, later_s: int, wanted: list[str]) -> None:
        """A polled step created after its run's end is said, whichever was seen first; in the same second it is not."""
        late = step("completed", created_at=CREATED + 5 + later_s, completed_at=CREATED + 9)
        for first, second in ((late, record("completed")), (record("completed"), late)):
            assert [code for code, _ in said(polled(first), polled(second))] == wanted
        assert [
            code for code, _ in said(polled(late), polled(record("in_progress")), polled(record("completed")))
        ] == wanted

    def test_bare_records(self) -> None:
        """A run's lines are not passed over where a step waits for them, however clean they are."""
        late = step("completed", created_at=CREATED + 8, completed_at=CREATED + 9)
        runs = (record(status) for status in ("queued", "in_progress", "completed"))
        assert [v.code for v in check_bytes(as_lines([late, *runs])).violations] == ["RE505"]

    @pytest.mark.parametrize("name", ["thread_id", "assistant_id"])
    def test_another_thread(self, name: str) -> None:
        """A polled step of another thread or assistant than its run is said, whichever was seen first."""
        odd = step("completed", **{name: "other"})
        for first, second in ((odd, record("in_progress")), (record("in_progress"), odd)):
            assert said(polled(first), polled(second)) == [("RE504", 2)]
        assert said(polled(odd), polled(record("in_progress")), polled(record("completed"))) == [("RE504", 2)]


class TestWaiting:
    """What waits for the end, and what is held back meanwhile."""

    def test_a_run_shown_late(self) -> None:
        """However much of another run lies between a step and its run, the run was shown."""
        resumed = of_other((stepped(), *RESUMED[:3]), 2)
        assert (
            said(*HEAD, BEGUN, WRITING, resumed[0], *([PIECE] * 1_500), *resumed[1:], WRITTEN, stepped(), *TAIL) == []
        )

    def test_another_stream_ends(self) -> None:
        """In a monitor, the end of one stream does not tell that the run of another one is never shown."""
        resumed = of_other((stepped(), *RESUMED[:3]), 2)
        events = (*HEAD, resumed[0], *TAIL, *resumed[1:])
        monitor = Monitor()
        codes = [
            v.code
            for number, item in enumerate(items_of(*events))
            for v in monitor.observe(item, stream="2" if number == 3 or number > 5 else "1")
        ]
        assert codes == []
        assert monitor.close() == ()

    def test_lines_in_order(self) -> None:
        """What was found above is told; below it is held back, and comes in the order of lines."""
        odd = {**record("queued", id="run_5"), "failed_at": CREATED + 1}
        events = [polled({**odd, "id": "run_4"}), HEAD[2], stepped(run_id="run_9"), polled(odd)]
        read: list[int] = []

        def counted() -> Any:
            for item in items_of(*events, *([PIECE] * 9)):
                read.append(1)
                yield item

        checked = Checker().check("a", counted())
        assert (next(checked).line, len(read)) == (1, 1)
        assert [(v.code, v.line) for v in checked] == [("RE504", 3), ("RE202", 4)]

    def test_held_back_is_bounded(self) -> None:
        """More than so many violations are not held back; what they waited for is not said then."""
        odd = {**record("queued", id="run_5"), "failed_at": CREATED + 1}
        events = [HEAD[2], stepped(run_id="run_9"), *([polled(odd)] * (HELD_MAX + 9))]
        lines = [v.line for v in found(items_of(*events))]
        assert lines == sorted(lines)
        assert lines[0] == 3

    def test_monitor_remembers_each_alone(self) -> None:
        """What cannot be written into a snapshot is one step, and not the others; nothing raises."""
        deep: Any = []
        for _ in range(5_000):
            deep = [deep]
        for odd in (deep, {1, 2}):
            monitor = Monitor()
            monitor.observe(Companion(step("completed"), "step", 1))
            monitor.observe(Companion(step("in_progress", id="step_2", type=odd, step_details=None), "step", 2))
            restored = Monitor.restore(monitor.snapshot())
            failed = Companion(step("failed"), "step", 3)
            assert [v.message for v in restored.observe(failed)] == [v.message for v in monitor.observe(failed)] != []

    def test_monitor_goes_on(self) -> None:
        """A monitor restored after any item finds what the other one finds."""
        odd = stepped(run_id="run_9", id="step_9")
        events = (*HEAD, PIECE, BEGUN, odd, WRITING, WRITTEN, *TAIL[:1], *of_other((*ASKED[:-1], odd, PIECE), 2))
        items = items_of(*events)
        for cut in range(len(items)):
            one, other = (Monitor(Options(forget_after=cut % 3 * 5)) for _ in "12")
            first = [v for item in items for v in one.observe(item)]
            second = [v for item in items[:cut] for v in other.observe(item)]
            other = Monitor.restore(other.snapshot(), other.options)
            second += [v for item in items[cut:] for v in other.observe(item)]
            assert first == second
            assert one.snapshot() == other.snapshot()
            assert one.close() == other.close()


def test_sse_is_read_alike() -> None:
    """The events of this file, written as a stream, are clean where they are here."""
    assert said_of(*WHOLE) == said(*WHOLE) == []
