"""The report for people at a terminal."""

from __future__ import annotations

import json
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runengine.validation.findings import Severity, Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["TextReport"]

_MISSING_KEY: Final = "RE307"
_STYLE: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}


class TextReport:
    r"""For people: a line or two for each violation, then tables of what was seen.

    Args:
        out: Where to write.
        verbose: Remarks (severity info) too, and statuses and edges.

    Example:
        >>> import io
        >>> TextReport(out := io.StringIO()).close(Summary(runs=1, observations=4, threads=1))
        >>> out.getvalue()
        'clean: 1 run on 1 thread, 4 observations; 0 errors, 0 warnings, 0 remarks\n'
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO, verbose: bool = False) -> None:
        self._console = Console(file=out, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._verbose = verbose

    def add(self, violation: Violation) -> None:
        """Write one violation."""
        v = violation
        if v.severity == "info" and not self._verbose:
            return
        where = f"{v.path}:{v.line}" if v.line else v.path
        who = f" {v.run_id}:" if v.run_id else ""
        rule = ((v.severity, _STYLE[v.severity]), " ", (v.code, "bold"), f" {v.name}:")
        self._console.print(Text.assemble(f"{_plain(where)}: ", *rule, _plain(f"{who} {v.message}")))
        notes = []
        if v.field is not None:
            absent = v.code == _MISSING_KEY
            notes.append(f"{v.field} is {'absent' if absent else json.dumps(v.found, ensure_ascii=False, default=str)}")
        if v.expected is not None:
            notes.append(f"expected {v.expected}")
        if notes:
            self._console.print(f"    {_plain('; '.join(notes))}")
        if v.hint is not None:
            self._console.print(f"    hint: {_plain(v.hint)}", style="dim")

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write the tables and the verdict."""
        if summary.by_code:
            self._console.print(_table("rule", summary.by_code))
        if self._verbose:
            data = summary.as_dict()
            self._console.print(_table("status", data["statuses"]))
            self._console.print(_table("edge", data["edges"]))
        if summary.violations["info"] and not self._verbose:
            self._console.print(
                f"{count_of(summary.violations['info'], 'remark')} not shown; -v shows them", style="dim"
            )
        if summary.passed:
            self._console.print(f"{count_of(summary.passed, 'object')} that are no runs passed over", style="dim")
        self._console.print(verdict(summary), style="bold")


def _plain(text: str) -> str:
    """Control characters of foreign text made visible, so that it cannot steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _table(head: str, counts: dict[str, int]) -> Table:
    table = Table(head, "count", box=None, pad_edge=False, title_justify="left")
    table.columns[1].justify = "right"
    for name, count in sorted(counts.items()) if head == "rule" else counts.items():
        table.add_row(name, f"{count:,}")
    return table
