"""`runengine demo`: eight runs driven through the table, their timeline, their trace file, and its check."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import frozen
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runengine.core import (
    SECOND_US,
    STATUSES,
    TERMINAL,
    TTL_S,
    Applied,
    Cancel,
    Complete,
    Create,
    Event,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    FunctionCall,
    Modify,
    Refused,
    RequireAction,
    RunObject,
    Start,
    SubmitToolOutputs,
    ToolCall,
    ToolOutput,
    Usage,
    decide,
)
from runengine.dialects import encode, write_run
from runengine.errors import TraceUnreadable
from runengine.validation import Checker, check_paths
from runengine.validation.reports import TextReport

__all__ = ["add_parser", "run"]

_BEGIN_US: Final = 1_767_258_000 * SECOND_US
"""1 January 2026, 09:00 UTC: the demo's clock is made up, so that it prints the same every time."""

_DEFAULT_FILE: Final = "runengine-demo.jsonl"
_STYLES: Final = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "expired": "red",
    "incomplete": "yellow",
}
_CALLS: Final = tuple(
    ToolCall(id=f"call_{city}", function=FunctionCall(name="get_weather", arguments=f'{{"city": "{city}"}}'))
    for city in ("Bergen", "Lagos")
)


@frozen
class _Story:
    """One run of the demo: what happens to it, at which second."""

    title: str
    thread: int
    at_s: float
    events: tuple[Event, ...]


@frozen
class _Moment:
    """One event of a story and what came of it."""

    at_us: int
    run_id: str
    event: Event
    decision: Applied | Refused


def _usage(prompt: int, completion: int) -> Usage:
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def _at(seconds: float) -> int:
    return _BEGIN_US + round(seconds * SECOND_US)


def _stories() -> tuple[_Story, ...]:
    return (*_answered(), *_unanswered())


def _answered() -> tuple[_Story, ...]:
    outputs = tuple(ToolOutput(tool_call_id=call.id, output="rain") for call in _CALLS)
    return (
        _Story("a plain completion", 1, 0.0, (Start(at_us=_at(0.4)), Complete(at_us=_at(3.1), usage=_usage(120, 48)))),
        _Story(
            "a tool round, first answered in part",
            2,
            1.0,
            (
                Start(at_us=_at(1.6)),
                RequireAction(at_us=_at(3.0), tool_calls=_CALLS),
                SubmitToolOutputs(at_us=_at(4.0), outputs=outputs[:1]),
                SubmitToolOutputs(at_us=_at(5.2), outputs=outputs),
                Start(at_us=_at(6.3)),
                Complete(at_us=_at(8.8), usage=_usage(310, 95)),
            ),
        ),
        _Story(
            "a cancel that wins",
            3,
            2.0,
            (
                Start(at_us=_at(2.2)),
                Cancel(at_us=_at(4.0), reason="the user left"),
                FinishCancel(at_us=_at(4.9), usage=_usage(80, 12)),
                Complete(at_us=_at(5.0), usage=_usage(80, 40)),
            ),
        ),
        _Story(
            "a cancel that loses the race",
            4,
            2.5,
            (
                Start(at_us=_at(2.9)),
                Cancel(at_us=_at(6.0), reason="changed my mind"),
                Complete(at_us=_at(6.1), usage=_usage(95, 210)),
            ),
        ),
    )


