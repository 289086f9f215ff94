"""An answer about a run that is there, from the row as it was and as it is."""

from __future__ import annotations

from runengine.core import Refused
from runengine.embedding.answers import Answer, AnswerKind
from runengine.stores import Row

__all__ = ["told"]


def told(
    kind: AnswerKind,
    event: str,
    before: Row | None,
    after: Row,
    at_us: int,
    *,
    refused: Refused | None = None,
    expected: int | None = None,
) -> Answer:
    """The answer; `before` is None of a run that is born.

    Example:
        >>> from runengine.core import RunObject
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", model="m", status="queued", created_at=0)
        >>> row = Row(run=run, version=1, last_us=0, deadline_us=9)
        >>> told("stale", "cancel", row, row, 5, expected=3).message
        'r: expected version 3, found 1; read the run again'
    """
    return Answer(
        kind=kind,
        event=event,
        run_id=after.run.id,
        run=after.run,
        at_us=at_us,
        before=None if before is None else before.run.status,
        since_us=0 if before is None else at_us - before.arrived_us,
        version=after.version,
        fence=after.fence,
        worker=after.owner,
        refused=refused,
        expected=expected,
        thread_id=after.run.thread_id,
    )
