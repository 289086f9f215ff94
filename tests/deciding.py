"""The two answers of `decide`, each asserted: for tests that know which one must come."""

from __future__ import annotations

from copy import deepcopy

from runengine.core.decisions import Applied, Refused
from runengine.core.events import Event
from runengine.core.records import RunObject
from runengine.core.step import decide
from runengine.core.table import policy_named

__all__ = ["applied", "refused"]


def applied(run: RunObject | None, event: Event, policy: str = "practical") -> Applied:
    """The decision, which must be a step."""
    decision = decide(run, event, policy_named(policy))
    assert isinstance(decision, Applied), decision
    return decision


def refused(run: RunObject | None, event: Event | str, policy: str = "practical") -> Refused:
    """The decision, which must be a refusal; and the run given in is as it was."""
    before = deepcopy(run)
    decision = decide(run, event, policy_named(policy))
    assert isinstance(decision, Refused), decision
    assert run == before
    return decision
