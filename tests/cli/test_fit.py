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

from runengine.cli import fit, main
from runengine.errors import MissingExtra
from runengine.simulation import load_scenario, read_scenario
from runengine.stores.opening import open_store
from runengine.validation.readers import items_in
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

    @pytest.mark.slow
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

    @pytest.mark.slow
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

    @pytest.mark.parametrize("bad", [1, 3, 5])
    def test_unreadable_lines(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, bad: int) -> None:
        """Lines that cannot be read are named, up to three, and counted; the rest is learned from: 1."""
        path = Path(write(tmp_path / "a.jsonl"))
        good = path.read_text()
        path.write_text(good + "{broken\n" * bad)
        code, out, err = run(capsys, path)
        assert code == 1
        assert read_scenario(out).ttl_s == 90
        named = [line for line in err.splitlines() if line.startswith(f"runengine: {path}:")]
        first = good.count("\n") + 1
        places = [f"runengine: {path}:{first + number}: " for number in range(min(bad, 3))]
        assert [line.startswith(place) for line, place in zip(named, places, strict=False)] == [True] * len(places)
        assert (f"{path}: {bad} lines or documents could not be read" in err) == (bad > 3)
        assert f"{bad} lines or documents that could not be read" in err

    def test_a_folder_with_one_bad_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """What is in a folder after a file that cannot be read is still read, and that file is named with its line."""
        (tmp_path / "a.json").write_text("nonsense\n")
        (tmp_path / "b.jsonl").symlink_to(write(tmp_path / "c.jsonl"))
        code, _, err = run(capsys, tmp_path)
        assert code == 1
        assert f"runengine: {tmp_path / 'a.json'}:1: " in err
        assert "120 runs in 2 recordings" in err

    @pytest.mark.parametrize(
        ("problem", "said"),
        [
            (OSError(5, "Input/output error"), "Input/output error"),
            (MissingExtra("reading it", "readers"), "reading it needs pip install 'runengine[readers]'"),
        ],
    )
    def test_a_file_that_fails_while_it_is_read(
        self,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        problem: Exception,
        said: str,
    ) -> None:
        """It is named by its own path, what it gave until then is kept, and the rest of the folder is read."""
        first, _ = Path(write(tmp_path / "a.jsonl")), write(tmp_path / "b.jsonl")
        whole = items_in

        def failing(path: str, **how: Any) -> Any:
            for number, item in enumerate(whole(path, **how)):
                if path == str(first) and number == 20:
                    raise problem
                yield item

        monkeypatch.setattr(fit, "items_in", failing)
        code, _, err = run(capsys, tmp_path)
        assert code == 1
        assert f"runengine: {first}: {said}\n" in err
        assert "in 2 recordings" in err

    def test_nothing_can_be_read(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Where all is unreadable the code is 2, and that is said beside what could not be read."""
        (tmp_path / "a.jsonl").write_bytes(b"{broken\n{broken\n")
        code, out, err = run(capsys, tmp_path / "a.jsonl", tmp_path / "none")
        assert (code, out) == (2, "")
        assert f"{tmp_path / 'a.jsonl'}:2: not JSON" in err
        assert "there is no such file" in err
        assert err.endswith("no run was found in what could be read; what could not is named above\n")

    @pytest.mark.parametrize(("beside", "expected"), [(True, 1), (False, 2)])
    def test_parquet(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, beside: bool, expected: int) -> None:
        """A Parquet file that is broken is named."""
        (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100))
        paths: list[str | Path] = [tmp_path / "a.parquet", *([write(tmp_path / "b.jsonl")] if beside else [])]
        code, _, err = run(capsys, *paths)
        assert code == expected
        assert f"runengine: {tmp_path / 'a.parquet'}: " in err

    @pytest.mark.parametrize("option", ["-o", "--plots"])
    def test_no_path(self, capsys: pytest.CaptureFixture[str], option: str) -> None:
        """An empty path is misuse, named."""
        code, _, err = run(capsys, "a.jsonl", option, "")
        assert code == 2
        assert f"{option}" in err
        assert "expected a path, got nothing" in err

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