def _unanswered() -> tuple[_Story, ...]:
    return (
        _Story(
            "an expiry: nobody ran the tool",
            5,
            3.0,
            (
                Start(at_us=_at(3.2)),
                RequireAction(at_us=_at(5.0), tool_calls=_CALLS[:1]),
                Expire(at_us=_at(3.0 + TTL_S - 60)),
                Expire(at_us=_at(3.0 + TTL_S)),
            ),
        ),
        _Story(
            "a failure",
            6,
            4.0,
            (
                Start(at_us=_at(4.3)),
                Fail(at_us=_at(7.5), code="rate_limit_exceeded", message="You exceeded your current quota."),
            ),
        ),
        _Story(
            "an incomplete run",
            1,
            10.0,
            (
                Start(at_us=_at(10.2)),
                ExhaustTokens(at_us=_at(14.0), reason="max_completion_tokens", usage=_usage(64, 256)),
                Modify(at_us=_at(20.0), metadata={"reviewed": "yes"}),
            ),
        ),
        _Story(
            "a refused event",
            7,
            11.0,
            (
                Complete(at_us=_at(11.1)),
                Start(at_us=_at(11.5)),
                Complete(at_us=_at(13.0), usage=_usage(33, 7)),
            ),
        ),
    )


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work: drive eight runs, write their trace, check it",
        description="Drive eight runs through their lives, print their timeline, write their history as a trace file, "
        "and check that file.",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=_DEFAULT_FILE, help="the trace file (%(default)s; overwritten)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Drive, print, write, check.

    Raises:
        TraceUnreadable: the trace file cannot be written.
    """
    console = Console(highlight=False)
    stories = {f"run_demo{n}": story for n, story in enumerate(_stories(), 1)}
    moments = sorted((m for run_id, story in stories.items() for m in _drive(run_id, story)), key=lambda m: m.at_us)
    console.print("[bold]Eight runs, each change of status decided by the table (policy: practical)[/]\n")
    for run_id, story in stories.items():
        _print_story(console, run_id, story, [m for m in moments if m.run_id == run_id])
    console.print(_counts(moments))
    _write(arguments.output, moments)
    rows = sum(isinstance(m.decision, Applied) for m in moments)
    console.print(f"\nwrote {rows} observations to [bold]{escape(arguments.output)}[/]; checking it:", soft_wrap=True)
    checker = Checker()
    report = TextReport(sys.stdout)
    for violation in check_paths([arguments.output], checker):
        report.add(violation)
    report.close(checker.summary)
    console.print(
        f"\n[dim]next: runengine check {escape(arguments.output)} -v  |  runengine explain RE102  |  runengine draw[/]",
        soft_wrap=True,
    )
    return 1 if checker.summary.violations["error"] else 0


def _drive(run_id: str, story: _Story) -> list[_Moment]:
    create = Create(
        at_us=_at(story.at_s),
        run_id=run_id,
        thread_id=f"thread_demo{story.thread}",
        assistant_id="asst_demo",
        model="gpt-4o",
        instructions="Answer in one sentence.",
    )
    moments: list[_Moment] = []
    run: RunObject | None = None
    for event in (create, *story.events):
        decision = decide(run, event)
        if isinstance(decision, Applied):
            run = decision.run
        moments.append(_Moment(event.at_us, run_id, event, decision))
    return moments


def _print_story(console: Console, run_id: str, story: _Story, moments: list[_Moment]) -> None:
    console.print(f"[bold]{run_id}[/] on thread_demo{story.thread}: {story.title}")
    for moment in moments:
        at = datetime.fromtimestamp(moment.at_us / SECOND_US, UTC).strftime("%H:%M:%S.%f")[:-5]
        if isinstance(moment.decision, Applied):
            status = moment.decision.run.status
            style = _STYLES.get(status, "cyan")
            console.print(f"  {at}  {moment.event.name:<20} → [{style}]{status}[/]")
        else:
            refused = moment.decision
            console.print(f"  {at}  {moment.event.name:<20} [magenta]✗ refused ({refused.reason})[/]")
            console.print(f"              [dim]{escape(refused.message)}[/]", soft_wrap=True)
    console.print()


def _counts(moments: list[_Moment]) -> Table:
    last = {m.run_id: m.decision.run.status for m in moments if isinstance(m.decision, Applied)}
    ended = Counter(last.values())
    entered = Counter(m.decision.run.status for m in moments if isinstance(m.decision, Applied))
    table = Table("status", "observed", "runs that ended here", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for status in STATUSES:
        table.add_row(status, str(entered[status]), str(ended[status]) if status in TERMINAL else "")
    table.add_row("refused", str(sum(isinstance(m.decision, Refused) for m in moments)), "", style="magenta")
    return table


def _write(path: str, moments: list[_Moment]) -> None:
    rows = [
        encode(
            {
                "kind": "history",
                "event": m.event.name,
                "observed_at": m.at_us / SECOND_US,
                "data": write_run(m.decision.run),
            }
        )
        for m in moments
        if isinstance(m.decision, Applied)
    ]
    try:
        Path(path).write_bytes(b"".join(row + b"\n" for row in rows))
    except OSError as error:
        raise TraceUnreadable(path, 0, 0, f"cannot be written: {error.strerror}; choose another with -o") from None
