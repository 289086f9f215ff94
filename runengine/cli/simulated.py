"""What `runengine simulate` tells: what there is, what a scenario comes to, what was written."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from attrs import define
from rich.console import Console
from rich.table import Table

from runengine.cli.timeline import plain, shown_span
from runengine.core import SECOND_US
from runengine.dialects.kotlin_sql import masked
from runengine.simulation import READY, Scenario, scenario_named
from runengine.simulation.recording import View
from runengine.simulation.scenario import Arrival

if TYPE_CHECKING:
    from runengine.simulation.producing import Counts
    from runengine.simulation.vectors.overview import Overview

__all__ = ["Seen", "print_faults", "print_overview", "print_scenarios", "print_summary"]

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
    console.print(plain(f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name), style="bold")
    console.print(
        f"{seen.runs:,} runs on {seen.threads:,} threads, seed {seed}: {seen.entries:,} events "
        f"({seen.entries / seen.runs:.1f} a run) in {shown_span(round(seen.span_s * SECOND_US))}; "
        f"{seen.refused:,} creates refused at first"
    )
    console.print(_asked(scenario.arrival, seen.runs))
    console.print()
    console.print(_ways(seen))
    console.print()
    console.print(_ends(seen))
    console.print()
    if view == "polled":
        _print_polling(console, scenario, seed, runs)
    console.print(f"The first lines with --view {view}:")
    for line in map(_visible, _lines(scenario, seed, view)):
        console.print(line if len(line) <= _CUT else line[:_CUT] + "…", soft_wrap=True)
    console.print("\nNothing was written: give -o OUT, as -o runs.jsonl (runengine simulate --help).")


def _asked(arrival: Arrival, runs: int) -> str:
    """The rate at which runs are asked for, over the time in which so many are."""
    even_s, profile, period_s = runs / arrival.rate_per_s, arrival.profile, arrival.period_s
    if len(set(profile)) == 1:
        return (
            f"Asked for: {arrival.rate_per_s:.3g} runs/s in the long run, for {shown_span(round(even_s * SECOND_US))}"
        )
    mean, (periods, rest_s) = sum(profile) / len(profile), divmod(even_s, period_s)
    part_s, passed_s, left, lived = period_s / len(profile), 0.0, rest_s / period_s * sum(profile), []
    for share in profile:
        if left <= 0:
            break
        lived.append(share)
        passed_s += part_s * min(1.0, left / share) if share else part_s
        left -= share
    rates = [arrival.rate_per_s * share / mean for share in (profile if periods else lived)]
    over = periods + passed_s / period_s
    of_period = f"{over:.2g} periods" if periods else f"{over:.0%} of a period"
    span = shown_span(round((periods * period_s + passed_s) * SECOND_US))
    return f"Asked for: {min(rates):.3g} to {max(rates):.3g} runs/s, as the profile says, for {span}: {of_period}"


def _visible(line: str) -> str:
    """A line of JSON with what could steer the terminal escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


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


@define
class Seen:
    """How many of the broken runs a check can see, by their truths."""

    runs: int = 0
    seen: int = 0
    warned: int = 0

    def add(self, line: bytes) -> None:
        """Count a truth."""
        from runengine.simulation.faults import read_truths
        from runengine.validation import RULES

        for truth in read_truths([line]):
            self.runs += 1
            self.seen += truth.seen
            rules = [RULES[code] for code in truth.breaks if code in RULES]
            self.warned += truth.seen and not any(rule.severity == "error" for rule in rules)

    def __str__(self) -> str:
        if self.seen == self.runs and not self.warned:
            return ""
        told = f"of the {self.runs:,} broken runs {self.seen:,} can be seen by today's rules"
        return f"{told}, {self.warned:,} of them only as warnings" if self.warned else told


def print_summary(plan: Any, counts: Counts, size: int | None, took_s: float, seen: Seen) -> None:
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
    how = "pipe it to runengine check -" if plan.out == "-" else f"runengine check {out}"
    told = ["check it: " + how] if plan.form != "parquet" else []
    told += [str(seen)] if str(seen) else []
    lines += ["; ".join(told)] if told else []
    for line in lines:
        print(line, file=sys.stderr)


def _broken(plan: Any, counts: Counts) -> str:
    kinds = counts.faults.most_common()
    shown = ", ".join(f"{name} {count:,}" for name, count in kinds[:_FAULTS_MAX])
    more = f" and {len(kinds) - _FAULTS_MAX} kinds more" if len(kinds) > _FAULTS_MAX else ""
    where = f"; the truth is in {plan.truth}" if plan.truth else "; the truth is not written: give --truth FILE"
    return f"broken: {counts.faults.total():,} runs{': ' if kinds else ''}{shown}{more}{where}"
