"""Scenarios as files: what is written is read again, and every mistake is named by its place."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from attrs import fields, has
from hypothesis import given, settings

from runengine.simulation import (
    READY,
    Scenario,
    ScenarioInvalid,
    load_scenario,
    read_scenario,
    scenario_named,
    write_scenario,
)
from runengine.simulation.distributions import DISTRIBUTIONS, Distribution
from runengine.simulation.keys import LEAST, LINE, MOST, ONE_OF, PATTERN, SIZE
from runengine.simulation.ready import text_named
from tests.simulation.scenarios import scenarios

AFTER = '{ kind = "constant", value = 1 }'
GOOD = {
    "name": '"good"',
    "arrival.rate_per_s": "1",
    "steps.queued.start.share": "1",
    "steps.queued.start.after_s": AFTER,
    "steps.in_progress.complete.share": "1",
    "steps.in_progress.complete.after_s": AFTER,
}
"""The smallest file, each key and its value as TOML."""

ASSISTANT = "assistants[0]"
SAMPLES = {
    "constant": "value = 1",
    "exponential": "mean = 1",
    "lognormal": "median = 1, sigma = 1",
    "gamma": "shape = 1, mean = 1",
    "quantiles": "values = [0, 1]",
}


def _document(path: str = "", value: str = "") -> str:
    """A file that is right but for one key."""
    keys = {**GOOD, path: value} if path else GOOD
    if path.startswith(ASSISTANT):
        pairs = {"assistant_id": '"a"', path.removeprefix(f"{ASSISTANT}."): value}
        keys = {**GOOD, "assistants": f"[{{ {', '.join(f'{k} = {v}' for k, v in pairs.items())} }}]"}
    return "".join(f"{k} = {v}\n" for k, v in keys.items())


def _classes(cls: type, place: str) -> Iterator[tuple[str, type]]:
    yield place, cls
    for name, kind in get_type_hints(cls).items():
        if has(kind):
            yield from _classes(kind, f"{place}.{name}".lstrip("."))
    if cls is Scenario:
        hints = get_type_hints(Scenario)
        yield ASSISTANT, get_args(hints["assistants"])[0]
        yield "steps.queued.start", get_args(get_args(hints["steps"])[1])[1]


def _wrong(kind: Any, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Values as TOML that a key cannot have, and what the problem begins with, after the key."""
    origin, parts = get_origin(kind), get_args(kind)
    if type(None) in parts:
        yield from _wrong(next(p for p in parts if p is not type(None)), told)
    elif kind == Distribution:
        yield from (("3", ": expected a table"), ("{}", ".kind: expected one of"), ('{ kind = "x" }', ".kind: "))
    elif origin is tuple:
        yield "3", ": expected an array"
        yield from ((f"[{v}]", f"[0]{problem}") for v, problem in _wrong(parts[0], {**told, SIZE: None}))
        if told[SIZE] and told[SIZE][0]:
            yield "[]", ": expected "
    elif origin is not None:
        yield "3", ": expected a table"
        if parts[1] in (float, str):
            wrong = _wrong(parts[1], {**told, SIZE: None, ONE_OF: ()})
            yield from ((f"{{ max_prompt_tokens = {v} }}", f".max_prompt_tokens{problem}") for v, problem in wrong)
        if told[ONE_OF]:
            yield "{ other = 1 }", ".other: no such key"
    elif has(kind):
        yield from (("3", ": expected a table"), ("{ nothing_such = 1 }", ".nothing_such: no such key"))
    elif kind is str:
        yield from (("3", ": expected a string"), ("true", ": expected a string"), ("[]", ": expected a string"))
        if told[ONE_OF] or told[PATTERN]:
            yield '"no such"', ": expected "
        if told.get(LINE):
            yield from ((f'"a{control}b"', ": expected one line") for control in (r"\u001b", r"\u009b", r"\u2028"))
        if told[SIZE]:
            yield f'"{"x" * (told[SIZE][1] + 1)}"', f": expected {told[SIZE][0]} to "
    else:
        word = ": expected a whole number" if kind is int else ": expected a number"
        yield from (('"1"', word), ("true", word), ("{}", word))
        if kind is int:
            yield "1.5", word
        if told[LEAST] is not None:
            yield str(told[LEAST] - 1), word
        if told[MOST] is not None:
            yield str(told[MOST] + 1 if told[MOST] < 1e15 else told[MOST] * 2), word


def _mistakes() -> Iterator[tuple[str, str, str]]:
    for place, cls in _classes(Scenario, ""):
        for attribute in fields(cls):
            name = attribute.name
            if cls is Scenario and name in ("steps", "arrival", "assistants"):
                continue
            for value, problem in _wrong(get_type_hints(cls)[name], attribute.metadata):
                path = f"{place}.{name}".lstrip(".")
                yield path, _document(path, value), f"{path}{problem}"
    for kind, cls in DISTRIBUTIONS.items():
        for attribute in fields(cls):
            for value, problem in _wrong(get_type_hints(cls)[attribute.name], attribute.metadata):
                pairs = dict(pair.split(" = ", 1) for pair in SAMPLES[kind].split(", ") if kind != "quantiles")
                pairs[attribute.name] = value
                given_pairs = ", ".join(f"{k} = {v}" for k, v in pairs.items())
                after = "steps.queued.start.after_s"
                text = _document(after, f'{{ kind = "{kind}", {given_pairs} }}')
                yield f"{after}.{attribute.name}", text, f"{after}.{attribute.name}{problem}"


