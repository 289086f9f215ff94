"""`runengine explain --run ID PATH…`: one run's whole life as a timeline, each finding at its place."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, cast

from rich.console import Console
from rich.text import Text

from runengine.cli.progress import reading
from runengine.cli.timeline import STYLES, plain
from runengine.core import POLICIES, SECOND_US, STATUSES, Status, policy_named
from runengine.core.fields import STAMPS
from runengine.core.shape import SHAPE, presence
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import masked
from runengine.embedding.explanation import shown_time
from runengine.errors import TraceUnreadable
from runengine.validation import Checker, Options
from runengine.validation.explaining.life import Change, Life, Moment
from runengine.validation.explaining.lifeline import RUNS_MAX, Lifelines
from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.readers import AUTO, DATABASE_READERS, READERS, expand, items_in
from runengine.validation.reports.report import count_of

__all__ = ["OPTIONS", "add_options", "explain_run", "print_life"]

OPTIONS: Final = ("policy", "sampling", "reader", "dialect", "join", "format")
"""What goes with --run and with nothing else."""

_MARKS: Final = {
    "queued": "○",
    "in_progress": "◐",
    "requires_action": "◇",
    "cancelling": "◌",
    "completed": "●",
    "incomplete": "◑",
    "failed": "✗",
    "cancelled": "⊘",
    "expired": "⊗",
}
"""A symbol for each status."""

_SEVERITY_STYLES: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_NOUNS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "remark"}
_INDENT: Final = " " * 26
_RULE: Final = "─" * 8
_TIED: Final = frozenset(row.field for row in SHAPE)
_VALUE_MAX: Final = 60
_LATEST_S: Final = 253_402_300_800
"""The year 10000, which no calendar here knows."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --run and what goes with it."""
    told = parser.add_argument_group("with --run")
    told.add_argument("--run", dest="run_id", metavar="ID", help="one run's whole life; the beginning of an id will do")
    told.add_argument("--policy", choices=list(POLICIES), help="legal steps (practical)")
    told.add_argument("--sampling", choices=["auto", "complete", "polled"], help="whether every status is shown (auto)")
    told.add_argument("--reader", choices=[AUTO, *READERS], help="how the paths are read (auto)")
    told.add_argument("--dialect", choices=(AUTO, *DIALECTS), help="how the records are written (auto)")
    told.add_argument(
        "--join", action="store_true", default=None, help="the recordings are one, in the order they are given"
    )
    told.add_argument("--format", choices=["text", "json"], help="form of the output (text)")


def explain_run(run_id: str, paths: list[str], arguments: argparse.Namespace) -> int:
    """Print a run's life in each recording that shows it, or in all of them joined.

    Args:
        run_id: Its id, or a beginning of it that no other run's id has.
        paths: Where to look.
        arguments: The options.

    Returns:
        0; 1 where it was found and a path could not be read; 2 where it was not found, or not it alone.
    """
    options = Options(
        policy=policy_named(arguments.policy or "practical"),
        sampling=arguments.sampling or "auto",
        dialect=arguments.dialect or AUTO,
        join=bool(arguments.join),
    )
    lifelines = Lifelines(run_id, options)
    checker = Checker(options, (lifelines,))
    unread = _read(paths, arguments.reader or AUTO, checker, lifelines)
    problem = _problem(lifelines, checker.summary.runs)
    if problem is not None:
        print(f"runengine: {problem}", file=sys.stderr)
        return 2
    if arguments.format == "json":
        made = {"version": 1, "run_id": lifelines.matches[0], "lives": [life.as_dict() for life in lifelines.lives]}
        print(json.dumps(made, indent=1, default=str))
    else:
        console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        for number, life in enumerate(lifelines.lives):
            if number:
                console.print()
            print_life(console, life)
    return 1 if unread else 0


def _read(paths: list[str], reader: str, checker: Checker, lifelines: Lifelines) -> bool:
    """Check every path once; one that cannot be read is named, and the rest still looked through."""
    unread, read = False, set[str]()
    for given in paths:
        try:
            for path in [given] if reader in DATABASE_READERS else expand([given]):
                if path in read:
                    continue
                read.add(path)
                items = items_in(path, reader=reader, watched=partial(reading, path))
                for violation in checker.check(masked(path), items):
                    lifelines.add(violation)
        except TraceUnreadable as error:
            unread = True
            print(f"runengine: {error}", file=sys.stderr)
        except OSError as error:
            unread = True
            print(f"runengine: {masked(given)}: {error.strerror or error}", file=sys.stderr)
    return unread


def _problem(lifelines: Lifelines, runs: int) -> str | None:
    """Why there is not one run to be told of, in one line."""
    asked, matches = lifelines.beginning, lifelines.matches
    if len(matches) == 1 and not (lifelines.many and matches[0] != asked):
        return None
    if lifelines.many or matches:
        some = ", ".join(map(plain, matches)) if matches else f"more than {RUNS_MAX}"
        return f"several runs begin with {asked!r} ({some}): give more of the id"
    near = [plain(run_id) for run_id in lifelines.near()]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"there is no run {asked!r} among {count_of(runs, 'run')}{hint}"


