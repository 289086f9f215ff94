"""The rules that are pure windows, as plain SQL: for platforms that allow no Python workers.

Every step, stamp and presence in the text is asked of the project's tables and rules when it is made: a step is
named where `path_findings` says something of an example of it. One query, one pass over the table: a row of its
answer is a snapshot at fault, with the codes and fields of what is wrong. Nothing is forgotten in it, fields that are
held as JSON text are not compared (two texts may be one JSON), and stamps are taken to be whole numbers, times of
observation to be in `observed_at_us` or `observed_at`. Spark SQL and DuckDB read it. Source: DESIGN §2.3, §5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from runengine.core import SECOND_US
from runengine.core.events import TTL_S
from runengine.core.fields import FIELDS, IDENTITY, IMMUTABLE, STAMPS
from runengine.core.guards import DEADLINE_FREE
from runengine.core.shape import ARRIVAL_STAMP, STAMP_ORDER, presence
from runengine.core.statuses import EXPIRED, IN_PROGRESS, STATUSES, Status
from runengine.core.table import ENDED_BY, TERMINAL
from runengine.validation.rules.path import STALE_S, Point, path_findings
from runengine.validation.rules.stamps import MILLISECONDS_FROM
from runengine.validation.summary import Options

__all__ = ["COVERED", "compared", "sql_of"]

COVERED: Final = (
    *("RE101", "RE102", "RE103", "RE106"),
    *("RE201", "RE202", "RE203", "RE204", "RE205", "RE206", "RE207", "RE208", "RE209", "RE210"),
    *("RE401", "RE402"),
)
"""The rules that the query speaks of."""

_LIVE: Final[tuple[Status, ...]] = tuple(status for status in STATUSES if status not in TERMINAL)
_PLAIN: Final = ("string", "stamp", "integer", "number", "boolean")
_BIRTHS: Final = ("thread.run.created", "create")
_EXAMPLES: Final[dict[str, tuple[int | None, int | None]]] = {
    "none": (None, None),
    "began": (None, 50),
    "lost": (50, None),
    "back": (50, 40),
    "same": (50, 50),
    "later": (50, 60),
}
"""How started_at may move from one snapshot to the next, each with an example of it."""

_LONG_BEFORE: Final = 1.0
_LONG_AFTER: Final = 1e6


def compared(columns: Iterable[str]) -> tuple[str, ...]:
    """The fields of a table that the query compares: those there is a column for, and whose values are no JSON text.

    Args:
        columns: Names of the table's columns.

    Example:
        >>> compared(["id", "model", "tools", "started_at"])
        ('started_at', 'model')
    """
    there = set(columns) - {"id", "status"}
    return tuple(name for name, f in FIELDS.items() if name in there and f.kind in _PLAIN)


def sql_of(
    options: Options,
    columns: Iterable[str],
    table: str = "runs",
    *,
    order: Sequence[str] = ("observed_at_us",),
    scope: Sequence[str] = (),
) -> str:
    """The query.

    Args:
        options: What to hold the table to: policy, sampling, skew, and the rules that are selected or ignored.
        columns: Names of the table's columns, `id` (or `run_id`) and `status` among them.
        table: What stands after FROM.
        order: Columns that order the snapshots of a run, none of them alike in all of these.
        scope: Columns that tell recordings apart, as the name of the file: an id means the same run within one.

    Returns:
        A SELECT of `scope`, `order`, `run_id`, `status` and `findings`: `RE205 started_at, RE402 model`.

    Raises:
        ValueError: the table has no column for a run's id, or none for its status.

    Example:
        >>> text = sql_of(Options(), ["id", "status", "started_at", "observed_at_us"])
        >>> text.startswith("WITH ") and "'RE205 started_at'" in text and "RE402" not in text
        True
    """
    there = frozenset(columns)
    if "status" not in there or not there & {"id", "run_id"}:
        raise ValueError("expected columns id (or run_id) and status")
    made = _Query(options, there, tuple(order), tuple(scope))
    return made.text(table)


class _Query:
    """A query in the making: what it is for, and the conditions of its findings."""

    def __init__(self, options: Options, there: frozenset[str], order: tuple[str, ...], scope: tuple[str, ...]) -> None:
        self.options = options
        self.there = there
        self.order = order
        self.scope = scope
        self.fields = compared(there)
        self.stamps = tuple(name for name in STAMPS if name in there)
        self.fixed = tuple(name for name in (*IDENTITY, "created_at", *IMMUTABLE) if name in self.fields)

    def text(self, table: str) -> str:
        """The whole of it."""
        run = ", ".join((*(f"scope_{i}" for i in range(len(self.scope))), "run_id"))
        by = ", ".join(f"order_{i}" for i in range(len(self.order)))
        window = f"PARTITION BY {run} ORDER BY {by}"
        life = f"PARTITION BY {run}, life ORDER BY {by} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        said = ",\n    ".join(f"CASE WHEN {when} THEN '{what}' END" for what, when in self._findings())
        places = [f"scope_{i} AS {name}" for i, name in enumerate(self.scope)]
        places += [f"order_{i} AS {name}" for i, name in enumerate(self.order)]
        up_to_here = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        another = f"SUM(CASE WHEN {self._another()} THEN 1 ELSE 0 END) OVER ({window} {up_to_here}) AS life"
        known = f"{self._id()} IS NOT NULL AND status IN ({_texts(STATUSES)})"
        steps = (
            ("snapshots", self._columns(), f"{table}\n  WHERE {known}"),
            ("pairs", f"*, {self._lags(window)}", "snapshots"),
            ("births", f"*, {another}", "pairs"),
            ("lives", f"*, {self._known(life)}", "births"),
            ("known", f"*, {self._bases(run, by)}", "lives"),
            ("judged", f"*, concat_ws(', ',\n    {said or 'NULL'}\n  ) AS findings", "known"),
        )
        tables = ",\n".join(f"{name} AS (\n  SELECT {what}\n  FROM {source}\n)" for name, what, source in steps)  # noqa: S608
        answer = ", ".join((*places, "run_id", "status", "findings"))
        return f"WITH {tables}\nSELECT {answer}\nFROM judged\nWHERE findings <> ''"

    def _id(self) -> str:
        return "id" if "id" in self.there else "run_id"

    def _columns(self) -> str:
        """The columns that are looked at, and where the snapshot was seen, and when."""
        source = "'snapshot'"
        kind = "kind" if "kind" in self.there else "''"
        if self.there & {"kind", "event"}:
            event = "event" if "event" in self.there else "''"
            source = f"CASE WHEN {kind} = 'history' THEN 'history'"
            source += f" WHEN {kind} = 'stream' OR {event} LIKE 'thread.%' THEN 'stream' ELSE 'snapshot' END"
        seen = "CAST(NULL AS DOUBLE)"
        if "observed_at_us" in self.there:
            seen = f"observed_at_us / {SECOND_US}.0E0"
        elif "observed_at" in self.there:
            seen = "CAST(observed_at AS DOUBLE)"
        sampling = self.options.sampling
        complete = {"complete": "1", "polled": "0"}.get(sampling, f"CASE WHEN {source} <> 'snapshot' THEN 1 ELSE 0 END")
        births = [f"event IN ({_texts(_BIRTHS)})"] if "event" in self.there else []
        births += [f"({kind} = 'create' AND {source} = 'snapshot')"] if "kind" in self.there else []
        named = [f"{name} AS scope_{i}" for i, name in enumerate(self.scope)]
        named += [f"{name} AS order_{i}" for i, name in enumerate(self.order)]
        return ", ".join(
            (
                *named,
                f"{self._id()} AS run_id",
                "status",
                *self.fields,
                f"CASE WHEN {source} = 'stream' THEN NULL ELSE {seen} END AS seen_s",
                f"{complete} AS shows_all",
                f"CASE WHEN {' OR '.join(births) or 'FALSE'} THEN 1 ELSE 0 END AS is_birth",
            )
        )

    def _lags(self, window: str) -> str:
        names = ("status", "seen_s", "shows_all", *self.fields)
        return ", ".join(f"LAG({name}) OVER ({window}) AS was_{name}" for name in names)

    def _another(self) -> str:
        """Two signs of three that the id is another run's: see `runengine.validation.rules.threads.is_another`."""
        signs = ["is_birth"]
        if "created_at" in self.there:
            other = "created_at <> was_created_at"
            valid = f"{_is_seconds('created_at')} AND {_is_seconds('was_created_at')}"
            signs.append(f"CASE WHEN {valid} AND {other} THEN 1 ELSE 0 END")
        if "thread_id" in self.there:
            signs.append("CASE WHEN thread_id <> was_thread_id THEN 1 ELSE 0 END")
        return f"was_status IS NOT NULL AND {' + '.join(signs)} >= 2"

    def _known(self, life: str) -> str:
        """Within a life: whether a snapshot stands before, whether it had ended, deadlines counted, first values."""
        ended = f"MAX(CASE WHEN status IN ({_texts(TERMINAL)}) THEN 1 ELSE 0 END) OVER ({life}) AS ended"
        follows = f"CASE WHEN COUNT(*) OVER ({life}) > 1 THEN 1 ELSE 0 END AS follows"
        due = "expires_at" if "expires_at" in self.there else "NULL"
        counted = f"COUNT(CASE WHEN {_is_seconds(due)} THEN 1 END) OVER ({life}) AS due_no"
        firsts = [*self.fixed, *(name for name in ("expires_at",) if name in self.there)]
        return ", ".join((ended, follows, counted, *(f"FIRST_VALUE({n}) OVER ({life}) AS first_{n}" for n in firsts)))

    def _bases(self, run: str, by: str) -> str:
        """The deadline known at each snapshot, how started_at moved, and values at the run's end."""
        due = "expires_at" if "expires_at" in self.there else "NULL"
        known = f"MAX(CASE WHEN {_is_seconds(due)} THEN {due} END) OVER (PARTITION BY {run}, life, due_no)"
        usual = "NULL"
        if "created_at" in self.there:
            usual = f"CASE WHEN {_is_seconds('created_at')} THEN created_at + {TTL_S} END"
        end = f"PARTITION BY {run}, life, ended ORDER BY {by}"
        lasting = [name for name in self.fields if name not in self.fixed]
        bases = [f"FIRST_VALUE({name}) OVER ({end}) AS ended_{name}" for name in lasting]
        return ", ".join((f"COALESCE({known}, {usual}) AS due_s", f"{self._way()} AS way", *bases))

    def _way(self) -> str:
        """How started_at moved, whether both snapshots show every status, and whether it could have been restarted."""
        moved = "'none'"
        could = "'1'"
        if "started_at" in self.there:
            moved = (
                "CASE WHEN was_started_at IS NULL THEN CASE WHEN started_at IS NULL THEN 'none' ELSE 'began' END"
                " WHEN started_at IS NULL THEN 'lost' WHEN started_at < was_started_at THEN 'back'"
                " WHEN started_at = was_started_at THEN 'same' ELSE 'later' END"
            )
            could = f"CASE WHEN started_at + 1 <= was_seen_s - {self.options.skew_s + STALE_S!r} THEN '0' ELSE '1' END"
        both = "CASE WHEN shows_all = 1 AND was_shows_all = 1 THEN '1' ELSE '0' END"
        return f"{moved} || {both} || {could}"

    def _findings(self) -> Iterator[tuple[str, str]]:
        """Code and field of each finding, and when it is to be said."""
        every = (*self._stamps(), *self._deadlines(), *self._same(), *self._ended(), *self._path())
        for code, name, when in every:
            if self.options.reports(code):
                yield f"{code} {name}", when

    def _stamps(self) -> Iterator[tuple[str, str, str]]:
        for name in self.stamps:
            must = [status for status in STATUSES if presence(name, status) == "must"]
            never = [status for status in STATUSES if presence(name, status) == "never"]
            missing, unexpected = ("RE206", "RE206") if name == "expires_at" else ("RE201", "RE202")
            if must:
                yield missing, name, f"{name} IS NULL AND status IN ({_texts(must)})"
            if never:
                yield unexpected, name, f"{name} IS NOT NULL AND status IN ({_texts(never)})"
            yield "RE209", name, f"{name} = 0"
            yield "RE207", name, f"{name} < 0 OR {name} >= {MILLISECONDS_FROM}"
            if name != "expires_at":
                yield "RE208", name, f"{_is_seconds(name)} AND {name} > seen_s + {self.options.skew_s!r}"
        for earlier, later in STAMP_ORDER:
            if earlier in self.stamps and later in self.stamps:
                yield "RE203", later, f"{_is_seconds(earlier)} AND {_is_seconds(later)} AND {earlier} > {later}"

    def _deadlines(self) -> Iterator[tuple[str, str, str]]:
        if "started_at" in self.stamps:
            yield "RE210", "started_at", f"{_is_seconds('started_at')} AND started_at >= due_s"
        for status, name in ARRIVAL_STAMP.items():
            if status == IN_PROGRESS or name not in self.stamps:
                continue
            here = f"status = '{status}' AND {_is_seconds(name)}"
            if status == EXPIRED:
                yield "RE206", name, f"{here} AND {name} < due_s"
            elif ENDED_BY[status] not in DEADLINE_FREE:
                yield "RE210", name, f"{here} AND {name} >= due_s"

    def _same(self) -> Iterator[tuple[str, str, str]]:
        """What changed while the run lived, unless it is again what it was at first."""
        lived = f"follows = 1 AND was_status IN ({_texts(_LIVE)})"
        for name in self.fixed:
            code = "RE401" if name in IDENTITY else "RE402" if name in IMMUTABLE else "RE204"
            yield code, name, f"{lived} AND {_strays(name, 'first')}"
        if "expires_at" in self.stamps:
            alive = f"{lived} AND status IN ({_texts(_LIVE)})"
            moved = "expires_at <> was_expires_at AND expires_at IS DISTINCT FROM first_expires_at"
            yield "RE204", "expires_at", f"{alive} AND {moved}"
        if "started_at" in self.stamps:
            yield "RE204", "started_at", f"{lived} AND was_started_at IS NOT NULL AND started_at IS NULL"

    def _ended(self) -> Iterator[tuple[str, str, str]]:
        """What changed after the run's end."""
        over = f"follows = 1 AND was_status IN ({_texts(TERMINAL)})"
        yield "RE103", "status", f"{over} AND status <> was_status"
        for name in self.fields:
            base = "first" if name in self.fixed else "ended"
            yield "RE103", name, f"{over} AND status = was_status AND {_strays(name, base)}"

    def _path(self) -> Iterator[tuple[str, str, str]]:
        """Steps by what the rules on the path say of an example of each."""
        said: dict[tuple[str, str], dict[str, set[str]]] = {}
        tells = "started_at" in self.there
        for way, complete, seen_s in _ways(self.options, tells):
            was, is_now = _EXAMPLES[way[:-2]]
            for source in _LIVE:
                for target in STATUSES:
                    before = Point(status=source, record={"started_at": was}, observed_s=seen_s, tells_start=tells)
                    now = Point(status=target, record={"started_at": is_now}, tells_start=tells)
                    policy, skew_s = self.options.policy, self.options.skew_s
                    for finding in path_findings(before, now, policy, complete, skew_s):
                        steps = said.setdefault((finding.code, finding.field or ""), {})
                        steps.setdefault(way, set()).add(f"{source}>{target}")
        for (code, name), by_way in said.items():
            same: dict[frozenset[str], list[str]] = {}
            for way, steps_of in by_way.items():
                same.setdefault(frozenset(steps_of), []).append(way)
            step = "was_status || '>' || status"
            some = (f"(way IN ({_texts(ways)}) AND {step} IN ({_texts(sorted(s))}))" for s, ways in same.items())
            yield code, name, f"follows = 1 AND ({' OR '.join(some)})"


def _ways(options: Options, tells_start: bool) -> Iterator[tuple[str, bool, float]]:
    """Each way a step may be taken, as the query spells it, with what the rules are to be asked."""
    completes = {"complete": (True,), "polled": (False,)}.get(options.sampling, (False, True))
    for moved in _EXAMPLES if tells_start else ("none",):
        for complete in completes:
            for could, seen_s in (("0", _LONG_AFTER), ("1", _LONG_BEFORE)):
                yield f"{moved}{int(complete)}{could}", complete, seen_s


def _strays(name: str, base: str) -> str:
    return f"{name} IS DISTINCT FROM was_{name} AND {name} IS DISTINCT FROM {base}_{name}"


def _is_seconds(name: str) -> str:
    return f"({name} > 0 AND {name} < {MILLISECONDS_FROM})"


def _texts(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
