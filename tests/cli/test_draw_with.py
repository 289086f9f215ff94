"""`runengine draw --with` and `runengine check --profile`: recorded runs on the lifecycle, and their profile."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from runengine.cli import main
from runengine.rendering import FORMATS, WEIGHTED_FORMATS
from tests.samples import T0_S as T0
from tests.validation.checking import as_lines, clean

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "profile-a-corpus.md"
LIVED = [clean("queued", started_at=None), clean("in_progress"), clean("completed")]
CAME_BACK = [*LIVED, clean("in_progress")]


def write(path: Path, *values: object) -> str:
    """A JSON Lines file."""
    path.write_bytes(as_lines(values))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error; no traceback."""
    try:
        code = main([*map(str, argv)])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


class TestDraw:
    """Recordings drawn."""

    @pytest.mark.parametrize("kind", WEIGHTED_FORMATS)
    def test_every_weighted_format(self, kind: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Each format says how often edges were taken, how often statuses were seen, and what is undeclared."""
        path = write(tmp_path / "a.jsonl", *CAME_BACK)
        code, out, err = run(capsys, "draw", "--with", path, "--format", kind)
        assert (code, err) == (0, "")
        assert "1 runs, 4 snapshots" not in out
        assert "undeclared" in out
        assert f"{path}" in out.replace("\\_", "_")

    def test_of_several_paths(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Files, folders and globs are drawn together, each file a recording of its own."""
        write(tmp_path / "a.jsonl", *LIVED)
        (tmp_path / "below").mkdir()
        write(tmp_path / "below" / "b.jsonl", *LIVED)
        code, out, _ = run(
            capsys,
            "draw",
            "--with",
            tmp_path / "a*.jsonl",
            tmp_path / "below",
            "--format",
            "dot",
            "--policy",
            "documented",
        )
        assert code == 0
        assert re.search(r'"in_progress" -> "completed" \[label="complete 2[ "]', out)

    def test_to_a_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """With -o the picture goes to the file, and standard output stays empty."""
        path, picture = write(tmp_path / "a.jsonl", *LIVED), tmp_path / "a.svg"
        assert run(capsys, "draw", "--format", "svg", "-o", picture, "--with", path) == (0, "", "")
        assert ET.fromstring(picture.read_bytes()).tag.endswith("svg")

    def test_foreign_text_is_escaped(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A file whose name is a script tag stays text in the picture."""
        path = write(tmp_path / "<script>alert(1)<!--.jsonl", *CAME_BACK)
        _, out, _ = run(capsys, "draw", "--with", path, "--format", "svg")
        assert "<script" not in out
        assert "&lt;script&gt;alert(1)&lt;!--.jsonl:4" in out

    def test_mistakes(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A path that leads nowhere, has no run, or a format without room for counts is one line and 2."""
        path = write(tmp_path / "a.jsonl", *LIVED)
        empty = write(tmp_path / "empty.jsonl", {"object": "assistant"})
        for argv, said in (
            (("--with", "/nowhere"), "/nowhere: there is no such file or folder"),
            (("--with", empty), "no run was found"),
            (("--with", path, "--object", "step"), "leave out --object"),
            (("--with", path, "--all", str(tmp_path / "all")), "leave out --with"),
            *(
                (("--with", path, "--format", kind), "has no place for a count")
                for kind in FORMATS.keys() - WEIGHTED_FORMATS.keys()
            ),
        ):
            code, out, err = run(capsys, "draw", *argv)
            assert (code, out) == (2, ""), argv
            assert said in err
            assert err.count("\n") == 1


class TestCheck:
    """`--profile`."""

    def test_json(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The JSON report carries the profile, and without the option it does not."""
        path = write(tmp_path / "a.jsonl", *CAME_BACK)
        with_it: dict[str, Any] = json.loads(run(capsys, "check", path, "--profile", "--format", "json")[1])
        without: dict[str, Any] = json.loads(run(capsys, "check", path, "--format", "json")[1])
        assert list(with_it["profile"]["undeclared"]) == ["completed->in_progress"]
        assert with_it["profile"]["span_s"]["from"] == T0
        del with_it["profile"]
        assert with_it == without

    def test_policy_and_sampling_count(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The profile is held to the policy and the sampling that the check is."""
        path = write(tmp_path / "a.jsonl", clean("queued", started_at=None), clean("completed"))
        argv = ("check", path, "--profile", "--format", "json")
        polled = json.loads(run(capsys, *argv)[1])["profile"]
        complete = json.loads(run(capsys, *argv, "--sampling", "complete", "--policy", "documented")[1])["profile"]
        assert (polled["policy"], polled["fitness"]["steps_explained"]) == ("practical", 1)
        assert (complete["policy"], complete["fitness"]["steps_explained"]) == ("documented", 0)


def test_the_page_shows_what_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of the how-to print what stands below them."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    shown = [part.split("\n", 1) for block in blocks for part in block.split("$ runengine ")[1:]]
    assert len(shown) == 3
    for command, wanted in shown:
        main(shlex.split(command))
        printed = capsys.readouterr()
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(wanted, printed.out, flags), f"{command}\n{printed.out}"
