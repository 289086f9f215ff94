"""Known findings: those in a baseline are not reported, and what is no longer found is named.

A finding is known by its recording, rule, run, field and words, numbers in the words apart; so it stays known where
lines are inserted, or times differ. Two of a kind known, and a third found: one is new. Source: DESIGN §5
(`--baseline`).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from runengine.dialects.kotlin_sql import is_database_url
from runengine.errors import TraceUnreadable
from runengine.validation.findings import Violation

__all__ = ["BASELINE_VERSION", "FINDINGS_MAX", "Baseline", "Known", "fingerprint"]

BASELINE_VERSION: Final = 1
"""Version of the file."""

FINDINGS_MAX: Final = 1_000_000
"""So many kinds of findings a baseline may hold (about 1 kB of memory each)."""

_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?![\w])")
_KEYS: Final = ("path", "code", "run_id", "field", "message")
_OPTIONAL: Final = ("run_id", "field")


class Known(NamedTuple):
    """What a finding is known by.

    Attributes:
        path: The recording, from the folder of the baseline.
        code: The rule.
        run_id: The run, or None.
        field: The field, or None.
        message: The words, each number a `#`.

    Example:
        >>> Known("a.jsonl", "RE901", None, None, "not JSON").code
        'RE901'
    """

    path: str
    code: str
    run_id: str | None
    field: str | None
    message: str


def fingerprint(violation: Violation) -> str:
    """What a finding is known by wherever its recording lies, as 32 hexadecimal digits.

    Example:
        >>> v = dict(code="RE901", name="unreadable", severity="error", path="a")
        >>> one, other = (Violation(line=n, message=f"cut off after {n} bytes", **v) for n in (7, 8))
        >>> fingerprint(one) == fingerprint(other), len(fingerprint(one))
        (True, 32)
    """
    v = violation
    known = json.dumps([v.code, v.run_id, v.field, _without_numbers(v.message)])
    return sha256(known.encode()).hexdigest()[:32]


def _without_numbers(message: str) -> str:
    return _NUMBER.sub("#", message)


class Baseline:
    r"""Findings that are known, and those that are met.

    Args:
        file: Where it is kept: paths in it are from there.

    Attributes:
        met: How many known findings were met.

    Example:
        >>> v = Violation(code="RE901", name="unreadable", severity="error", path="a", line=1, message="no")
        >>> baseline = Baseline("baseline.json")
        >>> baseline.learn(v)
        >>> baseline.knows(v), baseline.knows(v), baseline.met
        (True, False, 1)
    """

    def __init__(self, file: str) -> None:
        self._folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120 - of text, not of a file
        self._kept: Counter[Known] = Counter()
        self._left: Counter[Known] = Counter()
        self._paths: set[str] = set()
        self._names: dict[str, str] = {}
        self.file = file
        self.met = 0

    @classmethod
    def read(cls, file: str) -> Baseline:
        """A baseline from its file.

        Raises:
            TraceUnreadable: it cannot be read, or is no baseline.
        """
        try:
            text = Path(file).read_text(encoding="utf-8")
            document = json.loads(text)
        except OSError as error:
            problem = f"the baseline cannot be read: {error.strerror or error}; --write-baseline FILE writes one"
            raise TraceUnreadable(file, 0, 0, problem) from None
        except json.JSONDecodeError as error:
            raise TraceUnreadable(file, error.lineno, error.colno, f"no baseline: not JSON: {error.msg}") from None
        except (ValueError, RecursionError):
            raise TraceUnreadable(file, 0, 0, "no baseline: not JSON in UTF-8") from None
        baseline = cls(file)
        for known, count in _findings(file, document):
            baseline._keep(known, count)
        baseline._left = baseline._kept.copy()
        return baseline

    def learn(self, violation: Violation) -> None:
        """Keep a finding.

        Raises:
            TraceUnreadable: they are too many.
        """
        known = self._known(violation)
        self._keep(known, 1)
        self._left[known] += 1

    def knows(self, violation: Violation) -> bool:
        """Whether a finding is known; each kept one answers for one."""
        known = self._known(violation)
        if self._left[known] <= 0:
            del self._left[known]
            return False
        self._left[known] -= 1
        self.met += 1
        return True

    def checked(self, path: str) -> None:
        """A recording was checked to its end: what is known of it and was not met no longer occurs."""
        self._paths.add(self._named(path))

    def stale(self, looked_for: Callable[[str, str], bool] | None = None) -> list[tuple[Known, int]]:
        """What is known of the recordings that were checked, and no longer occurs, with how often it is missing.

        Args:
            looked_for: (path, code) to whether a rule's findings were looked for in a recording; all were when None.
        """
        return sorted(
            (known, count)
            for known, count in self._left.items()
            if count > 0
            and known.path in self._paths
            and (looked_for is None or looked_for(_to(self._folder, known.path), known.code))
        )

    def document(self) -> str:
        """The file's text: sorted, one finding a line."""
        lines = (
            json.dumps({**known._asdict(), "count": count})
            for known, count in sorted(self._kept.items(), key=lambda pair: [part or "" for part in pair[0]])
        )
        body = ",\n  ".join(lines)
        return f'{{"version": {BASELINE_VERSION},\n "findings": [' + (f"\n  {body}\n ]}}\n" if body else "]}\n")

    def __len__(self) -> int:
        return self._kept.total()

    def _keep(self, known: Known, count: int) -> None:
        if len(self._kept) >= FINDINGS_MAX and known not in self._kept:
            problem = f"more than {FINDINGS_MAX:,} kinds of findings; --ignore leaves out whole rules"
            raise TraceUnreadable(self.file, 0, 0, problem)
        self._kept[known] += count

    def _known(self, v: Violation) -> Known:
        return Known(self._named(v.path), v.code, v.run_id, v.field, _without_numbers(v.message))

    def _named(self, path: str) -> str:
        if path not in self._names:
            self._names = {path: _from(self._folder, path)}  # findings come path by path: the last one is enough
        return self._names[path]


