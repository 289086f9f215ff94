"""The command: `simulate --drive`."""

from __future__ import annotations

import argparse

import pytest

from runengine.cli import driving
from runengine.simulation.driving import INVARIANTS
from tests.simulation.driving.mutations import MUTATIONS


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    driving.add_options(parser)
    return driving.run(parser.parse_args(["--drive", *words]))


def test_it_prints_what_was_explored(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of the policy, refusals, crash points, failures of the store and invariants, as tables; exit code 0."""
    assert _run("--seeds", "12", "--steps", "80", "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "12 simulated worlds on memory, seeds 0 to 11" in out
    assert "12 distinct interleavings of 960 turns" in out
    for title in ("rows of the policy: ", "answers but applied: ", "crashes: ", "the store", "invariants: 28"):
        assert title in out
    assert "create: (no run) -> queued" in out
    assert all(name in out for name in INVARIANTS)


def test_a_seed_is_lived_alone_and_its_trace_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--seed` lives one world, and `--trace` prints its lines."""
    assert _run("--seed", "7", "--trace", "--steps", "60") == 0
    out = capsys.readouterr().out
    assert "1 simulated world on memory, seed 7" in out
    assert out.startswith("   0   +0.000 s  world")


def test_a_failure_is_printed_small_with_its_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an invariant fails: its name, what it says, how to replay it, the smallest trace; exit code 1."""
    MUTATIONS["fence_dropped"][0](monkeypatch)
    assert _run("--seeds", "100", "--workers", "1") == 1
    out = capsys.readouterr().out
    assert "an invariant does not hold: fenced" in out
    assert INVARIANTS["fenced"].sentence in out
    assert "replay: runengine simulate --drive --seed " in out
    assert "✗ fenced: " in out


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--store", "disk"), ("--steps", "x"), ("--seed", "-1")])
def test_misuse_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number, or no store, is a usage error."""
    with pytest.raises(SystemExit) as error:
        _run(*words)
    assert error.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_a_parser_may_have_a_seed_already() -> None:
    """A command that has `--seed` and `--workers` of its own keeps them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--workers", type=int)
    driving.add_options(parser)
    assert parser.parse_args(["--drive", "--seed", "3", "--seeds", "4"]).seed == 3
