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

from runengine.cli.check_options import DESCRIPTION, add_arguments, epilog, misused, options_of, settled
from runengine.cli.check_spark import SPARK, found_by_spark, with_addresses
from runengine.cli.files import Out, output
from runengine.cli.progress import Reading
from runengine.dialects.kotlin_sql import is_database_url, masked
from runengine.errors import RunEngineError, TraceUnreadable
from runengine.validation import Checker, Violation
from runengine.validation.baseline import Baseline
from runengine.validation.engines import Engines
from runengine.validation.findings import SEVERITIES, Severity
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers import DATABASE_READERS, expand
from runengine.validation.reports import FORMATS
from runengine.validation.reports.plain import plain
from runengine.validation.reports.report import count_of, verdict
from runengine.validation.settings import Settings, is_ignored, read_settings
from runengine.validation.standing import Standing
from runengine.validation.summary import JOINED, Options, Summary

__all__ = ["add_parser", "run"]

_STANDARD: Final = "-"
_SHOWN: Final = 5


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="check recorded runs",
        usage="runengine check PATH [PATH ...] [options]",
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
    misuse = misused(arguments)
    if misuse is not None:
        _say(misuse)
        return 2
    options = options_of(arguments)
    known = _known(arguments, settings)
    _tell_beforehand(arguments, options)
    form = FORMATS[arguments.format]
    with _state_in(arguments.state, options) as standing, _report_to(arguments.output) as out:
        report = form.make(out, arguments.verbose, options)
        profile = _profile(options) if arguments.profile else None
        watches = [watch for watch in (profile, report.watch) if watch is not None]
        passes = _passes(settings, known, bool(arguments.write_baseline))
        checker = Checker(options, watches, passes)
        bar = Reading()
        engines = _engines(arguments, checker, bar, standing)
        engines.profile = profile if watches == [profile] else None
        given = _given(arguments, checker.summary, known)
        by_spark = arguments.engine == SPARK
        found = found_by_spark(given, options, arguments, checker.summary, passes) if by_spark else engines.check(given)
        for violation in found:
            if out.isatty():
                bar.make_way()
            report.add(violation)
        report.close(checker.summary, profile)
    summary = checker.summary
    if known is not None and summary.observations:
        unread = bool(summary.unread)
        looked_for = _looked_for(settings, options) if standing is None else _nothing
        _tell_known(known, arguments.write_baseline, looked_for, unread)
    if not summary.observations and (arguments.output not in (None, _STANDARD) or not form.tells_verdict):
        _say(verdict(summary))
    if standing is not None and engines.passed_over and not summary.observations and not summary.unread:
        _say(f"nothing new since {masked(arguments.state)} was written")
        return 0
    return _exit_code(summary, arguments.fail_on)


def _tell_beforehand(arguments: argparse.Namespace, options: Options) -> None:
    if options.join:
        _say(JOINED)
    if arguments.profile and not FORMATS[arguments.format].shows_profile:
        *most, last = (name for name, form in FORMATS.items() if form.shows_profile)
        _say(f"--format {arguments.format} has no place for the profile; {', '.join(most)} and {last} have")


def _engines(arguments: argparse.Namespace, checker: Checker, bar: Reading, standing: Standing | None) -> Engines:
    return Engines(
        checker=checker,
        reader=arguments.reader,
        engine=arguments.engine,
        watched=bar.of,
        passes=bar.passes,
        unread=partial(_unread, checker.summary),
        say=_say,
        memory_max=arguments.memory_max,
        standing=standing,
    )


@contextmanager
def _state_in(file: str | None, options: Options) -> Iterator[Standing | None]:
    """Where checks stood; what is new of it is written when all is reported."""
    if file is None:
        yield None
        return
    with output(file) as out:
        standing = Standing(file, options, out.write)
        yield standing
        standing.close()
        if standing.broken:
            out.discard()
            _say(f"{masked(file)}: not written, for one of the joined recordings could not be read")
            return
        if standing.waiting:
            _say(f"{count_of(standing.waiting, 'finding')} may still come of what was read: the next lines decide")
        if standing.left_out:
            _say(f"{masked(file)}: {count_of(standing.left_out, 'part')} could not be written, and is forgotten")


def _nothing(_path: str, _code: str) -> bool:
    """Where only what is new is checked, nothing is known to have gone."""
    return False


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


def _looked_for(settings: Settings, options: Options) -> Callable[[str, str], bool]:
    """Whether a rule's findings are reported of a recording: what is not looked for has not gone."""
    return lambda path, code: options.reports(code) and not is_ignored(settings, path, code)


def _tell_known(known: Baseline, write_to: str | None, looked_for: Callable[[str, str], bool], unread: bool) -> None:
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
    stale = known.stale(looked_for)
    if not stale:
        return
    missing = sum(count for _, count in stale)
    shown = [" ".join(filter(None, (each.path, each.code, each.run_id, each.field))) for each, _ in stale]
    more = f", and {len(stale) - _SHOWN} more" if len(stale) > _SHOWN else ""
    what = f"{', '.join(shown[:_SHOWN])}{more}"
    verb = "no longer occurs" if missing == 1 else "no longer occur"
    _say(f"{known.file}: {count_of(missing, 'known finding')} {verb}: {what}; --write-baseline writes it anew")


def _given(arguments: argparse.Namespace, summary: Summary, known: Baseline | None) -> Iterator[str]:
    """What there is to check; when the next one is asked for, the one before was checked."""
    written = [path for path in (arguments.output, arguments.write_baseline, arguments.state) if path]
    for path in _inputs(arguments, summary):
        _not_overwritten(path, [each for each in written if each != _STANDARD])
        before = summary.unread
        yield path
        if known is not None and summary.unread == before:
            known.checked(masked(path))


def _inputs(arguments: argparse.Namespace, summary: Summary) -> Iterator[str]:
    """What the paths stand for, each input once."""
    met: set[str] = set()
    again: list[str] = []
    for given in arguments.paths:
        try:
            as_it_is = arguments.reader in DATABASE_READERS or with_addresses(arguments, given)
            for path in [given] if as_it_is else expand([given]):
                name = path if path == _STANDARD or is_database_url(path) else os.path.abspath(path)  # noqa: PTH100 - of text
                if name in met:
                    again.append(masked(path))
                    continue
                met.add(name)
                yield path
        except (RunEngineError, OSError) as error:
            _unread(summary, given, error)
    if again:
        more = f" and {len(again) - _SHOWN:,} more" if len(again) > _SHOWN else ""
        _say(f"{', '.join(again[:_SHOWN])}{more}: given more than once, checked once")


def _unread(summary: Summary, given: str, error: Exception) -> None:
    """Name and count what cannot be read."""
    summary.unread += 1
    if isinstance(error, TraceUnreadable):
        _say(str(error))
        return
    _say(f"{masked(given)}: {(isinstance(error, OSError) and error.strerror) or error}")


def _exit_code(summary: Summary, fail_on: Severity) -> int:
    if not summary.observations:
        return 2
    counts = summary.violations
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return 1 if summary.unread or any(counts[severity] for severity in failing) else 0


def _not_overwritten(path: str, written: Iterable[str]) -> None:
    for other in written:
        if _same_file(path, other):
            raise TraceUnreadable(
                masked(other), 0, 0, "it is an input, which would be overwritten; choose another file"
            )


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
