"""`runengine draw`: a lifecycle, the run's or that of an object around it, or the whole folder of diagrams."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from runengine.cli.drawing import recorded
from runengine.core.companions import LIFECYCLES
from runengine.core.table import POLICIES, PRACTICAL
from runengine.dialects.pages import spelling_page
from runengine.rendering import FORMATS, WEIGHTED_FORMATS, Graph, gallery, graph_of, graph_of_lifecycle

__all__ = ["add_parser", "folder_files", "run"]

_OK, _STALE, _MISUSE = 0, 1, 2
_DEFAULT_FORMAT: Final = "mermaid"
_EPILOG: Final = """\
examples:
  runengine draw                                         Mermaid, practical policy, to stdout
  runengine draw --format svg --policy documented -o lifecycle.svg
  runengine draw --object step --format svg -o step.svg
  runengine draw --format svg --with recordings/ -o seen.svg   how often each step was taken, the illegal ones in red
  runengine draw --format dot | dot -Tpng -o lifecycle.png
  runengine draw --all diagrams                          every format of every policy, with an index
  runengine draw --all diagrams --check                  in CI: name each file that differs

exit status: 0 done, 1 --check found a difference, 2 misuse or a file that cannot be read or written
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add `draw` to the commands.

    Args:
        subparsers: What `ArgumentParser.add_subparsers` gave.

    Returns:
        The new parser; its namespaces carry `run`, the handler.

    Example:
        >>> parser = argparse.ArgumentParser(prog="runengine")
        >>> _ = add_parser(parser.add_subparsers())
        >>> args = parser.parse_args(["draw", "--format", "dot"])
        >>> args.run is run, args.format
        (True, 'dot')
    """
    parser = subparsers.add_parser(
        "draw",
        help="draw the lifecycle of a run",
        description="Draw the lifecycle of a run, as the policy's table has it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # No argparse defaults: beside --all an explicit choice has to be told from none.
    parser.add_argument("--format", choices=tuple(FORMATS), help=f"what to write (default: {_DEFAULT_FORMAT})")
    parser.add_argument("--policy", choices=tuple(POLICIES), help=f"which edges (default: {PRACTICAL.name})")
    parser.add_argument("--object", choices=tuple(LIFECYCLES), help="draw an object around the run instead of the run")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to FILE instead of stdout")
    parser.add_argument(
        "--with",
        dest="traces",
        nargs="+",
        metavar="TRACE",
        help="draw what is recorded there along the edges: files, folders, globs, databases, as runengine check takes",
    )
    parser.add_argument("--all", metavar="DIR", type=Path, help="write every format of every policy into DIR")
    parser.add_argument("--check", action="store_true", help="with --all: write nothing, name what differs, exit 1")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say.

    Returns:
        The exit status: 0 done, 1 a file of `--check` differs, 2 misuse or a path that cannot be read or written.

    Raises:
        TraceUnreadable: a recording of `--with` cannot be read, or has no run.

    Example:
        >>> nothing = dict.fromkeys(("all", "format", "policy", "object", "traces", "output"))
        >>> run(argparse.Namespace(check=True, **nothing))
        2
    """
    problem = _misuse(args)
    if problem:
        return _refuse(problem)
    try:
        if args.all is not None:
            return _check_folder(args.all) if args.check else _write_folder(args.all)
        _draw(args)
    except OSError as error:
        # A pipe closed by its reader has no path, and is no mistake in what we were given.
        if isinstance(error, BrokenPipeError):
            raise
        return _refuse(f"{error.filename or 'stdout'}: {error.strerror}")
    return _OK


def _misuse(args: argparse.Namespace) -> str | None:
    if args.check and args.all is None:
        return "--check compares a folder: give it with --all DIR"
    if args.object is not None and args.policy is not None:
        return f"--policy says how a run may live; a {LIFECYCLES[args.object].thing} has one table: leave it out"
    if args.traces is not None and args.object is not None:
        return "--with draws recorded runs: leave out --object"
    if args.traces is not None and (args.format or _DEFAULT_FORMAT) not in WEIGHTED_FORMATS:
        return f"--with is drawn as {', '.join(WEIGHTED_FORMATS)}: {args.format} has no place for a count"
    if args.all is not None:
        for option in ("format", "policy", "object", "with", "output"):
            if getattr(args, "traces" if option == "with" else option) is not None:
                return f"--all writes every format of every policy under its own name: leave out --{option}"
    return None


def _refuse(problem: str) -> int:
    print(f"runengine draw: {problem}", file=sys.stderr)
    return _MISUSE


def _draw(args: argparse.Namespace) -> None:
    kind = args.format or _DEFAULT_FORMAT
    if args.traces is not None:
        text = WEIGHTED_FORMATS[kind](recorded(args.traces, POLICIES[args.policy or PRACTICAL.name]))
    else:
        text = FORMATS[kind].render(_graph(args))
    if args.output is None:
        sys.stdout.write(text)
    else:
        args.output.write_bytes(text.encode())


def _graph(args: argparse.Namespace) -> Graph:
    if args.object is not None:
        return graph_of_lifecycle(LIFECYCLES[args.object])
    return graph_of(POLICIES[args.policy or PRACTICAL.name])


def _write_folder(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    files = folder_files()
    for name, text in files.items():
        # Bytes, so that a line ends the same way on every system.
        (folder / name).write_bytes(text.encode())
    print(f"{folder}: {len(files)} files")
    for name in _surplus(folder, files):
        print(f"{folder / name}: surplus, not written by draw; delete it", file=sys.stderr)
    return _OK


def folder_files() -> dict[str, str]:
    """File name to text of everything `--all` writes: the pictures and the spelling table."""
    return {**gallery(), "spellings.md": spelling_page()}


def _check_folder(folder: Path) -> int:
    files = folder_files()
    found: list[str] = []
    for name, text in files.items():
        path = folder / name
        if not path.exists():
            found.append(f"{path}: missing")
        elif path.read_bytes() != text.encode():
            found.append(f"{path}: stale")
    found += [f"{folder / name}: surplus" for name in _surplus(folder, files)]
    if not found:
        print(f"{folder}: {len(files)} files, all as the table has them")
        return _OK
    print("\n".join(found))
    print(f"runengine draw: {len(found)} differ; `runengine draw --all {folder}` writes them anew", file=sys.stderr)
    return _STALE


def _surplus(folder: Path, files: dict[str, str]) -> list[str]:
    """Names in the folder that are none of ours; hidden ones belong to the system or to git."""
    if not folder.exists():
        return []
    return sorted(path.name for path in folder.iterdir() if path.name not in files and not path.name.startswith("."))
