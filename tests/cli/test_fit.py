"""`runengine fit`: what it writes where, its exit codes, and every mistake answered by a line."""

from __future__ import annotations

import io
import json
import sys
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from runengine.cli import main
from runengine.simulation import load_scenario, read_scenario
from runengine.stores.opening import open_store
from tests.simulation.fitting.recorded import complete, lives, polled
from tests.stores.working import worked


def write(path: Path, count: int = 60, view: Any = complete) -> str:
    """A recording in JSON Lines."""
    rows = chain.from_iterable(view(life) for life in lives(5, 600)[:count])
    lines = (
        json.dumps(
            {
                "kind": "history" if row.source == "history" else (row.envelope or {})["kind"],
                "event": row.event,
                "observed_at": row.observed_s,
                "data": row.record,
            }
        )
        for row in rows
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error; no traceback."""
    try:
        code = main(["fit", *map(str, argv)])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


class TestOutput:
    """The scenario, and the report."""

    def test_to_standard_output(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Without -o the scenario is all of standard output, and the report goes to standard error."""
        code, out, err = run(capsys, write(tmp_path / "a.jsonl"), "--name", "mine")
        assert code == 0
        assert read_scenario(out).name == "mine"
        assert "60 runs in 1 recording" in err
        assert "queued start" in err

    def test_to_a_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """With -o the scenario is in the file, and the report on standard output."""
        code, out, err = run(capsys, write(tmp_path / "a.jsonl"), "-o", tmp_path / "mine.toml")
        assert (code, err) == (0, "")
        assert load_scenario(str(tmp_path / "mine.toml")).ttl_s == 90
        assert "queued start" in out
        assert "not learned" in out

    def test_json(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """--format json is one document with the scenario, every number's basis, and the comparison."""
        code, out, _ = run(capsys, write(tmp_path / "a.jsonl", view=polled), "--format", "json", "--compare")
        document = json.loads(out)
        assert code == 0
        assert set(document) == {"version", "scenario", "read", "learned", "assumed", "unknown", "plots", "comparison"}
        assert read_scenario(document["scenario"]).name == "learned"
        assert document["read"]["runs"] == 60
        assert document["comparison"]["runs"] == 1000

    def test_the_same_twice(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The same recordings and seed give the same bytes."""
        path = write(tmp_path / "a.jsonl", view=polled)
        assert run(capsys, path, "--compare", "--seed", "7") == run(capsys, path, "--compare", "--seed", "7")

    def test_standard_input(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """- reads standard input."""
        data = Path(write(tmp_path / "a.jsonl")).read_bytes()
        given: Any = io.BytesIO(data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(given)))
        assert run(capsys, "-")[0] == 0

    def test_store(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A store is read as the histories it keeps, every moment exact."""
        url = f"sqlite:///{tmp_path / 'runs.db'}"
        with closing(open_store(url)) as store:
            worked(store, [("create", 0, 0, False), ("claim", 0, 0, False), ("complete", 0, 0, False)])
        code, out, _ = run(capsys, url, "-o", tmp_path / "m.toml", "--format", "json")
        assert code == 0
        assert json.loads(out)["read"]["histories"] == 3
        assert [one["exact"] for one in json.loads(out)["learned"] if one["place"].endswith(".share")][:2] == [1, 1]

    def test_compare_with_another(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """--compare takes a ready-made scenario or a file."""
        code, out, _ = run(capsys, write(tmp_path / "a.jsonl"), "-o", tmp_path / "m.toml", "--compare", "steady")
        assert code == 0
        assert "1,000 simulated runs of steady" in out

    def test_plots(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """--plots draws, and says where."""
        path = write(tmp_path / "a.jsonl")
        code, out, _ = run(capsys, path, "-o", tmp_path / "m.toml", "--plots", tmp_path / "p")
        assert code == 0
        assert (tmp_path / "p" / "stays.png").read_bytes().startswith(b"\x89PNG")
        assert {p.name for p in (tmp_path / "p").iterdir()} == {"stays.png", "stays.svg", "shares.png", "shares.svg"}
        assert f"drawn: {tmp_path / 'p' / 'stays.svg'}" in out


class TestMistakes:
    """One line says what, where and what to do."""

    def test_no_run(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A file without a run is 2."""
        (tmp_path / "a.jsonl").write_text('{"object": "thread.message"}\n')
        code, out, err = run(capsys, tmp_path / "a.jsonl")
        assert (code, out) == (2, "")
        assert err == "runengine: nothing to learn from: no run was found\n"

    def test_no_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A path that leads nowhere is named; beside others the rest is learned from, and the exit code is 1."""
        assert run(capsys, tmp_path / "none")[0] == 2
        code, out, err = run(capsys, tmp_path / "none", write(tmp_path / "a.jsonl"))
        assert code == 1
        assert "there is no such file" in err
        assert read_scenario(out).ttl_s == 90

    def test_unreadable_lines(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Lines that cannot be read are counted."""
        path = Path(write(tmp_path / "a.jsonl"))
        path.write_text(path.read_text() + "nonsense\n{broken\n")
        code, _, err = run(capsys, path)
        assert code == 0
        assert "2 lines or documents that could not be read" in err

    def test_over_an_input(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A recording is not overwritten."""
        path = write(tmp_path / "a.jsonl")
        before = Path(path).read_bytes()
        code, _, err = run(capsys, path, "-o", path)
        assert code == 2
        assert "it is an input" in err
        assert Path(path).read_bytes() == before

    def test_no_such_scenario(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A scenario to compare with that is not there is 2, before anything is read."""
        code, _, err = run(capsys, write(tmp_path / "a.jsonl"), "--compare", "nowhere")
        assert code == 2
        assert "nowhere" in err

    def test_unwritable(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A place that cannot be written is 2."""
        path = write(tmp_path / "a.jsonl")
        assert run(capsys, path, "-o", tmp_path / "no" / "m.toml")[0] == 2
        assert run(capsys, path, "-o", tmp_path / "m.toml", "--plots", Path(path) / "under")[0] == 2
