"""`runengine explain`: what a rule says and why, with an example that breaks it; or one run's whole life."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final

from runengine.cli import explaining
from runengine.dialects import DIALECTS
from runengine.dialects.pages import dialect_page
from runengine.errors import TraceUnreadable
from runengine.rendering.reference import run_object_page
from runengine.simulation.faults.page import faults_page
from runengine.simulation.page import scenario_page
from runengine.simulation.schema import schema_text
from runengine.stores.schema.page import schema_page
from runengine.validation import RULES, Rule
from runengine.validation.catalogue import families

__all__ = ["PAGES", "add_parser", "as_markdown", "as_text", "run"]

_EPILOG = """\
examples:
  runengine explain RE201       one rule
  runengine explain             every rule, a line each
  runengine explain --run run_5Xg recordings/     one run's whole life, each finding at its place
  runengine explain --all docs/reference          write the reference pages
  runengine explain --all docs/reference --check  in CI: name each page that is stale"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "explain",
        help="what a rule says, and why; or one run's whole life",
        description="What a rule says, why, its source, an example that breaks it and one that does not. With --run: "
        "one run's whole life, as recorded, each finding at its place.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "given",
        nargs="*",
        metavar="CODE | PATH",
        help="a rule's code or name, as RE201 or missing-stamp; with --run: files, folders, globs, databases, or -",
    )
    parser.add_argument("--all", metavar="DIR", type=Path, help="write the reference pages into DIR")
    parser.add_argument("--check", action="store_true", help="with --all: write nothing, name stale pages, exit 1")
    explaining.add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print; 2 where there is no such rule.

    Raises:
        TraceUnreadable: a page cannot be written.
    """
    misuse = _misuse(arguments)
    if misuse is not None:
        print(f"runengine: {misuse}", file=sys.stderr)
        return 2
    if arguments.run_id is not None:
        return explaining.explain_run(arguments.run_id, arguments.given, arguments)
    if arguments.all is not None:
        return _pages(arguments.all, arguments.check)
    if arguments.given:
        return _rule(arguments.given[0])
    for rule in RULES.values():
        print(f"{rule.code}  {rule.severity:<7}  {rule.name}")
    return 0


def _misuse(arguments: argparse.Namespace) -> str | None:
    """What does not go together, in one line."""
    if arguments.check and arguments.all is None:
        return "--check goes with --all DIR"
    if arguments.run_id is not None:
        if arguments.all is not None:
            return "--run and --all do not go together"
        if not arguments.run_id:
            return "--run takes an id, or its beginning"
        return None if arguments.given else "--run ID takes the paths to look in, as `--run ID recordings/`"
    for name in explaining.OPTIONS:
        if getattr(arguments, name) is not None:
            return f"--{name} goes with --run ID"
    if len(arguments.given) > 1:
        return f"one rule at a time, got {', '.join(map(repr, arguments.given))}"
    return None


def _rule(given: str) -> int:
    by_name = {rule.name: rule for rule in RULES.values()}
    found = RULES.get(given.upper()) or by_name.get(given.lower())
    if found is None:
        near = get_close_matches(given.lower(), by_name, n=3)
        hint = (
            f"; did you mean {' or '.join(near)}?"
            if near
            else f"; there are {families()}; `runengine explain` lists them"
        )
        print(f"runengine: there is no rule {given!r}{hint}", file=sys.stderr)
        return 2
    print(as_text(found), end="")
    return 0


PAGES: Final[dict[str, Callable[[], str]]] = {
    "faults.md": faults_page,
    "rules.md": lambda: as_markdown(),
    "run-object.md": run_object_page,
    "scenario.md": scenario_page,
    "scenario.schema.json": schema_text,
    "store-schema.md": schema_page,
    **{f"dialects/{name}.md": partial(dialect_page, name) for name in DIALECTS},
}
"""The generated reference pages: file name to what makes it."""


def _pages(folder: Path, check: bool) -> int:
    stale = [
        n for n, make in PAGES.items() if not (folder / n).is_file() or (folder / n).read_bytes() != make().encode()
    ]
    if check:
        for name in stale:
            print(f"runengine: {folder / name} is stale; `runengine explain --all {folder}` writes it", file=sys.stderr)
        return 1 if stale else 0
    try:
        (folder / "dialects").mkdir(parents=True, exist_ok=True)
        for name, make in PAGES.items():
            (folder / name).write_bytes(make().encode())
    except OSError as error:
        raise TraceUnreadable(str(folder), 0, 0, f"cannot be written: {error.strerror}") from None
    return 0


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def as_text(rule: Rule) -> str:
    """A rule for the terminal.

    Example:
        >>> as_text(RULES["RE201"]).splitlines()[0]
        'RE201 missing-stamp (error)'
    """
    severity = f"{rule.severity}; {rule.milder}" if rule.milder else rule.severity
    parts = [f"{rule.code} {rule.name} ({severity})", "", rule.says, "", f"Why: {rule.why}", f"Source: {rule.source}"]
    if rule.hint:
        parts.append(f"Hint: {rule.hint}")
    parts += ["", f"Breaks it ({rule.breaks.suffix}):", _indented(rule.breaks.whole)]
    parts += ["Does not:", _indented(rule.keeps.whole)]
    return "\n".join(parts) + "\n"


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.rstrip("\n").split("\n"))


def as_markdown() -> str:
    """Every rule as the reference page; `docs/reference/rules.md` holds it, and a test compares them.

    Example:
        >>> as_markdown().splitlines()[0]
        '# The rules'
    """
    page = [
        "# The rules",
        "",
        "Generated by `runengine explain --all docs/reference`. Every example here is checked by a test: the first",
        "recording breaks its rule, the second does not.",
        "",
        "| code | name | severity |",
        "| --- | --- | --- |",
    ]
    page += [f"| [{r.code}](#{r.code.lower()}-{r.name}) | {r.name} | {r.severity} |" for r in RULES.values()]
    for rule in RULES.values():
        severity = f"{rule.severity}; {rule.milder}" if rule.milder else rule.severity
        page += ["", f"## {rule.code} {rule.name}", "", f"*{severity}*", "", rule.says, "", f"**Why.** {rule.why}", ""]
        page += [f"**Source.** {rule.source}", ""]
        if rule.hint:
            page += [f"**Hint.** {rule.hint}", ""]
        page += [f"Breaks it (`{rule.breaks.suffix}`):", "", "```", rule.breaks.whole.rstrip("\n"), "```", ""]
        page += ["Does not:", "", "```", rule.keeps.whole.rstrip("\n"), "```"]
    return "\n".join(page) + "\n"
