"""The rules of `check` that need a row and the one before it, as one query with windows: DuckDB, beside our columns.

Everything in it is made from the project's own tables: which statuses have which stamps, which events name which
status, which steps are legal, which stamps come in which order. It judges columns of the lifecycle (see
`runengine.simulation.writing.parquet`). It is given what our columns give themselves: digests in place of the texts
that must not change, numbers in place of words, and the plain rule of overlaps, stamps alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Final

from runengine.core import SECOND_US, STATUSES, TERMINAL
from runengine.core.events import TTL_S
from runengine.core.fields import FIELDS, IDENTITY, IMMUTABLE
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import STAMP_ORDER, end_stamp, presence
from runengine.core.statuses import EXPIRED, Status
from runengine.core.table import ENDED_BY, PRACTICAL, TABLE, Policy
from runengine.validation.rules.path import Point, birth_findings, event_findings, path_findings
from runengine.validation.rules.stamps import MILLISECONDS_FROM
from runengine.validation.summary import SKEW_S

__all__ = ["COLUMNS", "window_of", "windowed"]

_STAMPS: Final = ("created_at", "started_at", "expires_at", "completed_at", "failed_at", "cancelled_at")
_PARTS: Final = tuple(name for name in (*IDENTITY, *IMMUTABLE) if name in ("thread_id", "assistant_id", "model"))
COLUMNS: Final = ("run_id", *_PARTS, "status", "kind", "event", "observed_at_us", *_STAMPS)
"""What both sides read."""

_MOVES: Final = ((None, None), (None, 1), (1, None), (1, 1), (1, 2), (2, 1))
"""started_at before and now: never, written, lost, the same, later, earlier."""


def _bits(truths: Iterable[bool]) -> str:
    return f"'{''.join('01'[truth] for truth in truths)}'::BIT"


def _steps(policy: Policy) -> str:
    """By ((complete * 9 + source) * 9 + target) * 6 + move: whether nothing is to be said. An end is not asked of."""

    def is_clean(complete: bool, source: Status, target: Status, move: tuple[int | None, int | None]) -> bool:
        was, is_now = move
        if was is not None and is_now is None:
            return False  # RE204
        before = Point(status=source, record={"started_at": was})
        now = Point(status=target, record={"started_at": is_now})
        return source in TERMINAL or not any(path_findings(before, now, policy, complete, SKEW_S))

    return _bits(
        is_clean(complete, source, target, move)
        for complete in (False, True)
        for source in STATUSES
        for target in STATUSES
        for move in _MOVES
    )


def _layouts() -> str:
    """By status * 32 + which of the five stamps are not null: whether that is the status's shape."""

    def fits(status: Status, *given: bool) -> bool:
        rules = (presence(name, status) for name in _STAMPS[1:])
        return all(rule != ("never" if is_given else "must") for rule, is_given in zip(rules, given, strict=True))

    return _bits(fits(status, *given) for status in STATUSES for given in product(*[(False, True)] * 5))


def _events() -> str:
    """By event * 9 + status: whether they fit each other; 0 is an event that the table does not know, or none."""
    names = (None, *_event_names())
    return _bits(not any(event_findings(name, status)) for name, status in product(names, STATUSES))


def _event_names() -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.event for row in TABLE))


def _number(column: str, words: Iterable[str]) -> str:
    cases = " ".join(f"WHEN '{word}' THEN {place}" for place, word in enumerate(words))
    return f"CASE {column} {cases} END"


def _in_order() -> Iterable[str]:
    return (f"{later} < {earlier}" for earlier, later in STAMP_ORDER)


def _ended() -> str:
    stamps = dict.fromkeys(stamp for status in TERMINAL if (stamp := end_stamp(status)) is not None)
    return f"coalesce({', '.join(stamps)})"


def _late(deadline: str) -> str:
    """The deadline, of rows whose status has an end."""
    held = [STATUSES.index(s) for s in TERMINAL if s != EXPIRED and ENDED_BY[s] not in DEADLINE_FREE]
    return (
        f"(started_at >= {deadline} OR (status IN ({', '.join(map(str, held))}) AND ended >= {deadline})"
        f" OR (status = {STATUSES.index(EXPIRED)} AND ended < {deadline}))"
    )


