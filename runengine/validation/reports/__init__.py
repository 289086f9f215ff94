"""Reports: each file one form; `FORMATS` names them."""

from __future__ import annotations

from typing import Final

from runengine.validation.reports.documents import JsonLinesReport, JsonReport
from runengine.validation.reports.github import GithubReport
from runengine.validation.reports.html import HtmlReport
from runengine.validation.reports.junit import JunitReport
from runengine.validation.reports.report import Format, Report, verdict
from runengine.validation.reports.sarif import SarifReport
from runengine.validation.reports.text import TextReport

__all__ = ["FORMATS", "Format", "Report", "verdict"]

FORMATS: Final[dict[str, Format]] = {
    "text": Format(make=TextReport, says="for people"),
    "json": Format(make=lambda out, _verbose: JsonReport(out), says="one document, for programs"),
    "jsonl": Format(make=lambda out, _verbose: JsonLinesReport(out), says="one violation a line, for programs"),
    "sarif": Format(make=lambda out, _verbose: SarifReport(out), says="SARIF 2.1.0, for hosts of code"),
    "junit": Format(make=JunitReport, says="JUnit XML, for CI hosts"),
    "html": Format(make=lambda out, _verbose: HtmlReport(out), says="one page, for people in a browser"),
    "github": Format(make=GithubReport, says="annotations, in a GitHub workflow"),
}
"""The formats by name."""
