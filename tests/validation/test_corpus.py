"""The corpus: as the catalogue has it; every rule has a recording that breaks only it, and one that nearly does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runengine.cli import main
from runengine.validation import RULES
from tests.corpus import FOLDER, Kind, contents, differences, recordings_of
from tests.corpus.__main__ import main as write


def check(capsys: pytest.CaptureFixture[str], code: str, kind: Kind) -> tuple[int, dict[str, Any]]:
    """What `runengine check` answers and prints."""
    paths = [str(path) for path in recordings_of(code, kind)]
    answer = main(["check", *paths, *(["--join"] if len(paths) > 1 else []), "--format", "json"])
    return answer, json.loads(capsys.readouterr().out)


def test_it_is_as_the_catalogue_has_it() -> None:
    """No file is missing, changed or left over; `python -m tests.corpus` writes them."""
    assert differences() == []
    assert write(["--check"]) == 0
    assert len(contents()) >= 2 * len(RULES)


def test_differences_are_found(tmp_path: Path) -> None:
    """A file that is missing, changed or of no rule is named."""
    for name, content in contents().items():
        (tmp_path / name).write_bytes(content)
    assert differences(tmp_path) == []
    (tmp_path / "RE101.breaks.jsonl").unlink()
    (tmp_path / "RE102.nearly.sse").write_bytes(b"")
    (tmp_path / "RE999.breaks.jsonl").write_bytes(b"")
    assert [line.partition(":")[0] for line in differences(tmp_path)] == [
        "RE101.breaks.jsonl",
        "RE102.nearly.sse",
        "RE999.breaks.jsonl",
    ]


@pytest.mark.parametrize("code", RULES)
def test_breaks(capsys: pytest.CaptureFixture[str], code: str) -> None:
    """Through the command, the recording breaks its rule and no other; the answer is 1 where that is an error."""
    answer, report = check(capsys, code, "breaks")
    assert {(v["code"], v["severity"]) for v in report["violations"]} == {(code, RULES[code].severity)}
    assert answer == (1 if RULES[code].severity == "error" else 0)
    assert {Path(v["path"]).parent for v in report["violations"]} == {FOLDER}


@pytest.mark.parametrize("code", RULES)
def test_nearly(capsys: pytest.CaptureFixture[str], code: str) -> None:
    """Through the command, the recording that nearly breaks the rule has nothing wrong, and is no empty one."""
    answer, report = check(capsys, code, "nearly")
    assert (answer, report["violations"]) == (0, [])
    assert report["summary"]["observations"]
