"""`runengine simulate`: what it writes is read back, what it refuses it says in one line, nothing is half written."""

from __future__ import annotations

import doctest
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from runengine.cli import main, progress
from runengine.cli.simulate_options import changed, faults, large_number
from runengine.core import PRACTICAL
from runengine.simulation import READY, load_scenario, read_scenario, write_scenario
from runengine.simulation.faults import read_truths
from runengine.simulation.producing import chunks
from runengine.simulation.writing.stores import fill_at

FEW = ("--runs", "40")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], here: Path) -> Callable[..., str]:
    """Simulates with these options, which are misuse; the one line that is said, and nothing is written."""

    def said(*options: str) -> str:
        before = sorted(here.iterdir())
        try:
            code = main(["simulate", *options])
        except SystemExit as exit:
            code = int(str(exit.code))
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, "")
        assert sorted(here.iterdir()) == before
        lines = [line for line in captured.err.splitlines() if not line.startswith("usage:")]
        assert len(lines) == 1, lines
        return lines[0]

    return said


@pytest.mark.parametrize("scenario", READY)
@pytest.mark.parametrize(
    "options",
    [("-o", "x.jsonl"), ("-o", "x.jsonl", "--view", "polled"), ("-o", "x.sse")],
    ids=lambda o: " ".join(o[1:]),
)
def test_what_is_written_checks_clean(
    scenario: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every form of every ready-made scenario is read by `runengine check`, which finds all runs and no error."""
    assert main(["simulate", "--scenario", scenario, *FEW, *options]) == 0
    assert f"40 runs of {scenario}, seed 1" in capsys.readouterr().err
    assert main(["check", options[1], "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["runs"] == 40


def test_a_store_is_filled(capsys: pytest.CaptureFixture[str]) -> None:
    """A store is made, sound, and checks clean; the runs of another part are taken in beside."""
    assert main(["simulate", *FEW, "-o", "sqlite:///x.db"]) == 0
    assert "check it: runengine check sqlite:///x.db" in capsys.readouterr().err
    assert main(["simulate", *FEW, "--first", "40", "-o", "sqlite:///x.db"]) == 0
    assert main(["store", "doctor", "sqlite:///x.db"]) == 0
    assert "80 runs, 0 errors" in capsys.readouterr().out
    assert main(["check", "sqlite:///x.db"]) == 0


def test_parquet_and_json_lines_are_the_same_runs() -> None:
    """The rows of a Parquet file are those of the JSON Lines of the same options."""
    assert main(["simulate", *FEW, "-o", "x.parquet"]) == 0
    assert main(["simulate", *FEW, "-o", "x.jsonl"]) == 0
    rows = pq.read_table("x.parquet").to_pylist()
    lines = [json.loads(line) for line in Path("x.jsonl").read_text().splitlines()]
    assert [(row["run_id"], row["status"]) for row in rows] == [(x["data"]["id"], x["data"]["status"]) for x in lines]


def test_faults_come_with_their_truth(capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are broken as asked for, the truth is beside, and the check finds errors where it says."""
    options = [*FEW, "--faults", "rate=0.3,kinds=zero-stamp", "-o", "x.jsonl"]
    assert main(["simulate", *options]) == 0
    assert "the truth is in x.jsonl.truth.jsonl" in capsys.readouterr().err
    truths = read_truths(Path("x.jsonl.truth.jsonl").read_bytes().splitlines())
    assert {one.fault for one in truths} == {"zero_stamp"}
    assert main(["check", "x.jsonl", "--format", "jsonl", "--select", "RE209"]) == 1
    found = {json.loads(line)["line"] for line in capsys.readouterr().out.splitlines()}
    assert found == {line for one in truths for line in one.lines}
    assert main(["simulate", *options, "--truth", "t"]) == 0
    assert Path("t").read_bytes() == Path("x.jsonl.truth.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.sse"])
