"""Many small stories side by side in one log, of runs that end, are forgotten and come back; each almost clean.

A log is wide: every story has a lane of its own in each stretch of it, so that what is a stretch apart in a story is
about as far apart in the log as runs are remembered. So thousands of them are tried at the cost of one log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import evolve

from runengine.core.shape import end_stamp, presence
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import TERMINAL
from runengine.validation import Options
from runengine.validation.bulk.batch import Batch
from runengine.validation.observations import Item, LeftOut, Observation
from tests.validation.bulk.plainly import batch_of, part_of
from tests.validation.bulk.small_logs import BEGIN, TTL_S

__all__ = [
    "EVERY",
    "STRETCHES",
    "Laid",
    "Row",
    "Story",
    "drawn",
    "every_deadline",
    "every_return",
    "every_turn",
    "snapshot",
    "width_of",
]

STRETCHES: Final = 8
_LANE: Final = 3
_STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
_PATHS: Final[tuple[tuple[Status, ...], ...]] = (
    ("queued", "in_progress", "completed", "completed"),
    ("in_progress", "completed", "completed", "completed"),
    ("completed", "completed", "completed"),
    ("completed", "queued", "completed"),
    ("completed", "in_progress", "completed"),
    ("in_progress", "failed", "failed"),
    ("queued", "cancelled", "cancelled"),
    ("in_progress", "expired", "expired"),
    ("expired", "queued", "expired"),
    ("expired", "expired", "expired"),
    ("queued", "in_progress", "requires_action", "in_progress"),
    ("failed", "in_progress", "in_progress"),
    ("in_progress", "completed"),
    ("completed",),
)
_SHORT: Final = 300
"""A deadline that is not the usual one, seconds after created_at."""

_ENDS: Final = (*(0, 9, 9) * 4, _SHORT - 1, _SHORT, TTL_S - 1, TTL_S, TTL_S + 1)
_STARTS: Final = (*(0,) * 20, 9, _SHORT - 1, _SHORT, TTL_S - 1, TTL_S)
_LATER: Final = (*(0.0, 0.5, 2.5, 30.0) * 4, -1.0, -3.5)
"""How much later a row is observed than the one before it, or than its last stamp, seconds."""

_ALTERED: Final[tuple[tuple[str, Any], ...]] = (
    ("model", "another"),
    ("ended", 1),
    ("started_at", 1),
    ("created_at", 1),
    ("status", "completed"),
    ("status", "failed"),
    ("thread_id", "_else"),
    ("expires_at", 7),
)


class Row(NamedTuple):
    """A row of a story.

    Attributes:
        stretch: In which stretch of the log it stands.
        beside: One before its place there, or one after it.
        item: The row itself.
    """

    stretch: int
    beside: int
    item: Observation


Story = Sequence[Row]


def snapshot(run: str, thread: str, status: Status, **stamps: int | None) -> dict[str, Any]:
    """A record.

    Args:
        run: Its id.
        thread: Its thread.
        status: Its status.
        stamps: Those that are not null; the end stamp as `ended`.
    """
    ended = stamps.pop("ended", None)
    record: dict[str, Any] = {
        "id": run,
        "object": "thread.run",
        "thread_id": thread,
        "assistant_id": "asst_1",
        "model": "m",
    }
    record |= {"assistant_id": "asst_1", "model": "m", "status": status, **dict.fromkeys(_STAMPS), **stamps}
    stamp = end_stamp(status)
    return record if stamp is None else {**record, stamp: ended}


def drawn(chance: Random, name: str) -> Story:
    """A story of one run or two on a thread."""
    made = [_life(chance, f"{name}{letter}", f"thread_{name}") for letter in "ab"[: chance.choice((1, 2, 2))]]
    created, records = 0, list[list[dict[str, Any]]]()
    for life, length in made:
        records.append([_shifted(record, created) for record in life])
        created += max(length + chance.choice((-3, -1, 0, 0, 0, 1)), 0)
    if len(records) == 2 and chance.random() < 0.6:
        order = [0] * len(records[0]) + [1] * len(records[1])
        if chance.random() < 0.5:
            order = _swapped(chance, order)
    else:
        order = [n for n, each in enumerate(records) for _ in each]
        chance.shuffle(order)
    return _placed(chance, [records[n].pop(0) for n in order])


def _swapped(chance: Random, order: list[int]) -> list[int]:
    at = chance.randrange(len(order) - 1)
    return [*order[:at], order[at + 1], order[at], *order[at + 2 :]]


def _life(chance: Random, run: str, thread: str) -> tuple[list[dict[str, Any]], int]:
    """Records of a run, with stamps that count from its beginning, and how long it lasts."""
    path, due = chance.choice(_PATHS), chance.choice((TTL_S, TTL_S, _SHORT, None))
    started, ended = chance.choice(_STARTS), chance.choice(_ENDS)
    if path[-1] == "expired" and chance.random() < 0.9:
        ended = (due or TTL_S) - (chance.random() < 0.1)
    ended = max(ended, started)
    life: list[dict[str, Any]] = []
    for status in path:
        open_or_not: dict[str, int | None] = {"ended": ended}
        if status not in TERMINAL:
            open_or_not = {"expires_at": due if chance.random() < 0.7 else None}
        shows = presence("started_at", status) == "must" or (status in TERMINAL and "in_progress" in path)
        life.append(snapshot(run, thread, status, created_at=0, started_at=started if shows else None, **open_or_not))
    if chance.random() < 0.15:
        at = chance.randrange(len(life))
        life[at] = _altered(life[at], *chance.choice(_ALTERED))
    return life, ended if path[-1] in TERMINAL else 20


def _altered(record: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A record with something of it changed; as it is where it has no such thing."""
    stamp = end_stamp(record["status"])
    if not name:
        return record
    if name == "ended":
        return record if stamp is None else {**record, stamp: record[stamp] + value}
    if name == "status":
        if stamp is None:
            return record
        other = {key: each for key, each in record.items() if key != stamp}
        return {**other, stamp: None, "status": value, end_stamp(value) or "": record[stamp]}
    if name == "thread_id":
        return {**record, name: record[name] + value}
    if name in _STAMPS:
        return record if record[name] is None else {**record, name: record[name] + value}
    return {**record, name: value}