def print_life(console: Console, life: Life) -> None:
    """Print a life: who it is, its moments with what was found at each, and the verdict.

    Args:
        console: Where to.
        life: The life.
    """
    who = ", ".join(plain(part) for part in (life.assistant_id, life.model) if part)
    on = f" on {plain(life.thread_id)}" if life.thread_id else ""
    console.print(Text.assemble((plain(life.run_id), "bold"), f"{on}{f' ({who})' if who else ''}"))
    every = "every status is visible" if life.complete else "some statuses may have been missed"
    born = f"; created {_date(life.created_at)[:19]} UTC" if _date(life.created_at) else ""
    console.print(
        f"{', '.join(map(plain, life.recordings))}: {count_of(life.observations, 'observation')}, {every}{born}"
    )
    console.print("    line  time           status", style="dim")
    before: str | None = None
    path = "" if len(life.recordings) > 1 else life.path
    for moment in life.moments:
        if moment.path != path:
            path = moment.path
            console.print(f"{_RULE} {plain(path)} {_RULE}", style="dim")
        for event, status in moment.hidden:
            console.print(f"{_INDENT[:-5]}[ {_MARKS[status]} {status}, by {event}: nobody saw it ]", style="dim")
        console.print(_line(life, moment, before))
        for detail in _details(life, moment):
            console.print(Text(_INDENT + plain(detail), "dim"))
        for violation in moment.violations:
            _print_violation(console, moment, violation)
        before = moment.status or before
    _print_verdict(console, life)


def _line(life: Life, moment: Moment, before: str | None) -> Text:
    head = f"{moment.line:>8}  {_time(life, moment):<14} "
    if moment.kind == "line":
        return Text(head.rstrip())
    if moment.kind != "observation":
        times = f" ×{moment.times}" if moment.times > 1 else ""
        name = moment.event or moment.kind
        return Text.assemble(
            head, (f"  · {plain(name)}{times}" + (f": {plain(moment.says)}" if moment.says else ""), "dim")
        )
    status = str(moment.status)
    mark = _MARKS.get(status, "?")
    style = "dim" if status == before else STYLES.get(cast("Status", status), "red")
    text = Text.assemble(head, (f"{mark} {plain(status):<16}", style))
    if moment.event is not None:
        text.append(f" {plain(moment.event)}")
    elif moment.cause is not None:
        text.append(f" ({moment.cause})", "dim")
    if moment.times > 1:
        text.append(f" ×{moment.times}, to line {moment.last_line}", "dim")
    text.rstrip()
    return text


def _time(life: Life, moment: Moment) -> str:
    """When it was seen; or, where the recording does not tell, how long after its creation a stamp says it was."""
    seen = _date(moment.observed_s)[11:-1].removesuffix(".000")
    return seen or ("" if moment.stamp_s is None else _offset(life, moment.stamp_s))


def _offset(life: Life, stamp_s: int) -> str:
    return str(stamp_s) if life.created_at is None else f"{stamp_s - life.created_at:+,} s"


def _date(at_s: float | None) -> str:
    return "" if at_s is None or not 0 <= at_s < _LATEST_S else shown_time(round(at_s * SECOND_US))


def _details(life: Life, moment: Moment) -> Iterator[str]:
    """What it waits for, and what has changed, on one line; what a status cannot have is not said to be gone."""
    if moment.kind == "observation" and moment.says:
        yield moment.says
    told = "required_action" if moment.says else ""
    shown = [change for change in moment.changes if change.field != told and not _goes_of_itself(change, moment)]
    if shown:
        yield "; ".join(_said(life, change) for change in shown)


def _goes_of_itself(change: Change, moment: Moment) -> bool:
    known: Any = moment.status
    is_gone = change.is_now is None and change.field in _TIED and known in STATUSES
    return is_gone and presence(change.field, known) == "never"


def _said(life: Life, change: Change) -> str:
    def value(given: Any) -> str:
        if change.field in STAMPS and type(given) is int:
            return _offset(life, given)
        text = "null" if given is None else given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"

    if change.field == "usage" and isinstance(change.is_now, dict):
        usage = change.is_now
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        return f"{usage.get('total_tokens')} tokens ({read} in, {written} out)"
    was = "" if change.was is None else f"{value(change.was)} -> "
    return f"{change.field} {was}{value(change.is_now)}"


def _print_violation(console: Console, moment: Moment, violation: Violation) -> None:
    v = violation
    where = f" (line {v.line})" if v.line != moment.line else ""
    rule = ((v.severity, _SEVERITY_STYLES[v.severity]), " ", (v.code, "bold"), f" {v.name}{where}: ")
    console.print(Text.assemble(f"{_INDENT[:-2]}└ ", *rule, plain(v.message)))
    notes = [] if v.field is None else [f"{v.field} is {json.dumps(v.found, ensure_ascii=False, default=str)}"]
    notes += [] if v.expected is None else [f"expected {v.expected}"]
    if notes:
        console.print(Text(f"{_INDENT}  {plain('; '.join(notes))}"))
    if v.hint is not None:
        console.print(Text(f"{_INDENT}  {plain(v.hint)}", "dim"))


def _print_verdict(console: Console, life: Life) -> None:
    found = ", ".join(count_of(life.found[severity], _NOUNS[severity]) for severity in SEVERITIES)
    console.print(Text.assemble((f"{life.verdict}: {found}", "bold")))
    where = "in each recording " if len(life.recordings) > 1 else ""
    if life.repair.edits:
        console.print(f"{where}its path is legal after the cheapest repair (cost {life.repair.cost}):")
        for edit in life.repair.edits:
            console.print(f"  {plain(str(edit))}")
    elif life.observations:
        console.print(f"{where}its path is legal")
