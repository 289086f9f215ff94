"""`runengine check`: recorded runs against the rules."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from runengine.cli.arguments import generation_number, whole_number
from runengine.cli.progress import reading
from runengine.core.generations import GENERATIONS
from runengine.core.table import POLICIES, policy_named
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import masked
from runengine.errors import TraceUnreadable
from runengine.validation import RULES, Checker, Options, Violation
from runengine.validation.findings import SEVERITIES, Severity
from runengine.validation.readers import AUTO, DATABASE_READERS, READERS, expand, items_in
from runengine.validation.reports import FORMATS
from runengine.validation.summary import FORGET_AFTER, SKEW_S, Summary

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  runengine check recordings/                      every .json, .jsonl, .ndjson and .sse file below a folder
  runengine check trace.jsonl --policy documented  only the 11 published steps are legal
  runengine check - --format jsonl < trace.jsonl   standard input, one violation a line
  runengine check trace.jsonl --select RE1,RE205   only these rules
  runengine check sqlite:///runs.db                a store: the whole history of each run; postgresql:// too
  runengine check sqlite:///kotlin.db              the tables of the Kotlin (ktorm) document, told by their names
  runengine explain RE205                          what a rule says, and why

exit codes: 0 no violation of severity error; 1 at least one (--fail-on widens it), or a path that cannot be read
beside others that can; 2 nothing could be checked.
One file is one recording: what is said of a run is said within it. Of a store, the line is the number of the entry in
the run's history (runengine runs history); whether the store itself is sound, says runengine store doctor."""

_FORGET_MAX = 1_000_000_000


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="check recorded runs",
        description="Check recorded runs: snapshots in JSON Lines or JSON (bare, enveloped, lists) and event streams.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders, globs, databases (sqlite:///FILE, postgresql://…), or - for standard input",
    )
    parser.add_argument("--policy", choices=list(POLICIES), default="practical", help="legal steps (%(default)s)")
    parser.add_argument(
        "--generation",
        type=generation_number,
        metavar="GN",
        help=f"hold records to one generation of the schema, {GENERATIONS[0].name} to {GENERATIONS[-1].name}; "
        "without it, each record to all those it may belong to",
    )
    parser.add_argument(
        "--sampling",
        choices=["auto", "complete", "polled"],
        default="auto",
        help="whether the trace shows every status: auto takes streams and histories for complete, "
        "all else for polled, where skipped statuses are explained by hidden steps (%(default)s)",
    )
    parser.add_argument(
        "--reader",
        choices=[AUTO, *READERS],
        default=AUTO,
        help="auto tells a file by its beginning, a database by its tables (%(default)s)",
    )
    parser.add_argument(
        "--dialect",
        choices=(AUTO, *DIALECTS),
        default=AUTO,
        help="how the records are written; auto tells each by its keys (%(default)s)",
    )
    parser.add_argument(
        "--select", type=_codes, default=(), metavar="CODES", help="only these rules (and RE901), as RE1,RE205"
    )
    parser.add_argument("--ignore", type=_codes, default=(), metavar="CODES", help="all but these")
    parser.add_argument("--format", choices=list(FORMATS), default="text", help="form of the report (%(default)s)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to a file")
    parser.add_argument(
        "--fail-on", choices=["error", "warning", "info"], default="error", help="exit 1 from here on (%(default)s)"
    )
    parser.add_argument(
        "--skew", type=_seconds, default=SKEW_S, metavar="S", help="how far clocks may differ, seconds (%(default)s)"
    )
    parser.add_argument(
        "--forget-after",
        type=whole_number(0, _FORGET_MAX),
        default=FORGET_AFTER,
        metavar="N",
        help="ended runs that are remembered (%(default)s, about 2 kB each)",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show remarks, statuses and edges too")
    parser.set_defaults(run=run)


def _codes(text: str) -> tuple[str, ...]:
    codes = tuple(code.strip().upper() for code in text.split(",") if code.strip())
    for code in codes:
        if not any(known.startswith(code) for known in RULES):
            raise argparse.ArgumentTypeError(f"no rule begins with {code!r}; rules are {', '.join(RULES)}")
    return codes


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds >= 0, got {text!r}")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Check, report, and answer with the exit code.

    Raises:
        TraceUnreadable: the report cannot be written.
    """
    options = Options(
        policy=policy_named(arguments.policy),
        generation=arguments.generation,
        sampling=arguments.sampling,
        skew_s=arguments.skew,
        forget_after=arguments.forget_after,
        select=arguments.select,
        ignore=arguments.ignore,
        dialect=arguments.dialect,
    )
    checker = Checker(options)
    with _output(arguments.output, arguments.paths) as out:
        report = FORMATS[arguments.format].make(out, arguments.verbose)
        unread: list[str] = []
        for violation in _violations(arguments.paths, arguments.reader, checker, unread):
            report.add(violation)
        report.close(checker.summary)
    return _exit_code(checker.summary, arguments.fail_on, bool(unread))


def _violations(paths: list[str], reader: str, checker: Checker, unread: list[str]) -> Iterator[Violation]:
    """Check every path; one that cannot be read is named, added to `unread`, and the rest still checked."""
    for given in paths:
        try:
            for path in [given] if reader in DATABASE_READERS else expand([given]):
                items = items_in(path, reader=reader, skim=checker.skim, watched=partial(reading, path))
                yield from checker.check(masked(path), items)
        except TraceUnreadable as error:
            unread.append(given)
            print(f"runengine: {error}", file=sys.stderr)
        except OSError as error:
            unread.append(given)
            print(f"runengine: {masked(given)}: {error.strerror or error}", file=sys.stderr)


def _exit_code(summary: Summary, fail_on: Severity, unread: bool) -> int:
    if not summary.observations:
        print("runengine: nothing was checked: no run was found", file=sys.stderr)
        return 2
    counts = summary.violations
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return 1 if unread or any(counts[severity] for severity in failing) else 0


@contextmanager
def _output(path: str | None, inputs: list[str]) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    if any(_same_file(path, given) for given in inputs):
        raise TraceUnreadable(path, 0, 0, "it is an input, which the report would overwrite; choose another file")
    try:
        file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise TraceUnreadable(path, 0, 0, f"cannot be written: {error.strerror}") from None
    with file:
        yield file


def _same_file(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False
