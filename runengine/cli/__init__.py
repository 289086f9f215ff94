"""The command line: one file a command. Exit codes: 0 fine, 1 the thing checked is not, 2 misuse or nothing to do."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from typing import Any, NoReturn

from runengine.cli import check, convert, demo, draw, explain, fit, runs, simulate, store
from runengine.dialects.kotlin_sql import masked
from runengine.errors import RunEngineError

__all__ = ["main", "make_parser"]


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints hold no password."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - the overloads of it
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        super().error(_safe(message, getattr(self, "_given", ())))


def make_parser() -> argparse.ArgumentParser:
    """The parser with every command.

    Example:
        >>> make_parser().prog
        'runengine'
    """
    parser = _Parser(
        prog="runengine",
        description="The life of a run: drive it, and check recorded traces against it.",
        epilog="Start with `runengine demo`. Each command has its own --help.",
    )
    parser.add_argument("--version", action="version", version=f"runengine {version('runengine')}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for command in (demo, check, simulate, fit, runs, store, explain, convert, draw):
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; those of the process when None.

    Returns:
        The exit code.

    Example:
        >>> main(["explain", "RE201"]) # doctest: +ELLIPSIS
        RE201 missing-stamp...
        0
    """
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # whatever the terminal or the pipe cannot encode
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except RunEngineError as error:
        print(f"runengine: {_safe(str(error), sys.argv[1:] if argv is None else argv)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        _discard_output()  # the reader (head, less) has gone
        return 0
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            return 0  # rich's way of saying the same; it has discarded the output
        raise
    except OSError as error:
        print(f"runengine: cannot write: {error.strerror or error}", file=sys.stderr)
        _discard_output()
        return 2
    except KeyboardInterrupt:
        print("runengine: interrupted", file=sys.stderr)
        return 130
    return code


def _safe(message: str, given: Iterable[str]) -> str:
    """A message without the passwords of what was given, wherever an address was not expected."""
    for text in given:
        for part in (text, text.partition("=")[2]):
            if (shown := masked(part)) != part:
                message = message.replace(repr(part)[1:-1], shown).replace(part, shown)
    return message


def _discard_output() -> None:
    """What standard output still holds goes nowhere, and quietly."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
