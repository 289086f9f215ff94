"""Faults in the keys of a record and in the types of their values, whatever they mean."""

from __future__ import annotations

from typing import Any, Final

from runengine.simulation.chance import Chance
from runengine.simulation.faults.draft import Doc, Draft, Where, anywhere, nowhere, one, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.faults.path import LOST
from runengine.simulation.recording import Recording

__all__ = ["KEY_FAULTS"]

_CHANGED: Final = ("RE103", "RE401", "RE402")
"""What may follow where a value that must last is another once."""


def _dropped(name: str, seen: Where | None = None) -> Apply:
    return one(lambda draft, n: name in draft[n], lambda doc, _chance: doc.pop(name), seen)


def _drops(name: str, may: tuple[str, ...] = ()) -> Fault:
    return Fault(
        name=f"dropped_{name}",
        family="keys",
        says=f"A record lacks the key {name}.",
        breaks=("RE307",),
        may=may,
        apply=_dropped(name),
    )


_NEVER_NULL: Final = (
    "object",
    "thread_id",
    "assistant_id",
    "model",
    "tools",
    "file_ids",
    "parallel_tool_calls",
)
_WRONG: Final[tuple[tuple[str, Any], ...]] = (
    ("thread_id", 17),
    ("assistant_id", ["asst"]),
    ("model", {"name": "gpt-4o"}),
    ("tools", {}),
    ("instructions", 5),
    ("metadata", "none"),
    ("parallel_tool_calls", "true"),
    ("max_prompt_tokens", "1000"),
    ("temperature", "1"),
)


def _null(doc: Doc, chance: Chance) -> None:
    doc[chance.pick([name for name in _NEVER_NULL if name in doc])] = None


def _wrong_type(doc: Doc, chance: Chance) -> None:
    doc.update([chance.pick([(name, value) for name, value in _WRONG if name in doc])])


def _unknown(doc: Doc, chance: Chance) -> None:
    doc[chance.pick(("priority", "attempt", "queue_name"))] = "high"


def _own_stamp(doc: Doc, _chance: Chance) -> None:
    name = {"expired": "expired_at", "incomplete": "incomplete_at", "cancelling": "cancelling_at"}[doc["status"]]
    doc[name] = doc.get("completed_at") or doc["created_at"]


def _no_own_stamp(draft: Draft, n: int) -> bool:
    return draft.status(n) in ("expired", "incomplete", "cancelling")


def _kept_file_ids(doc: Doc, _chance: Chance) -> None:
    doc["file_ids"] = []


def _reversed(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, anywhere, chance)
    if n is None:
        return None
    draft.put(n, dict(reversed(draft[n].items())))
    return draft.made()


def _without_nulls(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)
    n = some(draft, lambda draft, n: None in draft[n].values(), chance)
    if n is None:
        return None
    draft.put(n, {name: value for name, value in draft[n].items() if value is not None})
    return draft.made()


KEY_FAULTS: Final[tuple[Fault, ...]] = (
    _drops("id", LOST),
    _drops("object"),
    _drops("thread_id"),
    _drops("assistant_id"),
    _drops("status", LOST),
    _drops("model"),
    _drops("tools"),
    Fault(
        name="dropped_parallel_tool_calls",
        family="keys",
        says="A record of G10 or later lacks the key parallel_tool_calls.",
        breaks=(),
        unseen="without it the record is a right one of G9",
        apply=_dropped("parallel_tool_calls", nowhere),
    ),
    Fault(
        name="null_where_none_may_be",
        family="keys",
        says="A value that may not be null is null.",
        breaks=("RE308",),
        may=_CHANGED,
        apply=one(anywhere, _null),
    ),
    Fault(
        name="wrong_type",
        family="keys",
        says="A value is of another JSON type than its field.",
        breaks=("RE308",),
        may=_CHANGED,
        apply=one(anywhere, _wrong_type),
    ),
    Fault(
        name="unknown_field",
        family="keys",
        says="A record has a key that no generation declares.",
        breaks=("RE309",),
        apply=one(anywhere, _unknown),
    ),
    Fault(
        name="stamp_of_its_own",
        family="keys",
        says="An expired, incomplete or cancelling run has a stamp of its own, which runs do not.",
        breaks=("RE309",),
        apply=one(_no_own_stamp, _own_stamp),
    ),
    Fault(
        name="kept_file_ids",
        family="keys",
        says="A record of G10 or later still has file_ids, which G8 dropped.",
        breaks=(),
        unseen="it fits G7 as well as its own generation, and recorded runs have keys of two (FACTS B6)",
        apply=one(lambda draft, n: "parallel_tool_calls" in draft[n], _kept_file_ids, nowhere),
    ),
    Fault(
        name="keys_reversed",
        family="keys",
        says="A record's keys stand in another order.",
        breaks=(),
        unseen="JSON gives the order no meaning",
        apply=_reversed,
    ),
    Fault(
        name="nulls_left_out",
        family="keys",
        says="A record leaves its nulls out, where the others write them.",
        breaks=(),
        unseen="absent equals null, and the set of keys changed within recorded runs (FACTS B6)",
        apply=_without_nulls,
    ),
)
"""The faults of this family."""
