"""Event streams in a file: those of run after run, as `runengine check` reads them."""

from __future__ import annotations

from typing import Final

from runengine.dialects.wire import encode
from runengine.simulation.lives import lives_of
from runengine.simulation.recording import Row
from runengine.simulation.scenario import Scenario
from runengine.simulation.streams import DONE, stream_of
from runengine.simulation.vectors.ordering import joined
from runengine.simulation.writing.chunk import Chunk, Told
from runengine.simulation.writing.jsonl import Output
from runengine.simulation.writing.order import InOrder, Lines

__all__ = ["EventStreams", "framed"]

_LINES: Final = 3
"""Lines of an event: its name, its data, a blank."""


def framed(row: Row) -> bytes:
    r"""An event as it stands in a stream.

    Args:
        row: The row; where it is broken, what stands in its place is written as it is.

    Example:
        >>> framed(Row(at_us=5, kind="stream", event="done", data="[DONE]"))
        b'event: done\ndata: [DONE]\n\n'
    """
    if row.raw is not None:
        return row.raw
    data = DONE.encode() if row.data == DONE else encode(row.data)
    name = b"" if row.event is None else b"event: %b\n" % row.event.encode()
    return b"%bdata: %b\n\n" % (name, data)


class EventStreams:
    """Writes event streams.

    Args:
        out: Where to.
        scenario: The world of the runs.
        told: Told of each faulted run, once its streams are written, on which lines it is seen to be broken.

    Example:
        >>> import io
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.details import Details
        >>> from runengine.simulation.vectors.histories import histories
        >>> from runengine.simulation.vectors.observing import events_of
        >>> out, steady = io.BytesIO(), scenario_named("steady")
        >>> sink = EventStreams(out, steady)
        >>> for made in histories(steady, 1, 2):
        ...     sink.write(Chunk(histories=made, details=Details(made), observed=events_of(made), view="stream",
        ...                      faulted={}, horizon_us=0))
        >>> sink.close()
        >>> out.getvalue().splitlines()[0]
        b'event: thread.run.created'
    """

    def __init__(self, out: Output, scenario: Scenario, told: Told | None = None) -> None:
        self._scenario: Final = scenario
        self._rows: Final = InOrder(out.write, "run", told, height=_LINES)

    def write(self, chunk: Chunk) -> None:
        """Write the streams of a chunk's runs."""
        assert chunk.histories.world.scenario == self._scenario
        texts: list[bytes] = []
        marks: dict[int, tuple[str, bool]] = {}
        silent: list[str] = []
        for place, life in enumerate(lives_of(chunk.histories)):
            recording = chunk.faulted.get(place) or stream_of(life)
            if place in chunk.faulted:
                marks |= {len(texts) + n: (life.run_id, row.broken) for n, row in enumerate(recording.rows)}
                if not recording.rows:
                    silent.append(life.run_id)
            texts += map(framed, recording.rows)
        self._rows.add(Lines(at_us=joined([]), texts=texts, marks=marks, silent=tuple(silent)), None)

    def close(self) -> None:
        """Nothing is ever pending."""
        self._rows.close()
