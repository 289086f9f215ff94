"""A few thousand inputs in the normal suite, a million in the slow one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from runengine.validation.readers import READERS
from tests.fuzz import workers
from tests.fuzz.__main__ import main
from tests.fuzz.running import Tally, input_of, planned, run
from tests.fuzz.seeds import DATABASES, SEEDS

SEED: Final = 1
FEW: Final = 2_000


def test_every_reader_has_seeds() -> None:
    """A reader that is added to the registry must be given seeds, or it is not fuzzed."""
    assert set(SEEDS) == set(READERS)


@pytest.mark.parametrize("reader", READERS)
def test_the_same_input_again(reader: str) -> None:
    """An input is made of seed, reader and number alone, and differs from the next."""
    some = [input_of(reader, SEED, number) for number in range(12)]
    assert some == [input_of(reader, SEED, number) for number in range(12)]
    assert len(set(some)) > 6


@pytest.mark.parametrize("reader", READERS)
def test_a_few(reader: str, tmp_path: Path) -> None:
    """No input of a few hundred raises anything but TraceUnreadable, takes long, or much memory; some are read."""
    tally = Tally()
    failures = [run(reader, SEED, number, tally, tmp_path) for number in range(planned(FEW)[reader])]
    assert [str(failure) for failure in failures if failure is not None] == []
    if reader not in DATABASES:
        assert tally.items > tally.unreadable > 0


def test_what_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An input that breaks a reader is named by seed and number, with what was raised and its bytes."""

    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("here")

    monkeypatch.setattr("tests.fuzz.running.read_items", broken)
    failure = run("sse", 5, 3, Tally(), tmp_path)
    assert failure is not None
    assert "sse, seed 5, input 3: Traceback" in str(failure)
    assert "ZeroDivisionError: here" in str(failure)


def test_shares() -> None:
    """Inputs are shared out among all readers, or given to one."""
    assert sum(planned(10_000).values()) == 10_000
    assert set(planned(10_000)) == set(READERS)
    assert planned(7, "har") == {"har": 7}


def test_pieces_cover_the_plan() -> None:
    """Every input is given out once."""
    given: dict[str, list[int]] = {"a": [], "b": []}
    for reader, start, stop in workers._pieces({"a": 450, "b": 3}):
        given[reader] += range(start, stop)
    assert given == {"a": [*range(450)], "b": [*range(3)]}


@pytest.mark.slow
def test_a_million() -> None:
    """Of a million inputs over all readers none fails."""
    assert main(["--inputs", "1000000", "--seed", "2026"]) == 0
