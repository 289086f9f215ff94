"""Whether a recording conforms, as tests ask it: of a path, of text, or of run objects that a test has at hand.

The pytest plugin is made of this; it needs no pytest itself.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, cast, get_args

from attrs import evolve, frozen

from runengine.core.records import RunObject
from runengine.core.table import Policy, policy_named
from runengine.dialects import write_run
from runengine.errors import RunEngineError
from runengine.validation.baseline import Baseline
from runengine.validation.checker import Checker
from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.observations import Item, Sampling
from runengine.validation.readers import items_in, read_items
from runengine.validation.readers.envelopes import items_of
from runengine.validation.reports import FORMATS
from runengine.validation.settings import is_ignored, read_settings
from runengine.validation.summary import Options, Summary

__all__ = ["SHOWN_MAX", "Conformance", "NoRecording", "Standard", "conformance_of", "standard_of"]

SHOWN_MAX: Final = 20
"""So many findings of one recording are shown."""

_ITEMS: Final = get_args(Item)
_TEXT_STARTS: Final = ("{", "[", "event:", "data:")


class NoRecording(RunEngineError, TypeError):
    """What was given is no recording.

    Attributes:
        problem: What was expected, and what it is.

    Example:
        >>> str(NoRecording("expected a path, text, or run objects; got int"))
        'expected a path, text, or run objects; got int'
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@frozen(kw_only=True)
class Conformance:
    """What a check came to.

    Attributes:
        failing: The violations that count, in the order they were found.
        summary: What was seen.
        report: The report for people: of those that count the first 20, and the verdict.

    Example:
        >>> conformance_of([]).summary.observations
        0
    """

    failing: tuple[Violation, ...]
    summary: Summary
    report: str


@frozen(kw_only=True)
class Standard:
    """What a project holds its recordings to.

    Attributes:
        options: The rules' options.
        fail_on: From which severity on violations count.
        passes: Whether a violation is reported, or None where all are.

    Example:
        >>> Standard().fail_on
        'error'
    """

    options: Options = Options()
    fail_on: Severity = "error"
    passes: Callable[[Violation], bool] | None = None

    def but(self, policy: str | Policy | None, sampling: Sampling | None, fail_on: Severity | None) -> Standard:
        """The same with what is given here.

        Raises:
            ValueError: no policy has that name, or there is no such sampling or severity.
        """
        changes: dict[str, Any] = {}
        if policy is not None:
            changes["policy"] = policy_named(policy) if isinstance(policy, str) else policy
        if sampling is not None:
            changes["sampling"] = _one_of("sampling", sampling, get_args(Sampling))
        least = self.fail_on if fail_on is None else _one_of("fail_on", fail_on, SEVERITIES)
        return evolve(self, options=evolve(self.options, **changes), fail_on=least)


def _one_of(name: str, given: Any, known: tuple[str, ...]) -> Any:
    if given not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}; got {given!r}")
    return given


def standard_of(folder: str | PathLike[str]) -> Standard:
    """What `[tool.runengine]` in the pyproject.toml of a folder, or of one above it, says; else the defaults.

    Args:
        folder: Where to look.

    Raises:
        SettingsInvalid: the settings cannot be read.
        TraceUnreadable: their baseline cannot be read.

    Example:
        >>> standard_of("/").options.policy.name
        'practical'
    """
    settings = read_settings(folder)
    given: dict[str, Any] = {
        "policy": None if settings.policy is None else policy_named(settings.policy),
        "generation": settings.generation,
        "sampling": settings.sampling,
        "select": settings.select,
        "ignore": settings.ignore,
        "skew_s": settings.skew,
        "forget_after": settings.forget_after,
    }
    known = None
    if settings.baseline and settings.file:
        known = Baseline.read(str(Path(settings.file).parent / settings.baseline))

    def passes(violation: Violation) -> bool:
        if is_ignored(settings, violation.path, violation.code):
            return False
        return known is None or not known.knows(violation)

    options = Options(**{name: value for name, value in given.items() if value is not None})
    return Standard(options=options, passes=passes).but(None, None, cast("Severity | None", settings.fail_on))


