"""Anchors of a cassette that stand outside of its interactions."""

from __future__ import annotations

import pytest

from runengine.validation.observations import Item, Observation, Passed, Unreadable
from runengine.validation.readers import yaml_events
from tests.validation.readers.taped import LIFE, RUNS
from tests.validation.readers.test_vcr import items_of

BODY = LIFE[0].body.decode()
EXCHANGE = f"interactions:\n- request: {{method: POST, uri: {RUNS}}}\n  response: {{status: {{code: 200}}, body: *t}}\n"


def only(text: str) -> Item:
    """The one item of a cassette."""
    (item,) = items_of(text.encode())
    return item


@pytest.mark.parametrize(
    "before",
    [f"x: &t '{BODY}'\n", f"x:\n- {{y: 1}}\n- y: [&t '{BODY}']\n", f"&t x: &t '{BODY}'\n", f"? &t '{BODY}'\n: 1\n"],
)
def test_text(before: str) -> None:
    """An alias stands for a text before the interactions, wherever that is."""
    item = only(before + EXCHANGE)
    assert isinstance(item, Observation)
    assert item.record == LIFE[0].answer


@pytest.mark.parametrize("before", ["x: &t {a: 1}\n", "x: &t [1]\n", f"x: &t '{BODY}'\ny: &t {{a: 1}}\n"])
def test_no_text(before: str) -> None:
    """Of one that stands for more than a text it is said that it was not kept, and not that it is not there."""
    item = only(before + EXCHANGE)
    assert isinstance(item, Unreadable)
    assert item.problem == (
        "*t stands for what was not kept: outside of the entries, only anchors of text are; the rest was not read"
    )


def test_nothing() -> None:
    """Of one that is not there it is said so; one that was given anew stands for what it was given last."""
    item = only(EXCHANGE)
    assert isinstance(item, Unreadable)
    assert item.problem.startswith("*t stands for nothing before it")
    assert isinstance(only(f"x: &t {{a: 1}}\ny: &t '{BODY}'\n{EXCHANGE}"), Observation)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that are more than may be kept are not, and what is passed over is passed over all the same."""
    monkeypatch.setattr(yaml_events, "ENTRY_BYTES_MAX", 200_000)
    many = "".join(f"x{n}: &x{n} '{'x' * 500}'\n" for n in range(300))
    assert isinstance(only(many), Passed)
    item = only(f"{many}x: &t '{BODY}'\n{EXCHANGE}")
    assert isinstance(item, Unreadable)
    assert item.problem.startswith("*t stands for what was not kept")
