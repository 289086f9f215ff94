"""The pages about `runengine check`: what they name is what there is, and their figures are those of the recordings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runengine.validation import Checker, Options, check_paths
from runengine.validation.readers import READERS
from runengine.validation.readers.inputs import SUFFIXES
from runengine.validation.reports import verdict

DOCS = Path(__file__).parents[2] / "docs"
TRACES = Path(__file__).parents[3] / "shared" / "traces"


def test_the_entry_page() -> None:
    """It names every ending that is taken from a folder and every reader, and no other."""
    page = (DOCS / "how-to" / "check-a-recording.md").read_text(encoding="utf-8")
    taken = page.partition("ends in ")[2].partition(", packed")[0]
    assert set(re.findall(r"`(\.\w+)`", taken)) == set(SUFFIXES)
    assert {row.split("|")[2].strip(" `") for row in page.splitlines() if row.startswith("| ")} == {
        *READERS,
        "--reader",
        "---",
    }


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the recordings are not here: {TRACES}")
@pytest.mark.parametrize("join", [False, True])
def test_the_figures(join: bool) -> None:
    """What the page says of all recordings, each alone and joined, is what checking them gives."""
    page = (DOCS / "explanation" / "recordings.md").read_text(encoding="utf-8")
    checker = Checker(Options(join=join))
    assert len(list(check_paths([str(TRACES)], checker))) == checker.summary.violations.total()
    found, summary = checker.summary.violations, checker.summary
    if join:
        counts = f"{found['error']} errors,\n{found['warning']} warnings, {found['info']} remarks"
        assert counts in page
        for code, what in (("RE408", "warnings"), ("RE103", "errors"), ("RE406", "warning")):
            assert f"**{summary.by_code[code]} {what} {code}**" in page
        assert f"The {summary.runs} runs" in page
    else:
        figures = (summary.observations, summary.runs, summary.companions, *found.values())
        assert f"| `.` | {' | '.join(f'{figure:,}' for figure in figures[:3])} | " in page
        row = " | ".join(str(found[severity]) for severity in ("error", "warning", "info"))
        assert f"{summary.companions:,} | {row} |" in page
        assert verdict(summary).startswith("not conforming: ")
