"""What a transition table must be: checked whenever a policy is made, so at import for the built-in ones.

Source: DESIGN §2; the failures each check prevents were measured on other machines (STYLE, *transitions 0.9.3*).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runengine.core.events import EVENTS
from runengine.core.guards import ROW_GUARDS
from runengine.core.shape import end_stamp
from runengine.core.statuses import STATUSES, Status
from runengine.errors import LifecycleDefinitionError

__all__ = ["Row", "check_rows"]


class Row(Protocol):
    """What the checks need of a row; `runengine.core.table.Transition` is one."""

    @property
    def event(self) -> str:  # pyright: ignore[reportReturnType]
        """The event's name."""

    @property
    def source(self) -> Status | None:
        """The status it meets, or None."""

    @property
    def target(self) -> Status:  # pyright: ignore[reportReturnType]
        """The status it leads to."""

    @property
    def guards(self) -> tuple[str, ...]:  # pyright: ignore[reportReturnType]
        """Names of its guards."""


def check_rows(rows: Sequence[Row], terminal: Sequence[Status]) -> None:
    """Check that the rows are a lifecycle.

    Args:
        rows: The rows, in order.
        terminal: The statuses that end a run.

    Raises:
        LifecycleDefinitionError: naming the row and the rule: events, statuses and guards exist; there is one initial
            status; `modify` alone keeps the status; no two rows overlap; nothing leaves a
            terminal status; each terminal status carries an end stamp, is entered by one event, and no other status
            carries one; every status is reachable; every other status can end.

    Example:
        >>> from runengine.core.table import TABLE, TERMINAL
        >>> check_rows(TABLE, TERMINAL)
    """
    _check_names(rows)
    _check_each(rows, terminal)
    _check_terminal(rows, terminal)
    _check_graph(rows, terminal)


def _check_names(rows: Sequence[Row]) -> None:
    for row in rows:
        if row.event not in EVENTS:
            raise LifecycleDefinitionError(str(row), f"every event exists; there is no {row.event!r}")
        for status in (row.source, row.target):
            if status not in STATUSES and not (status is None and row.event == "create"):
                raise LifecycleDefinitionError(str(row), f"every status exists; there is no {status!r}")
        for guard in row.guards:
            if guard not in ROW_GUARDS:
                raise LifecycleDefinitionError(str(row), f"every guard exists; there is no {guard!r}")
            if row.event not in ROW_GUARDS[guard].events:
                raise LifecycleDefinitionError(str(row), f"guard {guard} reads what {row.event} does not carry")


def _check_each(rows: Sequence[Row], terminal: Sequence[Status]) -> None:
    seen: dict[tuple[str, Status | None], Row] = {}
    births = [row for row in rows if row.source is None]
    for row in rows:
        if (row.event == "create") != (row.source is None):
            raise LifecycleDefinitionError(str(row), "create, and only create, is decided on the absence of a run")
        if (row.event == "modify") != (row.source == row.target):
            raise LifecycleDefinitionError(str(row), "modify, and only modify, keeps the status")
        if row.source in terminal and row.source != row.target:
            raise LifecycleDefinitionError(str(row), "nothing leaves a terminal status")
        if (row.event, row.source) in seen:
            raise LifecycleDefinitionError(str(row), f"no two rows overlap; there is `{seen[row.event, row.source]}`")
        seen[row.event, row.source] = row
    if len(births) != 1:
        row_text = str(births[1]) if births else "create: (no run) -> ?"
        raise LifecycleDefinitionError(row_text, "there is exactly one initial status")


def _check_terminal(rows: Sequence[Row], terminal: Sequence[Status]) -> None:
    for status in STATUSES:
        if (status in terminal) != (end_stamp(status) is not None):
            raise LifecycleDefinitionError(status, "a status has an end stamp if and only if nothing leaves it")
    entered: dict[Status, Row] = {}
    for row in rows:
        if row.target in terminal and row.source != row.target:
            first = entered.setdefault(row.target, row)
            if first.event != row.event:
                raise LifecycleDefinitionError(
                    str(row), f"a terminal status is entered by one event; `{first}` is another"
                )


def _check_graph(rows: Sequence[Row], terminal: Sequence[Status]) -> None:
    reached = _closure([r.target for r in rows if r.source is None], [(r.source, r.target) for r in rows])
    for status in STATUSES:
        if status not in reached:
            raise LifecycleDefinitionError(status, "every status is reachable from the initial one")
    ending = _closure(list(terminal), [(r.target, r.source) for r in rows])
    for status in STATUSES:
        if status not in ending:
            raise LifecycleDefinitionError(status, "every status that is not terminal can end")


def _closure(start: list[Status], steps: list[tuple[Status | None, Status | None]]) -> set[Status]:
    reached: set[Status] = set()
    todo = list(start)
    while todo:
        status = todo.pop()
        if status not in reached:
            reached.add(status)
            todo.extend(there for here, there in steps if here == status and there is not None)
    return reached
