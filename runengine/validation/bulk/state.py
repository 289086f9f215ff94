"""A log from its beginning up to some piece: what must be remembered of it, and no more.

Memory: of an open run its last row (`ROW`, 90 bytes) and 17 bytes of its thread; of a run that ended within the last
`forget_after` items 28 bytes, and 17 of its thread; and 8 bytes of each suspect. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import NONE, Bools, Ints, Keys
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects, known_before, run_seams, seam_counts, unlike_usual
from runengine.validation.bulk.kernel import Turns, in_turn
from runengine.validation.bulk.keyed import Table, joined, met
from runengine.validation.bulk.pieces import forgotten
from runengine.validation.bulk.tables import ROW, TURN, turns_of

__all__ = ["Sieve"]

_BITS: Final = 1 << 32
_STATUS_WEIGHT: Final = np.uint64(0x9E3779B97F4A7C15)
_ENDED: Final = np.dtype(
    [("run", np.uint64), ("end", np.uint64), ("at", np.uint32), ("observed", np.uint32), ("lane", np.uint32)]
)
"""A run that has ended: digest of its end and status, its position and its thread's key (the last 32 bits of each), and
the first whole second after it was last observed, or 0."""

_THREAD: Final = np.dtype([("thread", np.uint64), ("at", np.uint32), ("until", np.uint32), ("flags", np.uint8)])
"""A thread's last run: its position (the last 32 bits), the latest of its stamps, and whether it is over and lasted."""

_OVER, _LASTED = 1, 2


