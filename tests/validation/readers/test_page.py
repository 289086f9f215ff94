"""The page of the readers says what the registry says."""

from __future__ import annotations

import re
from pathlib import Path

from runengine.validation.readers import FILE_READERS, READERS
from runengine.validation.readers.inputs import LAYERS_MAX
from runengine.validation.readers.json_document import DOCUMENT_BYTES_MAX, ELEMENT_CHARS_MAX
from runengine.validation.readers.json_lines import GIVE_UP_AFTER, LINE_BYTES_MAX
from runengine.validation.readers.parquet import BATCH_BYTES, BATCH_ROWS
from runengine.validation.readers.unpacking import FLOOR_BYTES, RATIO_MAX

PAGE = (Path(__file__).parents[3] / "docs/reference/readers.md").read_text(encoding="utf-8")
MIB = 1024 * 1024


def test_the_table_is_the_registry() -> None:
    """Every reader has its row, in the order in which files are tried, with the endings it takes from a folder."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| `\w[\w-]*` \| ", line)]
    table = {row[0].strip(" `"): tuple(re.findall(r"`(\.\w+)`", row[2])) for row in rows if len(row) == 6}
    assert list(table) == list(READERS)
    assert table == {name: FILE_READERS[name].suffixes if name in FILE_READERS else () for name in READERS}


def test_the_bounds_are_the_code_s() -> None:
    """The figures on the page are those of the constants."""
    assert LAYERS_MAX == 2
    for told in (
        f"more than {FLOOR_BYTES // MIB} MiB came out, unpacking ends where that is more than {RATIO_MAX} times",
        f"at most {BATCH_ROWS:,} rows, and about {BATCH_BYTES // MIB} MiB, at a time",
        f"A line is at most {LINE_BYTES_MAX // MIB} MiB",
        f"each of at most {ELEMENT_CHARS_MAX // MIB} Mi characters",
        f"whole, of at most {DOCUMENT_BYTES_MAX // MIB} MiB",
        f"After {GIVE_UP_AFTER} lines",
    ):
        assert told in " ".join(PAGE.split()), told
