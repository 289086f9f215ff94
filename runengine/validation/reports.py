"""Reports: text for people, `json` (one document) and `jsonl` (one violation a line) for programs.

Violations are written as they are found; only `json`, whose summary comes first, keeps them, in a temporary file once
they are many. Source: DESIGN §5 (the JSON form is a contract).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Protocol, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runengine.validation.findings import Severity, Violation
from runengine.validation.summary import Summary

__all__ = ["FORMATS", "REPORT_VERSION", "JsonLinesReport", "JsonReport", "Report", "TextReport", "verdict"]

REPORT_VERSION: Final = 1
"""Version of the JSON form."""

_SPOOL_BYTES: Final = 4 * 1024 * 1024
_MISSING_KEY: Final = "RE307"
_STYLE: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}


class Report(Protocol):
    """What every format does."""

    def add(self, violation: Violation) -> None:
        """Take the next violation."""

    def close(self, summary: Summary) -> None:
        """Write what is left, and the summary."""


def verdict(summary: Summary) -> str:
    """One line: what was checked and how it ended.

    Example:
        >>> verdict(Summary(runs=1, observations=4, threads=1))
        'clean: 1 run on 1 thread, 4 observations; 0 errors, 0 warnings, 0 remarks'
    """
    counts = summary.violations
    state = "not conforming" if counts["error"] else "clean" if summary.observations else "nothing checked"
    seen = f"{_n(summary.runs, 'run')} on {_n(summary.threads, 'thread')}, {_n(summary.observations, 'observation')}"
    found = f"{_n(counts['error'], 'error')}, {_n(counts['warning'], 'warning')}, {_n(counts['info'], 'remark')}"
    return f"{state}: {seen}; {found}"


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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

    def close(self, summary: Summary) -> None:
        """Write the tables and the verdict."""
        if summary.by_code:
            self._console.print(_table("rule", summary.by_code))
        if self._verbose:
            data = summary.as_dict()
            self._console.print(_table("status", data["statuses"]))
            self._console.print(_table("edge", data["edges"]))
        if summary.violations["info"] and not self._verbose:
            self._console.print(f"{_n(summary.violations['info'], 'remark')} not shown; -v shows them", style="dim")
        if summary.passed:
            self._console.print(f"{_n(summary.passed, 'object')} that are no runs passed over", style="dim")
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


class JsonLinesReport:
    """One violation a line, as it is found; the summary is not written.

    Args:
        out: Where to write.

    Example:
        >>> import io
        >>> violation = Violation(code="RE901", name="unreadable", severity="error", path="a", line=1, message="no")
        >>> JsonLinesReport(out := io.StringIO()).add(violation)
        >>> out.getvalue()[:15]
        '{"code":"RE901"'
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, violation: Violation) -> None:
        """Write one violation."""
        self._out.write(_json(violation.as_dict()) + "\n")

    def close(self, summary: Summary) -> None:
        """Nothing is left."""


class JsonReport:
    """One document: version, summary, violations.

    Args:
        out: Where to write.

    Example:
        >>> import io
        >>> JsonReport(out := io.StringIO()).close(Summary())
        >>> sorted(json.loads(out.getvalue()))
        ['summary', 'version', 'violations']
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._kept = SpooledTemporaryFile(max_size=_SPOOL_BYTES, mode="w+", encoding="utf-8")  # noqa: SIM115
        self._any = False

    def add(self, violation: Violation) -> None:
        """Keep one violation."""
        self._kept.write((",\n  " if self._any else "  ") + _json(violation.as_dict()))
        self._any = True

    def close(self, summary: Summary) -> None:
        """Write the document."""
        self._out.write(f'{{"version":{REPORT_VERSION},\n "summary":{_json(summary.as_dict())},\n "violations":[')
        self._kept.seek(0)
        if self._any:
            self._out.write("\n")
            while text := self._kept.read(1 << 20):
                self._out.write(text)
            self._out.write("\n ")
        self._out.write("]}\n")
        self._kept.close()


def _json(value: Any) -> str:
    """In ASCII: no encoding of the output can break it, and no control character of foreign text is left in it."""
    return json.dumps(value, separators=(",", ":"), default=str)


FORMATS: Final[dict[str, Callable[[TextIO, bool], Report]]] = {
    "text": TextReport,
    "json": lambda out, _verbose: JsonReport(out),
    "jsonl": lambda out, _verbose: JsonLinesReport(out),
}
"""The formats by name: (output, verbose) to a report."""
