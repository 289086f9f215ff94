"""`runengine check --state`: a log that grows is checked from where it stood."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.validation import Checker, Options
from runengine.validation.engines import Engines
from runengine.validation.standing import Standing
from tests.cli.test_check import BAD, CLEAN, found, run, write
from tests.recall.files import written
from tests.samples import T0_S as T0
from tests.validation.checking import as_lines, clean
from tests.validation.mixtures import Mixture, mixtures

Found = list[tuple[str, int, str | None, str]]


def checked(path: Path, state: Path | None, **options: object) -> tuple[Found, dict[str, object]]:
    """What a check says of a file, and what it counts."""
    made = Options(**options)  # type: ignore[arg-type]
    new: list[bytes] = []
    standing = None if state is None else Standing(str(state), made, new.append)
    checker = Checker(made)
    errors: list[Exception] = []
    engines = Engines(checker=checker, unread=lambda _path, error: errors.append(error), standing=standing)
    found = [(v.code, v.line, v.run_id, v.message) for v in engines.check([str(path)])]
    assert not errors
    if standing is not None and state is not None:
        standing.close()
        state.write_bytes(b"".join(new))
    counts = checker.summary.as_dict()
    return found, counts


def added(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """Counts of two checks together."""
    both: dict[str, object] = {}
    for name in {**one, **other}:
        a, b = one.get(name, 0), other.get(name, 0)
        both[name] = added(a or {}, b or {}) if isinstance(a or b, dict) else a + b  # type: ignore[arg-type,operator]
    return both


def without_zeros(counts: dict[str, object]) -> dict[str, object]:
    """Counts, those of nothing left out."""
    return {k: without_zeros(v) if isinstance(v, dict) else v for k, v in counts.items() if v}


def in_pieces(folder: Path, pieces: Sequence[bytes], **options: object) -> tuple[Found, dict[str, object]]:
    """What checks of a file say, and count, each after another piece was appended."""
    path, state = folder / "log.jsonl", folder / "log.state"
    state.unlink(missing_ok=True)
    path.write_bytes(b"")
    found: Found = []
    counts: dict[str, object] = {}
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        more, counted = checked(path, state, **options)
        found += more
        counts = added(counts, counted)
    return sorted(found), without_zeros(counts)


def whole(folder: Path, data: bytes, **options: object) -> tuple[Found, dict[str, object]]:
    """What one check of all of it says and counts."""
    path = folder / "log.jsonl"
    path.write_bytes(data)
    found, counts = checked(path, None, **options)
    return sorted(found), without_zeros(counts)


LINES = as_lines(
    [
        clean("queued"),
        clean("in_progress"),
        clean("queued", id="run_2", thread_id="thread_2"),
        b"{",
        clean("queued"),
        clean("completed"),
        clean("in_progress", id="run_2", thread_id="thread_2", started_at=T0 + 900_000),
        clean("in_progress"),
    ]
)


def test_every_way_to_cut_a_log(tmp_path: Path) -> None:
    """However a log came about line by line, the checks of its pieces say what the check of the whole does."""
    lines = LINES.splitlines(keepends=True)
    expected = whole(tmp_path, LINES)
    assert {code for code, *_ in expected[0]} == {"RE103", "RE210", "RE901"}
    for count in range(len(lines)):
        for cuts in combinations(range(1, len(lines)), count):
            ends = (*cuts, len(lines))
            pieces = [b"".join(lines[begin:end]) for begin, end in zip((0, *cuts), ends, strict=True)]
            assert in_pieces(tmp_path, pieces) == expected


def ended(path: Path, state: Path, **options: object) -> Found:
    """What is left to say when a log whose check stood there has ended."""
    standing = Standing(str(state), Options(**options), lambda _: None)  # type: ignore[arg-type]
    checker = Checker(Options(**options))  # type: ignore[arg-type]
    checker.begin()
    standing.recall(str(path), checker)
    return [(v.code, v.line, v.run_id, v.message) for v in checker.go_on(str(path), ())]


@settings(max_examples=60)
@given(mixture=mixtures(("history", "polled")), cuts=st.lists(st.floats(0, 1), max_size=5), forget=st.booleans())
def test_what_is_said_does_not_depend_on_the_cuts(
    tmp_path_factory: pytest.TempPathFactory, mixture: Mixture, cuts: list[float], forget: bool
) -> None:
    """Cut anywhere, inside lines too, the pieces of a log with faults say what the whole does, and its end the rest."""
    folder = tmp_path_factory.getbasetemp()
    options = {"forget_after": 5} if forget else {}
    data = written(mixture.made).text
    places = (0, *sorted(int(cut * len(data)) for cut in cuts), len(data))
    pieces = [data[begin:end] for begin, end in pairwise(places)]
    found, counts = in_pieces(folder, pieces, **options)
    found += ended(folder / "log.jsonl", folder / "log.state", **options)
    expected, counted = whole(folder, data, **options)
    assert sorted(found) == expected
    for name in ("violations", "by_code"):
        counts.pop(name, None)
    assert counts == {name: count for name, count in counted.items() if name not in ("violations", "by_code")}


class TestTheCommand:
    """What the command says of a log that has grown, and of one that has not."""

    def test_only_what_is_new(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Findings are told once; what comes later is held against what was read before; line numbers go on."""
        bad = {**BAD, "id": "run_9", "thread_id": "thread_9"}
        path, state = write(tmp_path / "a.jsonl", *CLEAN, bad), tmp_path / "a.state"
        first = run(capsys, path, "--state", state, "--format", "jsonl")
        assert (first[0], found(first[1])) == (1, [("RE202", 4)])
        assert run(capsys, path, "--state", state)[::2] == (0, f"runengine: nothing new since {state} was written\n")
        with Path(path).open("ab") as file:
            file.write(as_lines([clean("in_progress")])[:-1])
        assert run(capsys, path, "--state", state)[0] == 0  # the line has no end yet
        with Path(path).open("ab") as file:
            file.write(b"\n")
        last = run(capsys, path, "--state", state, "--format", "jsonl")
        assert (last[0], {line for _, line in found(last[1])}) == (1, {5})

    def test_another_way_to_the_same_file(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A recording is known by its absolute path; another one in the state stays there."""
        path, state = write(tmp_path / "a.jsonl", *CLEAN), tmp_path / "a.state"
        other = write(tmp_path / "b.jsonl", *CLEAN)
        run(capsys, path, "--state", state)
        run(capsys, other, "--state", state)
        monkeypatch.chdir(tmp_path)
        assert "nothing new" in run(capsys, "a.jsonl", "b.jsonl", "--state", state)[2]

    def test_a_file_that_was_replaced(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A file that is shorter, or begins otherwise, is named with what to do, and the state stays as it was."""
        path, state = Path(write(tmp_path / "a.jsonl", *CLEAN)), tmp_path / "a.state"
        run(capsys, path, "--state", state)
        whole, kept = path.read_bytes(), state.read_bytes()
        for data, why in (
            (whole[:-9], "it was cut, or replaced"),
            (whole.replace(b"run", b"ruN"), "has changed since"),
        ):
            path.write_bytes(data)
            code, _, err = run(capsys, path, "--state", state)
            assert code == 2
            assert why in err
            assert f"delete {state}, or give another --state FILE" in err
            assert state.read_bytes() == kept

    @pytest.mark.parametrize("form", ["json", "gz"])
    def test_a_file_that_does_not_grow(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
        """A recording of another form is checked once, and passed over as long as it is the same."""
        path, state = tmp_path / f"a.{form}", tmp_path / "a.state"
        data = json.dumps(CLEAN).encode()
        path.write_bytes(gzip.compress(data) if form == "gz" else data)
        assert run(capsys, path, "--state", state)[0] == 0
        assert "nothing new" in run(capsys, path, "--state", state)[2]
        with path.open("ab") as file:
            file.write(b"\n")
        code, _, err = run(capsys, path, "--state", state)
        assert code == 2
        assert "only JSON Lines are checked from where they stood" in err

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            (lambda state: b"", "it is no state of a check, or it is damaged"),
            (lambda state: b'{"snapshot":"runengine monitor"}\n', "it is no state of a check"),
            (lambda state: state.replace(b'"version":1', b'"version":99'), "it is of version 99"),
            (lambda state: state[: len(state) // 2], "it is"),
            (lambda state: state.replace(b"run_", b"ruN_"), "does not agree with its checksum"),
            (lambda state: state[: state.rindex(b'["end"')], "it breaks off"),
        ],
    )
    def test_a_state_that_is_refused(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, spoil: Callable[[bytes], bytes], why: str
    ) -> None:
        """A state that is damaged, or none, is refused in one line and left alone."""
        path, state = write(tmp_path / "a.jsonl", clean("queued")), tmp_path / "a.state"
        run(capsys, path, "--state", state)
        spoilt = spoil(state.read_bytes())
        state.write_bytes(spoilt)
        code, out, err = run(capsys, path, "--state", state)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"{state}: the state was refused: " in err
        assert why in err
        assert state.read_bytes() == spoilt

    def test_other_options(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A state that was made with other options is refused, with the first that differs."""
        path, state = write(tmp_path / "a.jsonl", *CLEAN), tmp_path / "a.state"
        run(capsys, path, "--state", state)
        code, _, err = run(capsys, path, "--state", state, "--skew", "9")
        assert code == 2
        assert "skew_s 2.0, and those given have 9.0" in err

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            (("--profile",), "--profile tells of whole lives"),
            (("--write-baseline", "b.json"), "--write-baseline needs all findings"),
            (("-o", "s"), "are the same file"),
        ],
    )
    def test_misuse(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, more: tuple[str, ...], why: str) -> None:
        """What does not go with a state is said, and nothing is checked."""
        code, out, err = run(capsys, write(tmp_path / "a.jsonl", *CLEAN), "--state", "s", *more)
        assert (code, out) == (2, "")
        assert why in err

    def test_no_file(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Standard input, and a database, have no place from which to go on."""
        code, _, err = run(capsys, "sqlite:///a.db", "--state", tmp_path / "s")
        assert code == 2
        assert "--state says how far a file was checked, and this is none" in err

    def test_a_report_that_cannot_be_written(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The state is written after the report, or not at all."""
        path, state = write(tmp_path / "a.jsonl", *CLEAN), tmp_path / "a.state"
        assert run(capsys, path, "--state", state, "-o", tmp_path / "no" / "report")[0] == 2
        assert not state.exists()

    def test_what_waits(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """What a later line may still decide is not said at a stop, but is where it is decided."""
        step = {
            "id": "step_1",
            "object": "thread.run.step",
            "run_id": "run_9",
            "thread_id": "t",
            "status": "in_progress",
        }
        log = [
            {"kind": "stream", "event": "thread.run.step.created", "data": step},
            {"kind": "stream", "event": "thread.run.created", "data": clean("queued")},
        ]
        path, state = write(tmp_path / "a.jsonl", *log), tmp_path / "a.state"
        assert found(run(capsys, path, "--format", "jsonl")[1]) == [("RE504", 1)]
        told = run(capsys, path, "--state", state, "--format", "jsonl")
        assert told == (0, "", "runengine: 1 finding may still come of what was read: the next lines decide\n")


class TestJoined:
    """One log of several files."""

    def test_a_list_that_grows(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Files that were checked are passed over, the last one may grow, and new ones are held against all of them."""
        state = tmp_path / "s"
        one, two = write(tmp_path / "1.jsonl", *CLEAN[:1]), tmp_path / "2.jsonl"
        argv = ("--join", "--state", state, "--format", "jsonl")
        assert run(capsys, one, *argv)[0] == 0
        with Path(one).open("ab") as file:
            file.write(as_lines(CLEAN[1:]))
        assert run(capsys, one, *argv)[:2] == (0, "")
        write(two, clean("completed"), BAD)
        told = run(capsys, one, two, *argv)
        assert found(told[1]) == found(run(capsys, one, two, "--join", "--format", "jsonl")[1])
        assert "nothing new" in run(capsys, one, two, *argv)[2]

    def test_another_order(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A new file before one that was checked, and growth of one that others follow, are refused."""
        state = tmp_path / "s"
        one, two = write(tmp_path / "1.jsonl", *CLEAN[:1]), write(tmp_path / "2.jsonl", *CLEAN[1:])
        argv = ("--join", "--state", state)
        run(capsys, one, two, *argv)
        code, _, err = run(capsys, write(tmp_path / "0.jsonl", *CLEAN), one, *argv)
        assert code == 2
        assert "stands now behind one that was checked after it, or is new" in err
        with Path(one).open("ab") as file:
            file.write(as_lines(CLEAN))
        code, _, err = run(capsys, one, two, *argv)
        assert code == 2
        assert "others were checked after it" in err

    def test_one_that_cannot_be_read(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Where one of them cannot be read, the state is not written: the next check would miss it."""
        state = tmp_path / "s"
        one = write(tmp_path / "1.jsonl", *CLEAN)
        code, _, err = run(capsys, one, tmp_path / "gone.jsonl", "--join", "--state", state)
        assert code == 1
        assert "not written" in err
        assert not state.exists()