def _shifted(record: dict[str, Any], by: int) -> dict[str, Any]:
    return record | {name: record[name] + by for name in _STAMPS if record[name] is not None}


def _placed(chance: Random, records: Sequence[dict[str, Any]]) -> Story:
    """Records one after the other, at distances around those at which runs are forgotten, observed now and then."""
    free = STRETCHES - len(records)
    stretch, seen_s, told = chance.randrange(free + 1), 0.0, chance.choice((0.0, 0.5, 0.9))
    last, rows = STRETCHES - len(records), list[Row]()
    for record in records:
        shown_s = BEGIN + max(record[name] or 0 for name in _STAMPS if name != "expires_at")
        seen_s = max(seen_s, shown_s) + chance.choice(_LATER)
        seen = seen_s if chance.random() < told else None
        rows.append(_row(stretch, chance.choice((-1, 0, 1)), record, seen))
        last += 1
        stretch = min(stretch + chance.choice((1, 1, 2)), last)
    return rows


def every_return() -> Iterator[Story]:
    """Every status, seen again about when it is forgotten, as it was or changed, and once more after that."""
    moments = ((None, None, None), (0.5, 0.25, None), (0.5, None, 0.25), (None, 0.5, 0.25))
    changes: tuple[tuple[str, Any], ...] = (("", None), *_ALTERED, ("status", "expired"))
    seen_and_changed = (*((seen, changes[0]) for seen in moments), *((moments[0], each) for each in changes[1:]))
    ways = product(STATUSES, seen_and_changed, (-1, 0, 1), (None, TTL_S, _SHORT), (9, TTL_S))
    for number, (status, (seen, change), beside, due, ended) in enumerate(ways):
        if (status in TERMINAL) == (due is None) and (due is None or ended == 9):
            started = 0 if presence("started_at", status) == "must" else None
            first = _lone(number, status, started_at=started, **({"expires_at": due} if due else {"ended": ended}))
            again = _altered(first, *change)
            told = [None if later is None else BEGIN + 9999 + later for later in seen]
            story = [_row(0, 0, first, told[0]), _row(1, beside, again, told[1]), _row(2, 0, again, told[2])]
            if first["thread_id"] != again["thread_id"]:
                other = first | {"id": f"run_{number}_else", "thread_id": again["thread_id"]}
                story.append(_row(3, beside, other, None))
            yield story


