"""`runengine runs`: look at the runs of a store, and move them."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from attrs import asdict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runengine.cli import asking
from runengine.cli.arguments import whole_number
from runengine.cli.timeline import STYLES, plain, print_timeline, shown_span
from runengine.core import SECOND_US, STATUSES, Policy
from runengine.dialects import write_run
from runengine.embedding.clock import SYSTEM
from runengine.embedding.explanation import explain_row, shown_time
from runengine.errors import RunNotFound
from runengine.stores import Row, RunQuery, Store
from runengine.stores.opening import open_as_made
from runengine.stores.records import PAGE

__all__ = ["add_parser", "run"]

_EPILOG: Final = """\
examples:
  runengine runs list sqlite:///runs.db --status in_progress      who is at work
  runengine runs list postgresql://me@db/runs --since 2026-01-01  page by page: --limit, --after ID
  runengine runs history sqlite:///runs.db run_1                  the life of one run, line by line
  runengine runs why sqlite:///runs.db run_1                      who holds it, until when, what happens then
  runengine runs create sqlite:///runs.db --thread t1 --assistant asst_1 --model gpt-4o
  runengine runs submit sqlite:///runs.db run_1 call_1=rain call_2=sun
  runengine runs cancel sqlite:///runs.db run_1 --reason "the user left"
  runengine runs show sqlite:///runs.db run_1 --format json | runengine check -

URL is sqlite:///FILE or postgresql://…; `runengine store init URL` makes a store. Each action has its own --help.
JSON: list {"version":1,"runs":[the records as the API has them],"next":ID for --after or null}; show the record itself;
history {"version":1,"run_id","entries":[…]} with times in microseconds; why and the others {"version":1, …}. A refusal
is {"version":1,"ok":false,"kind", …}, on standard output too.
exit codes: 0 done; 1 refused, or there is no such run; 2 misuse, or the store cannot be reached."""

_LIST: Final = """\
examples:
  runengine runs list sqlite:///runs.db --status queued --status in_progress --limit 100
  runengine runs list sqlite:///runs.db --since 2026-01-01 --format json | jq -r '.runs[].id'
  runengine runs list sqlite:///runs.db --format json --after ID      the page after the one whose "next" was ID"""

_LIMIT_MAX: Final = 1_000_000
_MOMENT_MAX_S: Final = 253_402_300_799
"""The last second of the year 9999, the last that dates are written of."""

_NEAR_AMONG: Final = 500
"""Runs whose ids are looked through for one that was meant."""

_WIDE: Final = 300
"""Columns where nobody looks on: a pipe gets every id whole."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "runs",
        help="look at the runs of a store, and move them",
        description="Look at the runs of a store, and move them: every move is decided by the table.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    _add_list(actions)
    for name, action, help, formats in (
        ("show", _show, "the record of a run", ("table", "json")),
        ("history", _history, "the life of a run, as a timeline", ("timeline", "json")),
        ("why", _why, "who holds a run, until when, and what happens then", ("text", "json")),
    ):
        one = actions.add_parser(name, help=help, description=f"Print {help}.")
        one.add_argument("url", metavar="URL", help="the store: sqlite:///FILE or postgresql://…")
        one.add_argument("run_id", metavar="RUN", help="the run's id")
        one.add_argument("--format", choices=formats, default=formats[0], help="(%(default)s)")
        one.set_defaults(act=action)
    asking.add_parsers(actions)
    parser.set_defaults(run=run)


def _add_list(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = actions.add_parser(
        "list",
        help="runs, the newest first",
        description="List runs, the newest first.",
        epilog=_LIST,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the store: sqlite:///FILE or postgresql://…")
    parser.add_argument("--thread", metavar="ID", help="of this thread only")
    parser.add_argument(
        "--status",
        action="append",
        choices=STATUSES,
        default=[],
        metavar="STATUS",
        help=f"in this status only; may be given again ({', '.join(STATUSES)})",
    )
    parser.add_argument(
        "--since", type=_moment_s, metavar="TIME", help="created then or later: ISO 8601 (UTC unless it says) or Unix"
    )
    parser.add_argument("--until", type=_moment_s, metavar="TIME", help="created before then")
    parser.add_argument(
        "--limit", type=whole_number(1, _LIMIT_MAX), default=PAGE, metavar="N", help="runs at most (%(default)s)"
    )
    parser.add_argument("--after", metavar="ID", help="begin after this run: the last of the page before")
    parser.add_argument("--format", choices=["table", "json"], default="table", help="(%(default)s)")
    parser.set_defaults(act=_list)


def _moment_s(text: str) -> int:
    """Unix seconds; of a time between two seconds the later, since records are stamped with whole ones."""
    if text.isascii() and text.isdigit():
        return whole_number(0, _MOMENT_MAX_S)(text)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"expected a time as 2026-01-31, 2026-01-31T09:00Z or 1769850000; got {text!r}"
        ) from None
    return seconds + bool(moment.microsecond)


def run(arguments: argparse.Namespace) -> int:
    """Do one action.

    Raises:
        StoreUnavailable, SchemaMismatch: the store cannot be opened.
    """
    given = [getattr(arguments, name, None) or "" for name in ("run_id", "thread", "after")]
    if odd := [text for text in given if not _is_text(text)]:
        print(f"runengine runs: {plain(odd[0])} is no text in UTF-8", file=sys.stderr)
        return 2
    store, policy = open_as_made(arguments.url)
    with closing(store):
        try:
            code: int = arguments.act(store, policy, arguments)
        except RunNotFound as error:
            message = f"{error}{_meant(store, error.run_id)}"
            if arguments.format == "json":
                refusal = {"version": 1, "ok": False, "kind": "not_found", "run_id": error.run_id, "message": message}
                _print_json(refusal)
            else:
                print(f"runengine: {plain(message)}", file=sys.stderr)
            return 1
        return code


def _is_text(text: str) -> bool:
    """Whether it has no byte that is foreign to the locale, and no zero; a database would not take it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _meant(store: Store, run_id: str) -> str:
    """What else the id may be: that of a create that waits, or one mistyped."""
    for waiting in store.waiting():
        if waiting.run_id == run_id:
            return f" yet; it waits for the run on {waiting.thread_id} to end"
    ids = [row.run.id for row in store.runs(RunQuery(limit=_NEAR_AMONG))]
    near = get_close_matches(run_id, ids, n=3) or [i for i in ids if i.startswith(run_id)][:3]
    return f"; did you mean {' or '.join(near)}?" if near else "; `runengine runs list` shows those there are"


