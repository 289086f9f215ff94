"""`why`: who holds a run, until when, what happens then, and what could be done to it now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from attrs import frozen

from runengine.core import SECOND_US, Policy, Status
from runengine.stores import Row, Waiting

__all__ = ["Explanation", "explain_row", "shown_time"]


def shown_time(at_us: int) -> str:
    """A time for people: UTC, to the millisecond.

    Example:
        >>> shown_time(1_700_000_000_123_456)
        '2023-11-14 22:13:20.123Z'
    """
    moment = datetime.fromtimestamp(at_us // SECOND_US, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at_us % SECOND_US // 1000:03}Z"


@frozen(kw_only=True)
class Explanation:
    """Why a run is where it is.

    Attributes:
        run_id: The run.
        status: Where it is.
        since_us: Time at which it came there, microseconds.
        holder: The worker that holds it, or None.
        fence: The token of its last claim; 0 if it never was claimed.
        held_until_us: Until when, or None.
        deadline_us: The next moment at which `sweep` acts; None once it has ended.
        then: What `sweep` does then.
        expires_at: The run's own deadline, Unix seconds, or None.
        allowed: Events the table has for it now.
        waiting: Ids of the creates that wait for its end.
        text: All of it in sentences.

    Example:
        >>> [a.name for a in Explanation.__attrs_attrs__][:3]
        ['run_id', 'status', 'since_us']
    """

    run_id: str
    status: Status
    since_us: int
    holder: str | None
    fence: int
    held_until_us: int | None
    deadline_us: int | None
    then: str
    expires_at: int | None
    allowed: tuple[str, ...]
    waiting: tuple[str, ...]
    text: str


def explain_row(row: Row, policy: Policy, waiting: Iterable[Waiting] = ()) -> Explanation:
    """Explain a run.

    Example:
        >>> from runengine.core import PRACTICAL, RunObject
        >>> run = RunObject(id="run_1", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0,
        ...                 expires_at=600)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=600_000_000, claimable_us=0)
        >>> explain_row(row, PRACTICAL).text # doctest: +ELLIPSIS
        'run_1 is queued since 1970-01-01 00:00:00.000Z; no worker holds it, and one may claim it. At ... it expires.'
    """
    run = row.run
    ids = tuple(create.run_id for create in waiting)
    then = _then(row)
    parts = [f"{run.id} is {run.status} since {shown_time(row.arrived_us)}; {_holder(row)}."]
    if row.deadline_us is not None:
        parts.append(f"At {shown_time(row.deadline_us)} {then}.")
    if ids:
        parts.append(f"Behind it on {run.thread_id} wait: {', '.join(ids)}.")
    return Explanation(
        run_id=run.id,
        status=run.status,
        since_us=row.arrived_us,
        holder=row.owner,
        fence=row.fence,
        held_until_us=row.lease_until_us,
        deadline_us=row.deadline_us,
        then=then,
        expires_at=run.expires_at,
        allowed=policy.allowed(run.status),
        waiting=ids,
        text=" ".join(parts),
    )


def _then(row: Row) -> str:
    if row.deadline_us is None:
        return "nothing happens: it has ended"
    if row.run.expires_at is not None and row.deadline_us == row.run.expires_at * SECOND_US:
        return "it expires"
    if row.run.status == "cancelling":
        return "it is cancelled, whether its worker has stopped or not"
    return "its worker counts as lost, and another may claim it, or it fails, by the runtime's settings"


def _holder(row: Row) -> str:
    if row.deadline_us is None:
        return "it has ended"
    if row.owner is not None and row.lease_until_us is not None:
        return f"{row.owner} holds it with fence {row.fence} until {shown_time(row.lease_until_us)}"
    if row.run.status == "requires_action" and row.run.required_action is not None:
        return f"it waits for the outputs of {', '.join(row.run.required_action.call_ids)}"
    return "no worker holds it, and one may claim it" if row.claimable_us is not None else "no worker holds it"
