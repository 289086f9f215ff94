"""Faults in what a record carries beside its stamps."""

from __future__ import annotations

from typing import Any, Final

from runengine.simulation.chance import Chance
from runengine.simulation.faults.building import ERROR
from runengine.simulation.faults.draft import Doc, Draft, anywhere, everywhere, nowhere, one, some
from runengine.simulation.faults.fault import Apply, Fault
from runengine.simulation.recording import Recording

__all__ = ["PAYLOAD_FAULTS"]

_AFTER: Final = ("RE103",)
"""What may follow where the record of an ended run is changed once."""


def _in(*statuses: str) -> Any:
    def where(draft: Draft, n: int) -> bool:
        return draft.status(n) in statuses

    return where


def _lost(name: str, status: str) -> Apply:
    def change(doc: Doc, _chance: Chance) -> None:
        doc[name] = None

    return one(_in(status), change)


def _early(name: str, value: Any) -> Apply:
    """A living run that does not require action has it."""

    def where(draft: Draft, n: int) -> bool:
        return not draft.ended(n) and draft.status(n) != "requires_action" and draft.declares(name)

    return one(where, lambda doc, _chance: doc.update({name: value}))


def _elsewhere(name: str, own: str, value: Any) -> Apply:
    """A run that has ended otherwise has it."""

    def where(draft: Draft, n: int) -> bool:
        return draft.ended(n) and draft.status(n) != own and draft.declares(name)

    return one(where, lambda doc, _chance: doc.update({name: value}))


def _kept_action(recording: Recording, chance: Chance, _other: Recording | None) -> Recording | None:
    draft = Draft(recording)

    def after(draft: Draft, n: int) -> bool:
        return n > 0 and draft.status(n - 1) == "requires_action" and draft.status(n) != "requires_action"

    n = some(draft, after, chance)
    if n is None:
        return None
    draft.put(n, {**draft[n], "required_action": draft[n - 1]["required_action"]}, seen=True)
    return draft.made()


def _calls(doc: Doc) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = doc["required_action"]["submit_tool_outputs"]["tool_calls"]
    return calls


def _with_calls(doc: Doc, calls: list[dict[str, Any]], **others: str) -> None:
    inside = {**doc["required_action"]["submit_tool_outputs"], "tool_calls": calls}
    doc["required_action"] = {**doc["required_action"], "submit_tool_outputs": inside, **others}


def _no_calls(doc: Doc, _chance: Chance) -> None:
    _with_calls(doc, [])


def _doubled(doc: Doc, chance: Chance) -> None:
    calls = _calls(doc)
    _with_calls(doc, [*calls, dict(chance.pick(calls))])


def _without_function(doc: Doc, _chance: Chance) -> None:
    first, *others = _calls(doc)
    _with_calls(doc, [{k: v for k, v in first.items() if k != "function"}, *others])


def _arguments_as_object(doc: Doc, _chance: Chance) -> None:
    first, *others = _calls(doc)
    _with_calls(doc, [{**first, "function": {**first["function"], "arguments": {}}}, *others])


def _unknown_action(doc: Doc, _chance: Chance) -> None:
    _with_calls(doc, _calls(doc), type="submit_form")


def _counted(draft: Draft, n: int) -> bool:
    return type(draft[n].get("usage")) is dict


def _wrong_total(doc: Doc, chance: Chance) -> None:
    doc["usage"] = {**doc["usage"], "total_tokens": doc["usage"]["total_tokens"] + chance.between(1, 100)}


def _negative(doc: Doc, chance: Chance) -> None:
    fewer = -chance.between(1, 100)
    total = doc["usage"]["prompt_tokens"] + fewer
    doc["usage"] = {**doc["usage"], "completion_tokens": fewer, "total_tokens": max(total, 0)}


def _total_as_text(doc: Doc, _chance: Chance) -> None:
    doc["usage"] = {**doc["usage"], "total_tokens": str(doc["usage"]["total_tokens"])}


