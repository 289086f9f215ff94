"""`runengine convert`: recorded runs from one dialect to another, with every loss told."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from runengine.cli.arguments import generation_number
from runengine.cli.files import output
from runengine.core.candidates import span
from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.dialects import encode
from runengine.dialects.detection import Detection, detect
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import ADDRESS, described, is_database_url, masked, write_runs
from runengine.dialects.kotlin_sql.tables import DOCUMENT
from runengine.dialects.limits import Loss
from runengine.errors import DialectError, RunEngineError, TraceUnreadable
from runengine.validation.observations import Item, Observation, StreamEnd, Unreadable
from runengine.validation.readers import open_input, read_items
from runengine.validation.readers.kotlin_sql import read_kotlin_sql
from runengine.validation.readers.natively import AUTO, natively

__all__ = ["add_parser", "run"]

_EPILOG: Final = """\
examples:
  runengine convert --to ruby trace.jsonl for_ruby.jsonl        what Ruby cannot carry is told, line by line
  runengine convert --to julia --generation G1 --strict in out  refuse instead: nothing is written
  runengine convert --from typescript-instance --to native dump.jsonl -
  runengine convert --to kotlin-sql trace.jsonl sqlite:///runs.db
  runengine convert --explain dump.jsonl                        which dialect and generation it is, and why

The output is JSON Lines, one run a line; what a row's envelope said is written around the run as it was. Tables hold
runs alone: what envelopes said is then not written, which is told, and is no loss for --strict.
exit codes: 0 done (losses are told on standard error), 1 refused by --strict or not all could be read, 2 misuse."""

KOTLIN_SQL: Final = "kotlin-sql"
"""The dialect that is tables."""

_NOT_TABLES: Final = f"kotlin-sql is tables: expected {ADDRESS}"
_ALWAYS: Final = tuple(f.name for f in FIELDS.values() if all(f.required_in(g.number) for g in GENERATIONS))
"""Keys that no record of any generation lacks."""

_BATCH: Final = 1000
_TOLD_MAX: Final = 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "convert",
        help="write recorded runs in another dialect",
        description="Write recorded runs in another dialect; what it cannot carry is told field by field.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "input", metavar="IN", help="a recording, - for standard input, or a database of the kotlin-sql tables"
    )
    parser.add_argument(
        "output",
        metavar="OUT",
        nargs="?",
        help="a JSON Lines file, - for standard output, or a database for kotlin-sql",
    )
    parser.add_argument(
        "--from", dest="source", choices=(AUTO, *DIALECTS, KOTLIN_SQL), default=AUTO, help="(%(default)s)"
    )
    parser.add_argument("--to", dest="target", choices=(*DIALECTS, KOTLIN_SQL), help="the dialect to write")
    parser.add_argument(
        "--generation",
        type=generation_number,
        metavar="GN",
        help=f"generation of the target's schema, {GENERATIONS[0].name} to {GENERATIONS[-1].name} (the dialect's own)",
    )
    parser.add_argument("--strict", action="store_true", help="refuse if anything is lost or limited: write nothing")
    parser.add_argument("--explain", action="store_true", help="only name the dialect and generation, with the reason")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert, or explain.

    Raises:
        TraceUnreadable: a file cannot be opened or written.
    """
    if arguments.explain:
        return _explain(arguments.input, arguments.source)
    if arguments.target is None or arguments.output is None:
        print("runengine convert: give --to DIALECT and OUT (or --explain)", file=sys.stderr)
        return 2
    if arguments.output != "-" and Path(arguments.output).absolute() == Path(arguments.input).absolute():
        print("runengine convert: IN and OUT are the same file", file=sys.stderr)
        return 2
    if arguments.target != KOTLIN_SQL and is_database_url(arguments.output):
        print(
            f"runengine convert: {masked(arguments.output)}: the address of a database goes with --to kotlin-sql",
            file=sys.stderr,
        )
        return 2
    teller = _Teller(masked(arguments.input))
    with _items(arguments.input, arguments.source) as items:
        write = _to_tables if arguments.target == KOTLIN_SQL else _to_file
        refused = write(items, arguments, teller)
    teller.close()
    if refused:
        print("runengine convert: refused by --strict; nothing was written", file=sys.stderr)
        return 1
    if not teller.runs:
        print("runengine convert: no run was found", file=sys.stderr)
        return 2
    return 1 if teller.unreadable else 0


@contextmanager
def _items(path: str, dialect: str) -> Iterator[Iterator[Item]]:
    """What the input holds, with native records."""
    if is_database_url(path):
        yield iter(read_kotlin_sql(path))
    elif dialect == KOTLIN_SQL:
        raise TraceUnreadable(masked(path), 0, 0, _NOT_TABLES)
    else:
        with open_input(path) as file:
            yield natively(read_items(path, file), dialect)


def _observed(items: Iterable[Item], teller: _Teller) -> Iterator[Observation]:
    for item in items:
        if isinstance(item, Observation):
            lacking = [] if item.columns is None else [name for name in _ALWAYS if name not in item.columns]
            if lacking:
                problem = f"the table has no column for {', '.join(lacking)}: its rows are not whole records"
                raise TraceUnreadable(teller.path, 0, 0, f"{problem}, so none is written")
            teller.runs += 1
            yield item
        elif not isinstance(item, StreamEnd):
            teller.passed(item)


