"""`runengine demo`: it runs, shows every outcome, writes a trace that checks clean, the same each time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from runengine.cli import main
from runengine.core.table import TERMINAL


def demo(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    """Run it; what it printed, without the name of the file."""
    assert main(["demo", "-o", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.replace(str(path), "FILE")


def test_prints_and_writes_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Twice the same bytes, printed and written."""
    assert demo(capsys, tmp_path / "a.jsonl") == demo(capsys, tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_every_outcome(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Eight runs end in all five ways, one through a tool round; a cancel wins, one loses; refusals say why."""
    out = demo(capsys, tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_bytes().splitlines()]
    path: dict[str, list[str]] = {}
    for row in rows:
        path.setdefault(row["data"]["id"], []).append(row["data"]["status"])
    assert len(path) == 8
    assert {statuses[-1] for statuses in path.values()} == set(TERMINAL)
    assert Counter(statuses[-1] for statuses in path.values() if "cancelling" in statuses) == {
        "cancelled": 1,
        "completed": 1,
    }
    assert any(statuses.count("in_progress") == 2 for statuses in path.values())
    for reason in ("illegal", "late", "guard"):
        assert f"refused ({reason})" in out
    for title in ("a plain completion", "a tool round", "a cancel that wins", "a cancel that loses", "an expiry"):
        assert title in out
    assert f"wrote {len(rows)} observations to FILE" in out


def test_verdict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its own trace is checked clean, RE102 for the undocumented step apart, by itself and by `check`."""
    out = demo(capsys, tmp_path / "a.jsonl")
    assert "clean: 8 runs on 7 threads" in out
    assert main(["check", str(tmp_path / "a.jsonl"), "--format", "jsonl"]) == 0
    assert {json.loads(line)["code"] for line in capsys.readouterr().out.splitlines()} == {"RE102"}


def test_cannot_write(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where the file cannot be written, a line says so and what to do."""
    assert main(["demo", "-o", str(tmp_path / "no" / "a.jsonl")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"runengine: {tmp_path}/no/a.jsonl: cannot be written")
    assert err.count("\n") == 1