class Sieve:
    """Takes the fragments of a log in order, and knows at its end who is suspect.

    Args:
        compiled: The tables.

    Attributes:
        counts: What was counted so far.
        items: How many items have come by.

    Example:
        >>> from runengine.validation.bulk.batch import Batch
        >>> from runengine.validation.summary import Options
        >>> compiled = Compiled.of(Options())
        >>> sieve = Sieve(compiled)
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64))
        >>> sieve.take(Fragment.of(odd, compiled))
        >>> sieve.items, sieve.suspects().runs
        (1, array([7], dtype=uint64))
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._open: Table = np.zeros(0, ROW)
        self._ended: Table = np.zeros(0, _ENDED)
        self._threads: Table = np.zeros(0, _THREAD)
        self._suspects = [Suspects()]
        self._apart = False
        self._begun = 0
        self.counts = Counts()
        self.items = 0

    @property
    def nbytes(self) -> int:
        """How many bytes are remembered, suspects apart."""
        return self._open.nbytes + self._ended.nbytes + self._threads.nbytes

    @classmethod
    def restored(cls, compiled: Compiled, items: int, *, of_open: Table, of_ended: Table) -> Sieve:
        """A sieve that remembers runs that another one kept, and no thread.

        Args:
            compiled: The tables.
            items: How many items had come by.
            of_open: From `kept`, or some of its rows.
            of_ended: The same.
        """
        sieve = cls(compiled)
        sieve.items, sieve._open, sieve._ended, sieve._apart = items, of_open, of_ended, True
        return sieve

    def kept(self) -> tuple[Table, Table, Table]:
        """What is remembered, each by key: open runs, ended runs, and the last run of each thread (`TURN`)."""
        at = np.concatenate([self._open["at"], _position(self._ended["at"], self.items)])
        run = np.concatenate([self._open["run"], self._ended["run"]])[np.argsort(at)]
        at.sort()
        turns = np.zeros(len(self._threads), TURN)
        turns["thread"] = self._threads["thread"]
        turns["begun_at"] = turns["last_at"] = _position(self._threads["at"], self.items)
        turns["over"] = self._threads["flags"] & _OVER
        turns["until"] = self._threads["until"]
        turns["created"] = turns["until"] - ((self._threads["flags"] & _LASTED) > 0)
        if len(at):
            place = np.minimum(np.searchsorted(at, turns["last_at"]), len(at) - 1)
            turns["run"] = np.where(at[place] == turns["last_at"], run[place], 0)
        return self._open, self._ended, turns

    def suspects(self) -> Suspects:
        """Who is suspect so far."""
        self._suspects = [_all(self._suspects)]
        return self._suspects[0]

    def remembered(self) -> Suspects:
        """The runs and threads that are remembered."""
        runs = [self._open["run"], self._ended["run"]]
        return Suspects.of(runs, [self._threads["thread"]])

    def take(self, fragment: Fragment) -> None:
        """Take the fragment of the next piece."""
        self._begun = self.items
        self.items += fragment.items
        self._take_threads(fragment, *self._take_runs(fragment))
        self._suspects.append(fragment.suspects)
        self.counts += fragment.counts

    def _take_runs(self, piece: Fragment) -> tuple[Keys, Ints]:
        """Take the runs of a piece: their keys, in order, and where each was seen last before it, or -1."""
        first, last, compiled = piece.first, piece.last, self._compiled
        known_at, run = np.full(len(first), -1, np.int64), np.ascontiguousarray(first["run"])
        order = np.argsort(run)
        run = run[order]
        here, there = met(self._open["run"], run)
        there = order[there]
        before = self._open[here]
        after = self._moved(first[there])
        seams = run_seams(before, after, compiled)
        known_at[there] = before["at"]
        ended_here, ended_there = met(self._ended["run"], run)
        ended_there = order[ended_there]
        ended, again = self._ended[ended_here], self._moved(first[ended_there])
        at = _position(ended["at"], self.items)
        linked = ~forgotten(np.ones(len(at), np.bool_), at, again["at"], compiled)
        known_at[ended_there[linked]] = at[linked]
        late = ~np.isnan(again["observed"]) & (again["observed"] < ended["observed"])
        wrong = linked & ((_end(again) != ended["end"]) | late)
        bad = again[wrong]
        left = self._left(ended["lane"][wrong])
        fresh = unlike_usual(first[(known_at < 0) & (first["expires"] == NONE)], compiled)
        self._suspects += [seams.suspects, Suspects.of([bad["run"]], [bad["thread"], left]), fresh]
        self.counts -= seam_counts(before, after, seams.linked, np.zeros(0, np.bool_))
        self.counts -= Counts(runs=int(linked.sum()))
        last = self._moved(last[np.argsort(last["run"])])
        mine, still = met(before["run"], last["run"])
        last[still] = known_before(last[still], before[mine], seams.linked[mine])
        over = compiled.terminal[last["status"]]
        self._open = joined("run", np.delete(self._open, here), last[~over])
        kept = np.delete(self._ended, ended_here)
        self._ended = joined("run", kept[self._lately(kept["at"])], self._kept_end(last[over]))
        return run, known_at[order]

    def _moved(self, table: Table) -> Table:
        """Rows of the piece that is taken, or stays, which nobody else has, at their positions in the log."""
        for name in {"at", "begun_at", "last_at"}.intersection(table.dtype.names or ()):
            table[name] += self._begun
        return table

    def _left(self, lanes: NDArray[np.uint32]) -> Keys:
        """The threads that such runs were on; of one that is apart, by the last 32 bits of their keys alone."""
        if self._apart:
            return lanes.astype(np.uint64)
        threads: Keys = self._threads["thread"]
        return threads[np.isin(threads.astype(np.uint32), lanes)]

    def _kept_end(self, last: Table) -> Table:
        last = last[self.items - last["at"] <= self._compiled.forget_after]
        table = np.empty(len(last), _ENDED)
        table["run"], table["end"] = last["run"], _end(last)
        table["at"], table["lane"] = last["at"] % _BITS, last["thread"].astype(np.uint32)
        table["observed"] = np.clip(np.nan_to_num(np.ceil(last["observed"])), 0, _BITS - 1)
        return table

    def _take_threads(self, piece: Fragment, run: Keys, known_at: Ints) -> None:
        thread = np.ascontiguousarray(piece.begins["thread"])
        order = np.argsort(thread)
        here, there = met(self._threads["thread"], thread[order])
        before, begins = self._threads[here], self._moved(piece.begins[order[there]])
        at, over = _position(before["at"], self.items), (before["flags"] & _OVER) > 0
        gone = forgotten(over, at, begins["begun_at"], self._compiled)
        same = known_at[np.searchsorted(run, begins["run"])] == at
        until = before["until"].astype(np.int64)
        created = until - ((before["flags"] & _LASTED) > 0)
        untold = np.full(len(at), np.nan)
        earlier = Turns(begun_at=at, created=created, last_at=at, over=over, until=until, seen=untold, alive=untold)
        now = turns_of(begins)
        bad = begins[~(same | gone | in_turn(earlier, now, self._compiled))]
        self._suspects.append(Suspects.of([bad["run"]], [bad["thread"]]))
        self.counts -= Counts(threads=int((~gone).sum()))
        kept = np.delete(self._threads, here)
        kept = kept[((kept["flags"] & _OVER) == 0) | self._lately(kept["at"])]
        self._threads = joined("thread", kept, _thread_table(self._moved(piece.ends.copy())))

    def _lately(self, at: Keys) -> Bools:
        lately: Bools = self.items - _position(at, self.items) <= self._compiled.forget_after
        return lately


def _all(several: list[Suspects]) -> Suspects:
    return Suspects.of([each.runs for each in several], [each.threads for each in several])


def _end(rows: Table) -> Keys:
    """A digest of rows at which runs have ended, their statuses included."""
    digest: Keys = rows["lasting"] ^ (rows["status"].astype(np.uint64) + np.uint64(1)) * _STATUS_WEIGHT
    return digest


def _position(at: Keys, items: int) -> Ints:
    """Positions of which the last 32 bits are kept, none of them more than that before the end."""
    behind = (np.int64(items) - at.astype(np.int64)) % _BITS
    return items - behind


def _thread_table(ends: Table) -> Table:
    table = np.empty(len(ends), _THREAD)
    table["thread"] = ends["thread"]
    table["at"] = ends["last_at"] % _BITS
    # A stamp past 32 bits is after every other one, so that the checker decides.
    table["until"] = np.minimum(ends["until"], _BITS - 1)
    table["flags"] = ends["over"] * _OVER + (ends["created"] < ends["until"]) * _LASTED
    return table
