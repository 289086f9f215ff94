"""Races: two requests that cannot both win, made of one run each, and what must come of either outcome."""

from __future__ import annotations

from typing import Final

from runengine.core import FunctionCall, ToolCall, ToolOutput, Usage
from runengine.embedding import Answer, Runtime, Settings, ThreadStrategy
from tests.durability.racing import SECOND, TTL_S, Ending, Race, Side, Ticket

__all__ = ["RACES"]

LONG_S: Final = 1_000_000
"""A lease that outlasts the run."""

_CALL: Final = ToolCall(id="call_1", function=FunctionCall(name="now", arguments="{}"))


def _create(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", run_id=ticket.run_id)


def _claimed(runtime: Runtime, ticket: Ticket, lease_s: float) -> Answer:
    """Any run of the batch: each maker makes one and takes one, so there is one for everybody."""
    _create(runtime, ticket).or_raise()
    while True:
        claim = runtime.claim("worker_0", lease_s=lease_s)
        if claim is not None:
            return claim


def _held(runtime: Runtime, ticket: Ticket) -> Answer:
    return _claimed(runtime, ticket, LONG_S)


def _lapsed(runtime: Runtime, ticket: Ticket) -> Answer:
    """Its lease runs out in the moment of the race."""
    return _claimed(runtime, ticket, (ticket.at_us[0] - ticket.born_us) / SECOND)


def _acting(runtime: Runtime, ticket: Ticket) -> Answer:
    _create(runtime, ticket).or_raise()
    runtime.start(ticket.run_id).or_raise()
    return runtime.require_action(ticket.run_id, (_CALL,))


def _nothing(_runtime: Runtime, _ticket: Ticket) -> None:
    """Creates need nothing to be there."""


def _cancel(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.cancel(ticket.run_id, f"reason of {ticket.run_id}")


def _complete(runtime: Runtime, ticket: Ticket) -> Answer:
    usage = Usage(completion_tokens=ticket.number, prompt_tokens=0, total_tokens=ticket.number)
    return runtime.complete(ticket.run_id, usage=usage, fence=ticket.fence)


def _submit(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.submit_tool_outputs(ticket.run_id, (ToolOutput(tool_call_id="call_1", output=ticket.run_id),))


def _expire(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.expire(ticket.run_id)


def _expire_as_seen(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.expire(ticket.run_id, expect=ticket.version)


def _sweep(runtime: Runtime, ticket: Ticket) -> Answer | None:
    return next((answer for answer in runtime.sweep() if answer.run_id == ticket.run_id), None)


def _claim(side: int) -> Side:
    return lambda runtime, _ticket: runtime.claim(f"worker_{side}", lease_s=LONG_S)


def _create_on_thread(side: int, thread: ThreadStrategy) -> Side:
    def create(runtime: Runtime, ticket: Ticket) -> Answer:
        return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", run_id=f"{ticket.run_id}.{side}", thread=thread)

    return create


def _create_with_id(side: int) -> Side:
    return lambda runtime, ticket: runtime.create(
        f"{ticket.thread_id}.{side}", "asst_1", "gpt-4o", run_id=ticket.run_id
    )


def _create_with_key(runtime: Runtime, ticket: Ticket) -> Answer:
    return runtime.create(ticket.thread_id, "asst_1", "gpt-4o", key=f"key of {ticket.run_id}")


def _either(loser: str, story: str, status: str) -> dict[tuple[str, str], Ending]:
    """Of two alike: the one is applied, the other is told so."""
    return {
        ("applied", loser): Ending(winner=0, story=story, status=status),
        (loser, "applied"): Ending(winner=1, story=story, status=status),
    }


_CANCEL_WINS: Final = Settings(ttl_s=TTL_S, completion="cancel_wins")
_SHORT: Final = Settings(ttl_s=600)

_CANCEL_OR_COMPLETE: Final = {
    ("applied", "lost"): Ending(winner=0, story="cancel finish_cancel -complete", status="cancelled"),
    ("lost", "applied"): Ending(winner=1, story="complete -cancel", status="completed"),
}
_EXPIRED_FIRST: Final = Ending(winner=1, story="expire -submit_tool_outputs", status="expired")


RACES: Final = {
    "cancel against the complete of a worker whose lease has run out": Race(
        family="cancel/complete",
        ready=_lapsed,
        sides=(_cancel, _complete),
        endings=_CANCEL_OR_COMPLETE,
        apart_us=0,
    ),
    "cancel against a worker's complete, where cancel wins": Race(
        family="cancel/complete",
        settings=_CANCEL_WINS,
        ready=_held,
        sides=(_cancel, _complete),
        endings=_CANCEL_OR_COMPLETE,
        apart_us=0,
    ),
    "cancel against a worker's complete, where complete wins": Race(
        family="cancel/complete",
        ready=_held,
        sides=(_cancel, _complete),
        endings={
            ("applied", "applied"): Ending(winner=0, story="cancel complete", status="completed"),
            ("lost", "applied"): Ending(winner=1, story="complete -cancel", status="completed"),
        },
        apart_us=0,
    ),
    "the last moment to submit against an expire of what was seen": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _expire_as_seen),
        endings={
            ("applied", "stale"): Ending(winner=0, story="submit_tool_outputs", status="queued"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
        shift_us=1,
    ),
    "the last moment to submit against a sweep": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _sweep),
        endings={
            ("applied", "applied"): Ending(winner=0, story="submit_tool_outputs expire", status="expired"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
        shift_us=1,
        handicap_s=0.003,
    ),
    "a submit past the deadline against an expire": Race(
        family="submit/expire",
        settings=_SHORT,
        ready=_acting,
        sides=(_submit, _expire),
        endings={
            ("lost", "lost"): Ending(winner=0, story="expire -submit_tool_outputs", status="expired"),
            ("lost", "applied"): _EXPIRED_FIRST,
        },
        wait_us=600 * SECOND,
    ),
    "two claims of a queued run": Race(
        family="claim/claim",
        ready=_create,
        sides=(_claim(0), _claim(1)),
        endings=_either("none", "start", "in_progress"),
    ),
    "two claims of a run whose worker is gone": Race(
        family="claim/claim",
        ready=_lapsed,
        sides=(_claim(0), _claim(1)),
        endings=_either("none", "+claim", "in_progress"),
        born_at_once=True,
    ),
    "two creates on a thread": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_on_thread(0, "reject"), _create_on_thread(1, "reject")),
        endings=_either("busy", "create", "queued"),
    ),
    "two creates on a thread where they wait": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_on_thread(0, "enqueue"), _create_on_thread(1, "enqueue")),
        endings=_either("waiting", "create +enqueue", "queued"),
    ),
    "two creates of an id": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_with_id(0), _create_with_id(1)),
        endings=_either("exists", "create", "queued"),
    ),
    "two creates under a key": Race(
        family="create/create",
        ready=_nothing,
        sides=(_create_with_key, _create_with_key),
        endings=_either("replayed", "create", "queued"),
    ),
}
"""Every kind of race, by what it is."""
