"""`runengine.core.events`: eleven events, and what they refuse to be made of."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from runengine.core.events import EVENTS, REQUEST_FIELDS, TTL_S, Complete, Create, Event, Expire, FinishCancel, Start
from runengine.core.fields import FIELDS
from runengine.core.parts import Usage
from runengine.core.records import RunObject
from tests import naive, samples

NOT_A_TIME = (True, False, 1.0, -1, "1700000000", None, 1e15, float("nan"))


class TestEvents:
    """The list of them."""

    def test_there_are_eleven(self) -> None:
        """The eleven events are those of DESIGN, in its order, each under its name."""
        assert tuple(EVENTS) == naive.EVENT_NAMES
        assert all(kind.name == name for name, kind in EVENTS.items())

    def test_names_follow_the_classes(self) -> None:
        """An event's name is its class's, in snake case."""
        for name, kind in EVENTS.items():
            assert "".join(word.title() for word in name.split("_")) == kind.__name__

    @pytest.mark.parametrize("name", EVENTS)
    def test_they_are_frozen_values(self, name: str) -> None:
        """Events are equal by value, and their time cannot be assigned."""
        event = samples.every_event(name, 5)[0]
        assert event == samples.every_event(name, 5)[0]
        assert event != samples.every_event(name, 6)[0]
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            event.at_us = 6  # type: ignore[misc]

    @pytest.mark.parametrize("name", EVENTS)
    def test_they_are_made_by_keyword(self, name: str) -> None:
        """No event takes its time by position: the unit is always written out."""
        kind: Any = EVENTS[name]
        with pytest.raises(TypeError, match="positional"):
            kind(5)

    def test_the_request_of_create_is_on_the_record(self) -> None:
        """What create hands on has the record's name, type and default, and is all that never changes but file_ids."""
        made, kept = attrs.fields_dict(Create), attrs.fields_dict(RunObject)
        for name in REQUEST_FIELDS:
            assert (made[name].type, made[name].default) == (kept[name].type, kept[name].default), name
        fixed = {name for name, field in FIELDS.items() if field.role == "request"} - {"file_ids"}
        assert set(REQUEST_FIELDS) == fixed | {"thread_id", "assistant_id", "metadata", "extra"}


class TestAtUs:
    """`at_us`: whole microseconds."""

    @pytest.mark.parametrize("name", EVENTS)
    @pytest.mark.parametrize("wrong", NOT_A_TIME, ids=repr)
    def test_what_is_refused(self, wrong: Any, name: str) -> None:
        """A bool, a float, a negative number, text and None are refused, and the message says what is wanted."""
        event = samples.every_event(name, 0)[0]
        with pytest.raises(ValueError, match="at_us must be whole microseconds since the epoch, an int >= 0; got") as e:
            attrs.evolve(event, at_us=wrong)
        assert repr(wrong) in str(e.value)

    @pytest.mark.parametrize("right", [0, 1, 2**63])
    def test_what_is_accepted(self, right: int) -> None:
        """Any int from the epoch on is a time."""
        assert Start(at_us=right).at_us == right


class TestTtl:
    """`ttl_s`: whole seconds."""

    @pytest.mark.parametrize("wrong", [*NOT_A_TIME, 0], ids=repr)
    def test_what_is_refused(self, wrong: Any) -> None:
        """A bool, a float, zero, a negative number, text and None are refused."""
        with pytest.raises(ValueError, match="ttl_s must be a whole number of seconds > 0; got"):
            samples.create(ttl_s=wrong)

    def test_default(self) -> None:
        """Without a word a run has the 600 s that all recordings show."""
        assert samples.create().ttl_s == TTL_S == 600


def test_every_sample_is_an_event() -> None:
    """The samples have the kind their name says, and several payloads wherever a payload matters."""
    for name, kind in EVENTS.items():
        events = samples.every_event(name, 5)
        assert {type(event) for event in events} == {kind}
        assert all(isinstance(event, Event) and event.at_us == 5 for event in events)
        assert len(events) > 1 or name == "start"


GOOD = {"at_us": 0, "run_id": "r", "thread_id": "t", "assistant_id": "a", "model": "m"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_id": ""},
        {"run_id": 5},
        {"thread_id": None},
        {"model": ""},
        {"tools": "function"},
        {"tools": ({"type": "function"},)},
        {"max_prompt_tokens": 255},
        {"max_prompt_tokens": 256.0},
        {"max_completion_tokens": 0},
        {"max_completion_tokens": True},
    ],
)
def test_a_run_cannot_be_asked_for_wrongly(wrong: dict[str, Any]) -> None:
    """What the checker would flag in a record is refused when the event is made."""
    with pytest.raises((TypeError, ValueError)):
        Create(**{**GOOD, **wrong})


@pytest.mark.parametrize("kind", [Complete, Expire, FinishCancel])
@pytest.mark.parametrize("counts", [(1, 1, 3), (-1, 1, 0), (1.0, 1, 2), (True, 0, 1)])
def test_usage_must_add_up(kind: Any, counts: tuple[Any, Any, Any]) -> None:
    """Usage that is no count, or whose total is no sum, is refused with the rule."""
    prompt, completion, total = counts
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)
    with pytest.raises(ValueError, match="total_tokens the sum of the others"):
        kind(at_us=0, usage=usage)
    with pytest.raises(ValueError, match="must be a Usage or None"):
        kind(at_us=0, usage="12")
