"""The hook for pre-commit: its definition is one that pre-commit takes, and its entry does what it says.

`pre-commit try-repo` of pre-commit 4.7.0 was run by hand: a good file passes, a bad one fails.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.corpus import FOLDER

ROOT = Path(__file__).resolve().parents[2]
GOOD = (FOLDER / "RE101.nearly.jsonl", FOLDER / "RE403.nearly.sse")
BAD = FOLDER / "RE101.breaks.jsonl"


@pytest.fixture
def hook() -> dict[str, Any]:
    """The one hook."""
    (only,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert isinstance(only, dict)
    return only


def run(hook: dict[str, Any], *files: Path) -> subprocess.CompletedProcess[str]:
    """The hook's entry with several files for arguments, as pre-commit runs it."""
    command = [*shlex.split(hook["entry"]), *map(str, files)]
    assert command[0] == "runengine"
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )


def test_definition(hook: dict[str, Any]) -> None:
    """It has the id that the how-to names and every key that pre-commit asks for, and needs the package alone."""
    assert hook["id"] == "runengine-check"
    assert {"id", "name", "entry", "language", "description"} <= hook.keys()
    assert hook["language"] == "python"
    assert "additional_dependencies" not in hook


@pytest.mark.parametrize(
    ("name", "taken"),
    [("a/b.jsonl", True), ("a.sse", True), ("a.ndjson.gz", True), ("package.json", False), ("a.yaml", False)],
)
def test_files(hook: dict[str, Any], name: str, taken: bool) -> None:
    """Without more said, it takes files that can be nothing but recordings."""
    assert bool(re.search(hook["files"], name)) == taken


def test_entry(hook: dict[str, Any]) -> None:
    """Good files pass together; a bad one among them fails, and only it is named."""
    assert run(hook, *GOOD).returncode == 0
    done = run(hook, *GOOD, BAD)
    assert done.returncode == 1
    assert "RE101.breaks.jsonl:2" in done.stdout
    assert not any(path.name in done.stdout for path in GOOD)
