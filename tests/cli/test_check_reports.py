"""`runengine check`: every format, files that are whole or not there, the baseline, the settings of a project."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from runengine.cli import check
from runengine.errors import MissingExtra
from runengine.validation import Checker, engines
from runengine.validation.observations import Item
from runengine.validation.readers import items_in
from runengine.validation.reports import FORMATS
from tests.cli.test_check import BAD, CLEAN, found, run, write
from tests.validation.checking import clean

WARNED = clean("expired", id="run_2", thread_id="thread_2", completed_at=1_700_000_009)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestFormats:
    """What each form gives, through the command."""

    def test_each(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """Each format goes to a file as it goes to standard output, and fails as the recording does."""
        write(project / "a.jsonl", BAD, *CLEAN[1:])
        for form in FORMATS:
            code, out, _ = run(capsys, "a.jsonl", "--format", form)
            assert (code, run(capsys, "a.jsonl", "--format", form, "-o", "report")[:2]) == (1, (1, ""))
            assert (project / "report").read_text(encoding="utf-8") == out
            assert "RE202" in out
            assert run(capsys, "a.jsonl", "--format", form, "-o", "-")[1] == out

    def test_sarif(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """A result has its place from here."""
        write(project / "a b.jsonl", BAD)
        document = json.loads(run(capsys, project / "a b.jsonl", "--format", "sarif")[1])
        (result,) = document["runs"][0]["results"]
        assert result["locations"][0]["physicalLocation"] == {
            "artifactLocation": {"uri": "a%20b.jsonl"},
            "region": {"startLine": 1},
        }
        assert document["runs"][0]["properties"]["summary"]["runs"] == 1

    def test_junit(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """Clean recordings are suites too."""
        write(project / "a.jsonl", BAD)
        write(project / "b.jsonl", *CLEAN)
        root = ET.fromstring(run(capsys, ".", "--format", "junit")[1])
        assert [(suite.attrib["name"], suite.attrib["failures"]) for suite in root] == [
            ("a.jsonl", "1"),
            ("b.jsonl", "0"),
        ]

    def test_github(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """A violation is a command that names its line."""
        write(project / "a.jsonl", *CLEAN[:1], BAD | {"id": "run_2", "thread_id": "thread_2"})
        out = run(capsys, "a.jsonl", "--format", "github")[1]
        assert out.startswith("::error file=a.jsonl,line=2,title=RE202 unexpected-stamp::run_2: failed_at is set")

    def test_profile(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """The profile is in the text, the JSON and the SARIF report; elsewhere it is said that it has no place."""
        write(project / "a.jsonl", *CLEAN)
        assert "profile" in json.loads(run(capsys, "a.jsonl", "--profile", "--format", "json")[1])
        assert "profile" not in json.loads(run(capsys, "a.jsonl", "--format", "json")[1])
        assert len(run(capsys, "a.jsonl", "--profile")[1]) > len(run(capsys, "a.jsonl")[1])
        code, out, err = run(capsys, "a.jsonl", "--profile", "--format", "jsonl")
        assert (code, out) == (0, "")
        assert err == "runengine: --format jsonl has no place for the profile; text, json, sarif and html have\n"

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Help has an example of every format, and of the baseline and the settings."""
        out = run(capsys, "--help")[1]
        assert all(f"--format {form} " in out for form in FORMATS)
        assert all(part in out for part in ("--write-baseline known.json", "[tool.runengine]", "--no-settings"))
        assert max(map(len, out.splitlines())) <= 120

    def test_a_terminal(self, project: Path) -> None:
        """On a terminal there is colour and a heading; in a pipe there is neither."""
        write(project / "a.jsonl", BAD)
        command = [sys.executable, "-m", "runengine", "check", "a.jsonl"]
        surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
        surroundings |= {"TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(Path(check.__file__).parents[2])}
        ours, theirs = pty.openpty()
        with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=surroundings) as running:
            os.close(theirs)
            shown = b""
            while piece := _read(ours):
                shown += piece
            assert running.wait(60) == 1
        os.close(ours)
        assert shown.startswith(b"\x1b[1;4ma.jsonl\x1b[0m\r\n")
        piped = subprocess.run(command, capture_output=True, check=False, timeout=60, env=surroundings).stdout
        assert b"\x1b" not in piped
        assert piped.startswith(b"a.jsonl:1: error RE202 ")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def lacking(problem: Exception) -> Callable[..., Iterator[Item]]:
    """Reads what there is; of b.jsonl only the first item."""

    def read(path: str, **options: Any) -> Iterator[Item]:
        for item in items_in(path, **{**options, "skim": None}):
            if path.endswith("b.jsonl") and isinstance(problem, MissingExtra):
                raise problem
            yield item
            if path.endswith("b.jsonl"):
                raise problem

    return read