MISTAKES = [pytest.param(*m, id=f"{m[0]}-{n}") for n, m in enumerate(_mistakes())]


@settings(max_examples=25, deadline=None)
@given(scenarios())
def test_what_is_written_is_read_again(scenario: Scenario) -> None:
    """Reading gives back every scenario that was written, to the last digit."""
    text = write_scenario(scenario)
    read = read_scenario(text)
    assert read == scenario
    assert write_scenario(read) == text


@pytest.mark.parametrize("name", READY)
def test_the_ready_made_read(name: str) -> None:
    """A ready-made scenario has the name of its file, a title, and is read again as it was written."""
    scenario = scenario_named(name)
    assert scenario.name == name
    assert scenario.title
    assert read_scenario(write_scenario(scenario)) == scenario == load_scenario(name) == read_scenario(text_named(name))


def test_rush_hour_comes_to_its_rush() -> None:
    """The first hour is quiet, and ten thousand runs last until the peak that follows it."""
    arrival = scenario_named("rush-hour").arrival
    mean = sum(arrival.profile) / len(arrival.profile)
    part_s = arrival.period_s / len(arrival.profile)
    assert arrival.rate_per_s * arrival.profile[0] / mean * part_s < 5_000
    assert arrival.profile[1] == max(arrival.profile) >= 10 * arrival.profile[0]


def test_no_name_is_clear() -> None:
    """An empty name is neither a file nor ready-made, and says what there is."""
    with pytest.raises(ScenarioInvalid, match=r"^'': neither a file nor a ready-made scenario; there are archive"):
        load_scenario("")


def test_the_ready_made_are_those_asked_for() -> None:
    """Six come with the library."""
    assert READY == ("archive-2024", "bursty", "flaky", "rush-hour", "steady", "tool-heavy")


@pytest.mark.parametrize(("path", "text", "expected"), MISTAKES)
def test_one_mistake_is_one_problem_with_its_place(path: str, text: str, expected: str) -> None:
    """Every key of every table, of a wrong type or out of range, gives one problem that begins with its place."""
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenario(text)
    assert len(refused.value.problems) == 1, (path, refused.value.problems)
    assert refused.value.problems[0].startswith(expected)


def test_the_mistakes_are_made_in_a_good_file() -> None:
    """Without its mistake, the file that holds the mistakes is right."""
    assert read_scenario(_document()).name == "good"


def test_every_problem_is_named_at_once() -> None:
    """Problems do not hide one another."""
    text = """
        ttl = 3
        [arrival]
        rate_per_sec = 1
        [steps.queued]
        begin = { share = -1, after_s = { kind = "lognormal", median = -1, sigma = true } }
    """
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenario(text, "mine.toml")
    assert refused.value.source == "mine.toml"
    assert refused.value.problems == (
        "ttl: no such key; did you mean ttl_s?",
        "name: missing",
        "arrival.rate_per_sec: no such key; did you mean rate_per_s?",
        "arrival.rate_per_s: missing",
        "steps.queued.begin.share: expected a number from 0 to 1e+09, got -1",
        "steps.queued.begin.after_s.median: expected a number from 0 to 1e+08, got -1",
        "steps.queued.begin.after_s.sigma: expected a number, got true",
        "steps.queued.begin: practical has no such row; from queued: start, cancel, fail, expire, modify",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nname = ]", "line 2, column 8: not TOML: Invalid value"),
        ('name = "a"\nname = "b"\n', "line 2, column 11: not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, "not TOML: nested too deeply"),
        ("a = " + "9" * 5000, "not TOML: "),
        ('a = "', "at its end: not TOML: Unterminated string"),
    ],
)
def test_what_is_not_toml_says_where(text: str, problem: str) -> None:
    """A mistake of syntax is one problem, with line and column."""
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenario(text)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(problem)


@pytest.mark.parametrize("start", ["2026-01-05T09:00:00Z", "2026-01-05 09:00:00+00:00"])
def test_a_moment_may_be_a_toml_moment(start: str) -> None:
    """A start without quotes is read as the moment it is; one without a zone, or within a second, is refused."""
    assert read_scenario(_document("start", start)).start_s == 1767603600
    for wrong in ("2026-01-05T09:00:00", "2026-01-05", "09:00:00", "2026-01-05T09:00:00.5Z", "1969-01-05T09:00:00Z"):
        with pytest.raises(ScenarioInvalid, match=r"start: expected a whole second|start: expected a moment"):
            read_scenario(_document("start", wrong))


def test_a_name_that_is_neither_file_nor_ready_made(tmp_path: Path) -> None:
    """One line says what is there."""
    for name, hint in (("stedy", "did you mean steady?"), ("zzz", "there are archive-2024, ")):
        with pytest.raises(ScenarioInvalid, match=hint) as refused:
            load_scenario(name)
        assert "\n" not in str(refused.value)
    file = tmp_path / "mine.toml"
    for path in (file, tmp_path):
        with pytest.raises(ScenarioInvalid, match="cannot be read"):
            load_scenario(str(path))
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(ScenarioInvalid, match="not UTF-8 at byte 8"):
        load_scenario(str(file))
    file.write_text(text_named("steady"), encoding="utf-8")
    assert load_scenario(str(file)) == scenario_named("steady")


def test_reading_is_light() -> None:
    """Reading a scenario imports neither numpy nor any other library of the extra."""
    code = "import sys; from runengine.simulation import scenario_named; scenario_named('steady'); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert importlib.util.find_spec("numpy") is not None
    assert not {"numpy", "scipy", "pyarrow", "matplotlib", "tomli_w"} & set(modules)
