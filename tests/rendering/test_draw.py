"""`runengine draw`: what it prints, writes and compares, and how it refuses."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from runengine.cli.draw import add_parser, folder_files
from runengine.core.companions import LIFECYCLES
from runengine.core.table import POLICIES, PRACTICAL
from runengine.rendering import FORMATS, graph_of, graph_of_lifecycle

DIAGRAMS = Path(__file__).parents[2] / "diagrams"


def draw(*argv: str | Path) -> int:
    """Run the command as the command line would."""
    parser = argparse.ArgumentParser(prog="runengine")
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["draw", *map(str, argv)])
    status: int = args.run(args)
    return status


class TestOne:
    """One format of one policy."""

    def test_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without options it prints Mermaid of the practical policy, and nothing else."""
        assert draw() == 0
        captured = capsys.readouterr()
        assert captured.out == FORMATS["mermaid"].render(graph_of(PRACTICAL))
        assert captured.err == ""

    @pytest.mark.parametrize("kind", FORMATS)
    @pytest.mark.parametrize("policy", POLICIES)
    def test_prints_what_is_asked(self, kind: str, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Every format of every policy can be had by name."""
        assert draw("--format", kind, "--policy", policy) == 0
        assert capsys.readouterr().out == FORMATS[kind].render(graph_of(POLICIES[policy]))

    @pytest.mark.parametrize("kind", FORMATS)
    @pytest.mark.parametrize("name", LIFECYCLES)
    def test_objects_around_the_run(self, kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Every format of every small lifecycle can be had by name, and shows each of its statuses and events."""
        assert draw("--format", kind, "--object", name) == 0
        drawn = capsys.readouterr().out
        assert drawn == FORMATS[kind].render(graph_of_lifecycle(LIFECYCLES[name]))
        rows = [row for row in LIFECYCLES[name].rows if row.source is not None]
        for word in (*LIFECYCLES[name].statuses, *(row.event for row in rows)):
            assert word in drawn

    def test_an_object_has_no_policy(self, capsys: pytest.CaptureFixture[str]) -> None:
        """--policy beside --object is refused with a reason."""
        assert draw("--object", "step", "--policy", "practical") == 2
        assert "has one table: leave it out" in capsys.readouterr().err

    def test_writes_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With -o the same bytes go to the file, and stdout stays empty."""
        assert draw("--format", "svg", "-o", tmp_path / "run.svg") == 0
        assert (tmp_path / "run.svg").read_bytes() == FORMATS["svg"].render(graph_of(PRACTICAL)).encode()
        assert capsys.readouterr().out == ""


class TestFolder:
    """Every format of every policy."""

    def test_names(self, tmp_path: Path) -> None:
        """The folder is made, with stable names and an index that links to every file."""
        assert draw("--all", tmp_path / "new" / "folder") == 0
        written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new" / "folder").iterdir()}
        assert written == folder_files()
        assert len(written) == 2 + len(FORMATS) * (len(POLICIES) + len(LIFECYCLES))
        assert {"README.md", "lifecycle-practical.svg", "lifecycle-documented.xstate.json"} <= set(written)
        assert all(f"]({name})" in written["README.md"] for name in written if name != "README.md")

    def test_fresh_folder_passes(self, tmp_path: Path) -> None:
        """What --all has written, --check accepts, hidden files apart."""
        draw("--all", tmp_path)
        (tmp_path / ".gitattributes").write_text("* -text\n")
        assert draw("--all", tmp_path, "--check") == 0

    def test_check_names_each_difference(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A stale, a missing and a surplus file are named, with exit status 1, and nothing is written."""
        draw("--all", tmp_path)
        stale, missing, surplus = (tmp_path / f"{name}" for name in ("lifecycle-practical.svg", "README.md", "old.dot"))
        stale.write_bytes(stale.read_bytes().replace(b"\n", b"\r\n"))
        missing.unlink()
        surplus.write_text("digraph {}")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        capsys.readouterr()
        assert draw("--all", tmp_path, "--check") == 1
        assert sorted(capsys.readouterr().out.splitlines()) == sorted(
            [f"{stale}: stale", f"{missing}: missing", f"{surplus}: surplus"]
        )
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    @pytest.mark.parametrize("name", folder_files())
    def test_check_reads_every_file(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One byte more in any file is found."""
        draw("--all", tmp_path)
        with (tmp_path / name).open("ab") as file:
            file.write(b"\n")
        capsys.readouterr()
        assert draw("--all", tmp_path, "--check") == 1
        assert capsys.readouterr().out == f"{tmp_path / name}: stale\n"

    def test_check_of_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where there is no folder every file is missing, and none is made."""
        assert draw("--all", tmp_path / "gone", "--check") == 1
        assert capsys.readouterr().out.count(": missing\n") == len(folder_files())
        assert not (tmp_path / "gone").exists()

    def test_writing_again_mends(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """--all writes over what is stale, keeps what is not its own, and says so."""
        draw("--all", tmp_path)
        (tmp_path / "README.md").write_text("edited")
        (tmp_path / "mine.txt").write_text("mine")
        assert draw("--all", tmp_path) == 0
        assert f"{tmp_path / 'mine.txt'}: surplus" in capsys.readouterr().err
        assert (tmp_path / "README.md").read_text(encoding="utf-8") == folder_files()["README.md"]
        assert (tmp_path / "mine.txt").read_text() == "mine"

    def test_committed_diagrams(self) -> None:
        """The committed folder is, byte for byte, what the table gives: `runengine draw --all diagrams`."""
        committed = {path.name: path.read_bytes() for path in DIAGRAMS.iterdir()}
        assert committed == {name: text.encode() for name, text in folder_files().items()}


class TestMisuse:
    """A mistake costs one line on stderr and exit status 2, never a traceback."""

    @pytest.mark.parametrize(
        "argv",
        [
            ["--check"],
            ["--all", "d", "--format", "svg"],
            ["--all", "d", "--policy", "practical"],
            ["--all", "d", "-o", "f"],
        ],
        ids=" ".join,
    )
    def test_options_that_do_not_go_together(
        self, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """They are refused before anything is written."""
        monkeypatch.chdir(tmp_path)
        assert draw(*argv) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("runengine draw: --")
        assert captured.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("argv", "path"),
        [
            (["-o", "folder"], "folder"),
            (["-o", "gone/file.svg"], "gone/file.svg"),
            (["--all", "file"], "file"),
            (["--all", "file/below"], "file/below"),
            (["--all", "file", "--check"], "file"),
            (["--all", "odd"], "odd/README.md"),
            (["--all", "odd", "--check"], "odd/README.md"),
        ],
        ids=["folder", "no parent", "all in file", "all below file", "check file", "name taken", "check name taken"],
    )
    def test_path_that_cannot_be_used(
        self,
        argv: list[str],
        path: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The line names the path and what is wrong with it."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "odd" / "README.md").mkdir(parents=True)
        (tmp_path / "file").write_text("kept")
        assert draw(*argv) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"runengine draw: {path}: ")
        assert err.count("\n") == 1
        assert (tmp_path / "file").read_text() == "kept"

    @pytest.mark.parametrize("argv", [["--format", "png"], ["--policy", "strict"]], ids=" ".join)
    def test_unknown_names(self, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """The refusal lists what there is."""
        with pytest.raises(SystemExit) as refused:
            draw(*argv)
        assert refused.value.code == 2
        known = FORMATS if argv[0] == "--format" else POLICIES
        err = capsys.readouterr().err
        assert all(name in err for name in known)

    def test_help_has_examples(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Each example in --help is a command line that parses."""
        with pytest.raises(SystemExit) as shown:
            draw("--help")
        assert shown.value.code == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  runengine draw")]
        assert len(lines) >= 3
        parser = argparse.ArgumentParser(prog="runengine")
        add_parser(parser.add_subparsers())
        for line in lines:
            command = line.split("  ")[1].split(" | ")[0]
            assert parser.parse_args(command.split()[1:]).run is not None
