"""A scenario is one that can be lived, or is refused with the reason."""

from __future__ import annotations

import json
import re
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from runengine.core import POLICIES, STATUSES, TERMINAL, Status
from runengine.dialects import DIALECTS
from runengine.simulation import (
    READY,
    Arrival,
    Assistant,
    Constant,
    Lognormal,
    Quantiles,
    Scenario,
    ScenarioInvalid,
    Step,
    scenario_named,
)
from runengine.simulation.lives import lives_of
from runengine.simulation.soundness import problems_of
from runengine.simulation.vectors.histories import histories
from runengine.validation import Checker, Violation, check_paths
from tests.simulation.scenarios import scenarios

ONE = Step(share=1, after_s=Constant(value=1))
STEPS: dict[Any, dict[str, Step]] = {"queued": {"start": ONE}, "in_progress": {"complete": ONE}}


def _made(**keys: Any) -> Scenario:
    return Scenario(**{"name": "x", "arrival": Arrival(rate_per_s=1), "steps": STEPS, **keys})


def _refused(**keys: Any) -> tuple[str, ...]:
    with pytest.raises(ScenarioInvalid) as refused:
        _made(**keys)
    return refused.value.problems


def _findings(scenario: Scenario, runs: int) -> list[Violation]:
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for made in histories(scenario, 3, runs):
            for life in lives_of(made):
                for document in life.documents():
                    native = DIALECTS[scenario.dialect].to_native(document)
                    file.write(json.dumps(native, ensure_ascii=False) + "\n")
        file.flush()
        return list(check_paths([file.name], Checker()))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scenarios())
def test_histories_of_any_scenario_are_checked_clean(scenario: Scenario) -> None:
    """No history of a valid scenario has an error."""
    assert not [found for found in _findings(scenario, 20) if found.severity == "error"]


@pytest.mark.parametrize("name", READY)
def test_histories_of_the_ready_made_are_checked_clean(name: str) -> None:
    """A ready-made scenario breaks no rule; the steps that no diagram draws are pointed out, in few runs."""
    found = _findings(scenario_named(name), 500)
    assert {violation.code for violation in found} <= {"RE102"}
    assert len(found) <= (150 if name == "flaky" else 15)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_row_is_needed_somewhere(policy: str) -> None:
    """A status that runs come to and that has no step with a share is refused, and named."""
    machine = POLICIES[policy]
    for source in (status for status in STATUSES if status not in TERMINAL and status != "queued"):
        into = next(row for row in machine.rows if row.target == source and row.source in ("queued", "in_progress"))
        assert into.source is not None
        steps = {"queued": {"start": ONE}, "in_progress": {"complete": ONE}}
        steps[into.source] = {**steps[into.source], into.event: ONE}
        steps.pop(source, None)
        problems = _refused(policy=policy, steps=steps)
        assert any(problem.startswith(f"steps.{source}: runs come here") for problem in problems), problems


def test_a_circle_without_a_way_out_is_refused() -> None:
    """Runs that go round for ever are refused."""
    steps = {
        "queued": {"start": ONE},
        "in_progress": {"require_action": ONE},
        "requires_action": {"submit_tool_outputs": ONE},
    }
    assert "steps.queued: from here no steps with a share lead to an end" in _refused(steps=steps)


def test_an_outcome_needs_a_start() -> None:
    """Where all that can happen in cancelling needs a run that has started, one that has not is stuck, and refused."""
    steps = {**STEPS, "queued": {"start": ONE, "cancel": ONE}, "cancelling": {"complete": ONE}}
    assert _refused(steps=steps) == (
        "steps.cancelling: runs come here where the run has not started and no step with a share leads on",
    )


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"generation": "G1", "errors": {"invalid_prompt": 1}}, "errors: G1 has no invalid_prompt"),
        ({"generation": "G8", "steps": {**STEPS, "in_progress": {"exhaust_tokens": ONE}}}, "generation: G8 does not"),
        ({"assistants": (Assistant(assistant_id="a", tools=("retrieval",)),)}, "assistants[0].tools: G16 has no"),
        (
            {"generation": "G7", "assistants": (Assistant(assistant_id="a", tools=("file_search",)),)},
            "assistants[0].tools: G7 has no file_search",
        ),
        (
            {"generation": "G4", "assistants": (Assistant(assistant_id="a", temperature=1),)},
            "assistants[0].temperature: G4 has no such field; it came with G5",
        ),
        ({"assistants": (Assistant(assistant_id="a", share=0),)}, "assistants: expected one of them to have a share"),
        ({"steps": {**STEPS, "completed": {"modify": Step(share=1.5, after_s=ONE.after_s)}}}, "steps.completed: the"),
        ({"steps": {**STEPS, "queue": {}}}, "steps.queue: no such status; did you mean queued?"),
        ({"steps": {**STEPS, "queued": {"begin": ONE, "start": ONE}}}, "steps.queued.begin: practical has no such row"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, Any], problem: str) -> None:
    """What the generation does not know, and steps that are no rows, are refused, each by one problem."""
    problems = _refused(**keys)
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_a_code_that_no_generation_knows_is_a_server_s_own() -> None:
    """Error codes are an open list: Azure's own may be simulated."""
    assert not problems_of(_made(errors={"invalid_engine_error": 1}))


