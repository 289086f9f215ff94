"""The pytest plugin: recordings as tests, the fixture, and nothing at all where nobody asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.validation.checking import as_lines, clean

pytest_plugins = ("pytester",)

LIFE = [clean("queued", started_at=None), clean("in_progress"), clean("completed")]
GOOD = as_lines(LIFE)
BAD = as_lines([clean("cancelling"), clean("in_progress")])
WARNED = as_lines([{"kind": "history", "data": clean(s)} for s in ("queued", "failed")])
OTHER = as_lines([{"id": "asst_1", "object": "assistant"}])

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest with the plugin as an installed package has it: by an entry point."""
    installed = pytester.mkdir("installed")
    info = installed / "plugin_of_runengine-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-runengine\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\nrunengine = runengine.testing.pytest_plugin\n")
    pytester.syspathinsert(installed)
    monkeypatch.setenv("PYTHONPATH", str(installed), prepend=os.pathsep)

    def runs(*arguments: str | Path, subprocess: bool = False) -> pytest.RunResult:
        how = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return how("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)

    return runs


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """A folder of recordings: a good one, a bad one, one with a warning, one without runs, and something else."""
    made = pytester.mkdir("cassettes")
    (made / "below").mkdir()
    for name, data in {"good": GOOD, "bad": BAD, "below/warned": WARNED, "other": OTHER}.items():
        (made / f"{name}.jsonl").write_bytes(data)
    (made / "notes.txt").write_text("no recording")
    return made


def test_module(pytester: pytest.Pytester) -> None:
    """A project's own test."""
    pytester.makepyfile(test_own="def test_own():\n    pass\n")


class TestRecordings:
    """`--runengine-cassettes`."""

    def test_each_is_a_test(self, run: Run, folder: Path) -> None:
        """Every recording below the folder passes, fails or, without a run, is skipped."""
        result = run("--runengine-cassettes=cassettes", "-v")
        result.assert_outcomes(passed=2, failed=1, skipped=1)
        result.stdout.fnmatch_lines(["cassettes/bad.jsonl::conforms FAILED*", "cassettes/good.jsonl::conforms PASSED*"])

    def test_the_report_stands_for_a_traceback(self, run: Run, folder: Path) -> None:
        """A failure shows the place, the rule, what would have been right, the hint; and no line of Python."""
        out = run("--runengine-cassettes=cassettes/bad.jsonl").stdout.str()
        assert "cassettes/bad.jsonl:2" in out
        for said in ("RE101", "illegal-transition", "no step leads from cancelling to in_progress", "hint:"):
            assert said in out
        assert "Traceback" not in out
        assert ".py:" not in out

    def test_with_own_tests(self, run: Run, folder: Path, pytester: pytest.Pytester) -> None:
        """They stand beside a project's own tests, and are chosen by -k like these."""
        test_module(pytester)
        run("--runengine-cassettes=cassettes").assert_outcomes(passed=3, failed=1, skipped=1)
        run("--runengine-cassettes=cassettes", "-k", "good or own").assert_outcomes(passed=2, deselected=3)
        run("--runengine-cassettes=cassettes", "test_own.py").assert_outcomes(passed=3, failed=1, skipped=1)

    def test_one_of_them(self, run: Run, folder: Path) -> None:
        """An argument below the folder chooses: a file, a folder, or a test by its id."""
        for chosen in ("cassettes/good.jsonl", "cassettes/below", "cassettes/good.jsonl::conforms"):
            run("--runengine-cassettes=cassettes", chosen).assert_outcomes(passed=1)

    def test_several_folders(self, run: Run, folder: Path) -> None:
        """The option may be given several times; no recording is checked twice."""
        run(
            "--runengine-cassettes=cassettes/below",
            "--runengine-cassettes=cassettes/good.jsonl",
            "--runengine-cassettes=cassettes/below/warned.jsonl",
        ).assert_outcomes(passed=2)

    def test_fail_on(self, run: Run, folder: Path) -> None:
        """A warning fails where it was asked for."""
        run("--runengine-cassettes=cassettes/below", "--runengine-fail-on=warning").assert_outcomes(failed=1)

    def test_policy(self, run: Run, folder: Path) -> None:
        """Steps are held to the policy that was asked for."""
        run("--runengine-cassettes=cassettes/below", "--runengine-policy=documented").assert_outcomes(failed=1)

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (("--runengine-cassettes=nowhere",), "*there is no such file or folder*"),
            (("--runengine-cassettes=empty",), "*the folder has no file to check*"),
            (("--runengine-cassettes=cassettes", "--runengine-policy=strict"), "*no policy 'strict'*"),
        ],
        ids=["nowhere", "empty", "policy"],
    )
    def test_mistakes(
        self, run: Run, folder: Path, pytester: pytest.Pytester, arguments: Sequence[str], problem: str
    ) -> None:
        """A mistake in what was asked for ends pytest with one line, and no test is run."""
        pytester.mkdir("empty")
        result = run(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([problem])

    def test_gone(self, run: Run, folder: Path, pytester: pytest.Pytester) -> None:
        """A recording that another test removed fails with a line."""
        pytester.makepyfile(test_a="def test_a():\n    import os; os.unlink('cassettes/good.jsonl')\n")
        result = run("test_a.py", "--runengine-cassettes=cassettes/good.jsonl")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["cassettes/good.jsonl: No such file or directory"])


