"""`runengine.core.statuses`: nine statuses, each explained."""

from __future__ import annotations

from attrs import asdict

from runengine.core import statuses
from runengine.core.statuses import STATUS_INFO, STATUSES
from runengine.core.table import TERMINAL
from tests import naive


class TestStatuses:
    """The list."""

    def test_there_are_nine(self) -> None:
        """The nine statuses are those of the published enum, the live ones first."""
        assert STATUSES == naive.ALL_STATUSES

    def test_each_has_a_constant(self) -> None:
        """Each status has a constant spelled as itself in capitals."""
        for status in STATUSES:
            assert getattr(statuses, status.upper()) == status

    def test_terminal(self) -> None:
        """The five that no row leaves are computed, and they are the published five."""
        assert tuple(naive.ENDS) == TERMINAL


class TestStatusInfo:
    """The paragraph of each status."""

    def test_it_is_complete(self) -> None:
        """Every status has its paragraph, in order, under its own name."""
        assert tuple(STATUS_INFO) == STATUSES
        assert [info.name for info in STATUS_INFO.values()] == list(STATUSES)

    def test_nothing_is_left_blank(self) -> None:
        """Every line of every paragraph says something."""
        for info in STATUS_INFO.values():
            assert all(str(line).strip() for line in asdict(info).values()), info

    def test_every_live_status_is_cleaned_up(self) -> None:
        """A run that nobody moves on is ended by its deadline; one that has ended is moved by nobody."""
        for status, info in STATUS_INFO.items():
            assert ("expires_at" in info.cleaned_by) == (status not in TERMINAL)
            assert (info.moved_by == "nobody") == (status in TERMINAL)
