"""The JSON Schema says what the reader says, as far as a schema can."""

from __future__ import annotations

import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from runengine.core import POLICIES
from runengine.core.words import WORDS
from runengine.simulation import READY, Scenario, ScenarioInvalid, read_scenario, write_scenario
from runengine.simulation.distributions import DISTRIBUTIONS
from runengine.simulation.page import scenario_page
from runengine.simulation.ready import text_named
from runengine.simulation.schema import scenario_schema
from tests.simulation.scenarios import scenarios
from tests.simulation.test_scenario_files import MISTAKES

VALIDATOR: Any = jsonschema.Draft202012Validator(scenario_schema())


def test_the_schema_is_one() -> None:
    """It is valid by the schema of schemas."""
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("name", READY)
def test_the_ready_made_validate(name: str) -> None:
    """Every ready-made file is valid by the schema."""
    VALIDATOR.validate(tomllib.loads(text_named(name)))


@settings(max_examples=12, deadline=None)
@given(scenarios())
def test_what_is_written_validates(scenario: Scenario) -> None:
    """Every scenario, written, is valid by the schema."""
    VALIDATOR.validate(tomllib.loads(write_scenario(scenario)))


@pytest.mark.parametrize(("path", "text", "_expected"), MISTAKES)
def test_a_mistake_in_a_key_fails_both(path: str, text: str, _expected: str) -> None:
    """A value that a key cannot have is refused by the schema as by the reader."""
    assert not VALIDATOR.is_valid(tomllib.loads(text)), path
    with pytest.raises(ScenarioInvalid):
        read_scenario(text)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_schema_knows_the_rows_of_each_policy(policy: str) -> None:
    """A step is valid where the policy has its row, and nowhere else; without a policy, it is the default one."""
    step = {"share": 1, "after_s": {"kind": "constant", "value": 1}}
    base = {"name": "x", "arrival": {"rate_per_s": 1}}
    for other in POLICIES.values():
        for row in other.rows:
            if row.source is not None:
                is_row = row.event in POLICIES[policy].allowed(row.source)
                steps = {"steps": {row.source: {row.event: step}}}
                assert VALIDATOR.is_valid({**base, "policy": policy, **steps}) == is_row
                assert policy != "practical" or VALIDATOR.is_valid({**base, **steps}) == is_row


def test_the_page_says_what_needs_which_generation() -> None:
    """Each word and field is there with its generations, and a scenario of the one before is refused."""
    page = scenario_page()
    for path in ("last_error.code", "tools[].type"):
        for word in WORDS[path].words:
            span = f"G{max(word.first, 1)} to G{word.last}"
            assert any(f"`{word.text}" in line and line.endswith(f"| {span} |") for line in page.splitlines()), word
    assert "| `steps.*.exhaust_tokens` | a share above 0 | G9 to G16 |" in page
    assert "| `assistants.top_p` | any | G7 to G16 |" in page


def test_the_page_says_what_a_key_may_not_be() -> None:
    """What is refused of a key, and what a range does not say by itself, is on the page."""
    page = scenario_page()
    for said in ("| `expired` | none | none |", "1971 to 2500", "one line", "exp(4.9 * sigma)", "has no NUL"):
        assert said in page, said


def test_the_page_names_everything() -> None:
    """Every ready-made scenario and distribution has its place in the reference."""
    page = scenario_page()
    assert all(f"| `{name}` |" in page for name in READY)
    assert all(f"### `{kind}`" in page for kind in DISTRIBUTIONS)