def _from(folder: str, path: str) -> str:
    if not path or path == "-" or is_database_url(path):
        return path
    return os.path.relpath(os.path.abspath(path), folder).replace(os.sep, "/")  # noqa: PTH100 - of text


def _to(folder: str, known: str) -> str:
    """The other way round."""
    if not known or known == "-" or is_database_url(known):
        return known
    return os.path.join(folder, known)  # noqa: PTH118 - of text


def _findings(file: str, document: Any) -> Iterator[tuple[Known, int]]:
    if not isinstance(document, dict) or document.get("version") != BASELINE_VERSION:
        version = document.get("version") if isinstance(document, dict) else None
        problem = f"no baseline: expected an object with version {BASELINE_VERSION}, found version {version!r}"
        raise TraceUnreadable(file, 1, 0, problem)
    findings = document.get("findings")
    if not isinstance(findings, list):
        raise TraceUnreadable(file, 1, 0, "no baseline: findings: expected an array")
    for place, each in enumerate(findings):
        yield _finding(file, place, each)


def _finding(file: str, place: int, each: Any) -> tuple[Known, int]:
    where = f"findings[{place}]"
    if not isinstance(each, dict):
        raise TraceUnreadable(file, 0, 0, f"{where}: expected an object, got {str(each)[:80]!r}")
    if unknown := sorted(set(each) - {*_KEYS, "count"}):
        raise TraceUnreadable(file, 0, 0, f"{where}: unknown key {unknown[0][:80]!r}; known: {', '.join(_KEYS)}, count")
    for key in _KEYS:
        if not isinstance(each.get(key), str) and (each.get(key) is not None or key not in _OPTIONAL):
            expected = "a string or null" if key in _OPTIONAL else "a string"
            raise TraceUnreadable(file, 0, 0, f"{where}.{key}: expected {expected}, got {str(each.get(key))[:80]!r}")
    count = each.get("count", 1)
    if type(count) is not int or count < 1:
        problem = f"{where}.count: expected a whole number from 1, got {str(count)[:80]!r}"
        raise TraceUnreadable(file, 0, 0, problem)
    return Known(each["path"], each["code"], each.get("run_id"), each.get("field"), each["message"]), count
