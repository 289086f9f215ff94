"""The pytest plugin: recordings as tests, the fixture, and nothing at all where nobody asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from runengine.cli import main
from runengine.testing.conforming import conformance_of
from tests.samples import T0_S
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

    def test_other_documents(self, run: Run, folder: Path) -> None:
        """A document of another kind beside the recordings is skipped; one that is given by name fails."""
        (folder / "package.json").write_text('{"name": "left-pad"}')
        result = run("--runengine-cassettes=cassettes", "-rs")
        assert "no run is in it" in result.stdout.str()
        run("--runengine-cassettes=cassettes/package.json").assert_outcomes(failed=1)

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
        pytester.makepyprojecttoml(
            '[tool.pytest.ini_options]\nrunengine_cassettes = ["cassettes"]\nrunengine_fail_on = "loudly"\n'
        )
        result = run()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*fail_on is one of error, warning, info; got 'loudly'*"])

    def test_the_settings_of_the_project(self, run: Run, pytester: pytest.Pytester) -> None:
        """What `[tool.runengine]` says holds here too: what is ignored, what is known, and the policy."""
        settings = '[tool.pytest.ini_options]\nrunengine_cassettes = ["cassettes"]\n[tool.runengine]\n'
        pytester.makepyprojecttoml(settings + 'fail-on = "warning"\nignore = ["RE101"]\n')
        run().assert_outcomes(passed=3, failed=1, skipped=1)
        pytester.makepyprojecttoml(
            settings + 'policy = "documented"\n[tool.runengine.per-path-ignores]\n"bad*" = ["RE1"]'
        )
        run().assert_outcomes(passed=3, failed=1, skipped=1)
        main(["check", "cassettes", "--write-baseline", "known.json", "--no-settings"])
        pytester.makepyprojecttoml(settings + 'baseline = "known.json"\n')
        run().assert_outcomes(passed=4, skipped=1)
        pytester.makepyprojecttoml(settings + 'policy = "strict"\n')
        assert run().ret == pytest.ExitCode.USAGE_ERROR

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
        assert "AssertionError: nothing was checked: no run is in the recording" in out

    def test_what_is_no_recording(self, run: Run, pytester: pytest.Pytester) -> None:
        """What cannot be read, and what is no recording, is an error at the caller's line, in a few lines."""
        pytester.makepyfile(
            test_own="""
            def test_gone(assert_conforms):
                assert_conforms("nosuch.jsonl")

            def test_number(assert_conforms):
                assert_conforms(3)

            def test_objects(assert_conforms):
                assert_conforms([object()])

            def test_policy(assert_conforms):
                assert_conforms([], policy="strict")
            """
        )
        result = run()
        result.assert_outcomes(failed=4)
        out = result.stdout.str()
        assert "TraceUnreadable: nosuch.jsonl: No such file or directory" in out
        assert "NoRecording: expected a path, text, or run objects; got int" in out
        assert "NoRecording: expected run objects; object is none" in out
        assert "ValueError: " in out
        for inner in ("conforming.py", "inputs.py", "checker.py", "pytest_plugin.py", "table.py"):
            assert inner not in out
        assert len(result.outlines) < 70


def test_cassettes_of_vcrpy(run: Run, pytester: pytest.Pytester) -> None:
    """Cassettes that vcrpy wrote, of a server that answers with a right and a wrong life, are tests."""
    vcr = pytest.importorskip("vcr")
    answers = iter([*LIFE, clean("completed"), clean("in_progress")])
    times = count(T0_S, 4)

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(next(answers)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(next(times), usegmt=True)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is said."""

    with HTTPServer(("127.0.0.1", 0), Serving) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/threads/thread_1/runs/run_1"
        for name, looks in (("right", 3), ("wrong", 2)):
            cassette = pytester.path / "cassettes" / f"{name}.yaml"
            with vcr.use_cassette(str(cassette), record_mode="all", allow_playback_repeats=False):
                for _ in range(looks):
                    urllib.request.urlopen(url).read()
        server.shutdown()
    result = run("--runengine-cassettes=cassettes", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*cassettes/wrong.yaml:*RE103*"])


class TestObjects:
    """What `conformance_of` takes beside files and text."""

    def test_objects_of_an_sdk(self) -> None:
        """Models of pydantic, and objects with to_dict or as_dict, one or many, are read as they were sent."""
        pydantic = pytest.importorskip("pydantic")
        model = pydantic.create_model("Run", __config__=pydantic.ConfigDict(extra="allow"), usage=(dict | None, None))
        models = [model.model_validate(record) for record in LIFE]

        class Object:
            def __init__(self, record: dict[str, Any]) -> None:
                self.to_dict = lambda: record

        for seen in (models, (Object(record) for record in LIFE), LIFE, [{"data": model} for model in models]):
            checked = conformance_of(seen)
            assert (checked.failing, checked.summary.observations) == ((), 3)
        assert conformance_of(models[0]).summary.observations == 1
        assert conformance_of(Object(LIFE[0])).summary.observations == 1

    def test_own_records(self) -> None:
        """Records of the engine, and items of a reader."""
        from runengine.validation import Observation
        from tests import samples

        assert conformance_of(samples.run_in("queued")).failing == ()
        assert conformance_of([Observation(record, 1) for record in LIFE]).summary.observations == 3

    @pytest.mark.parametrize("wrong", [7, None, [object()], object()])
    def test_nothing_of_the_kind(self, wrong: Any) -> None:
        """Something else is refused by its type."""
        with pytest.raises(TypeError, match="expected"):
            conformance_of(wrong)

    def test_a_folder(self, tmp_path: Path) -> None:
        """A folder is pointed to the option."""
        with pytest.raises(TypeError, match="--runengine-cassettes"):
            conformance_of(tmp_path)

    def test_many(self) -> None:
        """Of many findings the first are shown, and how many there are is said."""
        bad = [clean("queued", id=f"run_{n}", thread_id=f"thread_{n}", failed_at=1_700_000_009) for n in range(50)]
        checked = conformance_of(bad)
        assert len(checked.failing) == 50
        assert checked.report.count("failed_at is set") == 20
        assert "and 30 more" in checked.report


def test_import_cost() -> None:
    """Importing the plugin imports no library that pytest and the core do not need."""
    code = "import json, sys, pytest; before = set(sys.modules); import runengine.testing.pytest_plugin; "
    code += "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    imported: list[Any] = json.loads(made.stdout)
    assert not {"msgspec", "cattrs", "rich", "yaml", "pyarrow", "numpy", "transitions"}.intersection(imported)
