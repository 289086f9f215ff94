"""The report for people: findings grouped by file and run, with the offending line quoted.

On a terminal a file and a run are headings, and a finding begins with its line; where runs take turns, each finding
names its run instead. Elsewhere each begins with `path:line:`, as compilers write it, so that editors and `grep` find
the place. Nothing that is found is left out but remarks: of one rule in one file the first `QUOTES_MAX` findings are
quoted, all others are said without a quote.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Final, Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runengine.validation.findings import Severity, Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.plain import cells, plain
from runengine.validation.reports.profile_text import print_profile
from runengine.validation.reports.quoting import Quote, Quotes
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["QUOTES_MAX", "TextReport"]

QUOTES_MAX: Final = 10
"""So many findings of one rule in one file are quoted; all with -v."""

_HEADED_MAX: Final = 10_000
"""So many runs of one file have a heading."""

_MISSING_KEY: Final = "RE307"
_STYLE: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_WIDTH: Final = 120
_GUTTER: Final = 5
_GUTTER_MAX: Final = 9  # a line has at most so many digits, or its quote may run over the width


class TextReport:
    r"""For people: a few lines for each violation, then tables of what was seen.

    Args:
        out: Where to write.
        verbose: Remarks (severity info) too, a quote with each finding, and statuses and edges.

    Example:
        >>> import io
        >>> TextReport(out := io.StringIO()).close(Summary(runs=1, observations=4, threads=1))
        >>> out.getvalue()
        'clean: 1 run on 1 thread, 4 observations; 0 errors, 0 warnings, 0 remarks\n'
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO, verbose: bool = False) -> None:
        console = _console(out)
        self._console = _console(out, plain=True) if console.no_color else console
        self._out = out
        self._verbose = verbose
        self._width = console.width if console.is_terminal else _WIDTH
        self._ascii_only = not console.encoding.startswith("utf")
        self._quotes = Quotes(self._width - _GUTTER_MAX - 3, self._ascii_only)
        self._path: str | None = None
        self._run: str | None = None
        self._quoted: Counter[str] = Counter()
        self._headed: set[str] = set()
        self._in_turns = False
        self._hints: dict[str, str] = {}
        self._unquoted = 0

    def add(self, violation: Violation) -> None:
        """Write one violation."""
        if violation.severity == "info" and not self._verbose:
            return
        self._head(violation)
        quote = self._quote(violation)
        if quote is None:
            self._notes(violation)
        else:
            self._quoting(violation, quote)
        hint = violation.hint
        if hint is not None and (self._hints.get(violation.code) != hint or self._verbose):
            self._print(f"    hint: {self._plain(hint)}", style="dim")
            self._hints[violation.code] = hint

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write the tables and the verdict."""
        self._quotes.close()
        if self._path is not None:
            self._print("")
        if profile is not None:
            print_profile(self._console, profile)
        if summary.by_code:
            self._console.print(_table("rule", summary.by_code))
        if self._verbose:
            data = summary.as_dict()
            self._console.print(_table("status", data["statuses"]))
            self._console.print(_table("edge", data["edges"]))
        if self._unquoted:
            self._print(
                f"{count_of(self._unquoted, 'finding')} without a quote ({QUOTES_MAX} of a rule in a file have one); "
                "-v quotes all",
                style="dim",
            )
        if summary.violations["info"] and not self._verbose:
            self._print(f"{count_of(summary.violations['info'], 'remark')} not shown; -v shows them", style="dim")
        if summary.companions and summary.observations:
            self._print(f"{count_of(summary.companions, 'object')} around the runs checked", style="dim")
        if summary.passed:
            are = "is no run" if summary.passed == 1 else "are no runs"
            self._print(f"{count_of(summary.passed, 'object')} that {are} passed over", style="dim")
        self._print(verdict(summary), style="bold")

    def _head(self, v: Violation) -> None:
        """The file and the run, where they are not those of the last finding; and what was found."""
        other_file = v.path != self._path
        other_run = other_file or v.run_id != self._run
        if other_file:
            self._quoted.clear()
            self._headed.clear()
            self._in_turns = False
        elif self._console.is_terminal and other_run and v.run_id:
            self._in_turns |= v.run_id in self._headed or len(self._headed) >= _HEADED_MAX
        if other_run and self._path is not None and not self._in_turns:
            self._print("")
        who = f" {v.run_id}:" if v.run_id else ""
        if not self._console.is_terminal:
            place = f"{v.path}:{v.line}" if v.line else v.path
        else:
            if other_file:
                self._print(self._plain(v.path), style="bold underline")
            if not self._in_turns:
                self._head_run(v, other_run)
                who = ""
            place = f"  {v.line}" if v.line else "  the whole file"
        self._path, self._run = v.path, v.run_id
        rule = ((v.severity, _STYLE[v.severity]), " ", (v.code, "bold"), f" {v.name}:")
        self._print(f"{self._plain(place)}: ", *rule, self._plain(f"{who} {v.message}"))

    def _head_run(self, v: Violation, other: bool) -> None:
        if other and v.run_id:
            thread = f" on {v.thread_id}" if v.thread_id else ""
            self._print(f"  {self._plain(v.run_id + thread)}", style="bold")
            self._headed.add(v.run_id)

    def _quote(self, v: Violation) -> Quote | None:
        if self._quoted[v.code] >= QUOTES_MAX and not self._verbose:
            self._unquoted += 1
            return None
        quote = self._quotes.quote(v)
        self._quoted[v.code] += quote is not None
        return quote

    def _quoting(self, v: Violation, quote: Quote) -> None:
        """The line, what is pointed at in it, and what would have been right."""
        bar = "|" if self._ascii_only else "│"
        expected = f"expected {v.expected}" if v.expected is not None else ""
        told = self._plain(expected if quote.whole else self._told(v))
        number = f"{quote.line:>{_GUTTER}}"
        used = len(number) + 3 + quote.indent + quote.carets
        beside = told if used + 1 + cells(told) <= self._width else ""
        self._print((f"{number} {bar} ", "blue"), quote.text)
        carets = (f"{' ' * quote.indent}{'^' * quote.carets}{' ' if beside else ''}{beside}", _STYLE[v.severity])
        self._print((f"{'':{len(number)}} {bar} ", "blue"), carets)
        if told and not beside:
            self._print(f"    {told}")

    def _notes(self, v: Violation) -> None:
        if told := self._told(v):
            self._print(f"    {self._plain(told)}")

    def _told(self, v: Violation) -> str:
        """What was found, and what would have been right."""
        notes = []
        if v.field is not None:
            absent = v.code == _MISSING_KEY
            notes.append(f"{v.field} is {'absent' if absent else json.dumps(v.found, ensure_ascii=False, default=str)}")
        if v.expected is not None:
            notes.append(f"expected {v.expected}")
        return "; ".join(notes)

    def _plain(self, text: str) -> str:
        return plain(text, self._ascii_only)

    def _print(self, *parts: str | tuple[str, str], style: str = "") -> None:
        """A line made of texts, each with its style if it has one of its own."""
        if self._console.is_terminal:
            self._console.print(Text.assemble(*parts, style=style))
        else:  # the same, and more than ten times as fast
            self._out.write("".join(part if isinstance(part, str) else part[0] for part in parts) + "\n")


def _console(out: TextIO, plain: bool = False) -> Console:
    """A console that prints text as it is; without any colour where that was asked for (NO_COLOR)."""
    system: Literal["auto"] | None = None if plain else "auto"
    return Console(file=out, highlight=False, soft_wrap=True, markup=False, emoji=False, color_system=system)


def _table(head: str, counts: dict[str, int]) -> Table:
    table = Table(head, "count", box=None, pad_edge=False, title_justify="left")
    table.columns[1].justify = "right"
    for name, count in sorted(counts.items()) if head == "rule" else counts.items():
        table.add_row(name, f"{count:,}")
    return table
