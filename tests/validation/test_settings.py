"""Settings of a project: read from the nearest pyproject.toml that has them, every mistake named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.validation.settings import Settings, SettingsInvalid, is_ignored, read_settings, settings_from

ALL = """
[tool.runengine]
policy = "documented"
generation = "G9"
sampling = "polled"
select = ["RE1", "re205"]
ignore = ["RE309"]
fail-on = "warning"
baseline = "known.json"
skew = 5
forget-after = 10
per-path-ignores = {"old/*" = ["RE205"]}
"""


def test_all(tmp_path: Path) -> None:
    """Every setting is read."""
    (tmp_path / "pyproject.toml").write_text(ALL, encoding="utf-8")
    assert read_settings(tmp_path) == Settings(
        file=read_settings(tmp_path).file,
        policy="documented",
        generation=9,
        sampling="polled",
        select=("RE1", "RE205"),
        ignore=("RE309",),
        fail_on="warning",
        baseline="known.json",
        skew=5.0,
        forget_after=10,
        per_path_ignores=(("old/*", ("RE205",)),),
    )


def test_the_nearest(tmp_path: Path) -> None:
    """The nearest file that has the table counts; one without it is passed over; with none there are no settings."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.runengine]\nskew = 1", encoding="utf-8")
    (below / "pyproject.toml").write_text("[tool.other]\nskew = 2", encoding="utf-8")
    assert read_settings(below).skew == 1
    (below.parent / "pyproject.toml").write_text("[tool.runengine]\nskew = 3", encoding="utf-8")
    assert read_settings(below).skew == 3
    assert Path(read_settings(below).file or "").resolve() == (below.parent / "pyproject.toml").resolve()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.runengine]\npolicy = ", "not TOML: Invalid value (at end of document); --no-settings goes without it"),
        ("[tool]\nrunengine = 1", "tool.runengine: expected a table, got 1"),
        ("[tool.runengine]\npolcy = 1", "tool.runengine.polcy: no such setting; did you mean policy?"),
        ("[tool.runengine]\nxyz = 1", "tool.runengine.xyz: no such setting; known: policy, generation, sampling"),
        ('[tool.runengine]\npolicy = "practicle"', "policy: expected documented, practical, permissive"),
        ('[tool.runengine]\npolicy = "practicle"', "got 'practicle'; did you mean practical?"),
        ("[tool.runengine]\npolicy = [1]", "tool.runengine.policy: expected"),
        ("[tool.runengine]\ngeneration = 9", 'generation: expected "G0" to "G16", got 9'),
        ('[tool.runengine]\ngeneration = "G99"', "tool.runengine.generation: "),
        ('[tool.runengine]\nselect = "RE1"', 'select: expected an array of codes, as ["RE1", "RE205"], got \'RE1\''),
        ('[tool.runengine]\nignore = ["RE777"]', "ignore: no rule begins with 'RE777'"),
        ('[tool.runengine]\nignore = [""]', "ignore: no rule begins with ''"),
        ("[tool.runengine]\nskew = true", "skew: expected seconds >= 0, got True"),
        ("[tool.runengine]\nskew = nan", "skew: expected seconds >= 0, got nan"),
        ("[tool.runengine]\nforget-after = 1.5", "forget-after: expected a whole number from 0 to 1,000,000,000"),
        ("[tool.runengine]\nbaseline = 1", "baseline: expected the name of a file, got 1"),
        ("[tool.runengine]\nper-path-ignores = []", "per-path-ignores: expected a table of codes by pattern"),
        ('[tool.runengine.per-path-ignores]\n"a" = ["RE9x"]', "per-path-ignores: 'a': no rule begins with 'RE9X'"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, words: str) -> None:
    """A mistake names the file, the key, what is wrong and what would have been right, in one line."""
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(tmp_path)
    assert words in str(refused.value)
    assert "pyproject.toml: " in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.dictionaries(
    st.sampled_from(["policy", "generation", "sampling", "select", "ignore", "fail-on", "baseline", "skew",
                     "forget-after", "per-path-ignores"]) | st.text(max_size=8),
    st.recursive(st.text(max_size=5) | st.integers() | st.floats() | st.booleans(),
                 lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_size=3,
))  # fmt: skip
def test_any_table(table: dict[str, Any]) -> None:
    """Whatever TOML gives, it is settings or a mistake that is named."""
    try:
        read: Settings | str = settings_from(table)
    except SettingsInvalid as refused:
        read = str(refused)
    assert isinstance(read, Settings) or read.isprintable()


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("old/*", "old/a.jsonl", True),
        ("old/*", "old/2023/a.jsonl", True),
        ("old/*", "new/old/a.jsonl", False),
        ("*.sse", "deep/down/a.sse", True),
        ("a.jsonl", "deep/a.jsonl", True),
        ("A.jsonl", "a.jsonl", False),
    ],
)
def test_ignored_by_path(tmp_path: Path, pattern: str, path: str, ignored: bool) -> None:
    """A pattern is of the path from the folder of the settings, or of the file's name."""
    settings = settings_from({"per-path-ignores": {pattern: ["RE2"]}}, str(tmp_path / "pyproject.toml"))
    assert is_ignored(settings, str(tmp_path / path), "RE205") == ignored
    assert not is_ignored(settings, str(tmp_path / path), "RE301")
