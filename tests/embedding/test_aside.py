"""What a commit does beside what was asked is told too: births, and runs that are ended to make room."""

from __future__ import annotations

from runengine.embedding import Answer, ManualClock, Observed, Runtime


class Recorder:
    """Keeps what it saw."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def observe(self, seen: Observed) -> None:
        """Keep it."""
        self.answers.append(seen.answer)

    @property
    def told(self) -> list[tuple[str, str, str | None, str | None]]:
        """Run, event, status before and after, of each."""
        return [(a.run_id, a.event, a.before, a.status) for a in self.answers]


def _runtime() -> tuple[Runtime, Recorder, ManualClock]:
    recorder, clock = Recorder(), ManualClock(1_700_000_000_000_000)
    runtime = Runtime("memory:", clock=clock, observers=[recorder])
    runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1", ttl_s=60)
    recorder.answers.clear()
    return runtime, recorder, clock


def test_a_birth_is_told_with_the_end_that_let_it_in() -> None:
    """Whoever watches sees the waiting create born, and how long the ended run had been where it was."""
    runtime, recorder, clock = _runtime()
    runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
    clock.advance(5)
    runtime.fail("run_1", "server_error", "sorry")
    assert recorder.told[1:] == [("run_1", "fail", "queued", "failed"), ("run_2", "create", None, "queued")]
    assert [answer.since_us for answer in recorder.answers[1:]] == [5_000_000, 0]


def test_an_interrupt_is_told_of_both_runs() -> None:
    """The run that had to make room is seen cancelling and cancelled, the new one created."""
    runtime, recorder, _ = _runtime()
    answer = runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="interrupt")
    assert [(a.run_id, a.event) for a in answer.also] == [("run_1", "cancel"), ("run_1", "finish_cancel")]
    assert recorder.told == [
        ("run_2", "create", None, "queued"),
        ("run_1", "cancel", "queued", "cancelling"),
        ("run_1", "finish_cancel", "cancelling", "cancelled"),
    ]


def test_an_expiry_on_the_way_is_told() -> None:
    """An event at the deadline expires the run, and both are seen: what was lost, and what ended it."""
    runtime, recorder, clock = _runtime()
    clock.advance(60)
    assert runtime.cancel("run_1").kind == "lost"
    assert [(a.kind, a.event) for a in recorder.answers] == [("lost", "cancel"), ("applied", "expire")]
