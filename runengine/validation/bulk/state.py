"""A log from its beginning up to some piece: what must be remembered of it, and no more.

Memory: of an open run its last row (`ROW`), of a run that ended within the last `forget_after` items 28 bytes, of a
thread of such a run 17, each and two more (see `runengine.validation.bulk.held`); and 8 bytes of each suspect.
Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Bools, Ints, Keys
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects, known_before, run_seams, seam_counts, unlike_usual
from runengine.validation.bulk.held import Held
from runengine.validation.bulk.kernel import Turns, in_turn
from runengine.validation.bulk.keyed import Table, met, some
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
_NO_KEY: Final = np.uint64(0)


class Sieve:
    """Takes the fragments of a log in order, and knows at its end who is suspect.

    Args:
        compiled: The tables.

    Attributes:
        compiled: The tables.
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
        self.compiled = compiled
        self._open = Held(np.zeros(0, ROW))
        self._ended = Held(np.zeros(0, _ENDED))
        self._threads = Held(np.zeros(0, _THREAD))
        self._suspects = [Suspects()]
        self._apart = False
        self._begun = 0
        self.counts = Counts()
        self.items = 0

    @property
    def nbytes(self) -> int:
        """How many bytes are remembered, suspects apart."""
        return sum(self.parts_bytes)

    @property
    def parts_bytes(self) -> tuple[int, int, int]:
        """How many bytes are remembered of open runs, of ended runs, and of threads."""
        return self._open.nbytes, self._ended.nbytes, self._threads.nbytes

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
        sieve.items, sieve._apart = items, True
        sieve._open.put(of_open)
        sieve._ended.put(of_ended)
        return sieve

    def kept(self) -> tuple[Table, Table, Table]:
        """What is remembered, each by key: open runs, ended runs, and the last run of each thread (`TURN`)."""
        of_open, of_ended, threads = self._open.all(), self._ended.all(), self._threads.all()
        at = np.concatenate([of_open["at"], _position(of_ended["at"], self.items)])
        run = np.concatenate([of_open["run"], of_ended["run"]])[np.argsort(at)]
        at.sort()
        turns = np.zeros(len(threads), TURN)
        turns["thread"] = threads["thread"]
        turns["begun_at"] = turns["last_at"] = _position(threads["at"], self.items)
        turns["over"] = threads["flags"] & _OVER
        turns["until"] = threads["until"]
        turns["created"] = turns["until"] - ((threads["flags"] & _LASTED) > 0)
        if len(at):
            place = np.minimum(np.searchsorted(at, turns["last_at"]), len(at) - 1)
            turns["run"] = np.where(at[place] == turns["last_at"], run[place], 0)
        return of_open, of_ended, turns

    def suspects(self) -> Suspects:
        """Who is suspect so far."""
        self._suspects = [_all(self._suspects)]
        return self._suspects[0]

    def remembered(self) -> Suspects:
        """The runs and threads that are remembered."""
        runs = [*self._open.present(), *self._ended.present(self._lately)]
        return Suspects.of(runs, self._threads.present(self._in_use))

    def take(self, fragment: Fragment) -> None:
        """Take the fragment of the next piece."""
        self._begun = self.items
        self.items += fragment.items
        self._take_threads(fragment, self._take_runs(fragment))
        self._suspects.append(fragment.suspects)
        self.counts += fragment.counts

    def _take_runs(self, piece: Fragment) -> Ints:
        """Take the runs of a piece: where each of its first rows was seen last before it, or -1."""
        heads, last, compiled = piece.heads, piece.last, self.compiled
        known_at = np.full(len(heads.run), -1, np.int64)
        before, there = self._open.take(heads.run)
        after = self._moved(heads.make(there))
        seams = run_seams(before, after, compiled)
        known_at[there] = before["at"]
        ended, ended_there = self._ended.take(heads.run)
        again = self._moved(heads.make(ended_there))
        at = _position(ended["at"], self.items)
        linked = ~forgotten(np.ones(len(at), np.bool_), at, again["at"], compiled)
        known_at[ended_there[linked]] = at[linked]
        late = ~np.isnan(again["observed"]) & (again["observed"] < ended["observed"])
        wrong = linked & ((_end(again) != ended["end"]) | late)
        bad = some(again, wrong)
        left = self._left(ended["lane"][wrong])
        fresh = unlike_usual(heads.make(heads.silent[known_at[heads.silent] < 0]), compiled)
        self._suspects += [seams.suspects, Suspects.of([bad["run"]], [bad["thread"], left]), fresh]
        self.counts -= seam_counts(before, after, seams.linked, np.zeros(0, np.bool_))
        self.counts -= Counts(runs=int(linked.sum()))
        last = self._moved(some(last, np.argsort(last["run"])))
        mine, still = _met(before["run"], last["run"])
        known = known_before(some(last, still), some(before, mine), seams.linked[mine])
        for name in ("deadline", "observed"):
            last[name][still] = known[name]
        mine, still = _met(again["run"], last["run"])
        untold = np.isnan(last["observed"][still]) & linked[mine] & (ended["observed"][mine] > 0)
        last["observed"][still[untold]] = ended["observed"][mine[untold]]
        over = compiled.terminal[last["status"]]
        self._open.put(some(last, ~over))
        self._ended.put(self._kept_end(some(last, over)), self._lately)
        return known_at

    def _moved(self, table: Table) -> Table:
        """Rows of the piece that is taken, or stays, which nobody else has, at their positions in the log."""
        for name in {"at", "begun_at", "last_at"}.intersection(table.dtype.names or ()):
            table[name] += self._begun
        return table

    def _left(self, lanes: NDArray[np.uint32]) -> Keys:
        """The threads that such runs were on; of one that is apart, by the last 32 bits of their keys alone."""
        if self._apart:
            return lanes.astype(np.uint64)
        if not len(lanes):
            return np.zeros(0, np.uint64)
        known = [keys[np.isin(keys.astype(np.uint32), lanes)] for keys in self._threads.present()]
        return np.concatenate([np.zeros(0, np.uint64), *known])

    def _kept_end(self, last: Table) -> Table:
        last = some(last, self.items - 1 - last["at"] <= self.compiled.forget_after)
        table = np.empty(len(last), _ENDED)
        table["run"], table["end"] = last["run"], _end(last)
        table["at"], table["lane"] = last["at"] % _BITS, last["thread"].astype(np.uint32)
        table["observed"] = np.clip(np.nan_to_num(np.ceil(last["observed"])), 0, _BITS - 1)
        return table

    def _take_threads(self, piece: Fragment, known_at: Ints) -> None:
        before, there = self._threads.take(np.ascontiguousarray(piece.begins["thread"]))
        begins = self._moved(some(piece.begins, there))
        at, over = _position(before["at"], self.items), (before["flags"] & _OVER) > 0
        gone = forgotten(over, at, begins["begun_at"], self.compiled)
        known = known_at >= 0
        run, run_at = np.append(_NO_KEY, piece.heads.run[known]), np.append(-1, known_at[known])
        order = np.argsort(run)
        place = order[np.searchsorted(run, begins["run"], side="right", sorter=order) - 1]
        same = (run[place] == begins["run"]) & (run_at[place] == at)
        until = before["until"].astype(np.int64)
        created = until - ((before["flags"] & _LASTED) > 0)
        untold = np.full(len(at), np.nan)
        earlier = Turns(begun_at=at, created=created, last_at=at, over=over, until=until, seen=untold, alive=untold)
        now = turns_of(begins)
        bad = some(begins, ~(same | gone | in_turn(earlier, now, self.compiled)))
        self._suspects.append(Suspects.of([bad["run"]], [bad["thread"]]))
        self.counts -= Counts(threads=int((~gone).sum()))
        self._threads.put(_thread_table(self._moved(piece.ends.copy())), self._in_use)

    def _lately(self, rows: Table) -> Bools:
        """Which were seen so lately that what has ended is remembered."""
        lately: Bools = self.items - 1 - _position(rows["at"], self.items) <= self.compiled.forget_after
        return lately

    def _in_use(self, threads: Table) -> Bools:
        """Which threads have a run that is remembered."""
        in_use: Bools = ((threads["flags"] & _OVER) == 0) | self._lately(threads)
        return in_use


def _met(keys: Keys, ordered: Keys) -> tuple[Ints, Ints]:
    """Where keys in any order are met with in others that are in order."""
    order = np.argsort(keys)
    mine, there = met(keys[order], ordered)
    return order[mine], there


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
