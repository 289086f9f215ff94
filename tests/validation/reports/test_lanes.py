"""Lives laid out: bars go forward, cover the axis, and show what nobody saw where the table leaves no other way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.statuses import STATUSES
from runengine.core.table import PERMISSIVE, POLICIES, PRACTICAL
from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.observations import Observation
from runengine.validation.reports.lanes import Laid, lay_out
from runengine.validation.reports.timelines import Timelines

STAMP = st.none() | st.integers(CREATED - 100, CREATED + 1000) | st.sampled_from([0, -1, 1.5, "x", 10**18])


def laid(*rows: tuple[dict[str, Any], float | None], source: Any = "snapshot", policy: Any = PRACTICAL) -> Laid:
    """The life of snapshots with their observation times, laid out."""
    lines = Timelines()
    for line, (snapshot, at_s) in enumerate(rows, 1):
        lines.see("a", Observation(snapshot, line, source=source, observed_s=at_s), ())
    (life,) = lines.lives()
    return lay_out(life, policy)


def shown(made: Laid) -> list[str]:
    """The statuses of its bars, those that nobody saw in brackets."""
    return [f"({bar.status})" if bar.hidden else bar.status for bar in made.bars]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*STATUSES, "flying"]),
            st.none() | st.floats(allow_nan=True) | st.floats(CREATED - 50, CREATED + 900),
            st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("created_at", "started_at", "completed_at", "expires_at"), STAMP)
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["snapshot", "stream"]),
    st.sampled_from(list(POLICIES.values())),
)
def test_any_life(rows: list[tuple[str, float | None, dict[str, Any]]], source: Any, policy: Any) -> None:
    """Whatever was seen, the bars follow on each other from the beginning of the axis on, each stay in its turn."""
    snapshots = [({**record("queued"), **stamps, "status": status}, at_s) for status, at_s, stamps in rows]
    made = laid(*snapshots, source=source, policy=policy)
    edges = [edge for bar in made.bars for edge in (bar.from_ms, bar.to_ms)]
    assert edges == sorted(edges)
    assert all(a.to_ms == b.from_ms for a, b in zip(made.bars, made.bars[1:], strict=False))
    assert edges[0] == 0 or rows[0][0] not in STATUSES  # nobody knows what leads to a status that is none
    assert edges[-1] <= made.end_ms
    assert [bar.stay for bar in made.bars if not bar.hidden] == list(range(len(made.spans)))
    assert all(first <= last for first, last in made.spans)
    assert (made.base_s is None) == (made.axis == "even")
    if source == "stream":
        assert not any(bar.hidden and bar.stay for bar in made.bars)


def test_observed() -> None:
    """Where every snapshot has a time, bars go from one to the next, and an end has a width."""
    made = laid(
        (record("queued"), CREATED + 0.5), (record("in_progress"), CREATED + 2), (record("failed"), CREATED + 6)
    )
    assert made.axis == "observed"
    assert made.base_s == CREATED + 0.5
    assert [(bar.from_ms, bar.to_ms) for bar in made.bars] == [(0, 1500), (1500, 5500), (5500, made.end_ms)]
    assert made.end_ms > 5500


def test_stamped() -> None:
    """Without times, each status stands at its own stamp, and what has none between its neighbours."""
    early, late = record("in_progress"), record("in_progress", started_at=CREATED + 5)
    rows = (record("queued"), early, record("requires_action"), record("queued", started_at=CREATED + 1), late)
    made = laid(
        *((row, None) for row in (*rows, record("completed", started_at=CREATED + 5, completed_at=CREATED + 9)))
    )
    assert made.axis == "stamped"
    assert [first for first, _ in made.spans] == [0, 1000, 2333, 3667, 5000, 9000]


def test_even() -> None:
    """Where nothing tells the time, every stay is as wide as any other."""
    rows = (
        record(s, created_at=None, started_at=None, completed_at=None) for s in ("queued", "in_progress", "completed")
    )
    made = laid(*((row, None) for row in rows))
    assert made.axis == "even"
    assert [bar.to_ms - bar.from_ms for bar in made.bars] == [1000, 1000, 1000]


@pytest.mark.parametrize(
    ("rows", "source", "wanted"),
    [
        ((record("queued"), record("completed")), "snapshot", ["queued", "(in_progress)", "completed"]),
        ((record("queued"), record("completed")), "stream", ["queued", "completed"]),
        (
            (record("in_progress"), record("in_progress", started_at=CREATED + 3)),
            "snapshot",
            ["in_progress", "(requires_action)", "(queued)", "in_progress"],
        ),
        ((record("failed"), record("queued")), "snapshot", ["failed", "queued"]),
        ((record("queued"), record("failed", started_at=None)), "snapshot", ["queued", "failed"]),
        (
            (record("in_progress"), record("in_progress", started_at=CREATED)),
            "snapshot",
            ["in_progress", "in_progress"],
        ),
    ],
)
def test_between(rows: tuple[dict[str, Any], ...], source: str, wanted: list[str]) -> None:
    """Steps are taken for unseen where snapshots were polled and the table has no shorter way."""
    seen = shown(laid(*((row, CREATED + 2.0 * n) for n, row in enumerate(rows)), source=source))
    assert seen == wanted


def test_before() -> None:
    """What a run lived before it was first seen is hatched from its creation, its start at its stamp."""
    made = laid((record("completed"), CREATED + 8.0))
    assert made.axis == "stamped"
    assert [(bar.status, bar.from_ms, bar.to_ms, bar.hidden) for bar in made.bars][:2] == [
        ("queued", 0, 1000, True),
        ("in_progress", 1000, 5000, True),
    ]


@pytest.mark.parametrize("status", [*STATUSES, "flying"])
def test_stamps_of_one_record(status: str) -> None:
    """The stamps of the one record that was seen are enough for an axis from its creation to its last stamp."""
    stamps = dict.fromkeys(("started_at", "completed_at", "failed_at"))
    snapshot = {**record("queued"), **stamps, "status": status, "started_at": CREATED + 2, "cancelled_at": CREATED + 9}
    made = laid((snapshot, None))
    assert made.axis == "stamped"
    assert made.base_s == CREATED
    marked = dict(made.stamps)
    assert (marked["created_at"], marked["started_at"], marked["cancelled_at"]) == (0, 2000, 9000)
    (at_ms,) = {first for first, _ in made.spans}
    assert 2000 <= at_ms <= made.end_ms
    assert status == "in_progress" or at_ms >= 9000
    if status in ("cancelled", "cancelling"):
        assert [(bar.status, bar.from_ms) for bar in made.bars][:2] == [("queued", 0), ("in_progress", 2000)]


def test_one_record_without_a_span() -> None:
    """A record that was just created tells no span of time."""
    assert laid((record("queued"), None)).axis == "even"


def test_wider_policy() -> None:
    """What only a wider policy has is taken for unseen under that policy alone."""
    rows = ((record("cancelling"), CREATED + 2.0), (record("in_progress", started_at=CREATED + 1), CREATED + 4.0))
    assert not any(bar.hidden and bar.stay for bar in laid(*rows, policy=PERMISSIVE).bars)
