"""The nine statuses of a run, what each means, who moves a run out of it and what ends a run stuck in it.

Source: FACTS §6.1 (the published diagram) and §6.2 (the published prose).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from attrs import frozen

__all__ = [
    "CANCELLED",
    "CANCELLING",
    "COMPLETED",
    "EXPIRED",
    "FAILED",
    "INCOMPLETE",
    "IN_PROGRESS",
    "QUEUED",
    "REQUIRES_ACTION",
    "STATUSES",
    "STATUS_INFO",
    "Status",
    "StatusInfo",
]

Status = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
    "expired",
]
"""A status, spelled as on the wire. *Cancelled* has two l's."""

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
"""Every status: the non-terminal ones first, each group in the order a run meets them."""

QUEUED: Final = "queued"
IN_PROGRESS: Final = "in_progress"
REQUIRES_ACTION: Final = "requires_action"
CANCELLING: Final = "cancelling"
COMPLETED: Final = "completed"
INCOMPLETE: Final = "incomplete"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"


@frozen(kw_only=True)
class StatusInfo:
    """What a status means to those who meet a run in it.

    Attributes:
        name: The status.
        meaning: What is true of the run.
        moved_by: Who moves it on.
        cleaned_by: What ends a run that nobody moves on.

    Example:
        >>> STATUS_INFO["queued"].moved_by
        'a worker, by starting it'
    """

    name: Status
    meaning: str
    moved_by: str
    cleaned_by: str


_ENDED = "nothing: the run has ended and its record no longer changes, metadata apart"

STATUS_INFO: Final[dict[Status, StatusInfo]] = {
    info.name: info
    for info in (
        StatusInfo(
            name=QUEUED,
            meaning="Waiting to be worked on: just created, or back with the outputs of a tool round "
            "(then started_at keeps its old value).",
            moved_by="a worker, by starting it",
            cleaned_by="expiry at expires_at",
        ),
        StatusInfo(
            name=IN_PROGRESS,
            meaning="Being worked on. started_at is the start of this stretch, written anew after each tool round.",
            moved_by="its worker",
            cleaned_by="expiry at expires_at",
        ),
        StatusInfo(
            name=REQUIRES_ACTION,
            meaning="Waiting for the caller to run the tool calls in required_action and submit every output at once.",
            moved_by="the caller, by submitting tool outputs",
            cleaned_by="expiry at expires_at, which waiting does not extend",
        ),
        StatusInfo(
            name=CANCELLING,
            meaning="A cancel was accepted and the worker has not stopped yet; success is likely, not certain.",
            moved_by="its worker, by stopping",
            cleaned_by="expiry at expires_at",
        ),
        StatusInfo(
            name=COMPLETED,
            meaning="Ended well, at completed_at; its messages and steps can be read.",
            moved_by="nobody",
            cleaned_by=_ENDED,
        ),
        StatusInfo(
            name=INCOMPLETE,
            meaning="Ended at a token limit, named in incomplete_details; the time is in completed_at.",
            moved_by="nobody",
            cleaned_by=_ENDED,
        ),
        StatusInfo(
            name=FAILED, meaning="Ended by the error in last_error, at failed_at.", moved_by="nobody", cleaned_by=_ENDED
        ),
        StatusInfo(
            name=CANCELLED,
            meaning="Ended on request, at cancelled_at; started_at is kept.",
            moved_by="nobody",
            cleaned_by=_ENDED,
        ),
        StatusInfo(
            name=EXPIRED,
            meaning="Ended by its deadline; there is no expired_at, the time is in completed_at.",
            moved_by="nobody",
            cleaned_by=_ENDED,
        ),
    )
}
"""Each status with its paragraph, in the order of `STATUSES`."""
