"""The profile of a recording by columns: the same counts that a profile makes of the same rows one by one.

Rows that the checker is fed are left to the `Profile` that watches it; all others come here, and both are added up. So
every run, and every thread, must be with one of the two as a whole. What is kept between pieces: about 100 bytes of
each run that is open, 16 of one that has ended and is remembered, 32 of each thread of either. Source: DESIGN §5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
from attrs import evolve, fields
from numpy.typing import NDArray

from runengine.core.candidates import span
from runengine.core.statuses import STATUSES
from runengine.core.table import Transition
from runengine.validation.bulk.batch import NONE, SEEN_IN, Batch, Bools, Ints, Source
from runengine.validation.bulk.busiest import Busiest
from runengine.validation.bulk.keyed import Table, joined, met
from runengine.validation.bulk.lives import (
    ENDED,
    IS_TERMINAL,
    OPEN,
    Columns,
    Lives,
    Visits,
    lives_of,
    moments,
    visits_of,
)
from runengine.validation.bulk.stays import Evidence, count_stays
from runengine.validation.bulk.steps import Steps, codes_of, grouped
from runengine.validation.bulk.ways import Trails, Ways, count_ways, ways_of
from runengine.validation.observations import Observation
from runengine.validation.profiling.counts import Counts
from runengine.validation.profiling.variants import Example
from runengine.validation.readers.natively import native
from runengine.validation.rules.layout import layout_of
from runengine.validation.summary import Options

__all__ = ["FOLD_ROWS", "Find", "Picked", "VolumeProfile", "found_in", "some_of"]

FOLD_ROWS: Final = 262_144
"""So many rows are counted at a time: the table of what is kept is made anew each time."""

_OPEN_PART: Final = 2
_PLACE_BITS: Final = 32
_PLACES: Final = (1 << _PLACE_BITS) - 1
_TRAILS_MAX: Final = 65_536
_HISTORY: Final = SEEN_IN.index("history")
_BY_PLACE: Final = tuple(each.name for each in fields(Batch) if each.name not in ("total", "details"))


class Picked(NamedTuple):
    """Rows of a piece that needed no word, as a profile takes them; can be sent to another process.

    Attributes:
        columns: The rows; positions, and places, are those in the piece.
        names: Generations in words; `columns.generation` counts in it.
        total: How many items the piece has.

    Example:
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([0], np.uint64))
        >>> Picked.of(odd, ~odd.odd).total
        1
    """

    columns: Columns
    names: tuple[str, ...]
    total: int

    @classmethod
    def of(cls, batch: Batch, plain: Bools) -> Picked:
        """Rows of a batch.

        Args:
            batch: All places of a piece, with details.
            plain: Which of them are counted by columns: none that is odd, none that the checker is fed.

        Raises:
            ValueError: the batch has no details.
        """
        rows, details = np.flatnonzero(plain), batch.details
        if details is None and len(rows):
            raise ValueError("a profile needs the details of a batch: have the source read with them")
        layouts = () if details is None else details.layouts
        names = [span(layout_of(*key[:4], columns=key[4]).candidates) for key in layouts]
        words = tuple(dict.fromkeys(names))
        numbers = np.array([words.index(name) for name in names], np.int32)
        none = np.zeros(0, np.int8)
        columns = Columns(
            at=batch.at[rows],
            place=rows,
            run=batch.run[rows],
            thread=batch.thread[rows],
            status=batch.status[rows],
            created=batch.created[rows],
            started=batch.started[rows],
            ended=batch.ended[rows],
            observed=batch.observed[rows],
            complete=batch.complete[rows],
            source=none if details is None else details.source[rows],
            moved=none.astype(np.bool_) if details is None else details.moved[rows],
            generation=none.astype(np.int32) if details is None else numbers[details.layout[rows]],
        )
        return cls(columns, words, batch.total)


def some_of(batch: Batch, places: Ints) -> Batch:
    """Some places of a batch, without details.

    Args:
        batch: The batch.
        places: Their indices, in order.

    Example:
        >>> odd = Batch.of_odd(np.array([7, 8], np.uint64), np.array([0, 0], np.uint64))
        >>> some_of(odd, np.array([1])).run
        array([8], dtype=uint64)
    """
    columns = {name: getattr(batch, name)[places] for name in _BY_PLACE}
    return evolve(batch, **columns, details=None)


Find = Callable[[int, Ints], Iterable[Example]]
"""Reads where runs can be looked at: takes the number of a piece and places in it, in order."""


def found_in(source: Source[Any], path: str, dialect: str = "auto") -> Find:
    """Reads ids and lines of runs anew, where they are first seen.

    Args:
        source: The recording; pieces are counted as it has them.
        path: Its name, for reports.
        dialect: How records are written.

    Example:
        >>> class One:
        ...     pieces = ("all",)
        ...     def items(self, piece, chosen):
        ...         return [Observation({"id": f"run_{place}"}, place + 1) for place in chosen.tolist()]
        >>> list(found_in(One(), "a.jsonl")(0, np.array([4])))
        [Example(run_id='run_4', path='a.jsonl', line=5)]
    """

    def find(piece: int, places: Ints) -> Iterator[Example]:
        for item in source.items(source.pieces[piece], places):
            if isinstance(item, Observation):
                yield Example(native(item, dialect).record.get("id"), path, item.line)

    return find


class VolumeProfile:
    """Counts over the rows of one recording that needed no word.

    Args:
        options: What the recording is held to.
        fold_rows: So many rows are counted at a time, or more where more runs are open.

    Example:
        >>> VolumeProfile(Options()).finish(lambda piece, places: []).runs
        0
    """

    def __init__(self, options: Options, fold_rows: int = FOLD_ROWS) -> None:
        self._options = options
        self._fold_rows = fold_rows
        self._counts = Counts()
        self._steps = Steps(options.policy, options.skew_s)
        self._busiest = Busiest(options.forget_after)
        self._trails = Trails()
        self._open: Table = np.zeros(0, OPEN)
        self._ended: Table = np.zeros(0, ENDED)
        self._names: list[str] = []
        self._waiting: list[Columns] = []
        self._rows = 0
        self._items = 0

    def take(self, picked: Picked, piece: int = 0) -> None:
        """Take rows of a piece; the pieces of a recording in their order.

        Args:
            picked: None that the checker is fed.
            piece: Its number; with the index of a place in the piece it tells where an example is read.
        """
        before = self._items
        self._items += picked.total
        rows = picked.columns
        if not len(rows.run):
            return
        numbers = np.array([self._number(name) for name in picked.names], np.int32)
        self._waiting.append(
            rows._replace(
                at=rows.at + (before + 1),
                place=rows.place + (piece << _PLACE_BITS),
                generation=numbers[rows.generation],
            )
        )
        self._rows += len(rows.run)
        if self._rows >= max(self._fold_rows, len(self._open) // _OPEN_PART):
            self._fold()

    def finish(self, find: Find) -> Counts:
        """The recording has ended.

        Args:
            find: Reads the examples; see `found_in`.

        Returns:
            The counts, for `Profile.add`.
        """
        self._fold()
        kept, counts = self._open, self._counts
        counts.runs_per_thread_most = self._busiest.most
        ways = Ways(kept["trail"], kept["way"], kept["steps"])
        count_ways(ways, kept["place"], False, self._trails, counts.variants)
        variants = sorted(counts.variants.kept.values(), key=lambda variant: variant.example.line)
        for piece, group in groupby(variants, key=lambda variant: variant.example.line >> _PLACE_BITS):
            some = list(group)
            places = np.array([variant.example.line & _PLACES for variant in some])
            for variant, example in zip(some, find(piece, places), strict=True):
                variant.example = example
        return counts

    def _number(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)

    def _fold(self) -> None:
        """Count the rows that wait."""
        if not self._waiting:
            return
        rows = Columns(*(np.concatenate(columns) for columns in zip(*self._waiting, strict=True)))
        self._waiting.clear()
        self._rows = 0
        lives = lives_of(rows, self._open, self._ended, self._options.forget_after)
        self._plain_counts(rows, lives)
        self._threads(rows, lives)
        changed = np.flatnonzero(lives.changed)
        codes = codes_of(lives, changed, self._options.skew_s)
        starts = lives.new.copy()
        starts[changed] = lives.status[changed] != lives.status_before[changed]
        kinds = [(*self._steps.verdict(code), changed[at]) for code, at in grouped(codes)]
        for verdict, _, _, at in kinds:
            starts[at] |= bool(verdict.rows)
        visits = visits_of(lives, starts, rows.moved)
        for verdict, complete, was_null, at in kinds:
            if verdict.is_step:
                self._counts.steps["complete" if complete else "polled"] += len(at)
                self._explain(rows, lives, visits, verdict.rows, at, was_null)
        self._first(rows, lives)
        self._keep(rows, lives, visits)

    def _plain_counts(self, rows: Columns, lives: Lives) -> None:
        counts, new = self._counts, lives.order[lives.new]
        counts.observations += len(rows.run)
        _count(counts.statuses, STATUSES, rows.status)
        _count(counts.sources, SEEN_IN, rows.source)
        _count(counts.generations, self._names, rows.generation[new])
        counts.runs += len(new)
        counts.runs_without_error += len(new)
        counts.replay_fitting(len(new))
        for stamps in (rows.created, rows.started, rows.ended):
            known = stamps[stamps != NONE]
            if len(known):
                counts.at(int(known.min()))
                counts.at(int(known.max()))
        seen_s = moments(rows.observed)
        seen_s = seen_s[~np.isnan(seen_s)]
        if len(seen_s):
            counts.at(float(seen_s.min()))
            counts.at(float(seen_s.max()))

    def _threads(self, rows: Columns, lives: Lives) -> None:
        new, was_over = np.empty_like(lives.new), np.empty_like(lives.was_over)
        new[lives.order], was_over[lives.order] = lives.new, lives.was_over
        self._busiest.take(rows.thread, rows.at, new, IS_TERMINAL[rows.status], was_over)

    def _explain(
        self, rows: Columns, lives: Lives, visits: Visits, explained: Sequence[Transition], at: Ints, was_null: bool
    ) -> None:
        """Count the rows of the policy that explain steps of one kind, and the stays before them."""
        counts, policy = self._counts, self._options.policy
        counts.take_rows(explained, hidden=len(explained) > 1, policy=policy, times=len(at))
        counts.replay_fitting(0, len(explained) * len(at))
        if not explained:
            return
        here, visit = lives.order[at], visits.number[at - 1]
        stay = [visits.entered_s[visit], visits.before_s[visit], visits.first_s[visit]]
        begins = np.flatnonzero(lives.begins[at])
        kept = lives.carried[lives.number[at[begins]]]
        for column, name in zip(stay, ("entered_s", "before_s", "first_s"), strict=True):
            column[begins] = kept[name]
        evidence = Evidence(
            created=rows.created[here],
            started_before=lives.started_before[at],
            started=lives.started[at],
            ended=rows.ended[here],
            history=rows.source[here] == _HISTORY,
            entered_s=stay[0],
            before_s=stay[1],
            first_s=stay[2],
            last_s=moments(lives.observed_before[at]),
            seen_s=moments(lives.observed[at]),
        )
        count_stays(counts, explained, was_null, evidence, policy)

    def _first(self, rows: Columns, lives: Lives) -> None:
        """A polled run was created queued, whatever it is in its first snapshot."""
        counts, policy = self._counts, self._options.policy
        new = np.flatnonzero(lives.new & ~lives.complete)
        for code, places in grouped(lives.status[new] * np.int64(2) + (lives.started[new] != NONE)):
            status, started = divmod(code, 2)
            hidden, at = self._steps.before(status, bool(started)), new[places]
            counts.take_rows(hidden, hidden=True, policy=policy, times=len(at))
            here, unknown = lives.order[at], np.full(len(at), np.nan)
            evidence = Evidence(
                created=rows.created[here],
                started_before=np.full(len(at), NONE),
                started=lives.started[at],
                ended=rows.ended[here],
                history=np.zeros(len(at), np.bool_),
                entered_s=unknown,
                before_s=unknown,
                first_s=unknown,
                last_s=unknown,
                seen_s=unknown,
            )
            count_stays(counts, hidden, True, evidence, policy)

    def _keep(self, rows: Columns, lives: Lives, visits: Visits) -> None:
        """Count the runs that have ended, and keep what the next rows are held against."""
        begins = lives.begins | lives.new
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(begins)) - 1
        going_on = np.flatnonzero(~lives.new[first])
        kept = lives.carried[lives.number[first[going_on]]]
        before, place = Ways.none(len(first)), rows.place[lives.order[first]]
        before.trail[going_on], before.way[going_on], before.steps[going_on] = (kept[name] for name in Ways._fields)
        place[going_on] = kept["place"]
        seen = lives.new | (lives.changed & (lives.status != lives.status_before))
        ways = ways_of(before, lives.status, begins, seen, self._trails)
        over, alive = lives.over[last], lives.new[first] | ~lives.was_over[first]
        done = over & alive
        self._counts.runs_ended += int(done.sum())
        count_ways(_some(ways, done), place[done], True, self._trails, self._counts.variants)
        going = np.flatnonzero(~over & alive)
        self._keep_open(lives, visits, last[going], _some(ways, going), place[going])
        self._keep_ended(lives)

    def _keep_open(self, lives: Lives, visits: Visits, rows: Ints, ways: Ways, place: Ints) -> None:
        made = np.empty(len(rows), OPEN)
        for name in ("run", "status", "started", "observed", "complete"):
            made[name] = getattr(lives, name)[rows]
        for name in ("entered_s", "before_s", "first_s"):
            made[name] = getattr(visits, name)[visits.number[rows]]
        for name, column in zip(Ways._fields, ways, strict=True):
            made[name] = column
        made["place"] = place
        stays = np.ones(len(self._open), np.bool_)
        stays[met(self._open["run"], lives.run[lives.begins])[0]] = False
        self._open = joined("run", self._open[stays], made)
        if len(self._trails) > _TRAILS_MAX:
            self._open["trail"] = self._trails.keep(self._open["trail"])

    def _keep_ended(self, lives: Lives) -> None:
        last = np.append(np.flatnonzero(lives.begins)[1:], len(lives.run)) - 1
        least = self._items - self._options.forget_after
        over = last[lives.over[last] & (lives.at[last] > least)]
        made = np.empty(len(over), ENDED)
        made["run"], made["at"] = lives.run[over], lives.at[over]
        stays = self._ended["at"] > least
        stays[met(self._ended["run"], lives.run[lives.begins])[0]] = False
        self._ended = joined("run", self._ended[stays], made)


def _some(ways: Ways, which: Bools | Ints) -> Ways:
    return Ways(ways.trail[which], ways.way[which], ways.steps[which])


def _count(counter: Counter[str], words: Sequence[str], found: NDArray[Any]) -> None:
    times = np.bincount(found, minlength=len(words))
    for place in np.flatnonzero(times).tolist():
        counter[words[place]] += int(times[place])
