"""`runengine fit`: a scenario learned from recordings, what it rests on, and how well it does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from runengine.cli import progress
from runengine.cli.arguments import whole_number
from runengine.cli.files import output
from runengine.dialects.documents import DIALECTS
from runengine.dialects.kotlin_sql import is_database_url, masked
from runengine.errors import MissingExtra, TraceUnreadable
from runengine.validation.observations import Item, Unreadable
from runengine.validation.readers import AUTO, expand, items_in

if TYPE_CHECKING:
    from runengine.simulation.fitting.comparing import Comparison
    from runengine.simulation.fitting.estimating import Fit
    from runengine.simulation.fitting.reading import Reading

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  runengine fit recordings/ -o mine.toml             learn a scenario; the report goes to standard output
  runengine fit trace.jsonl > mine.toml              the scenario to standard output, the report to standard error
  runengine fit sqlite:///runs.db --compare          and set what it simulates beside what was recorded
  runengine fit recordings/ --compare steady         beside the recordings, a scenario that is there already
  runengine fit recordings/ --plots pictures/        the same as pictures, PNG and SVG
  runengine simulate --scenario mine.toml --runs 1000000 -o big.jsonl

exit codes: 0 learned; 1 learned, and a path or a line could not be read; 2 nothing to learn from, or misuse.
One file is one recording. Instructions, metadata and names of functions are not copied without --with-text; models and
types of tools are. What each number rests on, and what is taken as given, is in the report and in
docs/how-to/fit-to-your-recordings.md."""

_SEED_MAX = 2**63 - 1
_NAMED_MAX = 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "fit",
        help="learn a scenario from recorded runs",
        description="Learn a scenario from recordings, of any form that `runengine check` reads, in one pass.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders, globs, databases (sqlite:///FILE, postgresql://…), or - for standard input",
    )
    parser.add_argument("-o", "--output", type=_path, metavar="FILE", help="write the scenario to a file")
    parser.add_argument("--name", type=_name, default="learned", help="the scenario's name (%(default)s)")
    parser.add_argument(
        "--dialect",
        choices=(AUTO, *DIALECTS),
        default=AUTO,
        help="how the records are written; auto tells each by its keys (%(default)s)",
    )
    parser.add_argument(
        "--compare",
        nargs="?",
        const="",
        metavar="SCENARIO",
        help="simulate it, or another scenario (a name or a file), and set that beside the recordings",
    )
    parser.add_argument("--plots", type=_path, metavar="FOLDER", help="draw the comparison there, as PNG and SVG")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="form of the report (%(default)s)")
    parser.add_argument(
        "--seed",
        type=whole_number(0, _SEED_MAX),
        default=1,
        metavar="S",
        help="of samples and of --compare (%(default)s)",
    )
    parser.add_argument(
        "--with-text",
        action="store_true",
        help="copy instructions, metadata, names of functions and of fine-tuned models too",
    )
    parser.set_defaults(run=run)


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got nothing")
    return text


