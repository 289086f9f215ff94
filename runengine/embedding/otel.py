"""Spans and metrics for OpenTelemetry, from every answer of a runtime. The only importer of `opentelemetry`.

Ids are on spans only: as attributes of metrics each of them would be a time series of its own.
"""

from __future__ import annotations

from typing import Final

from runengine.core import SECOND_US
from runengine.embedding.clock import SYSTEM
from runengine.embedding.observers import Observed

try:
    from opentelemetry import metrics, trace
except ImportError:
    raise ImportError("observing with OpenTelemetry needs pip install 'runengine[otel]'") from None

__all__ = ["OpenTelemetryObserver"]

_SCOPE: Final = "runengine"
_COMMIT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DWELL_S: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0)


class OpenTelemetryObserver:
    """An observer that makes of each answer a span and measurements.

    A span `runengine <event>` covers the time from the request to the answer, under the caller's current span. Its
    attributes are `runengine.run.id`, `.thread.id`, `.answer`, `.status.before`, `.status.after`, `.worker`, `.fence`
    and `.store`, each where there is one; an answer that is not `ok` is an error, with its message.

    Metrics:

    - `runengine.answers`: a counter, by `runengine.event` and `runengine.answer`.
    - `runengine.answer.duration`: seconds from the request to the answer, by `runengine.event`.
    - `runengine.status.dwell`: seconds in a status until it was left, by `runengine.status` (`Answer.since_us`).

    Args:
        tracer_provider: Where spans go; the global one by default.
        meter_provider: Where metrics go; the global one by default.

    Raises:
        ImportError: on import of this module, where `opentelemetry-api` is not installed.

    Example:
        >>> from runengine.embedding import Runtime
        >>> with Runtime("memory:", observers=[OpenTelemetryObserver()]) as runtime:
        ...     runtime.create("thread_1", "asst_1", "gpt-4o").status
        'queued'
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer: Final = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._answers: Final = meter.create_counter("runengine.answers", unit="{answer}", description="Answers given.")
        self._duration: Final = meter.create_histogram(
            "runengine.answer.duration",
            unit="s",
            description="Time from the request to the answer, the store's commit included.",
            explicit_bucket_boundaries_advisory=_COMMIT_S,
        )
        self._dwell: Final = meter.create_histogram(
            "runengine.status.dwell",
            unit="s",
            description="Time in a status until it was left.",
            explicit_bucket_boundaries_advisory=_DWELL_S,
        )

    def observe(self, seen: Observed) -> None:
        """Make a span and measurements of an answer."""
        answer = seen.answer
        self._trace(seen)
        self._answers.add(1, {"runengine.event": answer.event, "runengine.answer": answer.kind})
        self._duration.record(seen.elapsed_s, {"runengine.event": answer.event})
        if answer.kind == "applied" and answer.before is not None and answer.status != answer.before:
            self._dwell.record(answer.since_us / SECOND_US, {"runengine.status": answer.before})

    def _trace(self, seen: Observed) -> None:
        answer = seen.answer
        found = {
            "runengine.run.id": answer.run_id,
            "runengine.thread.id": answer.thread_id,
            "runengine.answer": answer.kind,
            "runengine.status.before": answer.before,
            "runengine.status.after": answer.status,
            "runengine.worker": answer.worker,
            "runengine.fence": answer.fence,
            "runengine.store": seen.store,
        }
        end_ns = SYSTEM.now_us() * 1000
        span = self._tracer.start_span(
            f"runengine {answer.event}",
            attributes={name: value for name, value in found.items() if value is not None},
            start_time=end_ns - round(seen.elapsed_s * 1e9),
        )
        if not answer.ok:
            span.set_status(trace.Status(trace.StatusCode.ERROR, answer.message))
        span.end(end_ns)
