"""`runengine convert`: recorded runs from one dialect to another, with every loss told."""

from __future__ import annotations

import argparse
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Final

from runengine.core.generations import GENERATIONS, generation_named
from runengine.dialects import encode
from runengine.dialects.detection import detect
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import is_database_url, write_runs
from runengine.dialects.kotlin_sql.tables import DOCUMENT
from runengine.dialects.limits import Loss
from runengine.errors import RunEngineError, TraceUnreadable
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

The output is JSON Lines, one run a line; a row that told how it was recorded stays in an envelope.
exit codes: 0 done (losses are told on standard error), 1 refused by --strict or not all could be read, 2 misuse."""

KOTLIN_SQL: Final = "kotlin-sql"
"""The dialect that is tables."""

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
        type=_generation,
        metavar="GN",
        help=f"generation of the target's schema, {GENERATIONS[0].name} to {GENERATIONS[-1].name} (the dialect's own)",
    )
    parser.add_argument("--strict", action="store_true", help="refuse if anything is lost or limited: write nothing")
    parser.add_argument("--explain", action="store_true", help="only name the dialect and generation, with the reason")
    parser.set_defaults(run=run)


def _generation(text: str) -> int:
    try:
        return generation_named(text).number
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Convert, or explain.

    Raises:
        TraceUnreadable: a file cannot be opened or written.
    """
    if arguments.explain:
        return _explain(arguments.input)
    if arguments.target is None or arguments.output is None:
        print("runengine convert: give --to DIALECT and OUT (or --explain)", file=sys.stderr)
        return 2
    if arguments.output != "-" and Path(arguments.output).absolute() == Path(arguments.input).absolute():
        print("runengine convert: IN and OUT are the same file", file=sys.stderr)
        return 2
    teller = _Teller(arguments.input)
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
        raise TraceUnreadable(path, 0, 0, "kotlin-sql is tables: expected sqlite:///FILE or postgresql://…")
    else:
        with open_input(path) as file:
            yield natively(read_items(path, file), dialect)


def _observed(items: Iterable[Item], teller: _Teller) -> Iterator[Observation]:
    for item in items:
        if isinstance(item, Observation):
            teller.runs += 1
            yield item
        elif not isinstance(item, StreamEnd):
            teller.passed(item)


def _to_file(items: Iterable[Item], arguments: argparse.Namespace, teller: _Teller) -> bool:
    """Write JSON Lines; true where --strict refused them."""
    dialect = DIALECTS[arguments.target]
    with _output(arguments.output) as out:
        for item in _observed(items, teller):
            written = dialect.from_native(item.record, arguments.generation)
            teller.lost(item, written.losses)
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
        raise TraceUnreadable(arguments.output, 0, 0, "kotlin-sql needs sqlite:///FILE or postgresql://…")
    batch: deque[Observation] = deque(maxlen=_BATCH)

    def documents() -> Iterator[dict[str, Any]]:
        for item in _observed(items, teller):
            batch.append(item)
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
    kind = "create" if item.created else None if item.source == "snapshot" else item.source
    said = {"kind": kind, "event": item.event, "observed_at": item.observed_s}
    envelope = {key: value for key, value in said.items() if value is not None}
    return {**envelope, "data": document} if envelope else document


class _Teller:
    """Tells of losses on standard error: the first of each kind of loss line by line, then counts."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.runs = 0
        self.losses = Counter[Loss]()
        self.unreadable = 0
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

    def _tell(self, line: int, what: str) -> None:
        print(f"{self._path}:{line}: {what}", file=sys.stderr)


def _said(loss: Loss) -> str:
    what = loss.path or "the snapshot"
    return f"{what} is {'lost' if loss.kind == 'loss' else 'limited'}: {loss.why}"


def _explain(path: str) -> int:
    counts = Counter[str]()
    with open_input(path) as file:
        for item in read_items(path, file):
            if isinstance(item, Observation):
                counts[str(detect(item.record))] += 1
    for said, count in counts.most_common():
        print(f"{count:,} of {sum(counts.values()):,}: {said}")
    if not counts:
        print(f"runengine convert: {path}: no run was found", file=sys.stderr)
        return 2
    return 0


class _Out:
    """A file that appears whole or not at all."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.kept = True

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def discard(self) -> None:
        self.kept = False


@contextmanager
def _output(path: str) -> Iterator[_Out]:
    """Written beside its place and moved there at the end; for `-`, kept until the end and then copied."""
    target = Path(path)
    folder = None if path == "-" else target.absolute().parent
    try:
        with NamedTemporaryFile(dir=folder, prefix=".runengine-", delete=False) as file:
            temporary = Path(file.name)
            try:
                out = _Out(file)
                yield out
                file.flush()
                if out.kept and path == "-":
                    file.seek(0)
                    while data := file.read(1 << 20):
                        sys.stdout.buffer.write(data)
                    sys.stdout.flush()
                elif out.kept:
                    temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise TraceUnreadable(path, 0, 0, f"cannot be written: {error.strerror or error}") from None
