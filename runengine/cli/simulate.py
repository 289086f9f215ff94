"""`runengine simulate`: runs by the million, from a scenario and a seed, to a file or a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from attrs import frozen

from runengine.cli import driving
from runengine.cli.arguments import hindrance
from runengine.cli.files import Out, output
from runengine.cli.progress import counting
from runengine.cli.simulate_options import Faults, Misuse, faults, large_number, refuse_mixtures, scenario_of
from runengine.cli.simulated import Seen, print_faults, print_overview, print_scenarios, print_summary
from runengine.core import PRACTICAL
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import is_database_url, masked
from runengine.embedding.clock import ticks_s
from runengine.simulation import Scenario, write_scenario
from runengine.simulation.recording import View

if TYPE_CHECKING:
    from runengine.simulation.producing import Counts, FaultPlan, Truths
    from runengine.simulation.writing.chunk import Sink, Told
    from runengine.simulation.writing.order import Order
    from runengine.simulation.writing.parquet import Columns

__all__ = ["add_parser", "run"]

SCENARIO: Final = "steady"
RUNS: Final = 10_000
SEED: Final = 1
_RUNS_MAX: Final = 10_000_000_000
_SEED_MAX: Final = 2**63 - 1
_TEXT_CHUNK: Final = 4096
_COLUMN_CHUNK: Final = 65_536
_LOOKED_AT_MAX: Final = 1_000_000
_YEAR_S: Final = 365.2425 * 86_400
_YEARS_MAX: Final = 8000

_SUFFIXES: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".sse": "sse"}
_FORMS: Final = ("jsonl", "parquet", "sse", "store")

_EPILOG: Final = f"""\
examples:
  runengine simulate                                      what 10,000 runs of `steady` come to; nothing is written
  runengine simulate --list                               the ready-made scenarios; `--list faults`: the faults
  runengine simulate --runs 10k -o runs.jsonl             a line for each thing that happened, with the whole record
  runengine simulate --view polled --runs 10k -o p.jsonl  what pollers see of the same runs
  runengine simulate --runs 10M -o runs.parquet           columns; DuckDB, Polars and Spark read them
  runengine simulate --runs 1k -o sqlite:///runs.db       a store with whole histories; postgresql:// too
  runengine simulate --runs 100 -o streams.sse            event streams
  runengine simulate --scenario bursty --show > mine.toml && runengine simulate --scenario mine.toml -o out.jsonl
  runengine simulate --set arrival.rate_per_s=50 --set pollers.interval_s=0.2 --view polled
  runengine simulate --runs 10k --faults rate=0.01,kinds=zero-stamp+RE2* -o broken.jsonl && runengine check broken.jsonl
{driving.EXAMPLES}

The same seed, scenario and version make the same bytes, whatever --chunk is. --runs 5 --first 1000 makes runs 1000 to
1004 of the same simulation. With --faults the truth, what was broken where, is written beside, as OUT.truth.jsonl.
For the tables of kotlin-sql: simulate to JSON Lines, then `runengine convert --to kotlin-sql runs.jsonl sqlite:///k.db`.
exit codes: 0 done; 1 a driven world broke an invariant; 2 misuse, or OUT cannot be written, and then nothing is."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "simulate",
        usage="runengine simulate [--scenario NAME|FILE] [--runs N] [--seed S] [-o OUT] [options]",
        help="simulate runs: to a file, to a store, or the runtime itself",
        description="Simulate runs of a scenario: histories, what pollers see, or event streams.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is simulated")
    what.add_argument("--scenario", metavar="NAME|FILE", help=f"ready-made, or a TOML file ({SCENARIO})")
    what.add_argument("--runs", type=large_number(1, _RUNS_MAX), metavar="N", help=f"as 500, 10k or 2M ({RUNS})")
    what.add_argument("--seed", type=large_number(0, _SEED_MAX), metavar="S", help=f"any whole number ({SEED})")
    what.add_argument("--first", type=large_number(0, _RUNS_MAX), metavar="K", help="number of the first run (0)")
    what.add_argument(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="change a key of the scenario, as arrival.rate_per_s=5 or assistants.0.model=gpt-4; may be given again",
    )
    what.add_argument("--dialect", choices=tuple(DIALECTS), help="how records are written (the scenario's)")
    what.add_argument("--generation", metavar="GN", help="the schema generation of records (the scenario's)")
    what.add_argument(
        "--faults",
        type=faults,
        metavar="rate=R,kinds=K",
        help="break a share of the runs, by names of faults, globs or rule codes, joined by + (rate=0.01,kinds=all)",
    )
    _add_output(parser)
    looks = parser.add_argument_group("looking, without writing")
    looks.add_argument("--list", nargs="?", const="scenarios", choices=("scenarios", "faults"), help="what there is")
    looks.add_argument("--show", action="store_true", help="print the scenario, as changed, as TOML (to OUT)")
    driving.add_options(parser)
    parser.set_defaults(run=run)