def _to_file(items: Iterable[Item], arguments: argparse.Namespace, teller: _Teller) -> bool:
    """Write JSON Lines; true where --strict refused them."""
    dialect = DIALECTS[arguments.target]
    with output(arguments.output) as out:
        for item in _observed(items, teller):
            written = dialect.from_native(item.record, arguments.generation)
            teller.lost(item, written.losses)
            teller.listed = teller.listed or _is_listed(item)
            out.write(encode(_enveloped(item, written.document)) + b"\n")
        refused = bool(arguments.strict and teller.losses)
        if refused:
            out.discard()
    return refused


class _Strict(RunEngineError):
    """Ends the writing of tables, which then hold nothing of it."""


def _to_tables(items: Iterable[Item], arguments: argparse.Namespace, teller: _Teller) -> bool:
    """Write the tables in one transaction; true where --strict refused it."""
    if not is_database_url(arguments.output):
        raise TraceUnreadable(masked(arguments.output), 0, 0, f"kotlin-sql needs {ADDRESS}")
    batch: deque[Observation] = deque(maxlen=_BATCH)

    def documents() -> Iterator[dict[str, Any]]:
        for item in _observed(items, teller):
            batch.append(item)
            teller.unwritten += bool(item.envelope)
            yield item.record

    def report(number: int, losses: list[Loss]) -> None:
        # A batch is told of before the next one is drawn, so the last of `batch` is the last drawn.
        teller.lost(batch[number - 1 - teller.runs], losses)
        if arguments.strict:
            raise _Strict

    generation = DOCUMENT if arguments.generation is None else arguments.generation
    try:
        write_runs(arguments.output, documents(), report, generation, _BATCH)
    except _Strict:
        return True
    return False


def _enveloped(item: Observation, document: dict[str, Any]) -> dict[str, Any]:
    """The document, with what the recording told of it."""
    envelope = {key: value for key, value in (item.envelope or {}).items() if key != "object"}
    if item.envelope is None and item.source == "stream":
        envelope = {"kind": "stream"} if item.event is None else {"kind": "stream", "event": item.event}
    return {**envelope, "data": document} if envelope or item.envelope == {} else document


def _is_listed(item: Observation) -> bool:
    return bool(item.envelope and "object" in item.envelope)


class _Teller:
    """Tells of losses on standard error: the first of each kind of loss line by line, then counts."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.runs = 0
        self.losses = Counter[Loss]()
        self.unreadable = 0
        self.unwritten = 0
        self.listed = False
        self._passed = Counter[str]()

    def lost(self, item: Observation, losses: Iterable[Loss]) -> None:
        for loss in losses:
            if sum(self.losses.values()) < _TOLD_MAX:
                self._tell(item.line, f"{item.record.get('id', 'a run')}: {_said(loss)}")
            self.losses[loss] += 1

    def passed(self, item: Item) -> None:
        if isinstance(item, Unreadable):
            self.unreadable += 1
            self._tell(item.line, item.problem)
        else:
            self._passed[getattr(item, "what", "object")] += 1

    def close(self) -> None:
        """The counts of what was not told line by line."""
        if sum(self.losses.values()) > _TOLD_MAX:
            for loss, count in self.losses.items():
                print(f"runengine convert: {count:,} times: {_said(loss)}", file=sys.stderr)
        for what, count in self._passed.items():
            print(f"runengine convert: {count:,} of {what} are no runs and are not written", file=sys.stderr)
        if self.listed:
            print("runengine convert: list responses are written as their runs, not their own keys", file=sys.stderr)
        if self.unwritten:
            said = "what was said around the run is not written: the tables hold runs alone"
            print(f"runengine convert: {self.unwritten:,} times: {said}", file=sys.stderr)

    def _tell(self, line: int, what: str) -> None:
        print(f"{self.path}:{line}: {what}", file=sys.stderr)


def _said(loss: Loss) -> str:
    what = loss.path or "the snapshot"
    return f"{what} is {'lost' if loss.kind == 'loss' else 'limited'}: {loss.why}"


def _explain(path: str, dialect: str) -> int:
    if is_database_url(path):
        return _explain_tables(path)
    if dialect == KOTLIN_SQL:
        raise TraceUnreadable(masked(path), 0, 0, _NOT_TABLES)
    groups = Counter[tuple[str, tuple[str, ...], tuple[int, ...]]]()
    reasons: dict[tuple[str, tuple[str, ...], tuple[int, ...]], Detection] = {}
    with open_input(path) as file:
        for item in read_items(path, file):
            if isinstance(item, Observation):
                found = detect(item.record)
                key = (found.dialect, found.others, found.generations)
                groups[key] += 1
                reasons.setdefault(key, found)
    if not groups:
        print(f"runengine convert: {masked(path)}: no run was found", file=sys.stderr)
        return 2
    print(_verdict(list(reasons.values())))
    for key, count in groups.most_common():
        print(f"{count:,} of {sum(groups.values()):,}: {reasons[key]}")
    return 0


def _verdict(found: list[Detection]) -> str:
    """What can have written every record."""
    first, *rest = found
    names = [n for n in (first.dialect, *first.others) if all(n in (d.dialect, *d.others) for d in rest)]
    generations = tuple(g for g in first.generations if all(g in d.generations for d in rest))
    dialects = f"{' or '.join(names)} can have written" if names else "no one dialect can have written"
    era = f"generation {span(generations)} fits all" if generations else "no one generation fits all"
    return f"as a whole: {dialects} every record, and {era}"


def _explain_tables(url: str) -> int:
    try:
        count, generations = described(url)
    except DialectError as error:
        raise TraceUnreadable(masked(url), 0, 0, str(error).removeprefix(f"{masked(url)}: ")) from None
    which = f"its tables and columns are those of {span(generations)}"
    print(f"{count:,} of {count:,}: {KOTLIN_SQL}, generation {span(generations)}: {which}")
    return 0
