"""Runs and threads that came and went within a piece: what of them has to travel is a few bytes, not two rows.

A run that is seen from its birth to its end needs no more than where that was. If all of it that others remember is
forgotten by then, nothing is held against it; where something is remembered, it is suspect, whatever the columns would
say. A thread whose runs of a piece are over needs of these when the first was created, and when the last was at its
end. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from runengine.core.statuses import STATUSES
from runengine.validation.bulk.batch import NONE, Bools, Ints
from runengine.validation.bulk.compiled import Compiled
from runengine.validation.bulk.fragments import Fragment
from runengine.validation.bulk.keyed import Table
from runengine.validation.bulk.tables import ROW, TURN

__all__ = ["SHORT_ROW", "SHORT_TURN", "long_rows", "long_turns", "short_of", "short_rows", "short_turns"]

SHORT_ROW: Final = np.dtype(
    [("run", "<u8"), ("thread", "<u8"), ("at", "<u4"), ("lasted", "<u2"), ("status", "i1")],
)
"""A run from birth to end: where its first row stands, after how many items its last, and how it ended."""

SHORT_TURN: Final = np.dtype(
    [("thread", "<u8"), ("begun_at", "<u4"), ("created", "<u4"), ("lasted", "<u2"), ("spent", "<u4")],
)
"""A thread's runs of a piece: the first one's beginning; how many items later the last ended, and how many seconds."""

_QUEUED: Final = STATUSES.index("queued")
_MAX_32: Final = 1 << 32
_MAX_16: Final = 1 << 16


def short_of(fragment: Fragment, compiled: Compiled) -> tuple[Bools, Bools]:
    """Which runs and which threads of a fragment, in its order, can travel short.

    The last run of a thread has to end after the second it was created in, so that its end alone tells what follows it.

    Args:
        fragment: A fragment of rows that stand together in their recording.
        compiled: The tables.

    Example:
        >>> from runengine.validation.bulk.batch import Batch
        >>> from runengine.validation.summary import Options
        >>> compiled = Compiled.of(Options())
        >>> odd = Batch.of_odd(np.array([7], np.uint64), np.array([9], np.uint64))
        >>> short_of(Fragment.of(odd, compiled), compiled)
        (array([], dtype=bool), array([], dtype=bool))
    """
    first, last, begins, ends = fragment.first, fragment.last, fragment.begins, fragment.ends
    born = (first["status"] == _QUEUED) & (first["started"] == NONE) & (first["ended"] == NONE)
    runs = born & compiled.terminal[last["status"]] & _within(last["at"] - first["at"], _MAX_16)
    threads = np.zeros(len(begins), np.bool_)
    if len(first):
        place = np.minimum(np.searchsorted(first["run"], begins["run"]), len(first) - 1)
        threads = born[place] & (first["run"][place] == begins["run"]) & ends["over"]
        threads &= _within(ends["last_at"] - begins["begun_at"], _MAX_16)
        threads &= _within(ends["until"] - begins["created"], _MAX_32) & _within(begins["created"], _MAX_32)
        threads &= ends["created"] < ends["until"]
    return runs, threads


def _within(numbers: Ints, below: int) -> Bools:
    within: Bools = (numbers >= 0) & (numbers < below)
    return within


def short_rows(first: Table, last: Table, base: int) -> Table:
    """First and last rows of runs as `SHORT_ROW`.

    Args:
        first: The first rows (`ROW`).
        last: The last rows, in the same order.
        base: From where their places are counted.

    Example:
        >>> row = np.zeros(1, ROW)
        >>> row["at"] = 9
        >>> short_rows(row, row, 4)["at"]
        array([5], dtype=uint32)
    """
    short = np.empty(len(first), SHORT_ROW)
    short["run"], short["thread"], short["status"] = first["run"], first["thread"], last["status"]
    short["at"], short["lasted"] = first["at"] - base, last["at"] - first["at"]
    return short


def long_rows(short: Table, base: Ints) -> tuple[Table, Table]:
    """First and last rows (`ROW`) of which only key, thread, place and status mean something.

    The first one needs no word by itself. A row that goes on from such a last one, or to such a first one, is suspect.

    Args:
        short: The runs (`SHORT_ROW`).
        base: From where the place of each is counted.

    Example:
        >>> short = np.zeros(1, SHORT_ROW)
        >>> short["lasted"] = 3
        >>> [each["at"].tolist() for each in long_rows(short, np.array([4]))]
        [[4], [7]]
    """
    first = np.zeros(len(short), ROW)
    first["run"], first["thread"], first["at"] = short["run"], short["thread"], base + short["at"]
    first["observed"], first["several"], first["status"] = np.nan, True, _QUEUED
    last = first.copy()
    last["at"] += short["lasted"]
    last["status"], last["deadline"] = short["status"], NONE
    return first, last


def short_turns(begins: Table, ends: Table, base: int) -> Table:
    """First and last runs of threads as `SHORT_TURN`.

    Args:
        begins: The first runs (`TURN`).
        ends: The last runs, in the same order.
        base: From where their places are counted.

    Example:
        >>> turn = np.zeros(1, TURN)
        >>> turn["until"] = 9
        >>> short_turns(turn, turn, 0)["spent"]
        array([9], dtype=uint32)
    """
    short = np.empty(len(begins), SHORT_TURN)
    short["thread"], short["begun_at"], short["created"] = (
        begins["thread"],
        begins["begun_at"] - base,
        begins["created"],
    )
    short["lasted"], short["spent"] = ends["last_at"] - begins["begun_at"], ends["until"] - begins["created"]
    return short


def long_turns(short: Table, base: Ints) -> tuple[Table, Table]:
    """First and last runs (`TURN`) of threads, without their keys: a run that goes on is not known to be the same.

    Args:
        short: The threads (`SHORT_TURN`).
        base: From where the place of each is counted.

    Example:
        >>> short = np.zeros(1, SHORT_TURN)
        >>> short["created"], short["spent"] = 5, 4
        >>> first, last = long_turns(short, np.array([4]))
        >>> int(first["begun_at"][0]), int(last["until"][0])
        (4, 9)
    """
    begins = np.zeros(len(short), TURN)
    numbers: dict[str, Any] = {name: short[name].astype(np.int64) for name in ("created", "lasted", "spent")}
    begins["thread"], begins["over"] = short["thread"], True
    begins["begun_at"] = begins["last_at"] = base + short["begun_at"]
    begins["created"] = begins["until"] = numbers["created"]
    ends = begins.copy()
    ends["last_at"] += numbers["lasted"]
    ends["until"] += numbers["spent"]
    ends["created"] = ends["until"] - 1
    return begins, ends
