"""`runengine explain` and the program around the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runengine.cli import main, make_parser
from runengine.cli.explain import as_markdown
from runengine.validation import RULES


class TestExplain:
    """What a rule says."""

    @pytest.mark.parametrize("code", RULES)
    def test_every_rule(self, code: str, capsys: pytest.CaptureFixture[str]) -> None:
        """By code or name, in any case: what it says, why, its source, and its two examples."""
        rule = RULES[code]
        printed = []
        for asked in (code, code.lower(), rule.name, rule.name.upper()):
            assert main(["explain", asked]) == 0
            printed.append(capsys.readouterr().out)
        assert len(set(printed)) == 1
        for text in (
            f"{code} {rule.name} (",
            rule.says,
            f"Why: {rule.why}",
            f"Source: {rule.source}",
            "Breaks it",
            "Does not:",
        ):
            assert text in printed[0]
        for line in (*rule.breaks.text.splitlines(), *rule.keeps.text.splitlines()):
            assert line in printed[0]

    @pytest.mark.parametrize(
        ("asked", "near"),
        [
            ("RE211", "RE210"),
            ("missing-stmap", "missing-stamp"),
            ("re11", "RE101"),
            ("RE999", "RE501 to RE506, RE901;"),
        ],
    )
    def test_suggestion(self, asked: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
        """An unknown code or name is 2, and the nearest is suggested."""
        assert main(["explain", asked]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert repr(asked) in err
        assert near in err

    def test_nothing_near(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Where nothing is near, it says how to list the rules."""
        assert main(["explain", "zzz"]) == 2
        assert "`runengine explain` lists them" in capsys.readouterr().err

    def test_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a code every rule has a line, in order."""
        assert main(["explain"]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(RULES)

    def test_pages(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The reference pages are written; a check is clean then, and names each page that is stale."""
        assert main(["explain", "--all", str(tmp_path / "new"), "--check"]) == 1
        assert main(["explain", "--all", str(tmp_path / "new")]) == 0
        capsys.readouterr()
        assert main(["explain", "--all", str(tmp_path / "new"), "--check"]) == 0
        assert (tmp_path / "new" / "rules.md").read_text(encoding="utf-8") == as_markdown()
        (tmp_path / "new" / "rules.md").write_text("old")
        assert main(["explain", "--all", str(tmp_path / "new"), "--check"]) == 1
        assert "rules.md is stale" in capsys.readouterr().err
        assert main(["explain", "--check"]) == 2


class TestProgram:
    """The program itself."""

    def test_help(self) -> None:
        """`python -m runengine --help` names every command."""
        done = subprocess.run(
            [sys.executable, "-m", "runengine", "--help"], capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
        for command in (b"demo", b"check", b"explain", b"draw"):
            assert b"\n    " + command in done.stdout

    @pytest.mark.parametrize("command", ["demo", "check", "explain", "draw"])
    def test_help_of_commands(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Each command has its own help."""
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
        assert f"usage: runengine {command}" in capsys.readouterr().out

    @pytest.mark.parametrize("argv", [[], ["nonsense"], ["--nonsense"]])
    def test_misuse(self, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Anything else is 2 and shows the usage."""
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 2
        assert "usage: runengine" in capsys.readouterr().err

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """--version prints one."""
        with pytest.raises(SystemExit) as stopped:
            make_parser().parse_args(["--version"])
        assert stopped.value.code == 0
        assert capsys.readouterr().out.startswith("runengine ")

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Ctrl-C ends it with a line and 130."""

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("runengine.cli.explain.as_text", stop)
        assert main(["explain", "RE201"]) == 130
        assert capsys.readouterr().err == "runengine: interrupted\n"
