"""`runengine.core.definition` and the shape table's own checks: a broken one is refused, with its row named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from runengine.core.definition import check_rows
from runengine.core.shape import ARRIVAL_STAMP, SHAPE, Shape, check_shape_table
from runengine.core.statuses import STATUSES
from runengine.core.table import DOCUMENTED, POLICIES, PRACTICAL, TABLE, TERMINAL, Policy, Transition
from runengine.errors import LifecycleDefinitionError

Rows = tuple[Transition, ...]


def row(event: Any, source: Any, target: Any, guards: tuple[str, ...] = ()) -> Transition:
    """A row, right or wrong."""
    return Transition(event, source, target, "permissive", "a test", guards=guards)


def but(event: str, source: str | None, /, **changes: Any) -> Rows:
    """The documented rows with one of them changed."""
    assert any((r.event, r.source) == (event, source) for r in DOCUMENTED.rows)
    return tuple(evolve(r, **changes) if (r.event, r.source) == (event, source) else r for r in DOCUMENTED.rows)


def lacking(*gone: tuple[str, str | None]) -> Rows:
    """The documented rows without some."""
    return tuple(r for r in DOCUMENTED.rows if (r.event, r.source) not in gone)


def plus(*more: Transition) -> Rows:
    """The documented rows and more."""
    return (*DOCUMENTED.rows, *more)


BROKEN_TABLES: dict[str, tuple[Rows, str, str]] = {
    "no such event": (plus(row("strat", "queued", "failed")), "strat: queued -> failed", "there is no 'strat'"),
    "no such source": (plus(row("start", "paused", "queued")), "start: paused -> queued", "there is no 'paused'"),
    "no such target": (but("start", "queued", target="running"), "start: queued -> running", "there is no 'running'"),
    "no target": (but("start", "queued", target=None), "start: queued -> None", "there is no None"),
    "no source": (plus(row("fail", None, "failed")), "fail: (no run) -> failed", "there is no None"),
    "no such guard": (but("start", "queued", guards=("sober",)), "start: queued -> in_progress", "there is no 'sober'"),
    "a guard that reads what the event lacks": (
        but("start", "queued", guards=("outputs_match",)),
        "start: queued -> in_progress",
        "guard outputs_match reads what start does not carry",
    ),
    "create in a status": (
        plus(row("create", "queued", "in_progress")),
        "create: queued -> in_progress",
        "create, and only create, is decided on the absence of a run",
    ),
    "modify changes the status": (
        but("modify", "queued", target="failed"),
        "modify: queued -> failed",
        "modify, and only modify, keeps the status",
    ),
    "another event keeps the status": (
        plus(row("fail", "queued", "queued")),
        "fail: queued -> queued",
        "modify, and only modify, keeps the status",
    ),
    "a terminal status is left": (
        plus(row("start", "completed", "in_progress")),
        "start: completed -> in_progress",
        "nothing leaves a terminal status",
    ),
    "two rows overlap": (
        plus(row("start", "queued", "failed")),
        "start: queued -> failed",
        "no two rows overlap; there is `start: queued -> in_progress`",
    ),
    "the same row twice": (plus(DOCUMENTED.rows[1]), "start: queued -> in_progress", "no two rows overlap"),
    "no initial status": (lacking(("create", None)), "create: (no run) -> ?", "there is exactly one initial status"),
    "two initial statuses": (
        plus(row("create", None, "in_progress")),
        "create: (no run) -> in_progress",
        "no two rows overlap; there is `create: (no run) -> queued`",
    ),
    "two events end in one status": (
        plus(row("fail", "queued", "cancelled")),
        "fail: queued -> cancelled",
        "a terminal status is entered by one event; `finish_cancel: cancelling -> cancelled` is another",
    ),
    "a status out of reach": (
        lacking(("exhaust_tokens", "in_progress")),
        "incomplete",
        "every status is reachable from the initial one",
    ),
    "a status without an end": (
        but("finish_cancel", "cancelling", source="queued"),
        "cancelling",
        "every status that is not terminal can end",
    ),
}


class TestTransitionTable:
    """`check_rows`, one broken table for each rule."""

    @pytest.mark.parametrize("case", BROKEN_TABLES)
    def test_a_broken_table_is_refused(self, case: str) -> None:
        """The table does not load; the error names the row and the rule it breaks."""
        rows, named, rule = BROKEN_TABLES[case]
        with pytest.raises(LifecycleDefinitionError) as caught:
            Policy("broken", rows)
        assert caught.value.row == named
        assert rule in caught.value.rule
        assert named in str(caught.value)

    @pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
    def test_the_own_tables_load(self, policy: Policy) -> None:
        """The built-in policies pass their own checks."""
        check_rows(policy.rows, TERMINAL)

    @pytest.mark.parametrize(
        ("terminal", "named"),
        [
            ((*TERMINAL, "cancelling"), "cancelling"),
            (tuple(s for s in TERMINAL if s != "failed"), "failed"),
        ],
        ids=["a live status called terminal", "a terminal status called live"],
    )
    def test_terminal_and_end_stamp_go_together(self, terminal: Any, named: str) -> None:
        """A status has an end stamp if and only if nothing leaves it."""
        rows = tuple(r for r in DOCUMENTED.rows if r.source != "cancelling")
        with pytest.raises(LifecycleDefinitionError, match="end stamp if and only if nothing leaves it") as caught:
            check_rows(rows, terminal)
        assert caught.value.row == named

    def test_no_row_can_go(self) -> None:
        """Of the documented edges those that alone reach, or alone end, a status cannot be left out; others can."""
        alone = set()
        for r in (r for r in DOCUMENTED.rows if r.edge):
            try:
                DOCUMENTED.without("less", [(r.event, r.source)])  # type: ignore[list-item]
            except LifecycleDefinitionError:
                alone.add(r.edge)
        free = {("queued", "cancelling"), ("in_progress", "cancelling"), ("requires_action", "queued")}
        free |= {("in_progress", "expired"), ("requires_action", "expired")}
        assert alone == set(DOCUMENTED.edges) - free

    @pytest.mark.parametrize("status", STATUSES)
    def test_a_fault_anywhere_in_the_table_is_found(self, status: str) -> None:
        """A misspelt target is refused whichever row has it."""
        for r in (r for r in TABLE if r.source == status):
            misspelt = row(r.event, r.source, "canceled")
            wrong = tuple(misspelt if x is r else x for x in TABLE)
            with pytest.raises(LifecycleDefinitionError, match="there is no 'canceled'"):
                Policy("wrong", wrong)


def shape(field: str, /, **changes: Any) -> tuple[Shape, ...]:
    """The shape table with one row changed."""
    assert any(r.field == field for r in SHAPE)
    return tuple(evolve(r, **changes) if r.field == field else r for r in SHAPE)


def arrivals(**changes: str | None) -> dict[Any, str]:
    """The arrival stamps with some changed, or taken away by None."""
    return {status: stamp for status, stamp in (ARRIVAL_STAMP | changes).items() if stamp is not None}


BROKEN_SHAPES: dict[str, tuple[Callable[[], tuple[Any, Any]], str, str]] = {
    "no such field": (
        lambda: (shape("usage", field="usages"), ARRIVAL_STAMP),
        "shape of usages",
        "every field of the shape table is declared",
    ),
    "two rows for a field": (lambda: ((*SHAPE, SHAPE[0]), ARRIVAL_STAMP), "shape of created_at", "a field has one row"),
    "no such status in must": (
        lambda: (shape("last_error", must=("failed", "canceled")), ARRIVAL_STAMP),
        "shape of last_error",
        "canceled is not a status",
    ),
    "no such status in may": (
        lambda: (shape("usage", may=("done",)), ARRIVAL_STAMP),
        "shape of usage",
        "done is not a status",
    ),
    "a status in both columns": (
        lambda: (shape("last_error", may=("failed",)), ARRIVAL_STAMP),
        "shape of last_error",
        "a status is in one column",
    ),
    "an arrival writes no stamp": (
        lambda: (SHAPE, arrivals(failed="last_error")),
        "arrival in failed",
        "last_error is not a stamp of the run object",
    ),
    "an arrival writes what is not a field": (
        lambda: (SHAPE, arrivals(expired="expired_at")),
        "arrival in expired",
        "expired_at is not a stamp of the run object",
    ),
    "an arrival writes what its status does not carry": (
        lambda: (SHAPE, arrivals(failed="cancelled_at")),
        "arrival in failed",
        "cancelled_at is set in failed",
    ),
    "an arrival writes what its status only may carry": (
        lambda: (SHAPE, arrivals(cancelling="started_at")),
        "arrival in cancelling",
        "started_at is set in cancelling",
    ),
    "two end stamps": (
        lambda: (shape("failed_at", must=("failed", "expired")), ARRIVAL_STAMP),
        "shape of expired",
        "a status has one end stamp, not ['completed_at', 'failed_at']",
    ),
    "an end stamp that nothing writes": (
        lambda: (SHAPE, arrivals(cancelled=None)),
        "shape of cancelled",
        "arriving in cancelled writes cancelled_at",
    ),
}


class TestShapeTable:
    """`check_shape_table`, one broken table for each rule."""

    @pytest.mark.parametrize("case", BROKEN_SHAPES)
    def test_a_broken_table_is_refused(self, case: str) -> None:
        """The shape table does not load; the error names the row and the rule it breaks."""
        make, named, rule = BROKEN_SHAPES[case]
        with pytest.raises(LifecycleDefinitionError) as caught:
            check_shape_table(*make())
        assert (caught.value.row, caught.value.rule) == (named, rule)

    def test_the_own_table_loads(self) -> None:
        """The built-in shape table passes its own checks."""
        check_shape_table(SHAPE, ARRIVAL_STAMP)


def test_a_refused_policy_leaves_no_trace() -> None:
    """After a refusal the policy it was to be made of works as before."""
    before = PRACTICAL.rows
    with pytest.raises(LifecycleDefinitionError):
        PRACTICAL.extended("odd", [row("start", "completed", "queued")])
    assert PRACTICAL.rows is before
    assert PRACTICAL.allowed("queued") == ("start", "cancel", "fail", "expire", "modify")