def _row(store: Store, run_id: str) -> Row:
    row = store.row(run_id)
    if row is None:
        raise RunNotFound(run_id)
    return row


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=_WIDE)


def _list(store: Store, _policy: Policy, arguments: argparse.Namespace) -> int:
    query = RunQuery(
        thread_id=arguments.thread,
        statuses=tuple(dict.fromkeys(arguments.status)),
        created_from=arguments.since,
        created_until=arguments.until,
        after=arguments.after,
        limit=arguments.limit + 1,
    )
    found = store.runs(query)
    rows, more = found[: arguments.limit], len(found) > arguments.limit
    following = rows[-1].run.id if more else None
    if arguments.format == "json":
        _print_json({"version": 1, "runs": [write_run(row.run) for row in rows], "next": following})
        return 0
    console = _console()
    if not rows:
        console.print("no run", style="dim")
        return 0
    console.print(_table(rows))
    if following is not None:
        console.print(f"there are more: --after {plain(following)}", style="dim", soft_wrap=True)
    return 0


def _table(rows: tuple[Row, ...]) -> Table:
    now_us = SYSTEM.now_us()
    table = Table(box=None, pad_edge=False)
    for name in ("id", "thread", "status", "created (UTC)", "age", "next deadline", "worker"):
        table.add_column(name, no_wrap=name != "worker", overflow="fold")
    if any(row.waiting for row in rows):
        table.add_column("waiting")
    for row in rows:
        run = row.run
        deadline = ""
        if row.deadline_us is not None:
            left_us = row.deadline_us - now_us
            deadline = f"in {shown_span(left_us)}" if left_us > 0 else f"{shown_span(-left_us)} overdue"
        cells: list[Text | str] = [
            Text(plain(run.id), "bold"),
            Text(plain(run.thread_id)),
            Text(run.status, STYLES[run.status]),
            shown_time(run.created_at * SECOND_US)[:19],
            shown_span(max(0, now_us - run.created_at * SECOND_US)),
            deadline,
            Text(plain(row.owner or "")),
        ]
        table.add_row(*cells, *([str(row.waiting or "")] if len(table.columns) > len(cells) else []))
    return table


def _show(store: Store, _policy: Policy, arguments: argparse.Namespace) -> int:
    row = _row(store, arguments.run_id)
    record = write_run(row.run)
    if arguments.format == "json":
        _print_json(record)
        return 0
    table = Table("field", "value", box=None, pad_edge=False)
    for name, value in record.items():
        if value is not None:
            table.add_row(name, Text(plain(_shown(name, value)), overflow="fold"))
    absent = [name for name, value in record.items() if value is None]
    console = _console()
    console.print(table)
    console.print(f"\nnull: {', '.join(absent)}", style="dim", soft_wrap=True)
    console.print(f"version {row.version}, fence {row.fence}; `runengine runs why` says who holds it", style="dim")
    return 0


def _shown(name: str, value: Any) -> str:
    if name.endswith("_at") and type(value) is int:
        return f"{value} ({shown_time(value * SECOND_US)[:19]}Z)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _history(store: Store, _policy: Policy, arguments: argparse.Namespace) -> int:
    row = _row(store, arguments.run_id)
    entries = store.history(arguments.run_id)
    if arguments.format == "json":
        names = ("seq", "kind", "name", "at_us", "status", "data", "worker", "fence", "position")
        lines = [{name: getattr(entry, name) for name in names} for entry in entries]
        _print_json({"version": 1, "run_id": arguments.run_id, "entries": lines})
        return 0
    print_timeline(_console(), row, entries, SYSTEM.now_us())
    return 0


def _why(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    row = _row(store, arguments.run_id)
    why = explain_row(row, policy, store.waiting(row.run.thread_id) if row.waiting else ())
    if arguments.format == "json":
        _print_json({"version": 1, **asdict(why)})
        return 0
    console = _console()
    console.print(plain(why.text), soft_wrap=True)
    console.print(f"Allowed now: {', '.join(why.allowed)}.", style="dim", soft_wrap=True)
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
