"""`runengine.embedding.otel`: what reaches OpenTelemetry's exporters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from attrs import frozen
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from runengine.embedding import ManualClock, Runtime
from runengine.embedding.otel import OpenTelemetryObserver
from tests.embedding.working import CALL, OUTPUT


@frozen
class Watched:
    """A runtime, its clock, and what was exported of it."""

    runtime: Runtime
    clock: ManualClock
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans, in order."""
        return self.exporter.get_finished_spans()

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A runtime on a store in memory, observed."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    clock = ManualClock(1_700_000_000_000_000)
    with Runtime("memory:", clock=clock, observers=[OpenTelemetryObserver(tracers, meters)]) as runtime:
        yield Watched(runtime, clock, exporter, reader, tracers)
    meters.shutdown()


def live(watched: Watched) -> None:
    """A run with a tool round, two seconds in each status, and a refusal in the end."""
    runtime, clock = watched.runtime, watched.clock
    runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
    clock.advance(2)
    runtime.claim("worker_1")
    clock.advance(2)
    runtime.require_action("run_1", [CALL], fence=1)
    clock.advance(2)
    runtime.submit_tool_outputs("run_1", [OUTPUT])
    clock.advance(2)
    runtime.claim("worker_1")
    clock.advance(2)
    runtime.complete("run_1", fence=2)
    runtime.cancel("run_1")


class TestSpans:
    """One span for each answer."""

    def test_names(self, watched: Watched) -> None:
        """Each answer has a span that is named after its event."""
        live(watched)
        events = ("create", "start", "require_action", "submit_tool_outputs", "start", "complete", "cancel")
        assert [span.name for span in watched.spans] == [f"runengine {event}" for event in events]

    def test_attributes(self, watched: Watched) -> None:
        """A span says which run, what was answered, from where to where, and who did it; what is not there it omits."""
        live(watched)
        assert dict(watched.spans[0].attributes or {}) == {
            "runengine.run.id": "run_1",
            "runengine.thread.id": "thread_1",
            "runengine.answer": "applied",
            "runengine.status.after": "queued",
            "runengine.fence": 0,
            "runengine.store": "memory:",
        }
        assert dict(watched.spans[1].attributes or {}) == {
            "runengine.run.id": "run_1",
            "runengine.thread.id": "thread_1",
            "runengine.answer": "applied",
            "runengine.status.before": "queued",
            "runengine.status.after": "in_progress",
            "runengine.worker": "worker_1",
            "runengine.fence": 1,
            "runengine.store": "memory:",
        }

    def test_refusals_are_errors(self, watched: Watched) -> None:
        """Of all answers those that are not ok are errors, with the answer's message."""
        live(watched)
        answer = watched.runtime.complete("run_9")
        codes = [span.status.status_code for span in watched.spans]
        assert codes == [StatusCode.UNSET] * 6 + [StatusCode.ERROR] * 2
        assert watched.spans[-1].status.description == answer.message == "run_9: there is no such run"

    def test_times_and_parent(self, watched: Watched) -> None:
        """A span ends when the answer is given, lasts as long as the answer took, and lies under the caller's."""
        with watched.tracers.get_tracer("host").start_as_current_span("request"):
            live(watched)
        *spans, request = watched.spans
        assert request.context is not None
        assert request.start_time is not None
        assert request.end_time is not None
        for span in spans:
            assert span.parent is not None
            assert span.parent.span_id == request.context.span_id
            assert span.start_time is not None
            assert span.end_time is not None
            assert request.start_time - 1_000_000 <= span.start_time <= span.end_time <= request.end_time
        assert all((one.end_time or 0) <= (next_one.end_time or 0) for one, next_one in pairwise(spans))


class TestMetrics:
    """A counter and two histograms, without ids."""

    def test_answers_are_counted(self, watched: Watched) -> None:
        """Answers are counted by event and kind."""
        live(watched)
        points = watched.points("runengine.answers")
        counts = {(p.attributes["runengine.event"], p.attributes["runengine.answer"]): p.value for p in points}
        assert counts == {
            ("create", "applied"): 1,
            ("start", "applied"): 2,
            ("require_action", "applied"): 1,
            ("submit_tool_outputs", "applied"): 1,
            ("complete", "applied"): 1,
            ("cancel", "lost"): 1,
        }

    def test_dwell_times(self, watched: Watched) -> None:
        """The time in a status is measured when the status is left, and only then."""
        live(watched)
        watched.runtime.modify("run_1", {"n": "1"})
        points = {p.attributes["runengine.status"]: p for p in watched.points("runengine.status.dwell")}
        assert {status: (p.count, p.sum) for status, p in points.items()} == {
            "queued": (2, 4.0),
            "in_progress": (2, 4.0),
            "requires_action": (1, 2.0),
        }

    def test_ended_by_a_late_outcome(self, watched: Watched) -> None:
        """An outcome that finds its run past the deadline, and so expires it, measures the time in the status, too."""
        watched.runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1")
        watched.runtime.claim("worker_1")
        watched.clock.advance(600)
        assert watched.runtime.complete("run_1", fence=1).kind == "lost"
        points = {p.attributes["runengine.status"]: p.sum for p in watched.points("runengine.status.dwell")}
        assert points == {"queued": 0.0, "in_progress": 600.0}

    def test_durations(self, watched: Watched) -> None:
        """How long answers take is measured by event, in buckets that tell a millisecond from a second."""
        live(watched)
        points: list[HistogramDataPoint] = watched.points("runengine.answer.duration")
        assert sum(point.count for point in points) == 7
        assert all(0 <= point.sum < 5 for point in points)
        assert all(bool({0.001, 1.0} <= set(point.explicit_bounds)) for point in points)

    def test_no_ids(self, watched: Watched) -> None:
        """Ten runs make as many series as one."""
        live(watched)
        names = ("runengine.answers", "runengine.answer.duration", "runengine.status.dwell")
        series = [len(watched.points(name)) for name in names]
        for number in range(10):
            watched.runtime.create(f"thread_{number}", "asst_1", "gpt-4o")
        assert [len(watched.points(name)) for name in names] == series
        values = {value for name in names for point in watched.points(name) for value in point.attributes.values()}
        assert not {value for value in values if "run_1" in value or "thread" in value or "worker" in value}


def test_without_opentelemetry() -> None:
    """Where the library is missing, one line names the extra to install."""
    script = "import sys; sys.modules['opentelemetry'] = None; import runengine.embedding.otel"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: observing with OpenTelemetry needs pip install 'runengine[otel]'"
    )


def test_the_runtime_does_not_need_it() -> None:
    """Embedding and its worker come without OpenTelemetry."""
    script = "import sys; import runengine.embedding.worker; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
