"""`runengine check`: options, exit codes, and every mistake answered by a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runengine.cli import main
from tests.samples import T0_S as T0
from tests.validation.checking import as_lines, clean

CLEAN = [clean("queued", started_at=None), clean("in_progress"), clean("completed")]
BAD = clean("queued", failed_at=T0 + 5)
UNDOCUMENTED = [clean("queued"), clean("failed")]


def write(path: Path, *values: object) -> str:
    """A JSON Lines file."""
    path.write_bytes(as_lines(values))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error; no traceback."""
    try:
        code = main(["check", *map(str, argv)])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def found(out: str) -> list[tuple[str, int]]:
    """Code and line of every violation of a jsonl report."""
    return [(v["code"], v["line"]) for v in map(json.loads, out.splitlines())]


class TestExitCodes:
    """0 conforming, 1 violations, 2 nothing could be checked or misuse."""

    def test_conforming(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A clean file is 0, and the verdict is on standard output."""
        code, out, err = run(capsys, write(tmp_path / "a.jsonl", *CLEAN))
        assert (code, err) == (0, "")
        assert out == "clean: 1 run on 1 thread, 3 observations; 0 errors, 0 warnings, 0 remarks\n"

    def test_violations(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """An error is 1; a warning and a remark are not, unless --fail-on says so."""
        assert run(capsys, write(tmp_path / "a.jsonl", BAD))[0] == 1
        warned = write(tmp_path / "b.jsonl", clean("expired", completed_at=T0 + 9))
        noted = write(tmp_path / "c.jsonl", clean("queued", priority=1))
        codes = {
            (path, level): run(capsys, path, "--fail-on", level)[0]
            for path in (warned, noted)
            for level in ("error", "warning", "info")
        }
        assert list(codes.values()) == [0, 1, 1, 0, 0, 1]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\n \n",
            b"\0\0",
            b"{",
            b"[]",
            b'{"id": "msg_1", "object": "thread.message"}',
            b"\xff\xfe{\0",
            b"x\n" * 300,
        ],
    )
    def test_nothing_checked(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes) -> None:
        """A file without a run, empty, binary or broken, is 2, and that is said once, whatever the format."""
        (tmp_path / "a.jsonl").write_bytes(data)
        code, out, err = run(capsys, tmp_path / "a.jsonl")
        assert (code, err) == (2, "")
        around = b"msg_1" in data
        said = "no run was found: 1 object around runs checked; " if around else "nothing checked: no run was found; "
        assert out.splitlines()[-1].startswith(said)
        assert out.count("no run was found") + out.count(" around ") == 1 + around
        for argv in (("--format", "json"), ("-o", tmp_path / "report")):
            code, _, err = run(capsys, tmp_path / "a.jsonl", *argv)
            assert (code, err.count("\n")) == (2, 1)
            assert err.startswith(f"runengine: {said}")

    def test_cannot_be_read(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """What cannot be opened is named, one line each; the rest is checked, and the answer is 1; alone it is 2."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "x.jsonl").mkdir()
        missing: list[str | Path] = [
            tmp_path / "no.jsonl",
            tmp_path / "empty",
            tmp_path / "x.jsonl",
            tmp_path / "*.sse",
            "x" * 300,
        ]
        for path in missing:
            code, _, err = run(capsys, path)
            assert code == 2
            assert err.startswith(f"runengine: {path}: ")
            assert len(err.splitlines()) == 1
        code, out, err = run(capsys, *missing, write(tmp_path / "a.jsonl", BAD), "--format", "jsonl")
        assert (code, found(out), len(err.splitlines())) == (1, [("RE202", 1)], len(missing))
        code, out, _ = run(capsys, tmp_path / "no.jsonl", write(tmp_path / "b.jsonl", *CLEAN))
        assert (code, out.partition(":")[0]) == (1, "clean, but 1 input was not read")

    def test_given_twice(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A file that is given twice, by whatever paths, is checked once, and that is said."""
        path = write(tmp_path / "a.jsonl", BAD)
        code, out, err = run(capsys, path, tmp_path, tmp_path / "." / "*.jsonl", "--format", "jsonl")
        assert (code, found(out)) == (1, [("RE202", 1)])
        assert err == f"runengine: {path}, {path}: given more than once, checked once\n"

    def test_no_such_rule(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A code that there is not is answered by the families that there are, in few words."""
        path = write(tmp_path / "a.jsonl", BAD)
        code, _, err = run(capsys, path, "--select", "RE9x")
        assert (code, err.count("\n")) == (2, 2)
        assert "no rule begins with 'RE9X'; there are RE101 to RE107, RE201 to RE2" in err

    @pytest.mark.parametrize(
        "argv",
        [
            [],
            ["a", "--policy", "lax"],
            ["a", "--generation", "G17"],
            ["a", "--select", "RE7"],
            ["a", "--skew", "nan"],
            ["a", "--skew", "-1"],
            ["a", "--forget-after", "-1"],
            ["a", "--sampling", "all"],
            ["a", "--format", "xml"],
            ["a", "--nonsense"],
        ],
    )
    def test_misuse(self, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
        """A mistake on the command line is 2, and says what was expected."""
        code, out, err = run(capsys, *argv)
        assert (code, out) == (2, "")
        assert err.startswith("usage: runengine")
        assert err.splitlines()[-1].partition(": error: ")[2]

    def test_output_cannot_be_written(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A report that cannot be written is 2, with a line that names it."""
        code, _, err = run(capsys, write(tmp_path / "a.jsonl", BAD), "-o", tmp_path / "no" / "x")
        assert (code, err.count("\n")) == (2, 1)
        assert str(tmp_path / "no" / "x") in err

    def test_output_is_an_input(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A report is not written over the recording it is about, under whatever name."""
        path = write(tmp_path / "a.jsonl", BAD)
        before = Path(path).read_bytes()
        code, out, err = run(capsys, path, "-o", tmp_path / "." / ".." / tmp_path.name / "a.jsonl")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert Path(path).read_bytes() == before


class TestOptions:
    """What each option changes."""

    def test_select_and_ignore(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Codes choose the rules that are reported and counted; what cannot be read is, unless it is ignored."""
        path = write(tmp_path / "a.jsonl", clean("queued", failed_at=T0 + 5, usage={}, model=None), "{")

        def codes(*argv: str) -> list[str]:
            return [code for code, _ in found(run(capsys, path, "--format", "jsonl", *argv)[1])]

        whole = codes()
        assert {"RE202", "RE304", "RE307", "RE308", "RE901"} == set(whole)
        assert codes("--select", "RE2,re304") == ["RE202", "RE304", "RE901"]
        assert codes("--ignore", "RE3,RE901") == ["RE202"]
        assert codes("--select", "RE3", "--ignore", "RE30,RE901") == []
        assert run(capsys, path, "--ignore", "RE")[0] == 0

    def test_policy(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A step outside the diagram is a warning, and an error under `documented`; lax steps need `permissive`."""
        path = write(tmp_path / "a.jsonl", *UNDOCUMENTED)
        lax = write(tmp_path / "b.jsonl", clean("queued"), clean("cancelled"))
        options = ("--sampling", "complete", "--format", "jsonl")
        assert [run(capsys, path, *options, "--policy", p)[0] for p in ("documented", "practical")] == [1, 0]
        assert [run(capsys, lax, *options, "--policy", p)[0] for p in ("documented", "practical", "permissive")] == [
            1,
            1,
            0,
        ]
        assert found(run(capsys, lax, *options)[1]) == [("RE101", 2)]

    def test_sampling(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Skipped statuses are illegal where every status is visible."""
        path = write(tmp_path / "a.jsonl", clean("queued", started_at=None), clean("completed"))
        assert [run(capsys, path, "--sampling", s)[0] for s in ("auto", "polled", "complete")] == [0, 0, 1]

    def test_generation(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Held to a generation, a record is judged by its keys, in upper case or lower."""
        path = write(tmp_path / "a.jsonl", {k: v for k, v in clean("queued").items() if k != "parallel_tool_calls"})
        assert run(capsys, path, "--generation", "g16", "--select", "RE307")[0] == 1
        assert run(capsys, path, "--generation", "G9", "--select", "RE307")[0] == 0

    def test_skew(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A stamp may lie after its observation by the skew, and no more."""
        path = write(tmp_path / "a.jsonl", {"observed_at": T0 - 2, "data": clean("queued", started_at=None)})
        assert [found(run(capsys, path, "--format", "jsonl", *argv)[1]) for argv in ((), ("--skew", "1.9"))] == [
            [],
            [("RE208", 1)],
        ]

    def test_durations(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A message gives a duration in the unit that people would use."""
        row = {"observed_at": T0 - 3_089_820.25, "data": clean("queued", started_at=None)}
        out = run(capsys, write(tmp_path / "a.jsonl", row), "--select", "RE208")[1]
        assert "created_at lies 35.8 d after the observation that shows it" in out

    def test_forget_after(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A change after the end is found for as many items of the recording as were asked for."""
        other = clean("completed", id="run_2", thread_id="thread_2")
        path = write(tmp_path / "a.jsonl", clean("completed"), other, clean("failed"))
        assert [run(capsys, path, "--forget-after", n)[0] for n in ("1", "2")] == [0, 1]

    def test_formats_and_output(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Each format goes to a file byte for byte as it goes to standard output, which then stays empty."""
        path = write(tmp_path / "a.jsonl", BAD, *CLEAN[1:])
        for form in ("text", "json", "jsonl"):
            code, out, _ = run(capsys, path, "--format", form)
            again, nothing, _ = run(capsys, path, "--format", form, "-o", tmp_path / "report")
            assert (code, again, nothing) == (1, 1, "")
            assert (tmp_path / "report").read_text(encoding="utf-8") == out
        assert json.loads(run(capsys, path, "--format", "json")[1])["summary"]["edges"]["in_progress->completed"] == 1

    def test_verbose(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """With -v statuses, edges and remarks are shown."""
        path = write(tmp_path / "a.jsonl", *CLEAN, clean("queued", id="run_2", thread_id="thread_2", priority=1))
        out = run(capsys, path, "-v")[1]
        assert "queued->in_progress" in out
        assert "RE309" in out
        assert "queued->in_progress" not in run(capsys, path)[1]

    def test_order_of_files(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Findings come by file, a folder's in the order of their names; then by line; then by code."""
        for name in ("b", "a", "c"):
            write(tmp_path / f"{name}.jsonl", clean("queued", failed_at=T0, usage={}), BAD)
        rows = [json.loads(line) for line in run(capsys, tmp_path, "--format", "jsonl")[1].splitlines()]
        order = [(row["path"], row["line"], row["code"]) for row in rows]
        assert order == sorted(order)
        assert [Path(path).name for path in dict.fromkeys(path for path, _, _ in order)] == [
            "a.jsonl",
            "b.jsonl",
            "c.jsonl",
        ]
        assert len(order) > 9


def process(*argv: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The real program."""
    command = [sys.executable, "-m", "runengine", *argv]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


class TestProcess:
    """What only a real process shows."""

    def test_standard_input(self) -> None:
        """`-` reads standard input; what cannot be encoded for the terminal is escaped."""
        record = clean("queued", id="run_é日", failed_at=T0)
        ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = process("check", "-", input=json.dumps(record, ensure_ascii=False).encode(), env=ascii_only)
        assert (done.returncode, done.stderr) == (1, b"")
        assert done.stdout.startswith(rb"-:1: error RE202 unexpected-stamp: run_\xe9\u65e5: failed_at is set")

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        """A file whose name is not UTF-8 is checked and named in every format."""
        name = os.fsencode(tmp_path) + b"/\xff.jsonl"
        Path(os.fsdecode(name)).write_bytes(as_lines([BAD]))
        for form in ("text", "json", "jsonl"):
            done = process("check", str(tmp_path), "--format", form)
            assert (done.returncode, done.stderr) == (1, b"")
            assert rb"\udcff.jsonl" in done.stdout

    @pytest.mark.parametrize("form", ["text", "jsonl"])
    def test_broken_pipe(self, tmp_path: Path, form: str) -> None:
        """When the reader of the report goes away, it ends without a word."""
        path = write(tmp_path / "a.jsonl", *[BAD] * 20_000)
        command = [sys.executable, "-m", "runengine", "check", path, "--format", form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.readline()
            running.stdout.close()
            assert running.stderr.read() == b""
            assert running.wait(60) in (0, 1)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    @pytest.mark.parametrize("form", ["text", "json", "jsonl"])
    def test_full_disk(self, tmp_path: Path, form: str) -> None:
        """A report that cannot be written to its end is 2, and one line."""
        path = write(tmp_path / "a.jsonl", *[BAD] * 500)
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-m", "runengine", "check", path, "--format", form]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (2, b"runengine: cannot write: No space left on device\n")

    def test_closed_input(self) -> None:
        """Standard input that is closed is a line."""
        code = "import sys; sys.stdin = None; from runengine.cli import main; sys.exit(main(['check', '-']))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
        assert done.returncode == 2
        assert done.stderr.splitlines()[0] == b"runengine: -: standard input is closed"
