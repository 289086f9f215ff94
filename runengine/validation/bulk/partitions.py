"""A log whose open runs do not fit in memory: what is remembered of them is parted by key, and kept on disk.

Up to a bound of bytes there is one sieve. Beyond it, what it remembers is cut into ranges of keys, and written; so is
every fragment that follows. At the end the ranges are gone through one by one, each as a log of its own, and cut anew
where one is still too large. A run is judged in the range of its key, a thread in that of its own; a row a run is all
that one enormous run leaves in any of them. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, NamedTuple

import numpy as np

from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.counts import Counts
from runengine.validation.bulk.fragments import Fragment, Suspects, thread_seams
from runengine.validation.bulk.keyed import Table, joined, met
from runengine.validation.bulk.pieces import forgotten
from runengine.validation.bulk.state import Sieve
from runengine.validation.bulk.tables import TURN

__all__ = ["PARTS", "Span", "Through", "Sifter", "parted"]

PARTS: Final = 16
"""Into so many ranges of keys a log is cut at a time."""

_COPIES: Final = 4
"""A table that takes a fragment is for a moment there so many times."""

_NARROW: Final = (1 << 64) // PARTS**3
"""A range of no more keys is cut no further: a log is cut into 4,096 at most, so as not to drown in files."""


class Span(NamedTuple):
    """A range of keys.

    Attributes:
        low: The least one.
        high: More than the greatest.

    Example:
        >>> Span(0, 32).cut()[1]
        Span(low=2, high=4)
    """

    low: int = 0
    high: int = 1 << 64

    def cut(self) -> list[Span]:
        """Its parts."""
        edges = [self.low + (self.high - self.low) * part // PARTS for part in range(PARTS + 1)]
        return [Span(low, high) for low, high in pairwise(edges)]


class Through(NamedTuple):
    """What is known when a log has been gone through.

    Attributes:
        items: How many items it has.
        suspects: Who is suspect.
        counts: What was counted of the rows in columns.
        remembered: The runs and threads that are remembered at its end.

    Example:
        >>> Through(0, Suspects(), Counts(), Suspects()).items
        0
    """

    items: int
    suspects: Suspects
    counts: Counts
    remembered: Suspects


def parted(table: Table, keys: Span) -> list[Table]:
    """A table in the order of its first column, cut into ranges of keys.

    Args:
        table: The table.
        keys: Between which its keys lie.

    Example:
        >>> [part["run"].tolist() for part in parted(np.array([(2,), (9,)], [("run", np.uint64)]), Span(0, 64))][:3]
        [[2], [], [9]]
    """
    edges = np.array([part.low for part in keys.cut()[1:]], np.uint64)
    names = table.dtype.names
    places = np.searchsorted(table[names[0] if names else "run"], edges).tolist()
    return [table[begin:end] for begin, end in zip([0, *places], [*places, len(table)], strict=True)]


def _tables(fragment: Fragment) -> tuple[Table, ...]:
    runs = joined("run", fragment.heads.whole()), joined("run", fragment.last)
    return *runs, joined("thread", fragment.begins), joined("thread", fragment.ends)


class Sifter:
    """Takes the fragments of a log in order, in bounded memory. To be closed, which removes its files.

    Args:
        compiled: The tables.
        memory_max: How many bytes it may hold, suspects apart; no bound where None.
        ahead: So many fragments are waiting to be taken.

    Attributes:
        parted: What is remembered did not fit, and is on disk.

    Example:
        >>> from runengine.validation.bulk.batch import Batch
        >>> from runengine.validation.summary import Options
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64))
        >>> sifter = Sifter(compiled := Compiled.of(Options()))
        >>> sifter.take(Fragment.of(odd, compiled))
        >>> sifter.finish().suspects.runs, sifter.close()
        (array([7], dtype=uint64), None)
    """

    def __init__(self, compiled: Compiled, memory_max: int | None = None, ahead: int = 0) -> None:
        self._compiled = compiled
        self._memory_max = memory_max
        self._ahead = ahead
        self._largest = 0
        self._sieve = Sieve(compiled)
        self._folder: TemporaryDirectory[str] | None = None
        self._disk: _Disk | None = None
        self._suspects: list[Suspects] = []
        self._counts = Counts()
        self._items = 0

    @property
    def parted(self) -> bool:
        """What is remembered did not fit, and is on disk."""
        return self._disk is not None

    @property
    def counts(self) -> Counts | None:
        """What was counted so far; None where that is known at the end alone, as what is remembered is on disk."""
        return self._sieve.counts if self._disk is None else None

    def take(self, fragment: Fragment) -> None:
        """Take the fragment of the next piece."""
        self._items += fragment.items
        if self._disk is not None:
            self._counts += fragment.counts
            self._suspects.append(fragment.suspects)
            self._disk.write(fragment.items, _tables(fragment))
            return
        self._sieve.take(fragment)
        self._largest = max(self._largest, fragment.nbytes)
        held = _COPIES * self._sieve.nbytes + self._ahead * self._largest
        if self._memory_max is not None and held > self._memory_max:
            self._folder = TemporaryDirectory(prefix="runengine-")
            self._disk = _Disk(Path(self._folder.name), Span())
            self._disk.write(self._sieve.items, self._sieve.kept())
            self._suspects, self._counts = [self._sieve.suspects()], self._sieve.counts
            self._sieve = Sieve(self._compiled)

    def finish(self, remembered: bool = True) -> Through:
        """What is known now that all was taken.

        Args:
            remembered: What is remembered is asked for.
        """
        if self._disk is None:
            sieve = self._sieve
            return Through(
                self._items, sieve.suspects(), sieve.counts, sieve.remembered() if remembered else Suspects()
            )
        through = list(self._disk.through(self._compiled, self._memory_max or 0))
        return Through(
            self._items,
            _all([*self._suspects, *(each.suspects for each in through)]),
            sum((each.counts for each in through), self._counts),
            _all([each.remembered for each in through]),
        )

    def close(self) -> None:
        """Remove what was written."""
        if self._disk is not None:
            self._disk.close()
        if self._folder is not None:
            self._folder.cleanup()


def _all(several: Sequence[Suspects]) -> Suspects:
    return Suspects.of([each.runs for each in several], [each.threads for each in several])


class _Disk:
    """A log, cut into ranges of keys, each a file: what was remembered at first, then fragments in order."""

    def __init__(self, folder: Path, keys: Span) -> None:
        self._keys = keys
        self._folder = folder
        self._files: list[IO[bytes]] = []
        for part in keys.cut():
            self._files.append((folder / f"{part.low:x}-{part.high:x}").open("w+b"))

    def write(self, items: int, tables: tuple[Table, ...]) -> None:
        """Write tables, each part to its file."""
        for file, *parts in zip(self._files, *(parted(table, self._keys) for table in tables), strict=True):
            for table in (np.array([items]), *parts):
                np.save(file, table, allow_pickle=False)

    def through(self, compiled: Compiled, memory_max: int) -> Iterator[Through]:
        """Go through the ranges, one by one."""
        for file, keys in zip(self._files, self._keys.cut(), strict=True):
            end = file.tell()
            file.seek(0)
            first, *tables = _read(file, 4)
            log = _Log(compiled, int(first[0]), *tables)
            finer: _Disk | None = None
            while file.tell() < end:
                head, *tables = _read(file, 5)
                if finer is not None:
                    finer.write(int(head[0]), tuple(tables))
                    continue
                log.take(int(head[0]), *tables)
                if _COPIES * log.nbytes > max(memory_max, 0) and keys.high - keys.low > _NARROW:
                    finer = _Disk(self._folder, keys)
                    finer.write(log.items, log.kept())
            file.close()
            Path(file.name).unlink()
            if finer is None:
                yield log.known(log.remembered())
                continue
            known = log.known(Suspects())
            del log
            yield known
            yield from finer.through(compiled, memory_max)
            finer.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


def _read(file: IO[bytes], count: int) -> list[Table]:
    return [np.load(file, allow_pickle=False) for _ in range(count)]


class _Log:
    """A range of keys of a log: runs and threads that need not be each other's."""

    def __init__(self, compiled: Compiled, items: int, of_open: Table, of_ended: Table, turns: Table) -> None:
        self._compiled = compiled
        self._runs = Sieve.restored(compiled, items, of_open=of_open, of_ended=of_ended)
        self._turns = turns
        self._suspects: list[Suspects] = []
        self._counts = Counts()

    @property
    def items(self) -> int:
        return self._runs.items

    @property
    def nbytes(self) -> int:
        return self._runs.nbytes + self._turns.nbytes

    def take(self, items: int, first: Table, last: Table, begins: Table, ends: Table) -> None:
        before = self._runs.items
        none = np.zeros(0, TURN)
        rest = Fragment(
            items=items, first=first, last=last, begins=none, ends=none, suspects=Suspects(), counts=Counts()
        )
        self._runs.take(rest)
        begins, ends = _later(begins, before), _later(ends, before)
        here, there = met(self._turns["thread"], begins["thread"])
        seams = thread_seams(self._turns[here], begins[there], self._compiled)
        self._suspects.append(seams.suspects)
        self._counts -= Counts(threads=int(seams.linked.sum()))
        left = np.delete(self._turns, here)
        gone = forgotten(left["over"], left["last_at"], np.array([before + items - 1]), self._compiled)
        self._turns = joined("thread", left[~gone], ends)

    def kept(self) -> tuple[Table, Table, Table]:
        return (*self._runs.kept()[:2], self._turns)

    def known(self, remembered: Suspects) -> Through:
        counts = self._counts + self._runs.counts
        return Through(self.items, _all([*self._suspects, self._runs.suspects()]), counts, remembered)

    def remembered(self) -> Suspects:
        turns = self._turns
        gone = forgotten(turns["over"], turns["last_at"], np.array([self.items - 1]), self._compiled)
        return self._runs.remembered() | Suspects.of([], [turns["thread"][~gone]])


def _later(turns: Table, by: int) -> Table:
    turns = turns.copy()
    for name in ("begun_at", "last_at"):
        turns[name] += by
    return turns
