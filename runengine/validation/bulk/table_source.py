"""A table with a column for each field, as a source of the bulk engine, wherever its rows come from.

What its pieces hold is judged in columns; a piece that cannot be read so is left to the reader of rows, whose items are
then all odd. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from attrs import evolve

from runengine.core.fields import FIELDS, WIRE_EXTRAS
from runengine.dialects.documents import DIALECTS
from runengine.validation.bulk.batch import Batch, Ints, Keys
from runengine.validation.bulk.coded import ARROW, keys_of
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.bulk.table_batch import Decoder
from runengine.validation.bulk.table_pieces import Piece
from runengine.validation.observations import Companion, Item, LeftOut, Observation, Refusal, Unreadable
from runengine.validation.readers.columns import Plan
from runengine.validation.readers.natively import AUTO
from runengine.validation.readers.tables import row_items
from runengine.validation.summary import Options

__all__ = ["Held", "TableSource", "unfit", "unopened"]

_NEEDED: Final = {
    "id": ("text",),
    "thread_id": ("text",),
    "status": ("text",),
    "created_at": ("stamp",),
    "started_at": ("stamp",),
}
_ITEMS_AT_ONCE: Final = 4096
_WORDS_MAX: Final = 100
_KEPT_BYTES: Final = (32 << 20) - (64 << 10)


def unfit(plan: Plan | None, options: Options) -> str | None:
    """Why a table is not for columns, as its own columns and the options tell; None where it is.

    Args:
        plan: What is read of it.
        options: What records are held to.

    Example:
        >>> unfit(None, Options())
        'no column of it is for a run'
    """
    if plan is None:
        return "no column of it is for a run"
    if plan.is_whole:
        return "its records stand whole in one column"
    if options.dialect != AUTO and DIALECTS[options.dialect].shape.spelling is not None:
        return f"its columns are to be read as {options.dialect}"
    forms = {each.name: each.form for each in plan.fields}
    for name, fitting in _NEEDED.items():
        if forms.get(name) not in fitting:
            return f"it has no column of a fitting type for {name}"
    spelled = next((name for name in forms if name not in FIELDS and name not in WIRE_EXTRAS), None)
    return None if spelled is None else f"its column {spelled[:40]!r} is spelled as a dialect does"


def unopened(error: Exception) -> str:
    """Why a file is no source of columns, where it cannot be opened.

    Args:
        error: What the system or the library raised.

    Example:
        >>> unopened(ValueError("no  footer"))
        'it cannot be opened: no footer'
    """
    said = getattr(error, "strerror", None) or str(error)
    return f"it cannot be opened: {' '.join(said.split())[:_WORDS_MAX]}"


class Held(Protocol):
    """Where the rows of a table are."""

    def read(self, piece: Piece, names: Sequence[str]) -> Any:
        """The rows of a piece, as a table of pyarrow, every column in one chunk.

        Args:
            piece: Which.
            names: Which columns.

        Raises:
            Exception: whatever the library raises where they are damaged (`Arrow.broken`).
        """
        ...

    def items(self, piece: Piece) -> Iterator[Item]:
        """What the reader of rows yields of a piece: its rows, and what is wrong with those that are damaged.

        Args:
            piece: Which.
        """
        ...


class _Broken(NamedTuple):
    """A piece that the reader of rows reads: the keys of its items."""

    run: Keys
    thread: Keys


class TableSource:
    """A table whose rows are sieved in columns.

    Args:
        held: Where its rows are.
        options: What records are held to.
        plan: What is read of it, which is not `unfit`.
        problems: What is wrong with its columns.
        pieces: Its pieces.
        detailed: Batches have their details.

    Attributes:
        in_threads: Its pieces are best read by threads.
        pieces: Its pieces, in order.
        bytes: How many bytes they have.

    Example:
        >>> from runengine.validation.bulk.tables_in_memory import source_of
        >>> times = {"created_at": [1_700_000_000, 1_700_000_000], "started_at": pa.array([None, None], pa.int64())}
        >>> texts = {"run_id": ["a", "b"], "thread_id": ["t", None], "status": ["queued", "queued"]}
        >>> source = source_of(pa.table({**texts, **times}), Options())
        >>> (piece,) = source.pieces
        >>> batch = source.columns(piece)
        >>> batch.odd.tolist(), [item.line for item in source.items(piece, np.array([1]))]
        ([False, True], [0, 2])
    """

    in_threads = True

    def __init__(
        self,
        held: Held,
        options: Options,
        *,
        plan: Plan,
        problems: Sequence[str],
        pieces: Sequence[Piece],
        detailed: bool = False,
    ) -> None:
        self._held, self._plan, self._problems = held, plan, tuple(problems)
        _keep_memory()
        self._decoder = Decoder(plan, options, detailed)
        said = [Piece(row=0, rows=len(problems), bytes=0, group=0, groups=0)] if problems else []
        self.pieces: Sequence[Piece] = (*said, *pieces)
        self.bytes = sum(piece.bytes for piece in self.pieces)
        self._whole: set[Piece] = set()
        self._broken: dict[Piece, _Broken] = {}

    def columns(self, piece: Piece, chosen: Ints | None = None) -> Batch:
        """As `Source.columns`."""
        batch = None if piece in self._broken or not piece.groups else self._decoded(piece, chosen)
        if batch is not None:
            return batch
        broken = self._of_items(piece)
        if chosen is None:
            return Batch.of_odd(broken.run, broken.thread)
        return evolve(Batch.of_odd(broken.run[chosen], broken.thread[chosen]), at=chosen, total=len(broken.run))

    def keys(self, piece: Piece) -> tuple[Keys, Keys]:
        """As `Source.keys`; those of `columns`, also of odd places."""
        if piece in self._whole:
            names = {each.name: each.column for each in self._plan.fields if each.name in ("id", "thread_id")}
            table = self._held.read(piece, [*names.values()])
            return keys_of(table.column(names["id"])), keys_of(table.column(names["thread_id"]))
        batch = self.columns(piece)
        return batch.run, batch.thread

    def items(self, piece: Piece, chosen: Ints) -> Iterator[Item]:
        """As `Source.items`."""
        if piece not in self._whole and piece not in self._broken and piece.groups:
            self.columns(piece)
        if piece in self._whole:
            total, items = piece.rows, self._row_items(piece, chosen)
        else:
            total = len(self._of_items(piece).run)
            items = _some(self._read_items(piece), chosen)
        following = 0
        for place, item in zip(chosen.tolist(), items, strict=True):
            if place > following:
                yield LeftOut(place - following)
            yield item
            following = place + 1
        if total > following:
            yield LeftOut(total - following)

    def _decoded(self, piece: Piece, chosen: Ints | None) -> Batch | None:
        """A piece in columns; None where it cannot be read so."""
        try:
            table = self._held.read(piece, self._plan.names)
            if chosen is None:
                batch = self._decoder.batch(table)
            else:
                batch = self._decoder.batch(table.take(pa.array(chosen)).combine_chunks())
                batch = evolve(batch, at=chosen, total=piece.rows)
        except ARROW.broken:
            return None
        self._whole.add(piece)
        return batch

    def _row_items(self, piece: Piece, chosen: Ints) -> Iterator[Item]:
        """Items of rows, made as the reader of rows makes them."""
        if not len(chosen):
            return
        table = self._held.read(piece, self._plan.names)
        for start in range(0, len(chosen), _ITEMS_AT_ONCE):
            some = chosen[start : start + _ITEMS_AT_ONCE]
            for rows in table.take(pa.array(some)).combine_chunks().to_batches():
                yield from row_items(ARROW, rows, self._plan, (some + piece.row + 1).tolist())

    def _read_items(self, piece: Piece) -> Iterator[Item]:
        """Items of a piece from the reader of rows."""
        if piece.groups:
            yield from self._held.items(piece)
        else:
            yield from (Unreadable(line=0, problem=problem) for problem in self._problems)

    def _of_items(self, piece: Piece) -> _Broken:
        """The keys of a piece that the reader of rows reads."""
        known = self._broken.get(piece)
        if known is None:
            runs: list[Keys] = [np.zeros(0, np.uint64)]
            threads: list[Keys] = [np.zeros(0, np.uint64)]
            ids: list[tuple[str | None, str | None]] = []
            for item in self._read_items(piece):
                ids.append(_ids_of(item))
                if len(ids) >= _ITEMS_AT_ONCE:
                    runs.append(hash_texts([run for run, _ in ids]))
                    threads.append(hash_texts([thread for _, thread in ids]))
                    ids.clear()
            runs.append(hash_texts([run for run, _ in ids]))
            threads.append(hash_texts([thread for _, thread in ids]))
            known = self._broken[piece] = _Broken(np.concatenate(runs), np.concatenate(threads))
            self._whole.discard(piece)
        return known


def _keep_memory() -> None:
    """Memory that is freed stays with the process up to 64 MiB, where the C library is GNU's.

    A block that is as large as those it never keeps, once freed, tells it to keep all that are smaller. Without that,
    every array of a piece is made of fresh pages, and half of the time goes into them.
    """
    np.empty(_KEPT_BYTES, np.uint8)


def _some(items: Iterator[Item], chosen: Ints) -> Iterator[Item]:
    """Items at some places."""
    wanted = iter(chosen.tolist())
    next_one = next(wanted, None)
    for place, item in enumerate(items):
        if place == next_one:
            yield item
            next_one = next(wanted, None)


def _ids_of(item: Item) -> tuple[str | None, str | None]:
    """The ids of run and thread, where an item has them."""
    if isinstance(item, Observation):
        run, thread = item.record.get("id"), item.record.get("thread_id")
    elif isinstance(item, Companion):
        run, thread = item.record.get("run_id"), item.record.get("thread_id")
    elif isinstance(item, Refusal):
        run, thread = item.run_id, item.thread_id
    else:
        run = thread = None
    return run if isinstance(run, str) else None, thread if isinstance(thread, str) else None