class TestIniFile:
    """The same as settings."""

    @pytest.fixture(autouse=True)
    def settings(self, pytester: pytest.Pytester, folder: Path) -> None:
        """Folders, severity and policy in pyproject.toml."""
        pytester.makepyprojecttoml(
            '[tool.pytest.ini_options]\nrunengine_cassettes = ["cassettes"]\nrunengine_fail_on = "warning"\n'
        )
        test_module(pytester)

    def test_everything(self, run: Run) -> None:
        """Without arguments, the recordings are tests too."""
        run().assert_outcomes(passed=2, failed=2, skipped=1)

    def test_an_argument(self, run: Run) -> None:
        """With an argument elsewhere, they are not: one test can still be run alone."""
        run("test_own.py").assert_outcomes(passed=1)

    def test_the_command_line_is_nearer(self, run: Run) -> None:
        """An option beats a setting."""
        run("--runengine-fail-on=error").assert_outcomes(passed=3, failed=1, skipped=1)

    def test_a_wrong_setting(self, run: Run, pytester: pytest.Pytester) -> None:
        """A setting that is none ends pytest with one line."""
        pytester.makepyprojecttoml('[tool.pytest.ini_options]\nrunengine_fail_on = "loudly"\n')
        result = run()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*runengine_fail_on is one of error, warning, info; got 'loudly'*"])

    @pytest.mark.slow
    def test_workers(self, run: Run) -> None:
        """Workers of xdist collect and run the same."""
        run("-n", "2", subprocess=True).assert_outcomes(passed=2, failed=2, skipped=1)
        run("-n", "2", "test_own.py", subprocess=True).assert_outcomes(passed=1)


class TestNobodyAsks:
    """What the plugin does where it is only installed."""

    def test_nothing_is_collected(self, run: Run, folder: Path, pytester: pytest.Pytester) -> None:
        """Recordings are no tests of their own accord."""
        test_module(pytester)
        run().assert_outcomes(passed=1)

    def test_nothing_heavy_is_imported(self, run: Run, pytester: pytest.Pytester) -> None:
        """Neither the checker nor a library of its readers and reports is imported."""
        pytester.makepyfile(
            test_own="""
            import sys

            def test_own():
                heavy = ("runengine.validation", "runengine.dialects", "msgspec", "cattrs", "rich.console", "yaml")
                assert "runengine.testing.pytest_plugin" in sys.modules
                assert not [name for name in heavy if name in sys.modules]
            """
        )
        run(subprocess=True).assert_outcomes(passed=1)

    def test_switched_off(self, run: Run, folder: Path, pytester: pytest.Pytester) -> None:
        """With -p no:runengine there is no such option."""
        test_module(pytester)
        run("-p", "no:runengine", subprocess=True).assert_outcomes(passed=1)
        result = run("-p", "no:runengine", "--runengine-cassettes=cassettes", subprocess=True)
        assert result.ret == pytest.ExitCode.USAGE_ERROR


class TestFixture:
    """`assert_conforms`."""

    def test_it_asserts(self, run: Run, folder: Path, pytester: pytest.Pytester) -> None:
        """A recording that conforms gives its counts; another fails with the findings and the caller's line."""
        pytester.makepyfile(
            test_own=f"""
            GOOD = {GOOD.decode()!r}
            BAD = {BAD.decode()!r}

            def test_good(assert_conforms):
                assert assert_conforms(GOOD).observations == 3

            def test_bad(assert_conforms):
                assert_conforms(BAD)

            def test_path(assert_conforms):
                assert_conforms("cassettes/bad.jsonl")

            def test_policy(assert_conforms):
                assert_conforms("cassettes/below/warned.jsonl")
                assert_conforms("cassettes/below/warned.jsonl", policy="documented")

            def test_empty(assert_conforms):
                assert_conforms([])
            """
        )
        result = run()
        result.assert_outcomes(passed=1, failed=4)
        out = result.stdout.str()
        assert "AssertionError: the recording does not conform" in out
        assert "no step leads from cancelling to in_progress" in out
        assert "conforming.py" not in out
        assert "nothing checked" in out


def test_import_cost() -> None:
    """Importing the plugin imports no library that pytest and the core do not need."""
    code = "import json, sys, pytest; before = set(sys.modules); import runengine.testing.pytest_plugin; "
    code += "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    imported: list[Any] = json.loads(made.stdout)
    assert not {"msgspec", "cattrs", "rich", "yaml", "pyarrow", "numpy", "transitions"}.intersection(imported)
