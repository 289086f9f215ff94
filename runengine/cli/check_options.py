"""The arguments of `runengine check`, with what a project's settings say where they are silent."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, Final

from runengine.cli.arguments import generation_number, whole_number
from runengine.cli.check_spark import SPARK, add_spark_arguments, misused_with_spark
from runengine.core.generations import GENERATIONS
from runengine.core.table import POLICIES, policy_named
from runengine.dialects.documents import DIALECTS
from runengine.validation import RULES, Options
from runengine.validation.catalogue import families
from runengine.validation.engines import ENGINES
from runengine.validation.findings import SEVERITIES
from runengine.validation.readers import AUTO, READERS
from runengine.validation.reports import FORMATS
from runengine.validation.settings import Settings
from runengine.validation.summary import FORGET_AFTER, SKEW_S

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "epilog", "misused", "options_of", "settled"]

DESCRIPTION: Final = """\
Check recorded runs against the rules of their life: snapshots in JSON Lines or JSON (bare, enveloped, lists), event
streams, cassettes, archives, tables; packed with gzip or zstd, too."""

EPILOG: Final = """\
examples:
  runengine check recordings/                      every recording below a folder
  runengine check trace.jsonl --policy documented  only the 11 published steps are legal
  runengine check - --format jsonl < trace.jsonl   standard input, one violation a line
  runengine check trace.jsonl --select RE1,RE205   only these rules
  runengine check day1.jsonl day2.jsonl --join     one recording, in the order given
  runengine check archive.parquet --engine bulk    by columns, on all cores; auto does so where a file is large
  runengine check log.jsonl --state log.state      only what is new since the last time, and what it means to the rest
  runengine check recordings/ --profile            and how often each way and edge was taken, and how long it took
  runengine check sqlite:///runs.db                a store: the whole history of each run; postgresql:// too
  runengine check sqlite:///kotlin.db              the tables of the Kotlin (ktorm) document, told by their names
  runengine explain RE205                          what a rule says, and why

reports, to standard output or whole to a file (-o):
  --format text                                    for people: grouped, with the line at fault quoted; -v says more
  --format json -o report.json                     one document with a summary, for programs
  --format jsonl | head                            one violation a line, as they are found
  --format sarif -o runengine.sarif                for code scanning (SARIF 2.1.0, at most 25,000 results)
  --format junit -o runengine.xml                  for CI hosts: a suite a recording, a case a run
  --format github                                  annotations in a GitHub workflow (ten of each kind)
{more}
known findings:
  runengine check recordings/ --write-baseline known.json   what is found today is known from now on
  runengine check recordings/ --baseline known.json         only what is new is reported, and fails

settings: [tool.runengine] in the nearest pyproject.toml upwards from here may hold policy, generation, sampling,
select, ignore, fail-on, baseline, skew, forget-after, and per-path-ignores = {{"old/*" = ["RE205"]}}; the command line
wins, and --no-settings goes without.

exit codes: 0 no violation of severity error; 1 at least one (--fail-on widens it), or a path that cannot be read
beside others that can; 2 nothing could be checked, or misuse.
One file is one recording: what is said of a run is said within it. Of a store, the line is the number of the entry in
the run's history (runengine runs history); whether the store itself is sound, says runengine store doctor."""

_SIZE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([KMGT]?)(?:I?B)?")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE_MIN: Final = 1 << 10
_SIZE_MAX: Final = 1 << 60
_FORGET_MAX: Final = 1_000_000_000
_SHOWN: Final = {"text", "json", "jsonl", "sarif", "junit", "github"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every argument of the command."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders, globs, databases (sqlite:///FILE, postgresql://…), or - for standard input",
    )
    _add_rules(parser)
    _add_reading(parser)
    add_spark_arguments(parser)
    _add_reporting(parser)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    rules = parser.add_argument_group("what to hold it to")
    rules.add_argument("--policy", choices=list(POLICIES), help="legal steps (practical)")
    rules.add_argument(
        "--generation",
        type=generation_number,
        metavar="GN",
        help=f"hold records to one generation of the schema, {GENERATIONS[0].name} to {GENERATIONS[-1].name}; "
        "without it, each record to all those it may belong to",
    )
    rules.add_argument(
        "--sampling",
        choices=["auto", "complete", "polled"],
        help="whether the trace shows every status: auto takes streams and histories for complete, "
        "all else for polled, where skipped statuses are explained by hidden steps (auto)",
    )
    rules.add_argument("--select", type=_codes, metavar="CODES", help="only these rules (and RE901), as RE1,RE205")
    rules.add_argument("--ignore", type=_codes, metavar="CODES", help="all but these")
    rules.add_argument("--skew", type=_seconds, metavar="S", help=f"how far clocks may differ, seconds ({SKEW_S:g})")
    rules.add_argument(
        "--join",
        action="store_true",
        help="all paths are one recording, in the order given: what one says of a run is held against the others",
    )
    rules.add_argument("--fail-on", choices=list(SEVERITIES), help="exit 1 from this severity on (error)")
    rules.add_argument("--no-settings", action="store_true", help="go without [tool.runengine] of pyproject.toml")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    reading = parser.add_argument_group("how to read it")
    reading.add_argument(
        "--reader",
        choices=[AUTO, *READERS],
        default=AUTO,
        help="auto tells a file by its beginning, a database by its tables (%(default)s)",
    )
    reading.add_argument(
        "--dialect",
        choices=(AUTO, *DIALECTS),
        default=AUTO,
        help="how the records are written; auto tells each by its keys (%(default)s)",
    )
    reading.add_argument(
        "--engine",
        choices=[*ENGINES, SPARK],
        default=AUTO,
        help="stream: line by line; bulk: by columns, on all cores, and line by line only where these do not prove "
        "that nothing is wrong (Parquet, Arrow and JSON Lines that are not packed; extra bulk); spark: on a cluster; "
        "auto: bulk for large files (%(default)s)",
    )
    reading.add_argument(
        "--memory-max",
        type=_size,
        metavar="SIZE",
        help="how much bulk remembers of runs in memory, as 500M or 2G; what is more goes to temporary files (half of "
        "the machine's)",
    )
    reading.add_argument(
        "--state",
        metavar="FILE",
        help="go on from where the last check with this file stood: only what is new is read and reported; then it is "
        "written anew",
    )
    reading.add_argument(
        "--forget-after",
        type=whole_number(0, _FORGET_MAX),
        metavar="N",
        help="items of the recording for which a run that has ended is remembered, so that a change after its end is "
        f"found ({FORGET_AFTER})",
    )