def _no_total(doc: Doc, _chance: Chance) -> None:
    doc["usage"] = {name: value for name, value in doc["usage"].items() if name != "total_tokens"}


def _unknown_count(doc: Doc, chance: Chance) -> None:
    doc["usage"] = {**doc["usage"], "cached_tokens": chance.below(100)}


def _lost_usage(doc: Doc, _chance: Chance) -> None:
    doc["usage"] = None


def _unknown_code(doc: Doc, _chance: Chance) -> None:
    doc["last_error"] = {**doc["last_error"], "code": "gpu_on_fire"}


def _unknown_reason(doc: Doc, _chance: Chance) -> None:
    doc["incomplete_details"] = {"reason": "content_filter"}


_WORDS: Final[tuple[tuple[str, Any], ...]] = (
    ("tool_choice", "always"),
    ("response_format", "xml"),
    ("truncation_strategy", {"type": "newest"}),
)
_NUMBERS: Final[tuple[tuple[str, Any], ...]] = (
    ("max_prompt_tokens", 255),
    ("max_completion_tokens", 0),
    ("truncation_strategy", {"type": "last_messages", "last_messages": 0}),
)


def _asked_with(choices: tuple[tuple[str, Any], ...]) -> Apply:
    """The run is asked for with one of these, so every snapshot has it."""

    def where(draft: Draft, _n: int) -> bool:
        return draft.declares(*(name for name, _ in choices))

    return everywhere(lambda doc, chance: doc.update([chance.pick(choices)]), where)


def _many_tools(doc: Doc, _chance: Chance) -> None:
    doc["tools"] = [{"type": "code_interpreter"}] * 129


def _unknown_tool(doc: Doc, _chance: Chance) -> None:
    doc["tools"] = [{"type": "browser"}]


def _pairs(doc: Doc, _chance: Chance) -> None:
    doc["metadata"] = {f"key_{number}": "value" for number in range(17)}


def _long_key(doc: Doc, chance: Chance) -> None:
    doc["metadata"] = {**(doc.get("metadata") or {}), "k" * (64 + chance.between(1, 8)): "value"}


def _long_value(doc: Doc, chance: Chance) -> None:
    doc["metadata"] = {**(doc.get("metadata") or {}), "note": "v" * (512 + chance.between(1, 8))}


def _number_value(doc: Doc, chance: Chance) -> None:
    doc["metadata"] = {**(doc.get("metadata") or {}), "number": chance.below(100)}


def _fault(name: str, says: str, breaks: str, apply: Apply, may: tuple[str, ...] = (), unseen: str = "") -> Fault:
    codes = (breaks,) if breaks else ()
    return Fault(name=name, family="payload", says=says, breaks=codes, may=may, apply=apply, unseen=unseen)


