"""Reports for programs: `json`, one document; `jsonl`, one violation a line. Source: DESIGN §5, a contract.

The document's summary comes first, so its violations are kept until the end, in a temporary file once they are many.
"""

from __future__ import annotations

import json
from tempfile import SpooledTemporaryFile
from typing import Any, Final, TextIO

from runengine.validation.findings import Violation
from runengine.validation.profiling.profile import Profile
from runengine.validation.summary import Summary
from runengine.validation.watching import Watch

__all__ = ["REPORT_VERSION", "JsonLinesReport", "JsonReport"]

REPORT_VERSION: Final = 1
"""Version of the JSON form."""

_SPOOL_BYTES: Final = 4 * 1024 * 1024


class JsonLinesReport:
    """One violation a line, as it is found; the summary is not written.

    Args:
        out: Where to write.

    Example:
        >>> import io
        >>> violation = Violation(code="RE901", name="unreadable", severity="error", path="a", line=1, message="no")
        >>> JsonLinesReport(out := io.StringIO()).add(violation)
        >>> out.getvalue()[:15]
        '{"code":"RE901"'
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, violation: Violation) -> None:
        """Write one violation."""
        self._out.write(_json(violation.as_dict()) + "\n")

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Nothing is left."""


class JsonReport:
    """One document: version, summary, violations.

    Args:
        out: Where to write.

    Example:
        >>> import io
        >>> JsonReport(out := io.StringIO()).close(Summary())
        >>> sorted(json.loads(out.getvalue()))
        ['summary', 'version', 'violations']
    """

    watch: Watch | None = None

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._kept = SpooledTemporaryFile(max_size=_SPOOL_BYTES, mode="w+", encoding="utf-8")  # noqa: SIM115
        self._any = False

    def add(self, violation: Violation) -> None:
        """Keep one violation."""
        self._kept.write((",\n  " if self._any else "  ") + _json(violation.as_dict()))
        self._any = True

    def close(self, summary: Summary, profile: Profile | None = None) -> None:
        """Write the document."""
        head = f'{{"version":{REPORT_VERSION},\n "summary":{_json(summary.as_dict())},\n'
        shown = "" if profile is None else f' "profile":{_json(profile.as_dict())},\n'
        self._out.write(f'{head}{shown} "violations":[')
        self._kept.seek(0)
        if self._any:
            self._out.write("\n")
            while text := self._kept.read(1 << 20):
                self._out.write(text)
            self._out.write("\n ")
        self._out.write("]}\n")
        self._kept.close()


def _json(value: Any) -> str:
    """In ASCII: no encoding of the output can break it, and no control character of foreign text is left in it."""
    return json.dumps(value, separators=(",", ":"), default=str)
