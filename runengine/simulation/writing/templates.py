"""Records as texts with places left open, each made once by the engine: filling one takes a tenth of making a record.

A layout's first record is lived by the engine's own steps and written in the scenario's generation and dialect like any
other; then its stamps, ids and counts are marked, and the text is cut at the marks. So one source says what a record
looks like.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any, Final

from attrs import evolve, frozen

from runengine.core import RunObject
from runengine.core.fields import END_STAMPS
from runengine.core.parts import SubmitToolOutputs
from runengine.dialects.wire import encode
from runengine.simulation.lives import document_of
from runengine.simulation.scenario import Scenario

__all__ = ["SLOTS", "Template", "template_of"]

SLOTS: Final = (
    "run_id",
    "thread_id",
    "created",
    "expires",
    "started",
    "ended",
    "prompt",
    "completion",
    "total",
    "modified",
)
"""What varies within a layout, beside `call N` and `function N` of a round."""

_OF_RUN: Final = ("run_id", "created", "thread_id")
"""What is the same in every record of a run."""

_TEXTS: Final = ("run_id", "thread_id", "call", "function")
_MARK: Final = 10**17
_FAR: Final = 10**6


@frozen(kw_only=True)
class Template:
    """A layout's text. Both parts are formats of bytes (`%b`, `%d`).

    Attributes:
        head: The text up to the end of what is the same in every record of a run.
        head_slots: What its open places take.
        body: The rest.
        body_slots: What its open places take.

    Example:
        >>> Template(head=b'{"id":"%b', head_slots=("run_id",), body=b'","n":%d}', body_slots=("started",)).body % 7
        b'","n":7}'
    """

    head: bytes
    head_slots: tuple[str, ...]
    body: bytes
    body_slots: tuple[str, ...]


def template_of(run: RunObject, scenario: Scenario, *, modified: bool) -> Template:
    """The layout of a record.

    Args:
        run: A record that the engine has made.
        scenario: The world it lived in.
        modified: Whether it was modified.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> steady = scenario_named("steady")
        >>> template = template_of(life_of(steady, 1, 7).snapshots()[0], steady, modified=False)
        >>> template.head_slots, template.body_slots
        (('run_id', 'created', 'thread_id'), ('expires',))
    """
    plain = encode(document_of(run, scenario))
    base = next(base for base in count(_MARK, _FAR) if str(base // _FAR).encode() not in plain)
    marks = _Marks(base)
    text = encode(document_of(_marked(run, marks, modified), scenario))
    pieces = re.split(rb"(?:mark )?(%d\d{6})" % (base // _FAR), text)
    slots = [marks.slots[int(digits) - base] for digits in pieces[1::2]]
    assert len(set(slots)) == len(slots)
    shared = next((n for n, slot in enumerate(slots) if slot not in _OF_RUN), len(slots))
    literals = [piece.replace(b"%", b"%%") for piece in pieces[::2]]
    return Template(
        head=_format([*literals[:shared], b""], slots[:shared]),
        head_slots=tuple(slots[:shared]),
        body=_format(literals[shared:], slots[shared:]),
        body_slots=tuple(slots[shared:]),
    )


class _Marks:
    """Values that stand nowhere else in the text, each for a slot."""

    def __init__(self, base: int) -> None:
        self.slots: list[str] = []
        self._base = base

    def __call__(self, slot: str) -> Any:
        self.slots.append(slot)
        mark = self._base + len(self.slots) - 1
        return f"mark {mark}" if slot.split()[0] in _TEXTS or slot == "modified" else mark


def _marked(run: RunObject, mark: _Marks, modified: bool) -> RunObject:
    """The record with a mark in place of each value that varies."""
    changes: dict[str, Any] = {"id": mark("run_id"), "thread_id": mark("thread_id"), "created_at": mark("created")}
    stamps = {"expires_at": "expires", "started_at": "started"} | dict.fromkeys(END_STAMPS, "ended")
    changes |= {name: mark(slot) for name, slot in stamps.items() if getattr(run, name) is not None}
    if run.usage is not None:
        counts = {f"{name}_tokens": mark(name) for name in ("prompt", "completion", "total")}
        changes["usage"] = evolve(run.usage, **counts)
    action = run.required_action
    if action is not None and action.submit_tool_outputs is not None:
        calls = tuple(
            evolve(
                call,
                id=mark(f"call {number}"),
                function=evolve(call.function, name=mark(f"function {number}")),
            )
            for number, call in enumerate(action.submit_tool_outputs.tool_calls)
        )
        changes["required_action"] = evolve(action, submit_tool_outputs=SubmitToolOutputs(tool_calls=calls))
    if modified:
        changes["metadata"] = {**(run.metadata or {}), "modified": mark("modified")}
    return evolve(run, **changes)


def _format(literals: list[bytes], slots: list[str]) -> bytes:
    """A format: literals, and between them the open places."""
    made = literals[0]
    for slot, literal in zip(slots, literals[1:], strict=True):
        made += (b"%b" if slot.split()[0] in _TEXTS else b"%d") + literal
    return made
