"""`runengine simulate --drive`: the real runtime in simulated worlds; what they explored, as tables."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from runengine.cli.arguments import whole_number
from runengine.core import PRACTICAL, SECOND_US
from runengine.embedding import KINDS
from runengine.embedding.clock import ticks_s
from runengine.simulation.driving import INVARIANTS, STEPS, STORES, Explored, Failure, explore, live
from runengine.simulation.driving.processes import CRASHES

__all__ = ["EXAMPLES", "add_options", "run"]

SEEDS: Final = 1_000
STORE: Final = "memory"
_SEED_MAX: Final = 2**63 - 1
_SEEDS_MAX: Final = 10_000_000
_STEPS_MAX: Final = 1_000_000
_WORKERS_MAX: Final = 256

EXAMPLES: Final = """\
  runengine simulate --drive --seeds 1000                 1,000 worlds of the runtime on a store in memory
  runengine simulate --drive --seeds 200 --store sqlite   on the store in a SQLite file, which crashes too
  runengine simulate --drive --seed 7 --trace             one world, every line of it"""
"""For the epilog of the command."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `--drive`, and `--seed`, `--workers` unless the parser has them."""
    group = parser.add_argument_group(
        "driven", "the real runtime over a real store, in a world that one seed decides: who runs, dies and fails when"
    )
    group.add_argument("--drive", action="store_true", help="drive the runtime instead of writing histories")
    group.add_argument(
        "--seeds",
        type=whole_number(1, _SEEDS_MAX),
        metavar="N",
        help=f"live N worlds, of the seeds 0 to N-1 or from --seed on ({SEEDS:,} without --seed, else 1)",
    )
    group.add_argument("--store", choices=STORES, help=f"what the worlds stand on ({STORE})")
    group.add_argument("--steps", type=whole_number(1, _STEPS_MAX), metavar="N", help=f"turns of a world ({STEPS:,})")
    group.add_argument("--trace", action="store_true", help="print every line of the first world")
    with suppress(argparse.ArgumentError):
        group.add_argument("--seed", type=whole_number(0, _SEED_MAX), metavar="S", help="the first seed")
    with suppress(argparse.ArgumentError):
        group.add_argument(
            "--workers",
            type=whole_number(1, _WORKERS_MAX),
            metavar="N",
            help="processes that share the work (all cores)",
        )


def run(arguments: argparse.Namespace) -> int:
    """Live the worlds, print what they explored, and answer with the exit code: 1 where an invariant failed."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    first = arguments.seed or 0
    store, steps = arguments.store or STORE, arguments.steps or STEPS
    count = arguments.seeds or (1 if arguments.seed is not None else SEEDS)
    if arguments.trace:
        for line in live(first, store=store, steps=steps).world.lines:
            console.print(str(line))
        console.print()
    seeds = range(first, first + count)
    workers = min(arguments.workers or os.cpu_count() or 1, 1 + count // 40)
    began_s = ticks_s()
    with _progress(count) as progress:
        explored = explore(seeds, store=store, steps=steps, workers=workers, progress=progress)
    _print(console, explored, store, seeds, ticks_s() - began_s)
    for failure in explored.failures:
        _print_failure(console, failure)
    return 1 if explored.failures else 0


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, when that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("worlds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("worlds", total=count)
        yield lambda more: progress.advance(task, more)


def _print(console: Console, explored: Explored, store: str, seeds: range, took_s: float) -> None:
    of = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[0] + explored.seeds - 1}"
    worlds = "world" if explored.seeds == 1 else "worlds"
    console.print(f"{explored.seeds:,} simulated {worlds} on {store}, {of}, in {took_s:.1f} s", style="bold")
    console.print(
        f"{len(explored.interleavings):,} distinct interleavings of {explored.turns:,} turns; "
        f"{explored.requests:,} requests, {explored.runs:,} runs, {explored.entries:,} entries of history, "
        f"{explored.simulated_us / SECOND_US / 3600:,.1f} h of simulated time"
    )
    for make in (_edges, _refusals, _crashes, _failures, _invariants):
        console.print()
        console.print(make(explored), soft_wrap=False)


def _edges(explored: Explored) -> Table:
    rows, missing = len(PRACTICAL.rows), explored.edges_missing
    table = _table(f"rows of the policy: {rows - len(missing)} of {rows}", "row", "times")
    for row in PRACTICAL.rows:
        times = explored.edges[row.event, row.source, row.target]
        table.add_row(str(row), f"{times:,}", style=None if times else "dim")
    return table


def _refusals(explored: Explored) -> Table:
    table = _table(f"answers but applied: {len(explored.refusals)} kinds", "asked")
    table.add_column("answered", justify="left", overflow="fold")
    for event in sorted({event for _, event in explored.refusals}):
        times = ((kind, explored.refusals[kind, event]) for kind in KINDS)
        table.add_row(event, ", ".join(f"{kind} {number:,}" for kind, number in times if number))
    return table


def _crashes(explored: Explored) -> Table:
    table = _table(f"crashes: {sum(explored.crashes.values()):,}", "who", *CRASHES)
    for kind in sorted({kind for kind, _ in explored.crashes if kind != "store"}):
        table.add_row(kind, *(_number(explored.crashes[kind, point]) for point in CRASHES))
    table.caption = "; ".join(f"{point}: {what}" for point, what in CRASHES.items())
    return table


def _failures(explored: Explored) -> Table:
    table = _table("the store", "what", "times")
    lines = Counter({f"failed: {how}": times for how, times in explored.troubles.items()})
    lines.update({f"a plan older than its commit: {what}": times for what, times in explored.early.items()})
    lines["crashed, and opened from what was on the disk"] = explored.crashes["store", "open"]
    for what in sorted(lines):
        table.add_row(what, f"{lines[what]:,}")
    return table


def _invariants(explored: Explored) -> Table:
    table = _table(f"invariants: {len(INVARIANTS)}", "name", "asserted")
    table.add_column("says", justify="left", overflow="fold")
    for one in INVARIANTS.values():
        table.add_row(one.name, f"{explored.asserted[one.name]:,}", one.sentence)
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", caption_justify="left", box=None)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _number(times: int) -> str:
    return f"{times:,}" if times else "·"


def _print_failure(console: Console, failure: Failure) -> None:
    console.print()
    console.print(f"an invariant does not hold: {failure.name}", style="bold red")
    console.print(failure.sentence)
    console.print(f"seed {failure.seed}, turn {failure.turn}: {failure.detail}")
    console.print(f"replay: {failure.command}")
    lines: Sequence[str] = failure.smallest or failure.lines
    console.print(f"\nthe smallest trace that was found, {len(lines)} lines of {len(failure.lines)}:", style="bold")
    for line in lines:
        console.print(line)
    console.print(f"     ✗ {failure.name}: {failure.smallest_detail or failure.detail}", style="red")