def test_the_seed_decides_the_bytes(name: str) -> None:
    """The same seed makes the same bytes with any --chunk, and another seed makes others."""
    made = []
    for options in ((), ("--chunk", "7"), ("--seed", "1"), ("--seed", "2")):
        assert main(["simulate", *FEW, *options, "-o", name]) == 0
        made.append(Path(name).read_bytes())
    assert made[0] == made[1] == made[2] != made[3]


def test_parts_make_the_whole() -> None:
    """Parts made with --first, put one after another, are the whole, run after run."""
    whole, parts = [*FEW, "--order", "run", "-o", "x.jsonl"], b""
    assert main(["simulate", *whole]) == 0
    for first, runs in (("0", "15"), ("15", "25")):
        assert main(["simulate", "--runs", runs, "--first", first, "--order", "run", "-o", "y.jsonl"]) == 0
        parts += Path("y.jsonl").read_bytes()
    assert Path("x.jsonl").read_bytes() == parts


def test_without_output_it_tells_what_would_come(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows of the table with their shares and times, the ends, and what pollers see; nothing is written."""
    assert main(["simulate", "--runs", "500", "--view", "polled"]) == 0
    out = capsys.readouterr().out
    assert "start: queued -> in_progress" in out
    assert "The end was seen of 500 of 500 runs" in out
    assert '{"kind":"create"' in out
    assert list(here.iterdir()) == []


def test_there_are_lists(capsys: pytest.CaptureFixture[str]) -> None:
    """--list names the scenarios, --list faults the faults, --show a scenario that is read back."""
    assert main(["simulate", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in READY)
    assert main(["simulate", "--list", "faults"]) == 0
    assert "zero_stamp" in capsys.readouterr().out
    assert main(["simulate", "--scenario", "bursty", "--set", "arrival.rate_per_s=7", "--show"]) == 0
    shown = read_scenario(capsys.readouterr().out)
    assert shown == changed(load_scenario("bursty"), ["arrival.rate_per_s=7"])


def test_a_scenario_is_changed() -> None:
    """--set, --dialect and --generation change what is written."""
    options = ["--set", "assistants.0.model=mine", "--dialect", "typescript-instance", "--generation", "G9"]
    assert main(["simulate", *FEW, *options, "--bare", "-o", "x.jsonl"]) == 0
    first = json.loads(Path("x.jsonl").read_text().splitlines()[0])
    assert first["model"] == "mine"
    assert "createdAt" in first
    assert "parallelToolCalls" not in first


def test_the_way_out_that_a_message_names_works() -> None:
    """With what it says, runs of an old generation are written."""
    options = ["--generation", "G8", "--set", "steps.in_progress.exhaust_tokens.share=0"]
    assert main(["simulate", *FEW, *options, "-o", "x.jsonl"]) == 0


MISUSE = {
    "--runs 0": "--runs: expected a whole number from 1",
    "--runs -5": "--runs: expected a whole number from 1",
    "--runs 1.5": "--runs: expected a whole number from 1",
    "--seed -1": "--seed: expected a whole number from 0",
    "--scenario nope": "nope: no such file",
    "--scenario nope.toml": "nope.toml: cannot be read: No such file",
    "--set arrival.rate=3": "arrival.rate: no such key; did you mean rate_per_s?",
    "--set x": "expected KEY=VALUE, as arrival.rate_per_s=5; got 'x'",
    "--set assistants.9.model=x": "assistants.9.model: there is one of them, number 0; got 9",
    "--set name.x=3": "name.x: name has no keys",
    "--generation G99": "generation: expected one of G1,",
    "--runs 1G --set arrival.rate_per_s=0.001": "would be asked for about the year",
    "-o x.txt": "x.txt: its name does not tell the form",
    "-o x.jsonl.gz": "write to - and pipe it to gzip",
    "-o no/such/x.jsonl": "cannot be written: No such file",
    "-o . --to jsonl": "it is a folder",
    "-o memory:": "memory: it is new and empty each time",
    "-o mysql://x": "no store is known for it",
    "-o x.jsonl --to store": "--to store does not go with x.jsonl",
    "-o sqlite:///x.db --to jsonl": "--to jsonl does not go with sqlite:///x.db",
    "-o x.sse --view polled": "event streams show --view stream, not polled",
    "-o sqlite:///x.db --view polled": "a store keeps --view history, not polled",
    "-o sqlite:///x.db --dialect ruby": "a store keeps native records",
    "-o sqlite:///x.db --faults kinds=all": "a store keeps no broken runs",
    "-o x.parquet --view stream": "a stream has no columns",
    "-o x.parquet --dialect julia": "Parquet has native columns, and the dialect is julia",
    "-o x.parquet --faults kinds=all": "--faults needs whole records: give --columns record",
    "-o x.parquet --bare": "--bare goes with JSON Lines",
    "-o x.jsonl --columns record": "--columns goes with Parquet",
    "-o x.sse --order run": "--order goes with JSON Lines and Parquet",
    "-o x.jsonl --faults kinds=all --bare": "leave out --bare",
    "-o x.jsonl --view stream --faults kinds=truncated_stream": "made in the framing of event streams: write .sse",
    "-o x.jsonl --truth t": "--truth goes with --faults",
    "-o x.jsonl --truth x.jsonl --faults kinds=all": "-o and --truth are the same file",
    "-o x.jsonl --faults kinds=zero_stmp": "no fault 'zero_stmp'; did you mean zero_stamp?",
    "-o x.jsonl --faults kinds=stream_without_done": "they can with stream",
    "-o x.jsonl --faults rate=2": "rate: expected a share above 0, at most 1; got '2'",
    "-o x.jsonl --faults rate=nan": "rate: expected a share above 0",
    "-o x.jsonl --faults zero_stamp": "expected rate=0.01,kinds=NAME+NAME; got 'zero_stamp'",
    "-o x.jsonl --chunk 0": "--chunk: expected a whole number from 1",
    **{
        f"--drive --{option}": f"--{option.split()[0]} does not go with --drive"
        for option in (
            *("output x.jsonl", "faults kinds=all", "set a=1", "list", "show", "runs 10000", "first 0", "chunk 9"),
            *("scenario steady", "view polled", "order time", "bare", "columns record", "to jsonl", "truth t"),
            *("dialect native", "generation G16"),
        )
    },
    **{
        f"--{option}": f"--{option.split()[0]} goes with --drive"
        for option in ("seeds 5", "store memory", "steps 9", "trace", "workers 1")
    },
    "--list -o x.jsonl": "--output does not go with --list",
    "--first 0": "--first is of what is written: give -o OUT",
    "-o x.db --to store": "--to store does not go with x.db; for a store write sqlite:///x.db",
    "-o x.jsonl --faults kinds=nope*": "no fault 'nope*'; `runengine simulate --list faults` shows them",
    "--scenario=": "'': neither a file nor a ready-made scenario; there are archive-2024",
    "--generation G8": "steady with --generation: generation: G8 does not know the status incomplete; leave out "
    "exhaust_tokens (--set steps.in_progress.exhaust_tokens.share=0), or take G9 or later",
    "--generation G8 --set ttl_s=9": "steady with --set and --generation: generation: G8 does not know",
    "--bare": "--bare is of what is written: give -o OUT",
    "--faults kinds=all": "--faults is of what is written: give -o OUT",
}


@pytest.mark.parametrize("options", MISUSE)
def test_misuse_is_one_line(options: str, refused: Callable[..., str]) -> None:
    """What cannot be done is refused with one line that says what, and nothing is written."""
    assert MISUSE[options] in refused(*options.split())


def test_the_scenario_is_not_overwritten(refused: Callable[..., str], here: Path) -> None:
    """OUT may not be the scenario's own file."""
    (here / "mine.toml").write_text(write_scenario(load_scenario("steady")))
    said = refused("--scenario", "mine.toml", "-o", "mine.toml", "--to", "jsonl")
    assert "-o and --scenario are the same file, mine.toml" in said


def test_a_store_that_has_the_runs_is_left_alone(refused: Callable[..., str]) -> None:
    """Runs that are there already are refused, with what to change."""
    steady = load_scenario("steady")
    fill_at("sqlite:///x.db", steady, PRACTICAL, chunks(steady, 1, 9))
    assert "take another --seed, or --first behind its last" in refused("--runs", "9", "-o", "sqlite:///x.db")


def test_a_missing_library_is_named(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow, one line says what to install."""
    for name in [name for name in sys.modules if name.startswith("runengine.simulation.writing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused("-o", "x.parquet") == "runengine: writing Parquet needs pip install 'runengine[simulation]'"


@pytest.mark.parametrize("out", ["x.jsonl", "x.parquet"])
def test_an_interrupt_leaves_nothing(out: str, here: Path) -> None:
    """Ctrl-C in the middle says so, exits with 130, and leaves no file."""
    command = [sys.executable, "-m", "runengine", "simulate", "--runs", "1G", "-o", out]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for _ in range(600):
        if any(path.stat().st_size > 1000 for path in here.iterdir()) or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"runengine: interrupted\n")
    assert list(here.iterdir()) == []


def test_standard_output_is_for_pipes() -> None:
    """`-` writes what a file would hold, and a reader that leaves early is no error; no bar is on a pipe."""
    assert main(["simulate", *FEW, "-o", "x.jsonl"]) == 0
    command = [sys.executable, "-m", "runengine", "simulate", "-o", "-"]
    whole = subprocess.run([*command, *FEW], capture_output=True, check=True)
    assert whole.stdout == Path("x.jsonl").read_bytes()
    assert whole.stderr.startswith(b"standard output: 40 runs of steady")
    assert b"\x1b" not in whole.stderr
    with subprocess.Popen([*command, "--runs", "2k"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 0


def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar shows how many are done and how fast."""
    seen = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=seen, force_terminal=True, width=100))
    with progress.counting("runs", 10) as done:
        done(7)
    assert "7/10" in seen.getvalue()


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    """--help has examples, and every example of it that writes a file can be parsed."""
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    out = capsys.readouterr().out
    assert "runengine simulate --runs 10k -o runs.jsonl" in out
    assert "convert --to kotlin-sql" in out


