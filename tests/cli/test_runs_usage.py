"""`runengine runs`: what is refused before a store is asked, the largest values that are not, and refusals as JSON."""

from __future__ import annotations

import json
from typing import TypeAlias

import pytest

from runengine.cli import main
from runengine.stores.opening import open_store
from tests.cli.test_runs import ask, create, lived, url  # noqa: F401 - fixtures

Capture: TypeAlias = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "action", [("show", "run_11"), ("history", "run_11"), ("why", "run_11"), ("list", "--after", "run_11")]
)
def test_a_run_that_is_not_there_as_json(action: tuple[str, ...], lived: str, capsys: Capture) -> None:  # noqa: F811
    """With --format json that is said on standard output, as a document; the code is 1."""
    assert main(["runs", action[0], lived, *action[1:], "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "version": 1,
        "ok": False,
        "kind": "not_found",
        "run_id": "run_11",
        "message": "run_11: there is no such run; did you mean run_1 or run_2?",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "u", "--since", "yesterday"], "expected a time as "),
        (["list", "u", "--since", "9" * 20], "expected a whole number from 0 to 253,402,300,799"),
        (["list", "u", "--until", "9" * 5000], "expected a whole number from 0 to 253,402,300,799"),
        (["list", "u", "--limit", "0"], "expected a whole number from 1 to 1,000,000, got '0'"),
        (["list", "u", "--limit", "9" * 23], "expected a whole number from 1 to 1,000,000"),
        (["list", "u", "--limit", "9" * 5000], "expected a whole number from 1 to 1,000,000"),
        (["list", "u", "--status", "done"], "invalid choice"),
        (["create", "u", "--thread", "t", "--assistant", "a", "--model", "m", "--ttl", "0"], "from 1 to 3,155,760,000"),
        (["create", "u", "--thread", "t", "--assistant", "a", "--model", "m", "--ttl", "9" * 20], "from 1 to 3,155,"),
        ([], "required: ACTION"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: Capture) -> None:
    """What argparse refuses ends with code 2, the usage and what is allowed."""
    with pytest.raises(SystemExit, match="2"):
        main(["runs", *arguments])
    err = capsys.readouterr().err
    assert "usage: " in err
    assert said in err
    assert len(err) < 2000


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_largest_numbers(kind: str, url: str, request: pytest.FixtureRequest, capsys: Capture) -> None:  # noqa: F811
    """The largest numbers and longest ids that are allowed are taken by every store, and what they make is shown."""
    if kind == "postgres":
        url = request.getfixturevalue("postgres_url")
        open_store(url).close()
    create(capsys, url, "run_1", "t", "--ttl", "3155760000")
    assert "run_1" in ask(capsys, "list", url, "--since", "0", "--until", "9999-12-31", "--limit", "1000000")
    assert "run_1" in ask(capsys, "why", url, "run_1")
    assert ask(capsys, "list", url, "--since", "253402300799") == "no run\n"
    assert "there is no such run" in ask(capsys, "list", url, "--after", "x" * 100_000, code=1)
    assert "is no text in UTF-8" in ask(capsys, "list", url, "--after", "a\0b", code=2)


def test_help_teaches(capsys: Capture) -> None:
    """The help of the command, and of each action that moves a run, has examples."""
    for action in ([], ["list"], ["create"], ["submit"], ["modify"], ["cancel"], ["expire"]):
        with pytest.raises(SystemExit, match="0"):
            main(["runs", *action, "--help"])
        out = capsys.readouterr().out
        assert "  runengine runs " in out
        assert action != ["list"] or "--format json" in out.split("examples:")[1]
