"""GitHub annotations: workflow commands, each shown at its line in a pull request.

Source: GitHub Docs, "Workflow commands for GitHub Actions" (`::error file=…,line=…,title=…::message`). A step shows ten
errors, ten warnings and ten notices; where there are more, the tenth says how many, and they stand in the log.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, TextIO

from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.plain import plain, relative
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["ANNOTATIONS_MAX", "GithubReport"]

ANNOTATIONS_MAX: Final = 10
"""So many of each kind are shown of one step."""

_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "notice"}


class GithubReport:
    r"""Annotations, as findings come; then the verdict.

    Args:
        out: Where to write.
        verbose: Remarks (severity info) too.

    Example:
        >>> import io
        >>> report = GithubReport(out := io.StringIO())
        >>> v = dict(code="RE901", name="unreadable", severity="error", path="a,b", line=1, message="100%")
        >>> report.add(Violation(**v))
        >>> out.getvalue()
        '::error file=a%2Cb,line=1,title=RE901 unreadable::100%25\n'
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO, verbose: bool = False) -> None:
        self._out = out
        self._verbose = verbose
        self._counts: Counter[Severity] = Counter()
        self._tenth: dict[Severity, Violation] = {}

    def add(self, violation: Violation) -> None:
        """Write one violation; the tenth of a severity waits for whether more come."""
        v = violation
        if v.severity == "info" and not self._verbose:
            return
        self._counts[v.severity] += 1
        if self._counts[v.severity] < ANNOTATIONS_MAX:
            self._out.write(_annotation(v))
        elif self._counts[v.severity] == ANNOTATIONS_MAX:
            self._tenth[v.severity] = v
        else:
            if self._counts[v.severity] == ANNOTATIONS_MAX + 1:
                self._log(self._tenth[v.severity])
            self._log(v)

    def close(self, summary: Summary, profile: Profile | None = None) -> None:  # noqa: ARG002 - as the protocol says
        """Write what waited, or how many more there are, and the verdict."""
        for severity in SEVERITIES:
            more = self._counts[severity] - ANNOTATIONS_MAX + 1
            if more == 1:
                self._out.write(_annotation(self._tenth[severity]))
            elif more > 1:
                text = f"{count_of(more, 'more finding')} of severity {severity}: they stand in the log of this step"
                self._out.write(f"::{_COMMANDS[severity]} title=runengine check::{_data(text)}\n")
        self._out.write(f"{verdict(summary)}\n")

    def _log(self, v: Violation) -> None:
        """A line that is no command, whatever it holds."""
        where = f"{v.path}:{v.line}" if v.line else v.path
        self._out.write(_no_command(plain(f"{v.severity} {v.code} {v.name}: {where}: {_said(v)}")) + "\n")


def _annotation(v: Violation) -> str:
    place = {"file": relative(v.path)}
    if v.line > 0:
        place["line"] = str(v.line)
    place["title"] = f"{v.code} {v.name}"
    properties = ",".join(f"{name}={_property(value)}" for name, value in place.items())
    return f"::{_COMMANDS[v.severity]} {properties}::{_data(_said(v))}\n"


def _said(v: Violation) -> str:
    who = f"{v.run_id}: " if v.run_id else ""
    expected = f" (expected {v.expected})" if v.expected is not None else ""
    hint = f" {v.hint}" if v.hint is not None else ""
    return f"{who}{v.message}{expected}{hint}"


def _data(text: str) -> str:
    shown = _no_command(plain(text))
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _no_command(text: str) -> str:
    """The runner takes `##[command]` for one, wherever in a line it stands."""
    return text.replace("##[", "## [")
