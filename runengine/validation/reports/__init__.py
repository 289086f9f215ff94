"""Reports: each file one form; `FORMATS` names them."""

from __future__ import annotations

from typing import Final

from runengine.validation.reports.documents import JsonLinesReport, JsonReport
from runengine.validation.reports.report import Format, Report, verdict
from runengine.validation.reports.text import TextReport

__all__ = ["FORMATS", "Format", "Report", "verdict"]

FORMATS: Final[dict[str, Format]] = {
    "text": Format(make=TextReport, says="for people"),
    "json": Format(make=lambda out, _verbose: JsonReport(out), says="one document, for programs"),
    "jsonl": Format(make=lambda out, _verbose: JsonLinesReport(out), says="one violation a line, for programs"),
}
"""The formats by name."""
