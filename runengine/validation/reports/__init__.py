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
    "text": Format(
        make=lambda out, verbose, _options: TextReport(out, verbose),
        says="for people",
        shows_profile=True,
        tells_verdict=True,
    ),
    "json": Format(make=lambda out, *_: JsonReport(out), says="one document, for programs", shows_profile=True),
    "jsonl": Format(make=lambda out, *_: JsonLinesReport(out), says="one violation a line, for programs"),
    "sarif": Format(make=lambda out, *_: SarifReport(out), says="SARIF 2.1.0, for hosts of code", shows_profile=True),
    "junit": Format(make=lambda out, verbose, _options: JunitReport(out, verbose), says="JUnit XML, for CI hosts"),
    "html": Format(
        make=lambda out, _verbose, options: HtmlReport(out, options),
        says="one page, for people in a browser",
        shows_profile=True,
    ),
    "github": Format(
        make=lambda out, verbose, _options: GithubReport(out, verbose),
        says="annotations, in a GitHub workflow",
        tells_verdict=True,
    ),
}
"""The formats by name."""