def _add_reporting(parser: argparse.ArgumentParser) -> None:
    reporting = parser.add_argument_group("what to report, and where")
    says = "; ".join(f"{name}: {form.says}" for name, form in FORMATS.items())
    reporting.add_argument("--format", choices=list(FORMATS), default="text", help=f"{says} (%(default)s)")
    reporting.add_argument("-o", "--output", metavar="FILE", help="write the report to a file, whole or not at all")
    reporting.add_argument(
        "--profile", action="store_true", help="report the ways runs went and how long they took too"
    )
    reporting.add_argument("--baseline", metavar="FILE", help="do not report the findings that are in this file")
    reporting.add_argument("--write-baseline", metavar="FILE", help="write all findings to it: they are known from now")
    reporting.add_argument("-v", "--verbose", action="store_true", help="remarks, statuses, edges and all quotes too")


def misused(arguments: argparse.Namespace) -> str | None:
    """What does not go together, and what to do about it; None where all does."""
    if arguments.state is None or arguments.engine == SPARK:
        return misused_with_spark(arguments)
    if arguments.state == "-":
        return "--state needs a file of its own, which is read and written anew"
    if arguments.profile:
        return "--profile tells of whole lives, and --state has only what is new: leave one of them out"
    if arguments.write_baseline:
        return "--write-baseline needs all findings, and --state has only the new ones: leave one of them out"
    if arguments.output is not None and os.path.abspath(arguments.state) == os.path.abspath(arguments.output):  # noqa: PTH100 - of text
        return "--state and --output are the same file: choose another"
    return None


def epilog() -> str:
    """What help ends with: examples of every format there is."""
    rest = [(f"--format {name} -o runengine.{name}", form.says) for name, form in FORMATS.items() if name not in _SHOWN]
    more = "".join(f"  {example:<48} {says}\n" for example, says in rest)
    return EPILOG.format(more=more)


def settled(arguments: argparse.Namespace, settings: Settings) -> argparse.Namespace:
    """The arguments, with the settings' word, or the default, in place of what was not given."""
    defaults: dict[str, Any] = {
        "policy": "practical",
        "generation": None,
        "sampling": AUTO,
        "select": (),
        "ignore": (),
        "fail_on": "error",
        "skew": SKEW_S,
        "forget_after": FORGET_AFTER,
    }
    for name, default in defaults.items():
        if getattr(arguments, name) is None:
            said = getattr(settings, name)
            setattr(arguments, name, default if said is None else said)
    return arguments


def options_of(arguments: argparse.Namespace) -> Options:
    """What a checker is given."""
    return Options(
        policy=policy_named(arguments.policy),
        generation=arguments.generation,
        sampling=arguments.sampling,
        skew_s=arguments.skew,
        forget_after=arguments.forget_after,
        select=arguments.select,
        ignore=arguments.ignore,
        dialect=arguments.dialect,
        join=arguments.join,
    )


def _codes(text: str) -> tuple[str, ...]:
    codes = tuple(code.strip().upper() for code in text.split(",") if code.strip())
    for code in codes:
        if not any(known.startswith(code) for known in RULES):
            raise argparse.ArgumentTypeError(f"no rule begins with {code!r}; there are {families()}")
    return codes


def _size(text: str) -> int:
    """Bytes, as 2G."""
    found = _SIZE.fullmatch(text.strip().upper())
    size = float(found[1]) * _UNITS[found[2] or ""] if found else 0.0
    if not _SIZE_MIN <= size < _SIZE_MAX:
        raise argparse.ArgumentTypeError(f"expected a size from 1K, as 500M or 2G, got {text[:40]!r}")
    return int(size)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds >= 0, got {text!r}")
    return seconds