@pytest.mark.parametrize("status", [status for status in TERMINAL if status != "expired"])
def test_a_terminal_status_may_be_modified(status: Status) -> None:
    """The shares of a terminal status are probabilities; what they leave is that nothing happens."""
    assert not problems_of(_made(steps={**STEPS, status: {"modify": Step(share=1, after_s=ONE.after_s)}}))


def test_an_expired_run_is_left_alone() -> None:
    """No step is taken from expired; one with the share 0 is none."""
    steps = {**STEPS, "expired": {"modify": ONE}}
    assert _refused(steps=steps) == ("steps.expired: a run is left alone once it has expired; leave this out",)
    assert not problems_of(_made(steps={**STEPS, "expired": {"modify": Step(share=0, after_s=ONE.after_s)}}))


@pytest.mark.parametrize("key", ["name", "title"])
@pytest.mark.parametrize("control", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
def test_a_line_has_no_control_characters(key: str, control: int) -> None:
    """What would steer a terminal, or end a line, is refused in name and title; the message is safe to print."""
    with pytest.raises(ValueError, match=f"^{key}: expected ") as refused:
        _made(**{key: f"a{chr(control)}b"})
    assert str(refused.value).isprintable()


def test_a_message_is_safe_to_print() -> None:
    """Keys and names of files in the text of a problem have no control characters either."""
    assert str(ScenarioInvalid("a\x1b[2J", ("b\x07\u2028: no such key",))) == r"a\x1b[2J: b\x07\u2028: no such key"


def test_the_way_out_of_an_old_generation_leads_out() -> None:
    """What the message names is what must be set, for every status, and nothing else."""
    exhausts = {"queued": {"start": ONE, "cancel": ONE}, "in_progress": {"complete": ONE, "exhaust_tokens": ONE}}
    steps = {**exhausts, "cancelling": {"finish_cancel": ONE, "exhaust_tokens": ONE}}
    (problem,) = _refused(generation="G8", steps=steps)
    named = re.findall(r"steps\.(\w+)\.exhaust_tokens\.share=0", problem)
    assert named == ["in_progress", "cancelling"]
    none = Step(share=0, after_s=ONE.after_s)
    without = {s: {**taken, "exhaust_tokens": none} if s in named else taken for s, taken in steps.items()}
    assert _made(generation="G8", steps=without).generation_number == 8


@pytest.mark.parametrize("text", ["", "a\x00b", "\ud800"])
def test_text_is_what_json_and_databases_can_carry(text: str) -> None:
    """Neither NUL, nor half of a pair of surrogates, nor an empty model."""
    with pytest.raises(ValueError, match=r"^model: expected "):
        Assistant(assistant_id="a", model=text)


def test_metadata_leaves_room_for_a_modify() -> None:
    """Fifteen pairs are allowed, sixteen are not, nor is text beyond the published limits."""
    Assistant(assistant_id="a", metadata={str(number): "v" * 512 for number in range(15)})
    for metadata in ({str(n): "" for n in range(16)}, {"k" * 65: ""}, {"k": "v" * 513}, {"": "v"}):
        with pytest.raises(ValueError, match=r"^metadata"):
            Assistant(assistant_id="a", metadata=metadata)


def test_distributions_stay_within_64_bits() -> None:
    """A distribution whose longest sample would overflow is refused, as are quantiles that go down."""
    with pytest.raises(ValueError, match=r"^sigma: "):
        Lognormal(median=1e6, sigma=4)
    with pytest.raises(ValueError, match=r"^values: "):
        Quantiles(values=(1, 0))