def conformance_of(recording: Any, standard: Standard | None = None) -> Conformance:
    r"""Check a recording.

    Args:
        recording: A path (of any form that `runengine check` reads); text or bytes of such a file; or run objects, one
            or many: dicts, envelopes, `RunObject`s, items of a reader, or objects of an SDK, which have `model_dump`,
            `to_dict` or `as_dict`.
        standard: What to hold it to.

    Raises:
        TraceUnreadable: it is a path that cannot be read.
        NoRecording: it is none of these; a TypeError.

    Example:
        >>> from runengine.validation.catalogue.examples import record
        >>> [v.code for v in conformance_of([record("cancelling"), record("in_progress")]).failing]
        ['RE101']
        >>> conformance_of('{"object": "thread.run"}\n').failing[0].code
        'RE307'
    """
    standard = standard or Standard()
    counting = SEVERITIES[: SEVERITIES.index(standard.fail_on) + 1]
    name, items = _opened(recording)
    out = io.StringIO()
    report = FORMATS["text"].make(out, "info" in counting, standard.options)
    checker = Checker(standard.options, () if report.watch is None else (report.watch,), standard.passes)
    failing: list[Violation] = []
    for violation in checker.check(name, items(checker)):
        if violation.severity in counting:
            if len(failing) < SHOWN_MAX:
                report.add(violation)
            failing.append(violation)
    if len(failing) > SHOWN_MAX:
        out.write(f"… and {len(failing) - SHOWN_MAX:,} more\n")
    report.close(checker.summary)
    return Conformance(failing=tuple(failing), summary=checker.summary, report=out.getvalue().rstrip("\n"))


_Items = Callable[[Checker], Iterable[Item]]


def _opened(recording: Any) -> tuple[str, _Items]:
    """The recording's name, and its items for a checker."""
    if isinstance(recording, str) and (recording.lstrip().startswith(_TEXT_STARTS) or "\n" in recording):
        recording = recording.encode()
    if isinstance(recording, (bytes, bytearray)):
        data = io.BytesIO(recording)
        return "recording", lambda checker: read_items("recording", io.BufferedReader(data), checker.skim)  # type: ignore[type-var, unused-ignore]
    if isinstance(recording, (str, PathLike)):
        path = fspath(recording)
        if Path(path).is_dir():
            raise NoRecording(f"{path} is a folder; give its files one by one, or --runengine-cassettes={path}")
        return path, lambda checker: items_in(path, skim=checker.skim)
    return "recording", lambda _checker: _items_of(recording)


def _items_of(recording: Any) -> Iterator[Item]:
    if _is_one(recording):
        recording = (recording,)
    elif not isinstance(recording, Iterable):
        raise NoRecording(f"expected a path, text, or run objects; got {type(recording).__name__}")
    for number, value in enumerate(recording, 1):
        if isinstance(value, _ITEMS):
            yield value
        else:
            yield from items_of(_plain(value), number)


def _is_one(value: Any) -> bool:
    return isinstance(value, (dict, RunObject, *_ITEMS)) or _dump(value) is not None


def _plain(value: Any) -> Any:
    """JSON, whatever object it was."""
    return json.loads(json.dumps(value, default=_undone))


def _undone(value: Any) -> Any:
    if isinstance(value, RunObject):
        return write_run(value)
    dump = _dump(value)
    if dump is None:
        raise NoRecording(
            f"expected run objects; {type(value).__name__} is none: it has no model_dump, to_dict or as_dict"
        )
    return dump()


def _dump(value: Any) -> Callable[[], Any] | None:
    """How an object of an SDK becomes plain, with the API's own keys, and only those that were sent."""
    if isinstance(value, type):
        return None
    if callable(model_dump := getattr(value, "model_dump", None)):
        return lambda: model_dump(mode="json", by_alias=True, exclude_unset=True)
    methods = (getattr(value, name, None) for name in ("to_dict", "as_dict"))
    return next((method for method in methods if callable(method)), None)
