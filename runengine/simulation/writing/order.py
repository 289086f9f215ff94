"""Rows in their order over a whole output, whatever the chunks they come in.

By time, the order is total: the moment, the index of the run, the number of the row within the run. A row is written
once its moment lies before the horizon of the chunk at hand; what lies beyond is kept. So memory is bounded by the rows
between the horizon and the last moment of any run made so far, not by the output: about a kilobyte for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from attrs import Factory, frozen

from runengine.simulation.vectors.draws import Ints
from runengine.simulation.vectors.ordering import in_time, joined, placed
from runengine.simulation.writing.chunk import Told

__all__ = ["InOrder", "Lines", "Order"]

Order = Literal["time", "run"]
"""By the moment, over all runs; or run after run."""

_TOGETHER: Final = 1024
"""Rows written at once: what they are put together in stays in the processor's caches."""


@frozen(kw_only=True, eq=False)
class Lines:
    """Rows as texts, run by run, and in their order within each.

    Attributes:
        at_us: Of each, its moment, microseconds since the epoch.
        texts: What is written.
        marks: By their place here, rows of faulted runs: the run's id, and whether the fault can be seen there.
        silent: Ids of faulted runs that have no rows at all.

    Example:
        >>> Lines(at_us=joined([7]), texts=[b"{}"]).marks
        {}
    """

    at_us: Ints
    texts: list[bytes]
    marks: Mapping[int, tuple[str, bool]] = Factory(dict)
    silent: tuple[str, ...] = ()


class InOrder:
    r"""Writes rows in order.

    Args:
        write: Takes bytes.
        order: Which order.
        told: Told of each faulted run, once its rows are all written, on which lines it is seen to be broken.
        height: Lines of an ordinary row; those of faulted runs are counted.

    Example:
        >>> written = []
        >>> rows = InOrder(written.append, "time")
        >>> rows.add(Lines(at_us=joined([7, 9, 8]), texts=[b"7\n", b"9\n", b"8\n"]), 8)
        >>> rows.add(Lines(at_us=joined([8]), texts=[b"later 8\n"]), 9)
        >>> rows.close()
        >>> written
        [b'7\n', b'8\nlater 8\n', b'9\n']
    """

    def __init__(
        self, write: Callable[[bytes], object], order: Order, told: Told | None = None, *, height: int = 1
    ) -> None:
        self._write: Final = write
        self._order: Final = order
        self._told: Final = told
        self._height: Final = height
        self._pending = Lines(at_us=joined([]), texts=[])
        self._lines = 0
        self._left: dict[str, int] = {}
        self._seen: dict[str, list[int]] = {}

    def add(self, lines: Lines, horizon_us: int | None) -> None:
        """Take rows, and write those whose turn it is.

        Args:
            lines: Of runs that follow those given before.
            horizon_us: No row that is given later lies before this moment; None where there will be none.
        """
        if self._told is not None:
            for run_id, _ in lines.marks.values():
                self._left[run_id] = self._left.get(run_id, 0) + 1
            for run_id in lines.silent:
                self._told(run_id, ())
        if self._order == "run":
            self._put(lines.texts, lines.marks)
            return
        before = self._pending
        texts, marks = before.texts + lines.texts, dict(before.marks)
        marks |= {place + len(before.texts): mark for place, mark in lines.marks.items()}
        at_us = joined(before.at_us, lines.at_us)
        order, ready = in_time(at_us, horizon_us)
        texts = list(map(texts.__getitem__, order.tolist()))
        if marks:
            places = placed(order)
            marks = {int(places[place]): mark for place, mark in marks.items()}
        self._put(texts[:ready], {place: mark for place, mark in marks.items() if place < ready})
        self._pending = Lines(
            at_us=at_us[order[ready:]],
            texts=texts[ready:],
            marks={place - ready: mark for place, mark in marks.items() if place >= ready},
        )

    def close(self) -> None:
        """Write what was kept."""
        self.add(Lines(at_us=joined([]), texts=[]), None)

    def _put(self, texts: list[bytes], marks: Mapping[int, tuple[str, bool]]) -> None:
        for start in range(0, len(texts), _TOGETHER):
            self._write(b"".join(texts[start : start + _TOGETHER]))
        if self._told is not None:
            self._tell(texts, marks)

    def _tell(self, texts: list[bytes], marks: Mapping[int, tuple[str, bool]]) -> None:
        line, place = self._lines, 0
        for here in sorted(marks):
            run_id, broken = marks[here]
            line += (here - place) * self._height
            if broken:
                self._seen.setdefault(run_id, []).append(line + 1)
            line += texts[here].count(b"\n")
            place = here + 1
            self._left[run_id] -= 1
            if not self._left[run_id]:
                del self._left[run_id]
                assert self._told is not None
                self._told(run_id, tuple(self._seen.pop(run_id, ())))
        self._lines = line + (len(texts) - place) * self._height