def window_of(path: Path, policy: Policy = PRACTICAL) -> str:
    """The query; its answer is how many rows, and how many threads' runs, the rules speak of.

    Args:
        path: A Parquet file with columns of the lifecycle.
        policy: Which steps are legal.
    """
    lasting = ", ".join(("thread_id", "assistant_id", "model", *_STAMPS))
    known = [name for name in (*_PARTS, "created_at") if name in FIELDS]
    given = " + ".join(f"({name} IS NOT NULL)::INT * {16 >> n}" for n, name in enumerate(_STAMPS[1:]))
    ends = ", ".join(str(STATUSES.index(status)) for status in TERMINAL)
    move = (
        "CASE WHEN was_started IS NULL THEN (started_at IS NOT NULL)::INT WHEN started_at IS NULL THEN 2"
        " WHEN started_at = was_started THEN 3 WHEN started_at > was_started THEN 4 ELSE 5 END"
    )
    step = f"((complete::INT * 9 + was) * 9 + status) * {len(_MOVES)} + {move}"
    births = " OR ".join(f"status = {n}" for n, s in enumerate(STATUSES) if not any(birth_findings(s, True)))
    outside = " OR ".join(f"NOT ({name} > 0 AND {name} < {MILLISECONDS_FROM})" for name in _STAMPS)
    ahead = " OR ".join(
        f"{name} > observed_at_us / {SECOND_US}.0 + {SKEW_S}" for name in _STAMPS if name != "expires_at"
    )
    alone = [
        f"NOT coalesce(get_bit({_layouts()}, status * 32 + given)::BOOL, false)",
        f"NOT get_bit({_events()}, event * 9 + status)::BOOL",
        f"created AND NOT ({births})",
        outside,
        ahead,
        " OR ".join(_in_order()),
        _late(f"coalesce(expires_at, was_expires, created_at + {TTL_S})"),
    ]
    together = [
        f"was NOT IN ({ends}) AND (same <> was_same OR NOT get_bit({_steps(policy)}, {step})::BOOL)",
        f"was NOT IN ({ends}) AND expires_at <> was_expires",
        f"was IN ({ends}) AND (status <> was OR lasting <> was_lasting)",
        "observed_at_us < was_observed",
    ]
    found = " OR ".join(f"coalesce({each}, false)" for each in (*alone, *together))
    return f"""
WITH read AS (
    SELECT hash(run_id) AS run, hash(thread_id) AS thread, {_number("status", STATUSES)} AS status,
        coalesce({_number("event", ("", *_event_names()))}, 0) AS event, kind = 'create' AS created,
        kind = 'history' AS complete, observed_at_us, {", ".join(_STAMPS)},
        {_ended()} AS ended, {given} AS given, hash({", ".join(known)}) AS same, hash({lasting}) AS lasting,
        file_row_number AS place
    FROM read_parquet('{path}', file_row_number = true)
), rows AS (
    SELECT *, lag(status) OVER run AS was, lag(started_at) OVER run AS was_started,
        lag(expires_at) OVER run AS was_expires, lag(same) OVER run AS was_same,
        lag(lasting) OVER run AS was_lasting, lag(observed_at_us) OVER run AS was_observed
    FROM read WINDOW run AS (PARTITION BY run ORDER BY place)
), lives AS (
    SELECT thread, min(created_at) AS begun, max(greatest(created_at, started_at, ended)) AS until
    FROM read GROUP BY run, thread
), beside AS (
    SELECT begun, until, max(until) OVER (
        PARTITION BY thread ORDER BY begun, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM lives
)
SELECT (SELECT count(*) FROM rows WHERE status IS NULL OR {found}),
    (SELECT count(*) FROM beside WHERE begun + {SKEW_S} < before)
"""


def windowed(path: Path, threads: int = 2) -> tuple[int, int]:
    """Run the query.

    Args:
        path: As of `window_of`.
        threads: How many DuckDB may use.

    Raises:
        ImportError: DuckDB is not installed.
    """
    with import_module("duckdb").connect() as connection:
        connection.execute(f"SET threads = {threads}")
        (row,) = connection.execute(window_of(path)).fetchall()
    rows, runs = row
    return int(rows), int(runs)


def reading(path: Path, threads: int = 2) -> Any:
    """Read the same columns and hash the ids alone, as a scale.

    Args:
        path: As of `window_of`.
        threads: How many DuckDB may use.
    """
    counts = ", ".join(f"count({name})" for name in COLUMNS if name != "run_id")
    with import_module("duckdb").connect() as connection:
        connection.execute(f"SET threads = {threads}")
        return connection.execute(f"SELECT bit_xor(hash(run_id)), {counts} FROM read_parquet('{path}')").fetchall()
