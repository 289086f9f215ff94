"""`runengine check`: recorded runs against the rules."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedWriter, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, Final, TextIO

from runengine.cli.check_options import DESCRIPTION, add_arguments, epilog, options_of, settled
from runengine.cli.files import Out, output
from runengine.cli.progress import reading
from runengine.dialects.kotlin_sql import masked
from runengine.errors import RunEngineError, TraceUnreadable
from runengine.validation import Checker, Violation
from runengine.validation.baseline import Baseline
from runengine.validation.findings import SEVERITIES, Severity
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers import DATABASE_READERS, expand, items_in
from runengine.validation.reports import FORMATS
from runengine.validation.reports.plain import plain
from runengine.validation.reports.report import count_of
from runengine.validation.settings import Settings, is_ignored, read_settings
from runengine.validation.summary import JOINED, Options, Summary

__all__ = ["add_parser", "run"]

_STANDARD: Final = "-"
_STALE_SHOWN: Final = 5


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="check recorded runs",
        description=DESCRIPTION,
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, report, and answer with the exit code.

    Raises:
        SettingsInvalid: the settings of the project cannot be read.
        TraceUnreadable: the baseline cannot be read, or the report cannot be written.
    """
    settings = Settings() if arguments.no_settings else read_settings()
    settled(arguments, settings)
    options = options_of(arguments)
    known = _known(arguments, settings)
    written = [path for path in (arguments.output, arguments.write_baseline) if path not in (None, _STANDARD)]
    if options.join:
        _say(JOINED)
    if arguments.profile and not FORMATS[arguments.format].shows_profile:
        *most, last = (name for name, form in FORMATS.items() if form.shows_profile)
        _say(f"--format {arguments.format} has no place for the profile; {', '.join(most)} and {last} have")
    with _report_to(arguments.output) as out:
        report = FORMATS[arguments.format].make(out, arguments.verbose, options)
        profile = _profile(options) if arguments.profile else None
        watches = [watch for watch in (profile, report.watch) if watch is not None]
        checker = Checker(options, watches, _passes(settings, known, bool(arguments.write_baseline)))
        unread: list[str] = []
        for violation in _violations(arguments.paths, arguments.reader, checker, unread, written, known):
            report.add(violation)
        report.close(checker.summary, profile)
    if known is not None and checker.summary.observations:
        _tell_known(known, arguments.write_baseline, options, bool(unread))
    return _exit_code(checker.summary, arguments.fail_on, bool(unread))


def _profile(options: Options) -> Profile:
    return Profile(options.policy, sampling=options.sampling, skew_s=options.skew_s, forget_after=options.forget_after)


def _known(arguments: argparse.Namespace, settings: Settings) -> Baseline | None:
    """The baseline: one to be written, else the one that is given, else the project's."""
    if arguments.write_baseline:
        return Baseline(arguments.write_baseline)
    if arguments.baseline:
        return Baseline.read(arguments.baseline)
    if settings.baseline and settings.file:
        return Baseline.read(os.path.join(os.path.dirname(settings.file), settings.baseline))  # noqa: PTH118, PTH120
    return None


def _passes(settings: Settings, known: Baseline | None, learning: bool) -> Callable[[Violation], bool] | None:
    """Whether a violation is reported: none that the project's settings ignore there, and none that is known."""
    if known is None and not settings.per_path_ignores:
        return None

    def passes(violation: Violation) -> bool:
        if is_ignored(settings, violation.path, violation.code):
            return False
        if known is not None and learning:
            known.learn(violation)
        return known is None or not known.knows(violation)

    return passes


def _tell_known(known: Baseline, write_to: str | None, options: Options, unread: bool) -> None:
    """Write the baseline that was asked for; or say what was known, and what of it no longer occurs."""
    if write_to and unread:
        _say(f"{masked(write_to)}: not written, for what is known of a path that cannot be read would be lost")
        return
    if write_to:
        with output(write_to) as out:
            out.write(known.document().encode())
        _say(f"{masked(write_to)}: {count_of(len(known), 'finding')} known from now on; --baseline leaves them out")
        return
    if known.met:
        _say(f"{known.file}: {count_of(known.met, 'known finding')} not reported")
    stale = known.stale(options.reports)
    if not stale:
        return
    missing = sum(count for _, count in stale)
    shown = [" ".join(filter(None, (each.path, each.code, each.run_id, each.field))) for each, _ in stale]
    more = f", and {len(stale) - _STALE_SHOWN} more" if len(stale) > _STALE_SHOWN else ""
    what = f"{', '.join(shown[:_STALE_SHOWN])}{more}"
    verb = "no longer occurs" if missing == 1 else "no longer occur"
    _say(f"{known.file}: {count_of(missing, 'known finding')} {verb}: {what}; --write-baseline writes it anew")


def _violations(
    paths: list[str],
    reader: str,
    checker: Checker,
    unread: list[str],
    written: Iterable[str],
    known: Baseline | None,
) -> Iterator[Violation]:
    """Check every path; one that cannot be read is named, added to `unread`, and the rest still checked."""
    for given in paths:
        try:
            for path in [given] if reader in DATABASE_READERS else expand([given]):
                _not_overwritten(path, written)
                items = items_in(path, reader=reader, skim=checker.skim, watched=partial(reading, path))
                yield from checker.check(masked(path), items)
                if known is not None:
                    known.checked(masked(path))
        except _Overwritten as error:
            raise TraceUnreadable(*error.args) from None
        except RunEngineError as error:
            unread.append(given)
            text = str(error)
            _say(text if isinstance(error, TraceUnreadable) else f"{masked(given)}: {text}")
        except OSError as error:
            unread.append(given)
            _say(f"{masked(given)}: {error.strerror or error}")


def _exit_code(summary: Summary, fail_on: Severity, unread: bool) -> int:
    if not summary.observations:
        _say("nothing was checked: no run was found")
        return 2
    counts = summary.violations
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return 1 if unread or any(counts[severity] for severity in failing) else 0


class _Overwritten(Exception):
    """A file that is read is one that would be written."""


def _not_overwritten(path: str, written: Iterable[str]) -> None:
    for other in written:
        if _same_file(path, other):
            raise _Overwritten(masked(other), 0, 0, "it is an input, which would be overwritten; choose another file")


def _same_file(path: str, other: str) -> bool:
    try:
        return Path(path).samefile(other)
    except (OSError, ValueError):
        return False


class _Bytes(RawIOBase):
    """What goes to a file that is kept whole or not at all; nowhere, once that is over."""

    def __init__(self, out: Out) -> None:
        super().__init__()
        self.out: Out | None = out

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        if self.out is not None:
            self.out.write(bytes(data))
        return len(data)


@contextmanager
def _report_to(path: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that is written whole or not at all."""
    if path is None or path == _STANDARD:
        yield sys.stdout
        return
    with output(path) as out:
        raw = _Bytes(out)
        text = TextIOWrapper(BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")
        try:
            yield text
            text.flush()
        finally:
            raw.out = None
            text.close()


def _say(text: str) -> None:
    print(f"runengine: {plain(text)}", file=sys.stderr)