def test_numbers_and_faults_are_read() -> None:
    """Numbers may have units and underlines; faults have a rate and kinds, each by itself optional."""
    assert [large_number(1, 10**12)(text) for text in ("1_000_000", "10M", "2k", "1G")] == [10**6, 10**7, 2000, 10**9]
    assert (faults("kinds=all").rate, faults("rate=0.5").kinds) == (0.01, ("all",))
    assert set(faults("kinds=RE209").chosen("history", framed=True)) >= {"zero_stamp"}


def test_the_disk_may_be_full(refused: Callable[..., str]) -> None:
    """A write that fails is one line, whatever is written."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("there is no such device")
    for form in ("jsonl", "parquet", "sse"):
        assert "cannot be written: No space left" in refused("--runs", "200", "-o", "/dev/full", "--to", form)


PAGES = [Path(__file__).parents[2] / "docs" / "how-to" / f"{n}.md" for n in ("simulate-a-fleet", "load-test-a-poller")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_documents_show_what_is_printed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of the how-tos print what stands below them, but for times and what is left out."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), flags=re.DOTALL)
    shown = [part.split("\n", 1) for block in blocks for part in block.split("$ runengine ")[1:]]
    assert len(shown) >= 3
    for command, wanted in shown:
        main(shlex.split(command))
        printed = capsys.readouterr()
        got = printed.out + printed.err
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(wanted, got, flags), f"{command}\n{got}"
