"""Validation: recorded traces in, violations out. `check_paths` is all of it; `Checker` one scope at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runengine.validation.catalogue import RULES, Rule
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Observation
from runengine.validation.readers import expand, items_in
from runengine.validation.summary import Options, Summary

__all__ = ["RULES", "Checker", "Observation", "Options", "Rule", "Summary", "Violation", "check_paths"]


def check_paths(paths: Iterable[str], checker: Checker) -> Iterator[Violation]:
    """Check files, folders and globs, each file a scope of its own.

    Args:
        paths: As on the command line; `-` is standard input.
        checker: Counts over all of them in its `summary`.

    Raises:
        TraceUnreadable: a path leads nowhere, or a file cannot be opened.

    Example:
        >>> list(check_paths(["/nowhere"], Checker()))
        Traceback (most recent call last):
        runengine.errors.TraceUnreadable: /nowhere: there is no such file or folder
    """
    for path in expand(paths):
        yield from checker.check(path, items_in(path, skim=checker.skim))
