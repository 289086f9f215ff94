"""JSON Lines: an envelope a row, as `runengine check` reads them, or the run objects alone.

A record is written by its layout's template, once for each entry that was seen, and is the same bytes as
`runengine.dialects.wire.encode` writes of the row's envelope; only faulted runs, streams and refusals are encoded row
by row. Of streams the last event, `done`, is left out: its data is no JSON object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from runengine.core import SECOND_US
from runengine.dialects.wire import encode
from runengine.simulation.lives import lives_of
from runengine.simulation.recording import Recording, Row, View, is_refusal, refusal_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.streams import DONE, stream_of
from runengine.simulation.vectors.draws import Ints
from runengine.simulation.vectors.observing import KINDS
from runengine.simulation.vectors.ordering import by_number, distinct, joined, placed
from runengine.simulation.vectors.standing import Standing
from runengine.simulation.writing.chunk import Chunk, Told
from runengine.simulation.writing.order import InOrder, Lines, Order
from runengine.simulation.writing.templates import Template, template_of

__all__ = ["JsonLines", "LineMaker", "Output"]


class Output(Protocol):
    """What is written to: a file of bytes, or anything like it."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""


class LineMaker:
    """Makes the lines of chunks. Chunks may be made into lines in any order and process, and put in order elsewhere.

    Args:
        scenario: The world of the runs.
        view: How they were recorded.
        bare: Whether run objects are written alone, without envelopes; refused creates are then left out.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.details import Details
        >>> from runengine.simulation.vectors.histories import histories
        >>> from runengine.simulation.vectors.observing import events_of
        >>> steady = scenario_named("steady")
        >>> made = next(histories(steady, 1, 1, first=7))
        >>> chunk = Chunk(histories=made, details=Details(made), observed=events_of(made), view="history", faulted={},
        ...               horizon_us=0)
        >>> LineMaker(steady, "history").lines_of(chunk).texts[0][:50]
        b'{"kind":"history","event":"create","observed_at":1'
    """

    def __init__(self, scenario: Scenario, view: View, *, bare: bool = False) -> None:
        self._scenario: Final = scenario
        self._view: Final = view
        self._bare: Final = bare
        self._templates: Final[dict[int, Template]] = {}
        self._functions: Final = [encode(name)[1:-1] for name in scenario.tools.functions]

    def lines_of(self, chunk: Chunk) -> Lines:
        """The rows of a chunk as lines.

        Args:
            chunk: Of the same scenario and view.
        """
        if self._view == "stream":
            recordings = enumerate(lives_of(chunk.histories))
            return self._together(
                [], [], [], {n: chunk.faulted.get(n) or stream_of(life) for n, life in recordings}, chunk
            )
        observed = chunk.observed
        run, entry, at_us, seen_us, kind = observed.run, observed.entry, observed.at_us, observed.seen_us, observed.kind
        if chunk.faulted:
            kept = [place not in chunk.faulted for place in run.tolist()]
            run, entry, at_us, seen_us, kind = run[kept], entry[kept], at_us[kept], seen_us[kept], kind[kept]
        if self._bare:
            texts = self._records(chunk, entry, None, b"\n")
        elif self._view == "history":
            texts = self._records(chunk, entry, seen_us, b"}\n")
        else:
            shells = [_shell({"kind": kind}) for kind in KINDS]
            records = self._records(chunk, entry, None, b"}\n")
            texts = [
                b'%b%b,"data":%b' % row
                for row in zip(map(shells.__getitem__, kind.tolist()), _floats(seen_us), records, strict=True)
            ]
        return self._together(run, at_us, texts, chunk.faulted, chunk)

    def _records(self, chunk: Chunk, entry: Ints, seen_us: Ints | None, end: bytes) -> list[bytes]:
        """The records at some entries; where moments are given, each in the envelope of its event."""
        standing = Standing(chunk.histories, chunk.details)
        entries, where = (entry, None) if seen_us is not None else distinct(entry)
        seen = [] if seen_us is None else _floats(seen_us)
        heads: dict[bytes, list[bytes]] = {}
        made: list[bytes] = []
        order: list[Ints] = []
        for layout, places in standing.layouts(entries, events=seen_us is not None):
            here = entries[places]
            run = chunk.details.entry_run[here]
            template = self._template(layout, chunk, int(here[0]), int(run[0]))
            if template.head not in heads:
                heads[template.head] = self._heads(chunk, template)
            columns: list[Sequence[Any]] = [list(map(heads[template.head].__getitem__, run.tolist()))]
            columns += [self._column(standing, slot, here) for slot in template.body_slots]
            form = b"%b" + template.body + end
            if seen_us is not None:
                event = chunk.histories.world.rows[chunk.histories.row[here[0]]].event
                form = _shell({"kind": "history", "event": event}).replace(b"%", b"%%") + b'%b,"data":' + form
                columns.insert(0, list(map(seen.__getitem__, places.tolist())))
            made += [form % row for row in zip(*columns, strict=True)]
            order.append(places)
        if not made:
            return made
        back = placed(joined(*order))
        if where is not None:
            back = back[where]
        return list(map(made.__getitem__, back.tolist()))

    def _template(self, layout: int, chunk: Chunk, entry: int, place: int) -> Template:
        if layout not in self._templates:
            histories = chunk.histories
            life = next(lives_of(histories.cut(place, place + 1)))
            number = entry - int(histories.offsets[place])
            modified = any(event.name == "modify" for event in life.events[: number + 1])
            self._templates[layout] = template_of(life.snapshots()[number], self._scenario, modified=modified)
        return self._templates[layout]

    def _column(self, standing: Standing, slot: str, entries: Ints) -> Sequence[Any]:
        column = standing.column(slot, entries)
        return [self._functions[number] for number in column] if slot.startswith("function") else column  # type: ignore[index]

    @staticmethod
    def _heads(chunk: Chunk, template: Template) -> list[bytes]:
        """The beginning of each run's records."""
        columns = {
            "run_id": lambda: chunk.details.run_id.tolist(),
            "thread_id": lambda: chunk.details.thread_id.tolist(),
            "created": lambda: (chunk.histories.created_us // SECOND_US).tolist(),
        }
        return [template.head % row for row in zip(*(columns[slot]() for slot in template.head_slots), strict=True)]

    def _together(
        self, run: Any, at_us: Any, texts: list[bytes], recordings: Mapping[int, Recording], chunk: Chunk
    ) -> Lines:
        """The rows by template, and those made one by one, run by run."""
        places, moments, more = [], [], list[bytes]()
        marks: dict[int, tuple[str, bool]] = {}
        for place, row in self._single(recordings, chunk):
            if place in chunk.faulted:
                marks[len(more)] = (recordings[place].life.run_id, row.broken)
            places.append(place)
            moments.append(row.at_us)
            more.append(_line(row, self._bare))
        silent = tuple(
            recordings[place].life.run_id for place in chunk.faulted if not self._shown(recordings[place].rows)
        )
        if not more:
            return Lines(at_us=at_us if texts else joined([]), texts=texts, silent=silent)
        order = by_number(joined(places, run))
        back = placed(order).tolist() if marks else []
        texts = more + texts
        return Lines(
            at_us=joined(moments, at_us)[order],
            texts=list(map(texts.__getitem__, order.tolist())),
            marks={back[place]: mark for place, mark in marks.items()},
            silent=silent,
        )

    def _single(self, recordings: Mapping[int, Recording], chunk: Chunk) -> Iterator[tuple[int, Row]]:
        """Rows that are made one by one: of refused creates, of recordings. Those come first in their run."""
        if self._view == "polled" and not self._bare:
            histories, observed = chunk.histories, chunk.observed
            refused = [
                (place, name.decode())
                for place, name in zip(*chunk.details.refusals, strict=True)
                if place not in chunk.faulted
            ]
            firsts = observed.run.searchsorted([place for place, _ in refused]).tolist()
            for (place, active_id), first in zip(refused, firsts, strict=True):
                at_us = int(histories.refused_us[place])
                skew_us = int(observed.seen_us[first] - observed.at_us[first])
                thread_id = chunk.details.thread_id[place].decode()
                yield place, refusal_of(thread_id, active_id, at_us, (at_us + skew_us) / SECOND_US)
        for place, recording in recordings.items():
            for row in self._shown(recording.rows):
                yield place, row

    def _shown(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if row.data != DONE and not (self._bare and is_refusal(row))]


class JsonLines:
    r"""Writes JSON Lines.

    Args:
        out: Where to.
        scenario: The world of the runs.
        view: How they were recorded.
        order: By time over all runs, or run after run.
        bare: Whether run objects are written alone, without envelopes.
        told: Told of each faulted run, once its rows are all written, on which lines it is seen to be broken.

    Example:
        >>> import io
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.details import Details
        >>> from runengine.simulation.vectors.histories import histories
        >>> from runengine.simulation.vectors.observing import events_of
        >>> out, steady = io.BytesIO(), scenario_named("steady")
        >>> sink = JsonLines(out, steady, "history", bare=True)
        >>> for made in histories(steady, 1, 2):
        ...     sink.write(Chunk(histories=made, details=Details(made), observed=events_of(made), view="history",
        ...                      faulted={}, horizon_us=0))
        >>> sink.close()
        >>> out.getvalue().startswith(b'{"id":"run_'), out.getvalue().endswith(b"}\n")
        (True, True)
    """

    def __init__(
        self,
        out: Output,
        scenario: Scenario,
        view: View,
        *,
        order: Order = "time",
        bare: bool = False,
        told: Told | None = None,
    ) -> None:
        self._maker: Final = LineMaker(scenario, view, bare=bare)
        self._rows: Final = InOrder(out.write, order, told)

    def write(self, chunk: Chunk) -> None:
        """Write a chunk, or keep of it what comes after rows that are not there yet."""
        self._rows.add(self._maker.lines_of(chunk), chunk.horizon_us)

    def close(self) -> None:
        """Write what was kept."""
        self._rows.close()


def _shell(said: dict[str, Any]) -> bytes:
    """An envelope up to the moment it was observed."""
    return encode(said)[:-1] + b',"observed_at":'


def _floats(us: Ints) -> list[bytes]:
    """Moments as seconds, each as an encoder writes it."""
    return encode([one / SECOND_US for one in us.tolist()])[1:-1].split(b",") if len(us) else []


def _line(row: Row, bare: bool) -> bytes:
    if row.raw is not None:
        return row.raw if row.raw.endswith(b"\n") else row.raw + b"\n"
    return encode(row.data if bare else row.envelope()) + b"\n"