def every_deadline() -> Iterator[Story]:
    """A run ends about its deadline, told or not, comes back about when it is forgotten, and perhaps goes on."""
    dues, ends = (None, TTL_S, _SHORT), (_SHORT - 1, _SHORT, TTL_S - 1, TTL_S, TTL_S + 1)
    statuses: tuple[Status, ...] = ("completed", "expired", "failed")
    for number, (due, status, ended, beside, after) in enumerate(product(dues, statuses, ends, (-1, 0, 1), dues)):
        told, untold = (_lone(number, "in_progress", started_at=0, expires_at=each) for each in (due, None))
        end = _lone(number, status, started_at=0, ended=ended)
        on = end if after is None else _lone(number, "in_progress", started_at=0, expires_at=after)
        rows = enumerate((told, untold, end, on, end))
        yield [_row(stretch, beside if stretch == 3 else 0, record, None) for stretch, record in rows]


def _lone(number: int, status: Status, **stamps: int | None) -> dict[str, Any]:
    return snapshot(f"run_{number}", f"thread_{number}", status, created_at=0, **stamps)


def every_turn() -> Iterator[Story]:
    """Two runs on a thread, the one after the other or not, the first coming back, and a third one after them."""
    moments = product((0, 9), (-4, 0, 1), ("completed", "in_progress"), (-1, 0, 1), (None, 7.0, 30.0))
    for number, (lasts, after, status, beside, seen) in enumerate(moments):
        for order in ("aab", "aba", "baa", "abab", "abac", "abba", "aabb", "abcb"):
            name, begun = f"{number}{order}", {"a": 0, "b": max(lasts + after, 0), "c": 50}
            rows = list[Row]()
            for stretch, which in enumerate(order):
                last = which not in order[stretch + 1 :]
                shown = status if which == "a" and last else "completed"
                begins = which not in order[:stretch] and not last
                record = snapshot(
                    f"{name}{which}",
                    f"thread_{name}",
                    "in_progress" if begins or shown == "in_progress" else "completed",
                    created_at=begun[which],
                    started_at=begun[which],
                    **({"expires_at": begun[which] + TTL_S} if begins or shown == "in_progress" else {}),
                    ended=begun[which] + lasts,
                )
                later = None if seen is None else 8 * stretch + (seen if which == "a" else 37.0 - seen)
                moment = None if later is None else BEGIN + begun[which] + lasts + later
                rows.append(_row(stretch, beside if stretch % 2 else 0, record, moment))
            yield rows


EVERY: Final = {"return": every_return, "deadline": every_deadline, "turn": every_turn}
"""Stories of one kind, all of them."""


def _row(stretch: int, beside: int, record: dict[str, Any], seen_s: float | None) -> Row:
    told = record["expires_at"] is not None or record["status"] in TERMINAL
    columns = frozenset(record) if told else frozenset(record) - {"expires_at"}
    return Row(stretch, beside, Observation(_shifted(record, BEGIN), 0, observed_s=seen_s, columns=columns))


class Laid:
    """Stories laid side by side.

    Args:
        stories: The stories.
        options: What the log is held to.
        before: So many items stand before all of it.
    """

    def __init__(self, stories: Sequence[Story], options: Options, before: int = 0) -> None:
        self.width = width_of(len(stories))
        self.before = before
        placed = sorted(
            (row.stretch * self.width + _LANE * lane + 1 + row.beside, row.item)
            for lane, story in enumerate(stories)
            for row in story
        )
        self.at = np.array([at for at, _ in placed], np.int64)
        self.rows = [item._replace(line=at + 1) for at, item in placed]
        self.total = STRETCHES * self.width
        self.batch = evolve(batch_of(self.rows, options), at=self.at, total=self.total)

    def items(self, fed: np.ndarray[Any, Any] | None = None) -> Iterator[Item]:
        """What the checker is given: all rows, or some; and how many items stand between them."""
        following = -self.before
        for n in range(len(self.rows)) if fed is None else np.flatnonzero(fed).tolist():
            at = int(self.at[n])
            if at > following:
                yield LeftOut(at - following)
            yield self.rows[n]
            following = at + 1
        if self.total > following:
            yield LeftOut(self.total - following)

    def pieces(self, cuts: Sequence[int], fed: np.ndarray[Any, Any] | None = None) -> Iterator[Batch]:
        """All rows or some, cut before these positions."""
        chosen = np.ones(len(self.rows), np.bool_) if fed is None else fed
        for begin, end in pairwise((0, *cuts, self.total)):
            piece = part_of(self.batch, chosen & (begin <= self.at) & (self.at < end))
            yield evolve(piece, at=piece.at - begin, total=end - begin)


def width_of(stories: int) -> int:
    """How many items a stretch of so many stories has."""
    return _LANE * stories
