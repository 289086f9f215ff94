"""One piece of a recording as columns, and what a recording must offer to be read so.

A *place* is a row of a table or a line of a file. What of a place the columns cannot vouch for is *odd*: the checker
looks at it. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from runengine.core.statuses import Status
from runengine.validation.observations import Item

__all__ = ["NONE", "SEEN_IN", "Batch", "Bools", "Details", "Ints", "Keys", "LayoutKey", "Piece", "Source"]

NONE: Final = -1
"""Stands in a column of stamps for null, or for no key."""

SEEN_IN: Final = ("snapshot", "history")
"""Where places that are not odd can have been seen: `Details.source` counts in it."""

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LayoutKey = tuple[Status, tuple[str, ...], tuple[type, ...], int, frozenset[str] | None]
"""Status, keys, types of their values, era and columns: what `rules.layout.layout_of` is asked with."""


@frozen(kw_only=True, eq=False)
class Details:
    """What only a profile asks for, of the places of a batch; of odd ones it means nothing.

    Attributes:
        source: Index into SEEN_IN.
        moved: An engine's history says that an event brought the run here, another one than modify.
        layout: Index into `layouts`.
        layouts: The layouts of the records.

    Example:
        >>> one = np.zeros(1, np.int8)
        >>> SEEN_IN[Details(source=one, moved=one == 1, layout=one.astype(np.int32), layouts=()).source[0]]
        'snapshot'
    """

    source: NDArray[np.int8]
    moved: Bools
    layout: NDArray[np.int32]
    layouts: Sequence[LayoutKey]


@frozen(kw_only=True, eq=False)
class Batch:
    """Places of one piece, in the order of the recording: arrays of one length.

    Attributes:
        at: How many items of the piece stand before each place.
        total: How many items the piece has, whether all of its places are here or not.
        odd: The columns do not vouch for it: the checker looks at it. Only `run` and `thread` mean something there,
            and are 0 where they are not known.
        run: Key of the run's id, never 0.
        thread: Key of the thread's id, never 0.
        status: Index into STATUSES.
        created: Unix seconds.
        started: Unix seconds, or NONE.
        expires: Unix seconds, or NONE.
        ended: The end stamp of a status that ends the run, Unix seconds, or NONE.
        same: Digest of what must not change in a run's life, created_at apart; two that are equal stand for equal JSON.
        lasting: The same of what must not change after a run's end; of other rows anything.
        observed: When it was seen, Unix seconds, or NaN.
        complete: Every status is visible where it was seen.
        details: What a profile asks for, or None where the decoder was not asked for it.

    Example:
        >>> batch = Batch.of_odd(np.array([7], np.uint64), np.array([0], np.uint64))
        >>> len(batch), bool(batch.odd[0]), int(batch.at[0]), batch.total
        (1, True, 0, 1)
    """

    at: Ints
    total: int
    odd: Bools
    run: Keys
    thread: Keys
    status: NDArray[np.int8]
    created: Ints
    started: Ints
    expires: Ints
    ended: Ints
    same: Keys
    lasting: Keys
    observed: NDArray[np.float64]
    complete: Bools
    details: Details | None = None

    def __len__(self) -> int:
        """How many places."""
        return len(self.run)

    @classmethod
    def of_odd(cls, run: Keys, thread: Keys, items: Ints | None = None) -> Batch:
        """A batch of odd places.

        Args:
            run: Keys of the runs, 0 where there is none.
            thread: Keys of the threads, 0 where there is none.
            items: How many items each place has; one where None.
        """
        n = len(run)
        ends = np.arange(1, n + 1) if items is None else np.cumsum(items, dtype=np.int64)
        none = np.full(n, NONE, np.int64)
        nothing = np.zeros(n, np.uint64)
        return cls(
            at=ends - (1 if items is None else items),
            total=int(ends[-1]) if n else 0,
            odd=np.ones(n, np.bool_),
            run=run,
            thread=thread,
            status=np.zeros(n, np.int8),
            created=none,
            started=none,
            expires=none,
            ended=none,
            same=nothing,
            lasting=nothing,
            observed=np.full(n, np.nan),
            complete=np.zeros(n, np.bool_),
        )


class Piece(Protocol):
    """A part of a recording that can be read by itself; small, and the same to every process."""

    @property
    def bytes(self) -> int:
        """About how many bytes it has, for those who wait."""
        ...


P = TypeVar("P", bound=Piece)


class Source(Protocol[P]):
    """A recording that can be read in pieces, and more than once.

    Attributes:
        in_threads: Pieces are best read by threads; by processes otherwise, and then it can be sent to one.
    """

    @property
    def in_threads(self) -> bool:
        """How pieces are best read."""
        ...

    @property
    def pieces(self) -> Sequence[P]:
        """Its pieces, in order."""
        ...

    def columns(self, piece: P, chosen: Ints | None = None) -> Batch:
        """A piece as columns.

        Args:
            piece: Which.
            chosen: Indices of the places that are wanted, in order; all where None.
        """
        ...

    def keys(self, piece: P) -> tuple[Keys, Keys]:
        """Keys of run and thread of every place, at less cost than `columns`; 0 where they are not known."""
        ...

    def items(self, piece: P, chosen: Ints) -> Iterator[Item]:
        """What the reader of the form yields of the chosen places, and `LeftOut` for what stands between them.

        Args:
            piece: Which.
            chosen: Indices of the places, in order.
        """
        ...
