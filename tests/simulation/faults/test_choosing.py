"""Which runs are broken, in which way, and the truth in a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.simulation.faults import FAULTS, Truth, broken, is_faulted, kinds_of, read_truths, write_truth
from runengine.simulation.vectors.draws import Draws, uniforms
from runengine.validation import RULES
from tests.recall.worlds import WORLDS, recordings

np = pytest.importorskip("numpy")


class TestKinds:
    """What `--faults kinds=…` stands for."""

    @pytest.mark.parametrize("name", FAULTS)
    def test_names(self, name: str) -> None:
        """A name stands for its fault."""
        assert kinds_of(name) == (name,)

    def test_codes(self) -> None:
        """A code stands for the faults that break it."""
        for code in {code for fault in FAULTS.values() for code in fault.breaks}:
            assert kinds_of(code) == tuple(n for n, fault in FAULTS.items() if code in fault.breaks)

    def test_patterns_families_and_sums(self) -> None:
        """Patterns and families stand for several, in the order of the table, whatever the order asked for."""
        assert all(name.startswith("lost_") for name in kinds_of("lost_*"))
        assert kinds_of("streams+path") == tuple(n for n, f in FAULTS.items() if f.family in ("path", "streams"))
        assert kinds_of("") == kinds_of("all") == kinds_of("*") == tuple(FAULTS)
        assert kinds_of("RE2*+RE3*") == tuple(
            n for n, fault in FAULTS.items() if any(code.startswith(("RE2", "RE3")) for code in fault.breaks)
        )
        assert kinds_of("zero-stamp + re105") == kinds_of("zero_stamp+RE105")
        assert kinds_of("zero_stamp + ended_twice") == ("ended_twice", "zero_stamp")

    def test_unknown(self) -> None:
        """A word that stands for nothing is refused, with what is near."""
        with pytest.raises(ValueError, match="no fault 'end_twice'; did you mean ended_twice or step_ended_twice"):
            kinds_of("zero_stamp+end_twice")
        with pytest.raises(ValueError, match="no fault 'RE999'"):
            kinds_of("RE999")


class TestFaulted:
    """Which runs are broken."""

    @given(seed=st.integers(0, 2**64 - 1), first=st.integers(0, 2**40), rate=st.floats(0, 1))
    def test_by_the_column(self, seed: int, first: int, rate: float) -> None:
        """The draws by the column say the same."""
        runs = np.arange(first, first + 20, dtype=np.uint64)
        columns = uniforms(Draws(seed).bits("faulted", 0, runs)) < rate
        assert columns.tolist() == [is_faulted(seed, int(index), rate) for index in runs]

    def test_bounds(self) -> None:
        """With rate 0 none is, with rate 1 all are."""
        assert not any(is_faulted(3, index, 0) for index in range(100))
        assert all(is_faulted(3, index, 1) for index in range(100))


class TestBroken:
    """The choice among the kinds."""

    def test_same_alone_and_among_others(self) -> None:
        """A run is broken in the same way whatever other runs were broken before it."""
        made = recordings(WORLDS["steady"], 2, 30, "history")
        first = [broken(recording, 9, tuple(FAULTS)) for recording in made]
        assert [broken(recording, 9, tuple(FAULTS)) for recording in reversed(made)] == first[::-1]
        assert len({one[1].fault for one in first if one is not None}) > 15

    def test_none_possible(self) -> None:
        """Where no kind can be made on the run, or is of another view, it stays as it is."""
        recording = next(r for r in recordings(WORLDS["steady"], 2, 30, "history") if len(r.rows) == 3)
        assert broken(recording, 9, ("empty_required_action", "stale_read", "truncated_stream")) is None
        assert broken(recording, 9, ()) is None


class TestTruth:
    """The truth in a file."""

    def test_round_trip(self) -> None:
        """What is written is read back, with the lines that the writer told."""
        made = recordings(WORLDS["steady"], 2, 40, "history")
        truths = [one[1].at((7, 9)) for r in made if (one := broken(r, 9, tuple(FAULTS))) is not None]
        assert read_truths(map(write_truth, truths)) == tuple(truths)

    def test_keys(self) -> None:
        """A truth has these keys in this order."""
        names = ["run_id", "thread_id", "index", "fault", "breaks", "may", "view", "seen", "rows", "lines", "others"]
        made = recordings(WORLDS["steady"], 2, 1, "history")
        one = broken(made[0], 9, tuple(FAULTS))
        assert one is not None
        assert list(one[1].as_dict()) == names

    @pytest.mark.parametrize("line", [b"{", b"[]", b'{"run_id":"run_1"}', b'{"nothing":1}'])
    def test_no_truth(self, line: bytes) -> None:
        """A line that is no truth is refused with its number."""
        with pytest.raises(ValueError, match="line 2: no truth of a fault"):
            read_truths([b"\n", line])

    def test_seen_is_not_the_checkers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault of a rule that the checker lacks is marked, and not seen."""
        fewer = {code: rule for code, rule in RULES.items() if code != "RE505"}
        monkeypatch.setattr("runengine.simulation.faults.fault.RULES", fewer)
        made = recordings(WORLDS["steady"], 2, 20, "stream")
        truths: list[Truth] = [one[1] for r in made if (one := broken(r, 9, ("step_resumed",))) is not None]
        assert truths
        assert all(truth.rows and not truth.seen for truth in truths)
