"""RE502: an id that is another run's. Source: DESIGN §5; FACTS §1.2 (an id names one run)."""

from __future__ import annotations

from typing import Any

from runengine.validation.findings import Finding
from runengine.validation.observations import Observation
from runengine.validation.rules.stamps import is_seconds

__all__ = ["is_another", "reused"]

_CREATES = ("thread.run.created", "create")


def is_another(before: dict[str, Any], item: Observation) -> bool:
    """Whether a snapshot is of another run than the last one of the same id.

    Two of three signs are asked for: another created_at, another thread, and that the recording shows the run being
    created. One alone is a late or doubled delivery (the create again, RE405), or a wrong field (RE204, RE401).

    Args:
        before: The run's last record.
        item: The snapshot.

    Example:
        >>> before = {"id": "run_1", "created_at": 5, "thread_id": "thread_1"}
        >>> is_another(before, Observation({"id": "run_1", "created_at": 9, "thread_id": "thread_2"}, 2))
        True
        >>> is_another(before, Observation(before, 2, created=True))
        False
    """
    created, thread_id = item.record.get("created_at"), item.record.get("thread_id")
    was, was_on = before.get("created_at"), before.get("thread_id")
    other_birth = is_seconds(created) and is_seconds(was) and created != was
    other_thread = isinstance(thread_id, str) and isinstance(was_on, str) and thread_id != was_on
    return other_birth + other_thread + (item.created or item.event in _CREATES) >= 2


def reused(before: dict[str, Any], item: Observation) -> Finding:
    """RE502, of such a snapshot.

    Args:
        before: The run's last record.
        item: The snapshot.

    Example:
        >>> item = Observation({"id": "run_1", "created_at": 9, "thread_id": "thread_2"}, 2)
        >>> reused({"id": "run_1", "created_at": 5, "thread_id": "thread_1"}, item).code
        'RE502'
    """
    where, at_s = before.get("thread_id"), before.get("created_at")
    message = f"the id was that of a run created at {at_s} on {str(where)[:80]}; what it is now is another run"
    return Finding("RE502", "id", "an id that no run has had", message, found=item.record.get("id"))