_ACTION: Final = {
    "type": "submit_tool_outputs",
    "submit_tool_outputs": {
        "tool_calls": [{"id": "call_early", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    },
}
_USAGE: Final = {"completion_tokens": 5, "prompt_tokens": 7, "total_tokens": 12}
_DETAILS: Final = {"reason": "max_prompt_tokens"}
_ASKING: Final = _in("requires_action")

PAYLOAD_FAULTS: Final[tuple[Fault, ...]] = (
    _fault(
        "lost_required_action",
        "A run in requires_action says nothing of what it requires.",
        "RE301",
        _lost("required_action", "requires_action"),
    ),
    _fault(
        "early_required_action",
        "A run has a required_action it is not in.",
        "RE301",
        _early("required_action", _ACTION),
    ),
    _fault(
        "kept_required_action",
        "required_action is still there when it has been answered.",
        "RE301",
        _kept_action,
        _AFTER,
    ),
    _fault("empty_required_action", "The required action asks for no call.", "RE301", one(_ASKING, _no_calls)),
    _fault("doubled_call_ids", "Two tool calls have one id.", "RE310", one(_ASKING, _doubled)),
    _fault("call_without_function", "A tool call lacks its function.", "RE307", one(_ASKING, _without_function)),
    _fault(
        "arguments_as_object",
        "The arguments of a call are an object, not text.",
        "RE308",
        one(_ASKING, _arguments_as_object),
    ),
    _fault(
        "unknown_action_type", "The required action is of a type of its own.", "RE309", one(_ASKING, _unknown_action)
    ),
    _fault("lost_last_error", "A failed run does not say why.", "RE302", _lost("last_error", "failed"), _AFTER),
    _fault("early_last_error", "A living run has a last_error.", "RE302", _early("last_error", ERROR)),
    _fault(
        "last_error_without_failure",
        "A run that ended otherwise has a last_error.",
        "RE302",
        _elsewhere("last_error", "failed", ERROR),
        _AFTER,
    ),
    _fault(
        "unknown_error_code",
        "The code of last_error is one of its own.",
        "RE309",
        one(_in("failed"), _unknown_code),
        _AFTER,
    ),
    _fault(
        "lost_incomplete_details",
        "An incomplete run does not say why.",
        "RE303",
        _lost("incomplete_details", "incomplete"),
        _AFTER,
    ),
    _fault(
        "early_incomplete_details",
        "A living run has incomplete_details.",
        "RE303",
        _early("incomplete_details", _DETAILS),
    ),
    _fault(
        "incomplete_details_elsewhere",
        "A run that ended otherwise has incomplete_details.",
        "RE303",
        _elsewhere("incomplete_details", "incomplete", _DETAILS),
        _AFTER,
    ),
    _fault(
        "unknown_reason",
        "incomplete_details gives a reason that is none.",
        "RE305",
        one(_in("incomplete"), _unknown_reason),
        _AFTER,
    ),
    _fault("early_usage", "A living run has usage.", "RE304", _early("usage", _USAGE)),
    _fault(
        "wrong_total", "total_tokens is not the sum of the other two.", "RE304", one(_counted, _wrong_total), _AFTER
    ),
    _fault("negative_usage", "A count of tokens is negative.", "RE305", one(_counted, _negative), (*_AFTER, "RE304")),
    _fault("total_as_text", "A count of tokens is text.", "RE308", one(_counted, _total_as_text), _AFTER),
    _fault("usage_without_total", "usage lacks its total.", "RE307", one(_counted, _no_total), _AFTER),
    _fault(
        "unknown_count", "usage has a key that no generation declares.", "RE309", one(_counted, _unknown_count), _AFTER
    ),
    _fault(
        "lost_usage",
        "An ended run does not say what it used.",
        "",
        one(_counted, _lost_usage, nowhere),
        _AFTER,
        unseen="recorded runs lack it as well (FACTS B3), so no rule asks for it",
    ),
    _fault("word_out_of_list", "A word of a closed list is none of it.", "RE305", _asked_with(_WORDS)),
    _fault("number_out_of_range", "A limit is below the least that the API takes.", "RE305", _asked_with(_NUMBERS)),
    _fault("too_many_tools", "The run has 129 tools.", "RE305", everywhere(_many_tools)),
    _fault("unknown_tool_type", "A tool is of a type of its own.", "RE309", everywhere(_unknown_tool)),
    _fault("metadata_too_many", "metadata has 17 pairs.", "RE306", one(anywhere, _pairs)),
    _fault(
        "metadata_key_too_long", "A key of metadata has more than 64 characters.", "RE306", one(anywhere, _long_key)
    ),
    _fault(
        "metadata_value_too_long",
        "A value of metadata is longer than 512 characters.",
        "RE306",
        one(anywhere, _long_value),
    ),
    _fault(
        "metadata_not_text",
        "A value of metadata is a number.",
        "",
        one(anywhere, _number_value, nowhere),
        unseen="metadata became a map of text in G13, and no key tells a record of G13 from one of G10",
    ),
)
"""The faults of this family."""