class TestFiles:
    """What is written, is written whole; what is read, is not written."""

    def test_nothing_half_written(
        self, capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the check breaks off the old report stays, and nothing else is left."""
        write(project / "a.jsonl", BAD)
        (project / "report").write_text("old", encoding="utf-8")

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Checker, "check", interrupted)
        code, out, err = run(capsys, "a.jsonl", "-o", "report")
        assert (code, out, err) == (130, "", "runengine: interrupted\n")
        assert (project / "report").read_text(encoding="utf-8") == "old"
        assert sorted(each.name for each in project.iterdir()) == ["a.jsonl", "report"]

    @pytest.mark.parametrize("option", ["-o", "--write-baseline"])
    @pytest.mark.parametrize("given", ["a.jsonl", ".", "*.jsonl"])
    def test_no_input_is_overwritten(
        self, capsys: pytest.CaptureFixture[str], project: Path, option: str, given: str
    ) -> None:
        """A recording that would be overwritten is refused, found by a folder or a pattern too."""
        before = Path(write(project / "a.jsonl", BAD)).read_bytes()
        code, out, err = run(capsys, given, option, "a.jsonl", "--format", "json")
        assert (code, out if option == "-o" else "") == (2, "")
        assert "a.jsonl: it is an input, which would be overwritten; choose another file" in err
        assert (project / "a.jsonl").read_bytes() == before

    def test_a_missing_extra(
        self, capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file whose reader's library is missing is one line; the rest of its folder is checked; alone it is 2."""
        monkeypatch.setattr(engines, "items_in", lacking(MissingExtra("reading Parquet", "readers")))
        for name in "abc":
            write(project / f"{name}.jsonl", *CLEAN)
        told = "runengine: b.jsonl: reading Parquet needs pip install 'runengine[readers]'\n"
        for given in (["b.jsonl", "a.jsonl", "c.jsonl"], ["."], ["*.jsonl"]):
            code, out, err = run(capsys, *given)
            assert (code, out.partition(",")[0], err) == (1, "clean", told)
            assert out.startswith("clean, but 1 input was not read: 2 runs on 2 threads, 6 observations; ")
        code, out, err = run(capsys, "b.jsonl")
        assert (code, err) == (2, told)
        assert out.startswith("nothing checked: no run was found, 1 input was not read; ")

    def test_a_file_that_breaks_off(
        self, capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk that fails within a file is one line; what was read, and the rest of the folder, is checked."""
        monkeypatch.setattr(engines, "items_in", lacking(OSError(5, "Input/output error")))
        for name in "abc":
            write(project / f"{name}.jsonl", BAD, *CLEAN[1:])
        code, out, err = run(capsys, ".", "--format", "jsonl")
        assert (code, len(found(out)), err) == (1, 3, "runengine: b.jsonl: Input/output error\n")
        assert "not conforming, and 1 input was not read: 3 runs" in run(capsys, ".")[1]
        (ran,) = json.loads(run(capsys, ".", "--format", "sarif")[1])["runs"]
        assert ran["invocations"] == [
            {
                "executionSuccessful": False,
                "toolExecutionNotifications": [{"level": "error", "message": {"text": "1 input not read"}}],
            }
        ]

    def test_join(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """Joined files are one recording, and it is said what that means."""
        write(project / "a.jsonl", CLEAN[0])
        write(project / "b.jsonl", CLEAN[1] | {"model": "another"})
        assert run(capsys, "a.jsonl", "b.jsonl")[0] == 0
        code, out, err = run(capsys, "a.jsonl", "b.jsonl", "--join", "--format", "jsonl")
        assert code == 1
        assert ("RE402", 1) in found(out)
        assert err.startswith("runengine: recordings are joined in the order given")


class TestBaseline:
    """`--write-baseline`, `--baseline`."""

    def test_known(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """What was found is known: not reported, not counted, no failure; what is new is reported alone."""
        write(project / "a.jsonl", BAD, WARNED)
        code, out, err = run(capsys, "a.jsonl", "--write-baseline", "known.json", "--format", "jsonl")
        count = len(json.loads((project / "known.json").read_text(encoding="utf-8"))["findings"])
        assert (code, out) == (0, "")
        assert err == f"runengine: known.json: {count} findings known from now on; --baseline leaves them out\n"
        code, out, err = run(capsys, "a.jsonl", "--baseline", "known.json")
        assert (code, err) == (0, f"runengine: known.json: {count} known findings not reported\n")
        assert "; 0 errors, 0 warnings" in out
        assert "RE202" not in out
        new = BAD | {"id": "run_3", "thread_id": "thread_3"}
        write(project / "a.jsonl", clean("queued", id="run_4", thread_id="thread_4"), BAD, WARNED, new)
        code, out, _ = run(capsys, "a.jsonl", "--baseline", "known.json", "--format", "jsonl")
        assert (code, found(out)) == (1, [("RE202", 4)])

    def test_not_written(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """Where a path cannot be read, or nothing was checked, the old baseline stays."""
        write(project / "a.jsonl", BAD)
        (project / "known.json").write_text("old", encoding="utf-8")
        code, _, err = run(capsys, "a.jsonl", "no.jsonl", "--write-baseline", "known.json")
        assert (code, "known.json: not written" in err) == (1, True)
        (project / "empty.jsonl").touch()
        assert run(capsys, "empty.jsonl", "--write-baseline", "known.json")[0] == 2
        assert (project / "known.json").read_text(encoding="utf-8") == "old"

    def test_stale(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """What no longer occurs is named; the recordings that were not checked are not spoken of."""
        write(project / "a.jsonl", BAD)
        write(project / "b.jsonl", BAD)
        run(capsys, ".", "--write-baseline", "known.json")
        write(project / "a.jsonl", *CLEAN)
        code, _, err = run(capsys, "a.jsonl", "--baseline", "known.json")
        assert (code, err) == (
            0,
            "runengine: known.json: 1 known finding no longer occurs: a.jsonl RE202 run_1 failed_at; "
            "--write-baseline writes it anew\n",
        )

    def test_no_baseline(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """One that cannot be read is 2 and one line; nothing is reported."""
        write(project / "a.jsonl", BAD)
        (project / "known.json").write_text("{", encoding="utf-8")
        for file in ("no.json", "known.json"):
            code, out, err = run(capsys, "a.jsonl", "--baseline", file)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert err.startswith(f"runengine: {file}:")


class TestSettings:
    """`[tool.runengine]` of pyproject.toml."""

    def test_the_command_line_wins(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """Settings hold where the command line says nothing, and not with --no-settings."""
        write(project / "a.jsonl", BAD, WARNED)
        (project / "pyproject.toml").write_text(
            '[tool.runengine]\nselect = ["RE206"]\nfail-on = "warning"', encoding="utf-8"
        )

        def codes(*argv: str) -> tuple[int, set[str]]:
            code, out, _ = run(capsys, "a.jsonl", "--format", "jsonl", *argv)
            return code, {each for each, _ in found(out)}

        assert codes() == (1, {"RE206"})
        assert codes("--select", "RE202") == (1, {"RE202"})
        assert codes("--select", "RE206", "--fail-on", "error") == (0, {"RE206"})
        assert codes("--no-settings") == (1, {"RE202", "RE206"})

    def test_fail_on(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """A setting may widen what fails, and the command line narrow it again."""
        write(project / "a.jsonl", WARNED)
        (project / "pyproject.toml").write_text('[tool.runengine]\nfail-on = "warning"', encoding="utf-8")
        assert [run(capsys, "a.jsonl", *argv)[0] for argv in ((), ("--fail-on", "error"), ("--no-settings",))] == [
            1,
            0,
            0,
        ]

    def test_ignored_by_path(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """What is ignored of a path is not reported, not counted and does not fail; elsewhere it is."""
        (project / "old").mkdir()
        write(project / "old" / "a.jsonl", BAD)
        (project / "pyproject.toml").write_text(
            '[tool.runengine.per-path-ignores]\n"old/*" = ["RE202"]', encoding="utf-8"
        )
        code, out, _ = run(capsys, "old")
        assert (code, "; 0 errors" in out) == (0, True)
        assert run(capsys, "old", "--no-settings", "--write-baseline", "known")[0] == 0
        assert run(capsys, "old", "--baseline", "known")[2] == ""
        write(project / "b.jsonl", BAD)
        assert found(run(capsys, ".", "--format", "jsonl")[1]) == [("RE202", 1)]

    def test_a_baseline(
        self, capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The project's baseline is found from the folder of the settings."""
        (project / "sub").mkdir()
        write(project / "sub" / "a.jsonl", BAD)
        (project / "pyproject.toml").write_text('[tool.runengine]\nbaseline = "known.json"', encoding="utf-8")
        assert run(capsys, "sub")[0] == 2
        assert run(capsys, "sub", "--write-baseline", "known.json")[0] == 0
        monkeypatch.chdir(project / "sub")
        code, _, err = run(capsys, "a.jsonl")
        assert (code, err) == (0, "runengine: ../known.json: 1 known finding not reported\n")

    def test_mistakes(self, capsys: pytest.CaptureFixture[str], project: Path) -> None:
        """A mistake is 2 and one line with file, key and near words."""
        write(project / "a.jsonl", *CLEAN)
        (project / "pyproject.toml").write_text('[tool.runengine]\npolcy = "documented"', encoding="utf-8")
        assert run(capsys, "a.jsonl") == (
            2,
            "",
            "runengine: pyproject.toml: tool.runengine.polcy: no such setting; did you mean policy?\n",
        )
        assert run(capsys, "a.jsonl", "--no-settings")[0] == 0
