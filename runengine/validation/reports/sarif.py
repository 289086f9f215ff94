"""SARIF 2.1.0: the form in which hosts of code take findings.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0 (§3.14 run, §3.27 result). Hosts take
25,000 results a run, so findings of one rule, run, file and field are one result that says how often it occurs, and
beyond that errors come before warnings, warnings before remarks; what is left out is counted, and said.
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.metadata import version
from math import isfinite
from typing import Any, Final, TextIO
from urllib.parse import quote

from attrs import Factory, define

from runengine.dialects.kotlin_sql import is_database_url
from runengine.validation.baseline import fingerprint
from runengine.validation.catalogue import RULES, Rule
from runengine.validation.findings import SEVERITIES, Severity, Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.plain import plain, relative
from runengine.validation.reports.report import count_of
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["RELATED_MAX", "RESULTS_MAX", "SarifReport"]

RESULTS_MAX: Final = 25_000
"""Hosts take no more of one run."""

RELATED_MAX: Final = 20
"""Of what one result stands for, so many further lines are named."""

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}
_INDEX: Final = {code: place for place, code in enumerate(RULES)}

_Key = tuple[str, str, str | None, str | None]


@define
class _Group:
    """Findings of one rule, run, file and field."""

    first: Violation
    count: int = 1
    others: list[tuple[int, str]] = Factory(list)

    def take(self, violation: Violation) -> None:
        self.count += 1
        if len(self.others) < RELATED_MAX:
            self.others.append((violation.line, violation.message))


class SarifReport:
    """One SARIF document, written at the end.

    Args:
        out: Where to write.

    Example:
        >>> import io
        >>> SarifReport(out := io.StringIO()).close(Summary())
        >>> json.loads(out.getvalue())["version"]
        '2.1.0'
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._groups: dict[Severity, dict[_Key, _Group]] = {severity: {} for severity in SEVERITIES}
        self._left_out: Counter[Severity] = Counter()

    def add(self, violation: Violation) -> None:
        """Take one violation."""
        v = violation
        key = (v.path, v.code, v.run_id, v.field)
        groups = self._groups[v.severity]
        if key in groups:
            groups[key].take(v)
        elif self._has_room(v.severity):
            groups[key] = _Group(v)
        else:
            self._left_out[v.severity] += 1

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write the document."""
        write = self._out.write
        driver = {"name": "runengine", "version": version("runengine"), "rules": list(map(_rule, RULES.values()))}
        write(f'{{"$schema":{_json(_SCHEMA)},\n"version":"2.1.0",\n"runs":[{{"tool":{_json({"driver": driver})},\n')
        write(f'"invocations":{_json([self._invocation(summary.unread)])},\n')
        said: dict[str, Any] = {"summary": summary.as_dict(), "results_max": RESULTS_MAX}
        said["findings_left_out"] = {severity: self._left_out[severity] for severity in SEVERITIES}
        if profile is not None:
            said["profile"] = profile.as_dict()
        write(f'"properties":{_json(said)},\n"results":[')
        between = "\n"
        for groups in self._groups.values():
            for group in groups.values():
                write(between + _json(_result(group)))
                between = ",\n"
        write("]}]}\n")

    def _has_room(self, severity: Severity) -> bool:
        """Whether one more result of a severity is kept; the last of a lesser one makes room for it."""
        if sum(map(len, self._groups.values())) < RESULTS_MAX:
            return True
        for lesser in reversed(SEVERITIES[SEVERITIES.index(severity) + 1 :]):
            if self._groups[lesser]:
                _, group = self._groups[lesser].popitem()
                self._left_out[lesser] += group.count
                return True
        return False

    def _invocation(self, unread: int) -> dict[str, Any]:
        told = [
            {"level": "warning", "message": {"text": f"{count_of(count, 'finding')} of severity {severity} left out: "
             f"hosts take {RESULTS_MAX:,} results; --format jsonl has all"}}
            for severity in SEVERITIES if (count := self._left_out[severity])
        ]  # fmt: skip
        if unread:
            told.append({"level": "error", "message": {"text": f"{count_of(unread, 'input')} not read"}})
        return {"executionSuccessful": not unread, "toolExecutionNotifications": told}


def _rule(rule: Rule) -> dict[str, Any]:
    explained = f"{rule.why} Source: {rule.source} More: runengine explain {rule.code}"
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ").capitalize()},
        "fullDescription": {"text": rule.says},
        "help": {"text": f"{explained}\n{rule.hint}" if rule.hint else explained},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(group: _Group) -> dict[str, Any]:
    v = group.first
    who = f"{v.run_id}: " if v.run_id else ""
    expected = f" (expected {v.expected})" if v.expected is not None else ""
    result: dict[str, Any] = {
        "ruleId": v.code,
        "level": _LEVELS[v.severity],
        "message": _message(f"{who}{v.message}{expected}"),
        "locations": [_location(v.path, v.line)],
        "occurrenceCount": group.count,
        "partialFingerprints": {"runengine/v1": fingerprint(v)},
    }
    if v.code in _INDEX:
        result["ruleIndex"] = _INDEX[v.code]
    if group.others:
        result["relatedLocations"] = [
            {"id": place, **_location(v.path, line), "message": _message(message)}
            for place, (line, message) in enumerate(group.others, 1)
        ]
    said = (("run_id", v.run_id), ("thread_id", v.thread_id), ("field", v.field), ("found", v.found))
    result["properties"] = {
        name: value for name, value in (*said, ("expected", v.expected), ("hint", v.hint)) if value is not None
    }
    return result


def _message(text: str) -> dict[str, str]:
    """Foreign text as text: `[words](place)` would be a link (§3.11.6)."""
    return {"text": plain(text).replace("](", "] (")}


def _location(path: str, line: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if line > 0:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def _uri(path: str) -> str:
    here = relative(path)
    raw = here.encode("utf-8", "surrogateescape" if _is_of_a_file(here) else "backslashreplace")
    if is_database_url(here):
        return quote(raw, safe="/:@!$&'()*+,;=?")
    return ("file://" if here.startswith("/") else "") + quote(raw, safe="/")


def _is_of_a_file(path: str) -> bool:
    """Whether it can be the name of a file: bytes that are no text are in it as Python keeps them."""
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _json(value: Any) -> str:
    return json.dumps(_clean(value), separators=(",", ":"))


def _clean(value: Any) -> Any:
    """The same without what JSON or UTF-8 cannot carry, at most as deep as what a violation shows."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return value if value is None or isinstance(value, (bool, int)) else str(value)
