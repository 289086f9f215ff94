"""A book with one queued run, for the examples of the invariants."""

from __future__ import annotations

from typing import Any, Final

from runengine.core import PRACTICAL, Cancel, RunObject
from runengine.dialects import write_run
from runengine.embedding import Settings
from runengine.embedding.plans import Act, Context
from runengine.simulation.driving.asked import Asked
from runengine.simulation.driving.book import Book
from runengine.stores import Entry, Row

__all__ = ["ASKED", "BOOK", "LIFE", "ROW", "entry"]


def entry(name: str, **values: Any) -> Entry:
    """An entry of the run, its second unless told otherwise.

    Example:
        >>> entry("start").seq
        2
    """
    usual: dict[str, Any] = {"run_id": "run_1", "seq": 2, "kind": "event", "at_us": 5, "status": "in_progress"}
    return Entry(name=name, **{**usual, **values})


_RUN: Final = RunObject(
    id="run_1", thread_id="thread_1", assistant_id="a", model="m", status="queued", created_at=0, expires_at=600
)
ROW: Final = Row(run=_RUN, version=1, last_us=0, deadline_us=600_000_000, claimable_us=0)
_CONTEXT: Final = Context(policy=PRACTICAL, settings=Settings())
ASKED: Final = Asked("client-1", Act(context=_CONTEXT, run_id="run_1", event=Cancel(at_us=0), at_us=5), None)
BOOK: Final = Book(PRACTICAL, Settings())
LIFE: Final = BOOK.take(
    entry("create", seq=1, at_us=0, status="queued", position=1, data={"run": write_run(_RUN)}), ASKED
)
LIFE.row = ROW
