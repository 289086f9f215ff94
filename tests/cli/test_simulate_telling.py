"""What `runengine simulate` tells: of a scenario, of what was broken, and to whom it is safe to tell it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from runengine.cli import main
from runengine.cli.simulate_options import changed
from runengine.cli.simulated import _visible  # pyright: ignore[reportPrivateUsage]
from runengine.simulation import Assistant, load_scenario
from runengine.simulation.faults import read_truths
from runengine.validation import RULES

FEW = ("--runs", "40")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_assistant_that_is_not_written_down_is_changed() -> None:
    """The assistant that a scenario has by itself has a number too."""
    smallest = evolve(load_scenario("steady"), assistants=(Assistant(assistant_id="asst_sim"),))
    assert changed(smallest, ["assistants.0.model=mine"]).assistants[0].model == "mine"


def test_a_shown_scenario_is_written_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """--show -o writes the TOML, and nothing to the terminal."""
    assert main(["simulate", "--scenario", "bursty", "--show", "-o", "x.toml"]) == 0
    assert capsys.readouterr().out == ""
    assert load_scenario("x.toml") == load_scenario("bursty")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("2000", "Asked for: 1 to 1 runs/s, as the profile says, for 33 min 20 s: 50% of a period"),
        ("3000", "Asked for: 1 to 3 runs/s, as the profile says, for 38 min 53 s: 58% of a period"),
        ("16000", "Asked for: 1 to 3 runs/s, as the profile says, for 2 h 13 min: 2 periods"),
    ],
)
def test_the_overview_says_what_part_of_a_period_was_covered(
    runs: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the rate goes up and down, it is told from what to what, and for how much of a period."""
    profile = ["--set", "arrival.profile=[1, 3]", "--set", "arrival.period_s=4000"]
    assert main(["simulate", "--runs", runs, *profile]) == 0
    assert said in capsys.readouterr().out


def test_rush_hour_shows_a_rush(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten thousand runs come to the peak of the profile."""
    assert main(["simulate", "--scenario", "rush-hour"]) == 0
    assert (
        "Asked for: 1.29 to 12.9 runs/s, as the profile says, for 1 h 6 min: 5% of a period" in capsys.readouterr().out
    )


def test_what_is_printed_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters of a scenario's texts are escaped in the lines that are shown, which stay JSON."""
    model = "a\x1b[2J\x07\x9b\u2028b"
    assert main(["simulate", *FEW, "--set", f"assistants.0.instructions={json.dumps(model)}"]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert main(["simulate", *FEW, "--set", f"name={json.dumps(model)}"]) == 2
    assert capsys.readouterr().err.replace("\n", "").isprintable()
    assert json.loads(f'"{_visible(model)}"') == model


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ("zero_stamp", "check it: runengine check x.jsonl\n"),
        ("all", "check it: runengine check x.jsonl; of the {runs} broken runs {seen} can be seen by today's rules"),
    ],
)
def test_it_says_how_many_of_the_broken_runs_can_be_seen(
    kinds: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the truths say is counted where a check cannot see all, and not mentioned where it can."""
    assert main(["simulate", "--runs", "400", "--faults", f"rate=0.5,kinds={kinds}", "-o", "x.jsonl"]) == 0
    truths = read_truths(Path("x.jsonl.truth.jsonl").read_bytes().splitlines())
    counted = said.format(runs=len(truths), seen=sum(one.seen for one in truths))
    err = capsys.readouterr().err
    assert counted in err
    warned = [one for one in truths if one.seen and all(RULES[c].severity != "error" for c in one.breaks if c in RULES)]
    assert (f", {len(warned)} of them only as warnings\n" in err) == bool(warned)


def test_what_is_piped_is_checked_through_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no file to check where the output went to standard output."""
    assert main(["simulate", *FEW, "-o", "-", "--faults", "rate=0.5,kinds=zero_stamp"]) == 0
    assert "check it: pipe it to runengine check -" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--list",), ("--drive", "--seeds", "3"), ("--show",)], ids=" ".join)
def test_a_reader_may_leave_early(options: tuple[str, ...]) -> None:
    """A pipe that is closed at its other end is no error, and nothing is said."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "runengine", "simulate", *options]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
