"""RE3xx: what a record carries beside its stamps."""

from __future__ import annotations

from typing import Any, Final

from runengine.validation.catalogue.examples import LEFT_OUT, lines, record
from runengine.validation.catalogue.rule import Rule

__all__ = ["PAYLOAD_RULES"]


def _asks(*ids: str) -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": "now", "arguments": "{}"}} for i in ids]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}


def _usage(completion: int, prompt: int, total: int) -> dict[str, int]:
    return {"completion_tokens": completion, "prompt_tokens": prompt, "total_tokens": total}


PAYLOAD_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        code="RE301",
        name="required-action-mismatch",
        severity="error",
        says="required_action is set exactly in requires_action, and asks for at least one call.",
        why="A caller that finds none waits until the run expires; one that finds an old one answers it twice.",
        source="FACTS §2.1, B3: set in 53 of 53, null elsewhere.",
        breaks=lines(record("in_progress", required_action=_asks("call_1"))),
        keeps=lines(record("requires_action", required_action=_asks("call_1"))),
    ),
    Rule(
        code="RE302",
        name="last-error-mismatch",
        severity="error",
        says="last_error is set exactly in failed.",
        why="A failure without a reason cannot be acted on; a reason without a failure raises alarms.",
        source="FACTS §6.4, B3: set in 8 of 8, null elsewhere.",
        breaks=lines(record("failed", last_error=None)),
        keeps=lines(record("failed")),
    ),
    Rule(
        code="RE303",
        name="incomplete-details-mismatch",
        severity="error",
        says="incomplete_details is set exactly in incomplete.",
        why="completed with a token limit as reason is neither: readers that trust the status lose the truncation.",
        source="FACTS §6.4, B5.1: recorded once, two weeks before the status was published.",
        breaks=lines(record("completed", incomplete_details={"reason": "max_prompt_tokens"})),
        keeps=lines(record("incomplete", incomplete_details={"reason": "max_prompt_tokens"})),
    ),
    Rule(
        code="RE304",
        name="usage-mismatch",
        severity="error",
        says="usage is set only once the run has ended, and total_tokens is the sum of the other two.",
        why="Usage that appears early is counted twice; a total that is no sum is counted wrong.",
        source="FACTS §2.4, B3, Part E: no exception.",
        breaks=lines(record("completed", usage=_usage(5, 7, 13))),
        keeps=lines(record("completed", usage=None)),
    ),
    Rule(
        code="RE305",
        name="out-of-range",
        severity="error",
        says="A number is in its published range, and a word of a closed list is one the schema knows.",
        why="Generated clients refuse such a record, or pass on a limit that no server accepts.",
        source="FACTS §1.2, §2.5 to §2.8; tools up to 128 by C15.",
        milder="a warning for words",
        breaks=lines(record("queued", max_prompt_tokens=255)),
        keeps=lines(record("queued", max_prompt_tokens=256)),
    ),
    Rule(
        code="RE306",
        name="metadata-limits",
        severity="warning",
        says="metadata has at most 16 pairs, keys of at most 64 characters and values of at most 512.",
        why="The API refuses more; the schema does not say so.",
        source="FACTS §1.2: in prose only.",
        breaks=lines(record("queued", metadata={"k" * 65: "v"})),
        keeps=lines(record("queued", metadata={"k" * 64: "v" * 512})),
    ),
    Rule(
        code="RE307",
        name="missing-field",
        severity="error",
        says="Every key that may not be null in the record's generation is there. Absent equals null for the others.",
        why="Clients fail, or invent a default, where a key they count on is missing.",
        source="FACTS §1.2 (required and not nullable), B6 (nullable keys are left out).",
        breaks=lines(record("queued", model=LEFT_OUT)),
        keeps=lines(record("queued", instructions=LEFT_OUT)),
    ),
    Rule(
        code="RE308",
        name="wrong-type",
        severity="error",
        says="Every value has the JSON type its field is declared with; null only where the field may be null.",
        why='"17" and 17 are equal to nobody but a human.',
        source="FACTS §1.2, §2; overrides by C1, C22.",
        breaks=lines(record("queued", parallel_tool_calls="yes")),
        keeps=lines(record("queued", temperature=1)),
    ),
    Rule(
        code="RE309",
        name="unknown-field",
        severity="info",
        says="A key, or a word of an open list, that no generation (or another one) declares is pointed out, once.",
        why="Servers add fields and words of their own, and clients must tolerate them; it is still good to know.",
        source="FACTS C4, B5.3, B6; tool_resources and reasoning_effort are known and never reported.",
        breaks=lines(record("queued", priority="high")),
        keeps=lines(record("queued", tool_resources={}, reasoning_effort=None)),
    ),
    Rule(
        code="RE310",
        name="duplicate-tool-call",
        severity="error",
        says="The ids of a required action's calls are distinct.",
        why="Outputs are matched to calls by id: one of the two could never be answered.",
        source="FACTS §2.1; DESIGN §2.2 (require_action).",
        breaks=lines(record("requires_action", required_action=_asks("call_1", "call_1"))),
        keeps=lines(record("requires_action", required_action=_asks("call_1", "call_2"))),
    ),
)
"""The rules of this family."""