def _add_output(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("what is written")
    where.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help="a file .jsonl, .parquet or .sse, a store sqlite:///FILE or postgresql://…, or - for standard output",
    )
    where.add_argument("--to", choices=_FORMS, help="the form, where OUT does not tell it (jsonl for -)")
    where.add_argument(
        "--view",
        choices=get_args(View),
        help="history: every event; polled: what pollers see; stream: event streams (history, of .sse stream)",
    )
    where.add_argument(
        "--order", choices=("time", "run"), help="of rows: by time over all runs, or run after run (time)"
    )
    where.add_argument("--bare", action="store_true", help="JSON Lines of records alone, without kind, event and time")
    where.add_argument(
        "--columns",
        choices=("lifecycle", "record"),
        help="of Parquet: status, stamps and ids, or every field of the record (lifecycle)",
    )
    where.add_argument("--truth", metavar="FILE", help="of --faults: where the truth is written (OUT.truth.jsonl)")
    where.add_argument("--chunk", type=large_number(1, 10_000_000), metavar="N", help="runs at a time, for memory")


@frozen(kw_only=True)
class _Plan:
    """What is to be done, checked."""

    scenario: Scenario
    seed: int
    runs: int
    first: int
    out: str
    form: str
    view: View
    order: Order
    bare: bool
    columns: Columns
    faults: FaultPlan | None
    truth: str | None
    chunk: int


