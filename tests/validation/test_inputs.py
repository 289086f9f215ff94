"""What leads to the readers and through them: paths, dates, depths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.errors import TraceUnreadable
from runengine.validation.readers import expand, inputs
from runengine.validation.readers.envelopes import http_seconds
from tests.validation.checking import as_lines, check_bytes, check_lines, clean, codes

BAD = clean("queued", failed_at=clean("failed")["failed_at"])
"""A record that breaks RE202 on failed_at."""

BAD_TEXT = json.dumps(BAD).encode()


class TestPaths:
    """From paths to files."""

    def test_walks_folders(self, tmp_path: Path) -> None:
        """Files with a known suffix, sorted, below any folder; hidden ones and others are passed over."""
        for name in (
            "b/x.jsonl",
            "a.json",
            "b/c/y.sse",
            "z.ndjson",
            "b/x.txt",
            ".git/x.json",
            "b/.x.jsonl",
            "d.jsonl/e.json",
        ):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(BAD_TEXT)
        found = [str(Path(path).relative_to(tmp_path)) for path in expand([str(tmp_path)])]
        assert found == ["a.json", "b/c/y.sse", "b/x.jsonl", "d.jsonl/e.json", "z.ndjson"]
        assert list(expand([f"{tmp_path}/b/*.txt"])) == [f"{tmp_path}/b/x.txt"]
        assert [Path(p).name for p in expand([f"{tmp_path}/**/*.jsonl"])] == ["x.jsonl"]

    def test_leads_nowhere(self, tmp_path: Path) -> None:
        """A missing path, a glob without a file and a folder without one are refused by name."""
        for path in (str(tmp_path / "no"), str(tmp_path / "*.json"), str(tmp_path), "x" * 300, "a\0b"):
            with pytest.raises((TraceUnreadable, OSError)) as refused:
                list(expand([path]))
            assert refused.value.args

    def test_cannot_be_opened(self, tmp_path: Path) -> None:
        """A folder that is named like a file is refused where it is opened as one."""
        (tmp_path / "x.jsonl").mkdir()
        with pytest.raises(TraceUnreadable, match="directory"), inputs.open_input(str(tmp_path / "x.jsonl")):
            pass


class TestDates:
    """HTTP dates."""

    @given(st.text("0123456789 :+-,JulThuGMT", max_size=40))
    def test_any_text(self, text: str) -> None:
        """No text makes it fail."""
        found = http_seconds(text)
        assert found is None or isinstance(found, float)

    def test_out_of_range(self) -> None:
        """A date that no clock can show is none."""
        date = "Thu, 24 Jul 2025 21:06:50 +99999999999999999999"
        assert http_seconds(date) is None
        assert codes(check_lines({"http_date": date, "data": clean("queued")})) == []


class TestNesting:
    """Depths around the recursion limit."""

    @pytest.mark.parametrize("key", ["metadata", "x", "instructions"])
    def test_near_the_limit(self, key: str) -> None:
        """At every depth up to past the limit, in a line that repeats too, the next run is still checked."""
        for depth in (*range(100, 900, 200), *range(900, 1010)):
            deep = b'{"a":' * depth + b"1" + b"}" * depth
            line = json.dumps(clean("queued", **{key: "@"})).encode().replace(b'"@"', deep)
            for skim in (True, False):
                found = check_bytes(as_lines([line, line, {**BAD, "id": "run_2"}]), skim=skim)
                assert ("RE202", 3, "failed_at") in codes(found)
                assert found.summary.observations >= 1
