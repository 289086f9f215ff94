"""What `runengine simulate` tells: what there is, what a scenario comes to, what was written."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from runengine.cli.timeline import shown_span
from runengine.core import SECOND_US
from runengine.dialects.kotlin_sql import masked
from runengine.simulation import READY, Scenario, scenario_named
from runengine.simulation.recording import View

if TYPE_CHECKING:
    from runengine.simulation.producing import Counts
    from runengine.simulation.vectors.overview import Overview

__all__ = ["print_faults", "print_overview", "print_scenarios", "print_summary"]

_EXAMPLES: Final = 3
_CUT: Final = 150
_WIDTH: Final = 160
_FAULTS_MAX: Final = 8


def _console() -> Console:
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


def _table(*columns: str, left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right", overflow="fold")
    return table


def print_scenarios() -> None:
    """The ready-made scenarios, with what they are like."""
    table = _table("name", "what it is like", "runs/s", left=2)
    for name in READY:
        scenario = scenario_named(name)
        table.add_row(name, scenario.title, f"{scenario.arrival.rate_per_s:g}")
    _console().print(table)


def print_faults() -> None:
    """The faults, with what is wrong and which rules that breaks."""
    from runengine.simulation.faults import FAULTS

    table = _table("name", "what is wrong", "breaks", "views", left=4)
    for name, fault in FAULTS.items():
        table.add_row(name, fault.says, " ".join(fault.breaks) or "-", " ".join(fault.views))
    _console().print(table)


def print_overview(scenario: Scenario, seed: int, runs: int, view: View) -> None:
    """What a scenario comes to, and a few lines of it."""
    from runengine.simulation.vectors.overview import overview

    console, seen = _console(), overview(scenario, seed, runs)
    console.print(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name, style="bold")
    each, rate = seen.entries / seen.runs, seen.runs / max(seen.span_s, 1)
    console.print(
        f"{seen.runs:,} runs on {seen.threads:,} threads, seed {seed}: {seen.entries:,} events ({each:.1f} a run) in "
        f"{shown_span(round(seen.span_s * SECOND_US))}, {rate:.3g} runs/s; {seen.refused:,} creates refused at first"
    )
    console.print()
    console.print(_ways(seen))
    console.print()
    console.print(_ends(seen))
    console.print()
    if view == "polled":
        _print_polling(console, scenario, seed, runs)
    console.print(f"The first lines with --view {view}:")
    for line in _lines(scenario, seed, view):
        console.print(line if len(line) <= _CUT else line[:_CUT] + "…", soft_wrap=True)
    console.print("\nNothing was written: give -o OUT, as -o runs.jsonl (runengine simulate --help).")


def _spans(seconds: tuple[float, ...]) -> list[str]:
    return [shown_span(round(span_s * SECOND_US)) for span_s in seconds]


def _ways(seen: Overview) -> Table:
    table = _table("row of the table", "times", "of its source", "10% within", "50%", "90%", "99%")
    for way in seen.ways:
        table.add_row(way.row, f"{way.count:,}", f"{way.share:.2%}", *_spans(way.after_s))
    return table


def _ends(seen: Overview) -> Table:
    table = _table("end", "runs", "of all", "10% within", "50%", "90%", "99%")
    for status, count in seen.statuses.items():
        table.add_row(status, f"{count:,}", f"{count / seen.runs:.2%}", *[""] * len(seen.life_s))
    table.add_row("any", f"{seen.runs:,}", "100.00%", *_spans(seen.life_s))
    return table


def _print_polling(console: Console, scenario: Scenario, seed: int, runs: int) -> None:
    from runengine.simulation.vectors.overview import polling

    seen = polling(scenario, seed, runs)
    tenth, half, most, nearly = _spans(seen.late_s)
    every = shown_span(round(scenario.pollers.interval_s * SECOND_US))
    console.print(
        f"Polled every {every}: {seen.polls:,} answers, {seen.polls / seen.runs:.1f} a run. The end was seen of "
        f"{seen.ends:,} of {seen.runs:,} runs: of 10 % within {tenth}, of half within {half}, of 90 % within {most}, "
        f"of 99 % within {nearly} after it.",
        soft_wrap=True,
    )
    missed = [
        f"{status} {seen.unseen[status] / count:.1%}" for status, count in seen.stays.items() if seen.unseen[status]
    ]
    console.print(f"Stays in a status that no answer showed: {', '.join(missed) or 'none'}.", soft_wrap=True)
    console.print()


def _lines(scenario: Scenario, seed: int, view: View) -> list[str]:
    from runengine.simulation.producing import produce
    from runengine.simulation.writing.jsonl import JsonLines

    out = io.BytesIO()
    produce(scenario, seed, _EXAMPLES, JsonLines(out, scenario, view), view=view)
    return out.getvalue().decode().splitlines()[:_EXAMPLES]


def print_summary(plan: Any, counts: Counts, size: int | None, took_s: float) -> None:
    """What was written, on standard error."""
    out = "standard output" if plan.out == "-" else masked(plan.out)
    of_runs = f"{counts.runs:,} {'run' if counts.runs == 1 else 'runs'} of {plan.scenario.name}, seed {plan.seed}"
    rate = counts.runs / max(took_s, 1e-3)
    told = [f"{out}: {of_runs}, {counts.rows:,} {'events' if plan.view == 'stream' else 'rows'}"]
    told += [] if size is None else [f"{size:,} bytes"]
    lines = [", ".join([*told, f"{took_s:.1f} s ({rate:,.0f} runs/s)"])]
    lines.append(", ".join(f"{status} {count:,}" for status, count in counts.statuses.items()))
    if plan.faults is not None:
        lines.append(_broken(plan, counts))
    if plan.form != "parquet":
        lines.append("check it: runengine check " + ("-" if plan.out == "-" else out))
    for line in lines:
        print(line, file=sys.stderr)


def _broken(plan: Any, counts: Counts) -> str:
    kinds = counts.faults.most_common()
    shown = ", ".join(f"{name} {count:,}" for name, count in kinds[:_FAULTS_MAX])
    more = f" and {len(kinds) - _FAULTS_MAX} kinds more" if len(kinds) > _FAULTS_MAX else ""
    where = f"; the truth is in {plan.truth}" if plan.truth else "; the truth is not written: give --truth FILE"
    return f"broken: {counts.faults.total():,} runs{': ' if kinds else ''}{shown}{more}{where}"
