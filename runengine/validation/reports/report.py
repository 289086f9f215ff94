"""What every report does, and the line it ends with.

Violations are written as they are found, in order of path, line and code; a form whose beginning depends on its end
keeps them. Source: DESIGN §5 (the JSON form is a contract).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TextIO

from attrs import frozen

from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.summary import Options, Summary
from runengine.validation.watching import Watch

__all__ = ["Format", "Report", "count_of", "verdict"]


_NOUNS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "remark"}


class Report(Protocol):
    """What every format does."""

    @property
    def watch(self) -> Watch | None:
        """What has to be told of every observation for the report to be made, or None."""

    def add(self, violation: Violation) -> None:
        """Take the next violation."""

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write what is left, the summary and, where it was asked for, the profile."""


@frozen(kw_only=True)
class Format:
    """One way to write a report.

    Attributes:
        make: (output, verbose, what recordings are held to) to a report.
        says: What it is for, a few words.
        shows_profile: Whether it has a place for a profile.
        tells_verdict: Whether it ends with the verdict, for people.

    Example:
        >>> from runengine.validation.reports import FORMATS
        >>> FORMATS["jsonl"].says
        'one violation a line, for programs'
    """

    make: Callable[[TextIO, bool, Options], Report]
    says: str
    shows_profile: bool = False
    tells_verdict: bool = False


def verdict(summary: Summary) -> str:
    """One line: what was checked, how it ended, and how much was not read.

    Example:
        >>> verdict(Summary(runs=1, observations=4, threads=1))
        'clean: 1 run on 1 thread, 4 observations; 0 errors, 0 warnings, 0 remarks'
        >>> verdict(Summary(runs=1, observations=4, threads=1, unread=2))[:41]
        'clean, but 2 inputs were not read: 1 run '
        >>> verdict(Summary(companions=3))
        'no run was found: 3 objects around runs checked; 0 errors, 0 warnings, 0 remarks'
    """
    counts, unread = summary.violations, summary.unread
    found = ", ".join(count_of(counts[severity], _NOUNS[severity]) for severity in SEVERITIES)
    left = f"{count_of(unread, 'input')} {'was' if unread == 1 else 'were'} not read" if unread else ""
    if not summary.observations:
        state = "no run was found" if summary.companions else "nothing checked"
        around = f"{count_of(summary.companions, 'object')} around runs checked" if summary.companions else ""
        return f"{state}: {', '.join(filter(None, (around or 'no run was found', left)))}; {found}"
    state = "not conforming" if counts["error"] else "clean"
    told = f"{state}{', and' if counts['error'] else ', but'} {left}" if left else state
    runs, threads = count_of(summary.runs, "run"), count_of(summary.threads, "thread")
    return f"{told}: {runs} on {threads}, {count_of(summary.observations, 'observation')}; {found}"


def count_of(count: int, noun: str) -> str:
    """A count and its noun.

    Example:
        >>> count_of(1, "run"), count_of(2000, "run")
        ('1 run', '2,000 runs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
