"""`runengine.core.shape`: which fields a record in each status carries, and the order of its stamps."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.fields import END_STAMPS
from runengine.core.records import RunObject
from runengine.core.shape import (
    ARRIVAL_STAMP,
    SHAPE,
    STAMP_ORDER,
    end_stamp,
    presence,
    require_valid,
    shape_problems,
)
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import TERMINAL
from runengine.errors import InvalidSnapshot
from tests import naive, samples, strategies

TIED = tuple(row.field for row in SHAPE)

EXPECTED = {
    "queued": "must may must never never never never never never never",
    "in_progress": "must must must never never never never never never never",
    "requires_action": "must must must never never never must never never never",
    "cancelling": "must may must never never never never never never never",
    "completed": "must must never must never never never never never may",
    "incomplete": "must must never must never never never never must may",
    "failed": "must may never never must never never must never may",
    "cancelled": "must may never never never must never never never may",
    "expired": "must may never must never never never never never may",
}
"""FACTS B3 as a grid. Columns: created_at, started_at, expires_at, completed_at, failed_at, cancelled_at,
required_action, last_error, incomplete_details, usage."""


class TestTable:
    """The table itself, and what is read off it."""

    @pytest.mark.parametrize("status", STATUSES)
    def test_presence(self, status: Status) -> None:
        """Each status demands, allows and forbids what the recordings show."""
        assert " ".join(presence(field, status) for field in TIED) == EXPECTED[status]

    def test_presence_of_an_untied_field(self) -> None:
        """A field that does not depend on the status has no answer."""
        with pytest.raises(KeyError):
            presence("model", "queued")

    def test_each_row_has_evidence(self) -> None:
        """Each row says which fact it rests on."""
        assert all(row.evidence.startswith("FACTS ") for row in SHAPE)

    def test_end_stamps(self) -> None:
        """The five terminal statuses have an end stamp, the four others none; runs have no expired_at."""
        assert {status: stamp for status in STATUSES if (stamp := end_stamp(status))} == {
            "completed": "completed_at",
            "incomplete": "completed_at",
            "expired": "completed_at",
            "failed": "failed_at",
            "cancelled": "cancelled_at",
        }

    def test_arrivals(self) -> None:
        """Arriving in a terminal status writes its end stamp, arriving in in_progress started_at, others nothing."""
        ends = {status: end_stamp(status) for status in TERMINAL}
        assert {"in_progress": "started_at", **ends} == ARRIVAL_STAMP

    def test_stamp_order(self) -> None:
        """Creation comes first, also of the deadline; the start before any end; two ends have no order."""
        assert set(STAMP_ORDER) == {("created_at", "started_at"), ("created_at", "expires_at")} | {
            (first, end) for first in ("created_at", "started_at") for end in END_STAMPS
        }


class TestShapeProblems:
    """`shape_problems` and `require_valid`."""

    @pytest.mark.parametrize("run", samples.every_run(), ids=lambda r: r.status)
    def test_the_samples_are_valid(self, run: RunObject) -> None:
        """A record as recordings show it has no problem."""
        assert shape_problems(run.status, vars(run)) == ()
        require_valid(run)

    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("field", TIED)
    def test_one_field_at_a_time(self, field: str, status: Status) -> None:
        """Taking away what must be, or setting what must not be, is one problem that names the field; else none."""
        run = samples.run_in(status)
        is_set = getattr(run, field) is not None
        change: dict[str, Any] = {field: None if is_set else _some(field)}
        other = evolve(run, **change)
        problems = shape_problems(status, vars(other))
        wanted = presence(field, status)
        if wanted == "may" or (wanted == "must") != is_set:
            assert problems == ()
        else:
            (problem,) = problems
            kind, word = ("missing", "set") if wanted == "must" else ("unexpected", "null")
            assert (problem.kind, problem.field, problem.other) == (kind, field, None)
            assert problem.rule == f"{field} is {word} in {status}"

    @pytest.mark.parametrize(("earlier", "later"), STAMP_ORDER)
    def test_order(self, earlier: str, later: str) -> None:
        """A pair of stamps the wrong way round is one problem; equal stamps are none."""
        owner: dict[str, Status] = {"failed_at": "failed", "cancelled_at": "cancelled", "completed_at": "completed"}
        status = owner.get(later, "in_progress")
        record: dict[str, object] = dict(vars(samples.run_in(status)))
        record |= {"created_at": 10, "started_at": 10, later: 10}
        assert shape_problems(status, record) == ()
        if earlier == "created_at" and later != "started_at":
            record["started_at"] = 9
        record[earlier] = 11
        orders = [(p.other, p.field, p.rule) for p in shape_problems(status, record) if p.kind == "order"]
        assert (earlier, later, f"{earlier} <= {later}") in orders

    def test_stamps_that_are_no_integers_are_not_compared(self) -> None:
        """A stamp that is text or a float is somebody else's finding, and does not raise here."""
        record: dict[str, object] = {"created_at": "9", "started_at": 8.5, "expires_at": 609}
        assert shape_problems("in_progress", record) == ()

    def test_left_out_is_null(self) -> None:
        """A key that is left out counts as null."""
        (problem,) = shape_problems("queued", {"created_at": 9})
        assert (problem.kind, problem.field) == ("missing", "expires_at")

    @given(st.data(), strategies.runs())
    def test_it_says_what_the_naive_model_says(self, data: st.DataObject, run: RunObject) -> None:
        """However the tied fields of a record are mixed, it has a problem exactly where the naive model sees one."""
        mixed = data.draw(st.dictionaries(st.sampled_from(TIED[1:]), st.booleans(), max_size=3))
        changes: dict[str, Any] = {field: _some(field, run.created_at) if on else None for field, on in mixed.items()}
        run = evolve(run, **changes)
        status = data.draw(st.sampled_from((run.status, *STATUSES)))
        run = evolve(run, status=status)
        assert (shape_problems(status, vars(run)) == ()) == naive.is_valid(naive.plain(run))

    def test_require_valid_names_everything(self) -> None:
        """The error carries the run, every rule broken and every field, in the table's order."""
        run = evolve(samples.run_in("completed"), completed_at=None, failed_at=samples.END_S, expires_at=samples.END_S)
        with pytest.raises(InvalidSnapshot) as caught:
            require_valid(run)
        assert caught.value.run_id == run.id
        assert caught.value.fields == ("expires_at", "completed_at", "failed_at")
        assert caught.value.rule == (
            "expires_at is null in completed; completed_at is set in completed; failed_at is null in completed"
        )


def _some(field: str, base_s: int = samples.T0_S) -> Any:
    payloads: dict[str, Any] = {
        "required_action": samples.asking("call_1"),
        "last_error": samples.run_in("failed").last_error,
        "incomplete_details": samples.run_in("incomplete").incomplete_details,
        "usage": samples.USAGE,
        "started_at": base_s + 2,
        "expires_at": base_s + 600,
    }
    return payloads.get(field, base_s + 5)