def _name(text: str) -> str:
    if not 1 <= len(text) <= 100:
        raise argparse.ArgumentTypeError(f"expected 1 to 100 characters, got {len(text)}")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Learn, report, write, and answer with the exit code.

    Raises:
        MissingExtra: numpy, scipy or matplotlib is not installed.
        ScenarioInvalid: the scenario to compare with cannot be read.
        TraceUnreadable: the scenario cannot be written.
    """
    from runengine.simulation.fitting.comparing import compared
    from runengine.simulation.fitting.estimating import fitted
    from runengine.simulation.fitting.reading import Reading
    from runengine.simulation.toml import load_scenario, write_scenario

    _guard_inputs(arguments.output, arguments.paths)
    other = load_scenario(arguments.compare) if arguments.compare else None
    reading = Reading(seed=arguments.seed, dialect=arguments.dialect, with_text=arguments.with_text)
    unread = _read(arguments.paths, reading)
    if not reading.counts.runs:
        why = " in what could be read; what could not is named above" if unread else ""
        print(f"runengine: nothing to learn from: no run was found{why}", file=sys.stderr)
        return 2
    with _busy("learning"):
        fit = fitted(reading, arguments.name)
    comparison = None
    if arguments.compare is not None or arguments.plots is not None:
        with _busy("simulating"):
            comparison = compared(reading, other or fit.scenario, arguments.seed)
    text = write_scenario(fit.scenario)
    if arguments.output is not None:
        with output(arguments.output) as out:
            out.write(text.encode())
    drawn = _draw(comparison, arguments.plots) if comparison is not None and arguments.plots is not None else []
    _report(arguments, fit, comparison, text, drawn)
    return 1 if unread else 0


def _guard_inputs(path: str | None, inputs: Iterable[str]) -> None:
    for given in inputs if path is not None else ():
        try:
            same = Path(str(path)).samefile(given)
        except (OSError, ValueError):
            same = False
        if same:
            raise TraceUnreadable(
                str(path), 0, 0, "it is an input, which the scenario would overwrite; choose another file"
            )


def _read(paths: list[str], reading: Reading) -> bool:
    """Read every path; what cannot be read is named, and the rest still read. Whether there was any such."""
    unread = _Unread()
    for given in paths:
        try:
            for path in expand([given]):
                with _busy(f"reading {masked(path)}") if is_database_url(path) else nullcontext():
                    items = items_in(path, watched=partial(progress.reading, path))
                    reading.add(unread.among(masked(path), items))
        except TraceUnreadable as error:
            unread.say(str(error))
        except MissingExtra as error:
            unread.say(f"{masked(given)}: {error}")
        except OSError as error:
            unread.say(f"{masked(given)}: {error.strerror or error}")
    return unread.some


class _Unread:
    """What could not be read, said on standard error as it is met."""

    def __init__(self) -> None:
        self.some = False

    def say(self, what: str) -> None:
        """One line."""
        self.some = True
        print(f"runengine: {what}", file=sys.stderr)

    def among(self, path: str, items: Iterator[Item]) -> Iterator[Item]:
        """The items, up to where reading fails; the first unreadable lines are named, and the others counted."""
        count = 0
        try:
            for item in items:
                if isinstance(item, Unreadable):
                    count += 1
                    if count <= _NAMED_MAX:
                        place = f"{path}:{item.line}" if item.line else path
                        self.say(f"{place}: {item.problem}")
                yield item
        except TraceUnreadable as error:
            self.say(str(error))
        except MissingExtra as error:
            self.say(f"{path}: {error}")
        except OSError as error:
            self.say(f"{path}: {error.strerror or error}")
        if count > _NAMED_MAX:
            self.say(f"{path}: {count:,} lines or documents could not be read; the first {_NAMED_MAX} are named above")


def _draw(comparison: Comparison, folder: str) -> list[str]:
    from runengine.simulation.fitting.plots import draw

    try:
        with _busy("drawing"):
            return [str(path) for path in draw(comparison, folder)]
    except OSError as error:
        raise TraceUnreadable(folder, 0, 0, f"cannot be written: {error.strerror or error}") from None


def _report(
    arguments: argparse.Namespace, fit: Fit, comparison: Comparison | None, text: str, drawn: list[str]
) -> None:
    if arguments.format == "json":
        document: dict[str, Any] = {"version": 1, "scenario": text, **fit.report.as_json(), "plots": drawn}
        document["comparison"] = None if comparison is None else comparison.as_json()
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    from runengine.cli.fit_tables import print_comparison, print_report

    if arguments.output is None:
        print(text, end="")
    console = _console(stderr=arguments.output is None)
    print_report(console, fit)
    if comparison is not None:
        print_comparison(console, comparison)
    for path in drawn:
        console.print(f"drawn: {path}", soft_wrap=True, markup=False, highlight=False)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=130)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """A sign of work on standard error, when that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