def run(arguments: argparse.Namespace) -> int:
    """Simulate, or show.

    Raises:
        ScenarioInvalid: the scenario is none, or is not valid.
        MissingExtra: a library is not installed.
        TraceUnreadable: OUT cannot be written.
        StoreError: the store refuses, or cannot be reached.
    """
    try:
        refuse_mixtures(arguments)
        return driving.run(arguments) if arguments.drive else _run(arguments)
    except Misuse as error:
        print(f"runengine simulate: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        (print_faults if arguments.list == "faults" else print_scenarios)()
        return 0
    if arguments.scenario is None:
        arguments.scenario = SCENARIO
    scenario = scenario_of(arguments)
    if arguments.show:
        _show(scenario, arguments.output)
        return 0
    seed, runs = SEED if arguments.seed is None else arguments.seed, arguments.runs or RUNS
    _refuse_the_far_future(scenario, (arguments.first or 0) + runs)
    if arguments.output is None:
        print_overview(scenario, seed, min(runs, _LOOKED_AT_MAX), arguments.view or "history")
    else:
        _write(_planned(arguments, scenario, seed))
    return 0


def _show(scenario: Scenario, path: str | None) -> None:
    if path is None:
        print(write_scenario(scenario), end="")
        return
    with output(path) as out:
        out.write(write_scenario(scenario).encode())


def _refuse_the_far_future(scenario: Scenario, runs: int) -> None:
    years = (scenario.start_s + runs / scenario.arrival.rate_per_s) / _YEAR_S
    if years > _YEARS_MAX:
        rate = f"arrival.rate_per_s={scenario.arrival.rate_per_s:g}"
        raise Misuse(f"run {runs:,} would be asked for about the year {1970 + years:,.0f}, with {rate}; ask for less")


def _planned(arguments: argparse.Namespace, scenario: Scenario, seed: int) -> _Plan:
    out, form = arguments.output, _form(arguments.output, arguments.to)
    view: View = arguments.view or ("stream" if form == "sse" else "history")
    columns: Columns = arguments.columns or "lifecycle"
    for given, option, fits in (
        (arguments.bare, "--bare", form == "jsonl"),
        (arguments.columns, "--columns", form == "parquet"),
        (arguments.order, "--order", form in ("jsonl", "parquet")),
        (arguments.truth, "--truth", arguments.faults is not None),
    ):
        if given and not fits:
            wanted = {"--bare": "JSON Lines", "--columns": "Parquet", "--order": "JSON Lines and Parquet"}.get(option)
            raise Misuse(f"{option} goes with {wanted or '--faults'}")
    if form == "sse" and view != "stream":
        raise Misuse(f"event streams show --view stream, not {view}")
    if form == "store" and view != "history":
        raise Misuse(f"a store keeps --view history, not {view}")
    if form == "parquet" and view == "stream":
        raise Misuse("a stream has no columns: write .sse or .jsonl, or another --view")
    if form == "parquet" and scenario.dialect != "native":
        raise Misuse(f"Parquet has native columns, and the dialect is {scenario.dialect}: write .jsonl")
    if form == "store" and arguments.dialect not in (None, "native"):
        raise Misuse("a store keeps native records: leave out --dialect")
    if arguments.faults and arguments.bare:
        raise Misuse("--faults needs what is said around the records, by which many are seen: leave out --bare")
    plan = _fault_plan(arguments.faults, form, view, columns)
    truth = arguments.truth or (f"{out}.truth.jsonl" if plan and out != "-" else None)
    for other, name in ((truth, "--truth"), (arguments.scenario, "--scenario")):
        if other is not None and out != "-" and Path(other).absolute() == Path(out).absolute():
            raise Misuse(f"-o and {name} are the same file, {other}")
    return _Plan(
        scenario=scenario,
        seed=seed,
        runs=arguments.runs or RUNS,
        first=arguments.first or 0,
        out=out,
        form=form,
        view=view,
        order=arguments.order or "time",
        bare=arguments.bare,
        columns=columns,
        faults=plan,
        truth=truth,
        chunk=arguments.chunk or (_COLUMN_CHUNK if form == "parquet" else _TEXT_CHUNK),
    )


def _form(out: str, given: str | None) -> str:
    is_store = is_database_url(out) or out.startswith("memory:")
    told = "store" if is_store else None if out == "-" else _SUFFIXES.get(Path(out).suffix.lower())
    if given is not None:
        if (given == "store") != is_store:
            hint = f"; for a store write sqlite:///{out}" if given == "store" and out != "-" else ""
            raise Misuse(f"--to {given} does not go with {masked(out)}{hint}")
        return given
    if told is None and out != "-":
        hint = "; for .gz write to - and pipe it to gzip" if out.endswith(".gz") else ""
        raise Misuse(f"{out}: its name does not tell the form: end it in .jsonl, .parquet or .sse, or give --to{hint}")
    return told or "jsonl"


def _fault_plan(given: Faults | None, form: str, view: View, columns: str) -> FaultPlan | None:
    if given is None:
        return None
    if form == "store":
        raise Misuse("a store keeps no broken runs: its tables refuse them; write --faults to a file")
    if form == "parquet" and columns == "lifecycle":
        raise Misuse("--faults needs whole records: give --columns record, or write .jsonl")
    from runengine.simulation.producing import FaultPlan

    try:
        return FaultPlan(rate=given.rate, kinds=given.chosen(view, framed=form == "sse" or view != "stream"))
    except ValueError as error:
        raise Misuse(f"--faults: {error}") from None


def _write(plan: _Plan) -> None:
    began_s = ticks_s()
    seen = Seen()
    counts, size = _to_store(plan) if plan.form == "store" else _to_file(plan, seen)
    print_summary(plan, counts, size, ticks_s() - began_s, seen)


def _to_store(plan: _Plan) -> tuple[Counts, int | None]:
    from runengine.simulation.producing import Counts, chunks
    from runengine.simulation.writing.stores import fill_at

    counts, policy = Counts(), plan.scenario.machine
    with counting("runs", plan.runs) as progress:
        made = chunks(
            plan.scenario, plan.seed, plan.runs, first=plan.first, chunk_runs=min(plan.chunk, 256), counts=counts
        )
        fill_at(plan.out, plan.scenario, PRACTICAL if hindrance(policy) else policy, _told(made, counts, progress))
    return counts, None


def _told(made: Iterator[Any], counts: Counts, progress: Callable[[int], None]) -> Iterator[Any]:
    for chunk in made:
        yield chunk
        progress(counts.runs)


class _Counted:
    """Counts the bytes on their way."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self.size = 0

    def write(self, data: bytes) -> None:
        self._out.write(data)
        self.size += len(data)


def _to_file(plan: _Plan, seen: Seen) -> tuple[Counts, int | None]:
    from runengine.simulation.producing import produce

    if plan.form == "parquet" and plan.out == "-" and sys.stdout.isatty():
        raise Misuse("Parquet is not for a terminal: give a file, or pipe it on")
    with ExitStack() as stack:
        truths = stack.enter_context(_truths(plan, seen))
        out = _Counted(stack.enter_context(output(plan.out, at_once=True)))
        sink = _sink(plan, out, truths.told if truths else None)
        progress = stack.enter_context(counting("runs", plan.runs))
        counts = produce(
            plan.scenario,
            plan.seed,
            plan.runs,
            sink,
            view=plan.view,
            first=plan.first,
            chunk_runs=plan.chunk,
            faults=plan.faults,
            truths=truths,
            progress=progress,
        )
    return counts, out.size


@contextmanager
def _truths(plan: _Plan, seen: Seen) -> Iterator[Truths | None]:
    from runengine.simulation.producing import Truths

    if plan.faults is None:
        yield None
        return
    if plan.truth is None:
        yield Truths(seen.add)
        return
    with output(plan.truth) as out:

        def write(line: bytes) -> None:
            out.write(line)
            seen.add(line)

        yield Truths(write)


def _sink(plan: _Plan, out: _Counted, told: Told | None) -> Sink:
    if plan.form == "parquet":
        from runengine.simulation.writing.parquet import Parquet

        return Parquet(
            out,
            plan.scenario,
            plan.seed,
            plan.view,
            columns=plan.columns,
            order=plan.order,
            told=told,
        )
    if plan.form == "sse":
        from runengine.simulation.writing.sse import EventStreams

        return EventStreams(out, plan.scenario, told=told)
    from runengine.simulation.writing.jsonl import JsonLines

    return JsonLines(out, plan.scenario, plan.view, order=plan.order, bare=plan.bare, told=told)
