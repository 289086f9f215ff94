"""`runengine check --engine`: whichever engine reads, the same is said; and a state is the same for both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.validation import Checker, Options, engines
from runengine.validation.engines import Engines
from runengine.validation.standing import Standing
from tests.cli.test_check import BAD, CLEAN, run, write
from tests.recall.files import written
from tests.validation.checking import as_lines, clean
from tests.validation.mixtures import Mixture, mixtures

pytest.importorskip("numpy")
pytest.importorskip("pyarrow")

of_a_file = engines._source


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON Lines are read by threads, in pieces of a few lines; and every file is large."""

    def source(path: str, options: Options, reader: str, detailed: bool = False) -> Any:
        made = of_a_file(path, options, reader, detailed)
        return made if isinstance(made, str) else evolve(made, in_threads=True, piece_bytes=2_000)

    monkeypatch.setattr(engines, "_source", source)
    monkeypatch.setattr(engines, "BULK_FROM_BYTES", {"json-lines": 0, "parquet": 0})


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a test."""
    cut_small(monkeypatch)


LOG = [
    clean(status, id=f"run_{number}", thread_id=f"thread_{number}")
    for number in range(12)
    for status in ("queued", "in_progress", "completed", *(["in_progress"] if number % 5 == 0 else []))
]


@pytest.mark.usefixtures("small_pieces")
class TestTheSame:
    """What is said does not depend on who reads."""

    @pytest.mark.parametrize("form", ["json", "jsonl", "text"])
    def test_reports(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
        """The report of each engine is the same, byte for byte, and so is the exit code."""
        path = write(tmp_path / "a.jsonl", *LOG, BAD, b"{", *CLEAN)
        stream, bulk, auto = (run(capsys, path, "--format", form, "--engine", e) for e in ("stream", "bulk", "auto"))
        assert stream == bulk == auto
        assert stream[0] == 1

    def test_tiny_memory(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where what is remembered has to go to disk, the report is the same."""
        from runengine.validation.bulk import partitions

        # Into 64 ranges at most, and not into thousands of files.
        monkeypatch.setattr(partitions, "PARTS", 4)
        monkeypatch.setattr(partitions, "_NARROW", (1 << 64) // 4**3)
        path = write(tmp_path / "a.jsonl", *LOG, BAD)
        bulk = run(capsys, path, "--engine", "bulk", "--memory-max", "1k", "--format", "json")
        assert bulk == run(capsys, path, "--engine", "stream", "--format", "json")

    def test_mostly_suspect(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A log in which most is wrong is read once by auto, and says the same."""
        path = write(tmp_path / "a.jsonl", *[clean("queued", failed_at=5, id=f"run_{n}") for n in range(40)])
        assert run(capsys, path) == run(capsys, path, "--engine", "stream")

    def test_a_reader_that_fails(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where columns cannot be made, that is said once, with the path, and the log is checked line by line."""
        path = write(tmp_path / "a.jsonl", *LOG)
        expected = run(capsys, path, "--engine", "stream")
        from runengine.validation.bulk.ndjson import NdjsonSource

        def columns(*_: Any) -> Any:
            raise ZeroDivisionError("no columns")

        monkeypatch.setattr(NdjsonSource, "columns", columns)
        code, out, err = run(capsys, path, "--engine", "bulk")
        assert (code, out) == expected[:2]
        assert err == f"runengine: {path}: checked line by line, not in bulk: ZeroDivisionError: no columns\n"


class TestTheChoice:
    """Which engine reads what."""

    def test_what_cannot_be_read_in_bulk(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """It is checked line by line, and a line on standard error says why."""
        path = tmp_path / "a.json"
        path.write_text(json.dumps({"object": "list", "data": CLEAN[:1]}, indent=1))
        code, out, err = run(capsys, path, "--engine", "bulk")
        assert (code, out[:6]) == (0, "clean:")
        why = "it is no plain file of JSON Lines, Parquet or Arrow"
        assert err == f"runengine: {path}: checked line by line, not in bulk: {why}\n"

    @pytest.mark.parametrize(
        ("flags", "why"), [(("--join",), "recordings are joined"), (("--format", "junit"), "looks on")]
    )
    def test_what_needs_every_line(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: tuple[str, ...], why: str
    ) -> None:
        """Joined recordings, and what looks on at every item, are checked line by line."""
        path = write(tmp_path / "a.jsonl", *CLEAN)
        code, _, err = run(capsys, path, "--engine", "bulk", *flags)
        assert code == 0
        assert why in err

    def test_small_files(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a small file nobody makes columns."""
        monkeypatch.setattr(engines, "_source", None)
        assert run(capsys, write(tmp_path / "a.jsonl", *CLEAN))[0] == 0

    def test_without_the_extra(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without numpy, auto reads line by line and says nothing; bulk is refused, with what to install."""
        monkeypatch.setattr(engines, "find_spec", lambda _name: None)
        monkeypatch.setattr(engines, "BULK_FROM_BYTES", {"json-lines": 0, "parquet": 0})
        path = write(tmp_path / "a.jsonl", *CLEAN)
        assert run(capsys, path)[::2] == (0, "")
        code, out, err = run(capsys, path, "--engine", "bulk")
        assert (code, out) == (2, "")
        assert "runengine[bulk]" in err
        assert err.count("\n") == 1

    @pytest.mark.parametrize("size", ["0", "12", "2X", "-1G", "1e9", "G", "9999999999999T"])
    def test_sizes(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, size: str) -> None:
        """A size that is none is misuse."""
        code, _, err = run(capsys, tmp_path, f"--memory-max={size}")
        assert code == 2
        assert "expected a size from 1K, as 500M or 2G" in err


Said = list[tuple[str, int, str | None, str]]


def from_where_it_stood(path: Path, state: Path, engine: str, **options: Any) -> Said:
    """What a check with a state says."""
    made = Options(**options)
    new: list[bytes] = []
    standing = Standing(str(state), made, new.append)
    errors: list[Any] = []
    door = Engines(
        checker=Checker(made),
        unread=lambda *error: errors.append(error),
        say=errors.append,
        engine=engine,
        standing=standing,
        workers=1,
    )
    found = [(v.code, v.line, v.run_id, v.message) for v in door.check([str(path)])]
    allowed = ("its first lines hold nothing that can be read", "none before it could be read")
    assert not [each for each in errors if not (isinstance(each, str) and each.endswith(allowed))]
    standing.close()
    state.write_bytes(b"".join(new))
    return found


@settings(max_examples=40)
@given(
    mixture=mixtures(("history", "polled")),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    engine=st.lists(st.sampled_from(("stream", "bulk")), min_size=5, max_size=5),
    forget=st.sampled_from((0, 5, 50_000)),
)
def test_a_state_is_the_same_for_both(
    tmp_path_factory: pytest.TempPathFactory, mixture: Mixture, cuts: list[float], engine: Sequence[str], forget: int
) -> None:
    """Whichever engine checks a piece of a log, the next one says what it would after the other."""
    folder = tmp_path_factory.getbasetemp()
    data = written(mixture.made).text
    places = sorted(int(cut * len(data)) for cut in cuts)
    path = folder / "grown.jsonl"
    said: dict[str, Said] = {"stream": [], "mixed": []}
    with pytest.MonkeyPatch.context() as patched:
        cut_small(patched)
        for name, found in said.items():
            state = folder / f"{name}.state"
            state.unlink(missing_ok=True)
            for turn, (begin, end) in enumerate(zip([0, *places], [*places, len(data)], strict=True)):
                with path.open("ab" if turn else "wb") as file:
                    file.write(data[begin:end])
                chosen = "stream" if name == "stream" else engine[turn]
                found += from_where_it_stood(path, state, chosen, forget_after=forget)
    assert said["mixed"] == said["stream"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent otherwise")
def test_an_interrupt_leaves_nobody(tmp_path: Path) -> None:
    """Interrupted while processes read a log, the command ends, says so, and so do they."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_lines(LOG) * 12000)
    command = [sys.executable, "-m", "runengine", "check", str(path), "--engine", "bulk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        time.sleep(4)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 1, 130)
    assert b"Traceback" not in err
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    pytest.fail("processes of the group are still there")
