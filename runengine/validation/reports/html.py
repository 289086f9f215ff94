"""The report as one HTML page: summary, rules, the lifecycle, and every run as a timeline.

The page holds all it needs and asks nothing of the network; its content security policy names its one script and its
one style sheet by their hashes, so that nothing else can run in it. Nothing from a recording is ever markup: the parts
written here are escaped, and the script sets texts as texts. The same input makes the same bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, TextIO

from runengine.core.table import TERMINAL
from runengine.validation.catalogue import RULES
from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.profiling.pictured import pictured
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.page_data import data_of
from runengine.validation.reports.picture import counted, picture_of
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.reports.sections import edges_table, legend, rule_list, shown_text, summary_part
from runengine.validation.reports.timelines import PINS_MAX, RUNS_MAX, Timelines
from runengine.validation.summary import Options, Summary
from runengine.validation.watching import Watch

__all__ = ["HtmlReport"]

_PICTURE: Final = '<div class="picture" tabindex="0" role="region" aria-labelledby="lifecycle-head">'
_SIDEWAYS: Final = '<p class="note sideways">The picture is wider than the screen: move it sideways.</p>'
_HOLE: Final = re.compile(r"\{\{(\w+)\}\}")


class HtmlReport:
    """For people in a browser: one page.

    Args:
        out: Where to write.
        options: What the recordings are held to.
        made_at: When the report was made, as it is to be shown; without it the page names no time.
        runs_max: How many runs the page shows at most, those with the worst findings first.

    Example:
        >>> import io
        >>> HtmlReport(out := io.StringIO()).close(Summary(runs=1, observations=4, threads=1))
        >>> out.getvalue()[:15]
        '<!doctype html>'
    """

    def __init__(
        self, out: TextIO, options: Options | None = None, *, made_at: str | None = None, runs_max: int = RUNS_MAX
    ) -> None:
        self._out = out
        self._made_at = made_at
        self._options = options or Options()
        self._timelines = Timelines(self._options.sampling, runs_max)
        self._found: Counter[tuple[str, Severity]] = Counter()

    @property
    def watch(self) -> Watch:
        """What has to be told of every observation."""
        return self._timelines

    def add(self, violation: Violation) -> None:
        """Pin one violation to its run, and count it by rule and severity: a finding may be milder than its rule."""
        self._found[violation.code, violation.severity] += 1
        self._timelines.pin(violation)

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write the page; a profile tells its picture of hidden steps too, and how long runs stayed."""
        policy = self._options.policy
        css, script = _part("page.css"), _part("page.js")
        if profile is None:
            picture = picture_of(counted(policy, summary.edges, summary.statuses))
        else:
            picture = picture_of(pictured(profile, f"{count_of(summary.runs, 'run')}, hidden steps included"))
        css = f"\n{css}\n{picture.css}\n"
        texts = {
            "policy": _policy(css, script),
            "title": f"runengine: {shown_text(verdict(summary))}",
            "css": css,
            "js": script,
            "summary": summary_part(summary, self._options, len(self._timelines.paths), self._notes(summary)),
            "rules": rule_list(self._found),
            "lifecycle": f"{_PICTURE}{picture.svg}</div>\n{_SIDEWAYS}\n{edges_table(policy, summary.edges)}",
            "legend": legend(),
            "footer": self._footer(summary),
        }
        for piece in _pieces(_part("page.html")):
            if piece == "{{data}}":
                self._out.writelines(data_of(self._timelines.lives(), policy, self._head(summary)))
            else:
                self._out.write(_HOLE.sub(lambda hole: texts[hole.group(1)], piece))

    def _head(self, summary: Summary) -> dict[str, Any]:
        names = {code: RULES[code].name for code in sorted(RULES)}
        return {"summary": summary.as_dict(), "policy": self._options.policy.name, "terminal": TERMINAL, "names": names}

    def _notes(self, summary: Summary) -> Iterator[str]:
        kept = self._timelines.kept
        counted_runs = f"{count_of(summary.runs, 'run')} {'is' if summary.runs == 1 else 'are'}"
        if self._timelines.left_runs:
            shows = (
                f"shows {kept.runs:,} of {count_of(summary.runs, 'run')}"
                if kept.runs < summary.runs
                else "leaves out some of the runs"
            )
            yield (
                f"The page {shows} (at most {self._timelines.runs_max:,}), those with the worst findings before all "
                "others; the counts above are of all."
            )
        elif kept.runs < summary.runs and self._timelines.paths:
            later = f"{count_of(self._options.forget_after, 'item')} of the recording"
            yield (
                f"{counted_runs} counted and {kept.runs:,} listed: a run that comes back after {later} is counted "
                "again, and stands in the list once."
            )
        elif kept.runs > summary.runs:
            yield (
                f"{counted_runs} counted and {kept.runs:,} listed: of joined recordings, a run stands in the list "
                "once for each that shows it."
            )
        written, found = sum(kept.pins.values()), sum(summary.violations[s] for s in SEVERITIES)
        if written < found:
            yield (
                f"{written:,} of {count_of(found, 'finding')} are written out, at most {PINS_MAX} of a run; "
                "runengine check --format json has every one."
            )

    def _footer(self, summary: Summary) -> str:
        made = "" if self._made_at is None else f" Made {shown_text(self._made_at)}."
        return f"{shown_text(verdict(summary))}.{made}"


def _pieces(page: str) -> tuple[str, str, str]:
    before, data, after = page.partition("{{data}}")
    return before, data, after


def _policy(css: str, script: str) -> str:
    """What the page may do: run its one script, use its one style sheet, and nothing else."""
    own = f"script-src '{_hash(script)}'; style-src '{_hash(css)}'"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


@cache
def _part(name: str) -> str:
    return files("runengine.validation.reports").joinpath("page", name).read_text(encoding="utf-8")
