"""JUnit XML as CI hosts read it: a suite for each recording, a case for each run with a finding, one for all others.

There is no published standard; these are the elements and attributes that hosts have in common. A run with an error is
a failed case; warnings (and, with -v, remarks) are its output. A case holds the first `LINES_MAX` findings of its run,
a suite the first `CASES_MAX` such runs; what is left out is counted, and fails where it has an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from tempfile import SpooledTemporaryFile
from typing import Final, TextIO

from attrs import Factory, define

from runengine.validation.findings import Violation
from runengine.validation.observations import Item, Observation
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.plain import plain, relative
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["CASES_MAX", "LINES_MAX", "JunitReport"]

CASES_MAX: Final = 10_000
"""So many runs with a finding are cases of one recording."""

LINES_MAX: Final = 20
"""So many errors, and so many warnings, of one run are written out."""

_SPOOL_BYTES: Final = 4 * 1024 * 1024


@define
class _Case:
    """What was found of one run."""

    first: Violation
    error: Violation | None = None
    errors: list[str] = Factory(list)
    others: list[str] = Factory(list)
    left_out: int = 0

    def take(self, violation: Violation) -> None:
        is_error = violation.severity == "error"
        self.error = violation if is_error and self.error is None else self.error
        lines = self.errors if is_error else self.others
        if len(lines) < LINES_MAX:
            lines.append(_line(violation))
        else:
            self.left_out += 1


@define
class _Suite:
    """One recording."""

    path: str
    runs: set[int] = Factory(set)
    cases: dict[str | None, _Case] = Factory(dict)
    left_out: int = 0
    errors_left_out: int = 0

    def take(self, violation: Violation) -> None:
        case = self.cases.get(violation.run_id)
        if case is None and len(self.cases) >= CASES_MAX:
            self.left_out += 1
            self.errors_left_out += violation.severity == "error"
            return
        if case is None:
            case = self.cases[violation.run_id] = _Case(violation)
        case.take(violation)


class JunitReport:
    """JUnit XML, written at the end.

    Args:
        out: Where to write.
        verbose: Remarks (severity info) too.

    Example:
        >>> import io
        >>> (report := JunitReport(out := io.StringIO())).end("a.jsonl", ())
        >>> report.close(Summary())
        >>> '<testsuite name="a.jsonl" tests="1" failures="0" errors="0" skipped="1">' in out.getvalue()
        True
    """

    def __init__(self, out: TextIO, verbose: bool = False) -> None:
        self._out = out
        self._verbose = verbose
        self._kept = SpooledTemporaryFile(max_size=_SPOOL_BYTES, mode="w+", encoding="utf-8")  # noqa: SIM115
        self._suite: _Suite | None = None
        self._tests = self._failures = self._skipped = 0

    @property
    def watch(self) -> Watch:
        """It has to be told of the runs in which nothing is found."""
        return self

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:  # noqa: ARG002 - as the protocol says
        """Count the run of an observation."""
        suite = self._suite_of(path)
        if isinstance(item, Observation):
            run_id = item.record.get("id")
            suite.runs.add(hash(run_id if isinstance(run_id, str) else item.line))

    def end(self, path: str, found: Sequence[Violation]) -> None:  # noqa: ARG002 - `add` is told of it
        """The recording is a suite, whatever was in it."""
        self._suite_of(path)

    def add(self, violation: Violation) -> None:
        """Take one violation."""
        suite = self._suite_of(violation.path)
        if violation.severity != "info" or self._verbose:
            suite.take(violation)

    def close(self, summary: Summary, profile: Profile | None = None) -> None:  # noqa: ARG002 - as the protocol says
        """Write the document."""
        self._flush()
        write = self._out.write
        write('<?xml version="1.0" encoding="UTF-8"?>\n')
        write(f"<!-- {_text(verdict(summary))} -->\n")
        write(f'<testsuites name="runengine check" {_counts(self._tests, self._failures, self._skipped)}>\n')
        self._kept.seek(0)
        while text := self._kept.read(1 << 20):
            write(text)
        write("</testsuites>\n")
        self._kept.close()

    def _suite_of(self, path: str) -> _Suite:
        if self._suite is None or self._suite.path != path:
            self._flush()
            self._suite = _Suite(path)
        return self._suite

    def _flush(self) -> None:
        """Write the suite of the recording that is over."""
        suite = self._suite
        if suite is None:
            return
        place = f'classname="{_text(relative(suite.path))}"'
        written = [_case(place, suite, run_id, case) for run_id, case in suite.cases.items()]
        failures = sum(case.error is not None for case in suite.cases.values())
        skipped = 0
        if suite.left_out:
            failures += suite.errors_left_out > 0
            written.append(_left_out(place, suite))
        if not written and not suite.runs:
            skipped = 1
            written.append(f'  <testcase {place} name="all runs"><skipped message="no run was found"/></testcase>\n')
        elif len(suite.runs) > len(suite.cases):
            name = "all other runs" if written else "all runs"
            written.append(f'  <testcase {place} name="{name}"/>\n')
        write = self._kept.write
        counts = _counts(len(written), failures, skipped)
        write(f' <testsuite name="{_text(relative(suite.path))}" {counts}>\n')
        write(f'  <properties><property name="runs" value="{len(suite.runs)}"/></properties>\n')
        for case in written:
            write(case)
        write(" </testsuite>\n")
        self._tests += len(written)
        self._failures += failures
        self._skipped += skipped
        self._suite = None


def _case(place: str, suite: _Suite, run_id: str | None, case: _Case) -> str:
    name = _text(run_id) if run_id else "what is of no run"
    line = f' line="{case.first.line}"' if case.first.line > 0 else ""
    out = [f'  <testcase {place} name="{name}" file="{_text(relative(suite.path))}"{line}>\n']
    if case.error is not None:
        out.append(_failure(case.error.code, case.error.message, case.errors))
    said = list(case.others)
    if case.left_out:
        said.append(f"{count_of(case.left_out, 'more finding')} of this run; --format jsonl has all")
    if said:
        out.append(f"   <system-out>{_text_of(said)}</system-out>\n")
    return "".join(out) + "  </testcase>\n"


def _left_out(place: str, suite: _Suite) -> str:
    said = f"{count_of(suite.left_out, 'finding')} of more than {CASES_MAX:,} runs left out, "
    said += f"{count_of(suite.errors_left_out, 'error')} among them; --format jsonl has all"
    body = _failure("left out", said, [said]) if suite.errors_left_out else f"   <system-out>{said}</system-out>\n"
    return f'  <testcase {place} name="what is left out">\n{body}  </testcase>\n'


def _failure(code: str, message: str, lines: list[str]) -> str:
    return f'   <failure type="{_text(code)}" message="{_text(message)}">{_text_of(lines)}</failure>\n'


def _line(v: Violation) -> str:
    where = f"{v.path}:{v.line}" if v.line else v.path
    expected = f" (expected {v.expected})" if v.expected is not None else ""
    hint = f"; {v.hint}" if v.hint is not None else ""
    return f"{where}: {v.severity} {v.code} {v.name}: {v.message}{expected}{hint}"


def _counts(tests: int, failures: int, skipped: int) -> str:
    return f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'


def _text(text: str) -> str:
    return escape(plain(text))


def _text_of(lines: list[str]) -> str:
    return "\n".join(map(_text, lines))
