"""Single runs of a simulation as the engine knows them: their events, and the records that its own step makes of them.

The columns say what happens and when; here it is said as events of the core, and every record comes from `apply`. So a
simulated history is lawful because the engine has lived it, and whoever writes records by the column has something to
be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from attrs import frozen

from runengine.core import (
    JSON,
    Cancel,
    Complete,
    Create,
    Event,
    ExhaustTokens,
    Expire,
    Fail,
    FinishCancel,
    FunctionCall,
    Modify,
    RequireAction,
    RunObject,
    Start,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolOutput,
    apply,
)
from runengine.core import Usage as Tokens
from runengine.core.generations import GENERATIONS
from runengine.core.parts import FunctionDefinition
from runengine.dialects import write_run
from runengine.dialects.documents import DIALECTS
from runengine.simulation.scenario import Assistant, Scenario

if TYPE_CHECKING:
    from runengine.simulation.vectors.details import Details
    from runengine.simulation.vectors.histories import Histories

__all__ = ["ARGUMENTS", "ERRORS", "Life", "document_of", "life_of", "lives_of", "tools_of"]

ARGUMENTS: Final = "{}"
"""The arguments of every call."""

OUTPUT: Final = "ok"

ERRORS: Final[dict[str, str]] = {
    "server_error": "Sorry, something went wrong.",
    "rate_limit_exceeded": "Rate limit reached for requests. Please try again later.",
    "invalid_prompt": "Invalid prompt: please try again with a different prompt.",
}
"""Messages of the published codes; another code is its own message."""

_FUNCTION: Final = "function:"
_V1_LAST: Final = max(g.number for g in GENERATIONS if g.api == "v1")


@frozen(kw_only=True)
class Life:
    """One run, from its creation to its end, and what was changed after it.

    Attributes:
        index: Its number in the simulation.
        run_id: Its id.
        thread_id: Its thread's.
        events: What happened to it, in order.
        refused_us: When it was first asked for, and refused since its thread was busy, or None.
        active_id: The run its thread was busy with, then, or None.
        scenario: The world it lived in.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> life = life_of(scenario_named("steady"), 1, 7)
        >>> [event.name for event in life.events], life.snapshots()[-1].status
        (['create', 'start', 'complete'], 'completed')
    """

    index: int
    run_id: str
    thread_id: str
    events: tuple[Event, ...]
    refused_us: int | None
    scenario: Scenario
    active_id: str | None = None

    def snapshots(self) -> tuple[RunObject, ...]:
        """The record after each event."""
        made: list[RunObject] = []
        run: RunObject | None = None
        for event in self.events:
            run = apply(run, event, self.scenario.machine)
            made.append(run)
        return tuple(made)

    def documents(self) -> tuple[dict[str, JSON], ...]:
        """The same as plain JSON, in the scenario's generation and dialect."""
        return tuple(document_of(run, self.scenario) for run in self.snapshots())


def document_of(run: RunObject, scenario: Scenario) -> dict[str, JSON]:
    """A record as plain JSON in a scenario's generation and dialect.

    Args:
        run: The record.
        scenario: The scenario.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> run = life_of(scenario_named("steady"), 1, 7).snapshots()[0]
        >>> list(document_of(run, scenario_named("steady")))[:3]
        ['id', 'object', 'created_at']
    """
    document, generation = write_run(run), scenario.generation_number
    if generation <= _V1_LAST:
        document["file_ids"] = []
    return DIALECTS[scenario.dialect].from_native(document, generation).document


def life_of(scenario: Scenario, seed: int, index: int) -> Life:
    """One run of a simulation, made alone.

    Args:
        scenario: The world.
        seed: The simulation's.
        index: The run's number, from 0.

    Raises:
        MissingExtra: numpy or scipy is not installed.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> life_of(scenario_named("steady"), 1, 7).index
        7
    """
    from runengine.simulation.vectors.histories import histories

    return next(lives_of(next(histories(scenario, seed, 1, first=index))))


def lives_of(histories: Histories) -> Iterator[Life]:
    """The runs of a chunk, one after another.

    Args:
        histories: The chunk.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> [life.index for life in lives_of(next(histories(scenario_named("steady"), 1, 3)))]
        [0, 1, 2]
    """
    from runengine.simulation.vectors.details import Details

    details = Details(histories)
    offsets, refused = histories.offsets.tolist(), histories.refused_us.tolist()
    active_ids = {place: name.decode() for place, name in zip(*details.refusals, strict=True)}
    for place, index in enumerate(histories.runs.tolist()):
        yield Life(
            index=index,
            run_id=details.run_id[place].decode(),
            thread_id=details.thread_id[place].decode(),
            events=tuple(_events(histories, details, place, offsets[place], offsets[place + 1])),
            refused_us=refused[place] if refused[place] >= 0 else None,
            scenario=histories.world.scenario,
            active_id=active_ids.get(place),
        )


def _events(histories: Histories, details: Details, place: int, start: int, stop: int) -> Iterator[Event]:
    world, scenario = histories.world, histories.world.scenario
    calls: tuple[ToolCall, ...] = ()
    modified = 0
    assistant = scenario.assistants[int(details.assistant[place])]
    for entry in range(start, stop):
        row, at_us = world.rows[histories.row[entry]], int(histories.at_us[entry])
        match row.event:
            case "create":
                yield _create(details, place, at_us, assistant, scenario)
            case "start":
                yield Start(at_us=at_us)
            case "require_action":
                calls = _calls(details, entry, scenario)
                yield RequireAction(at_us=at_us, tool_calls=calls)
            case "submit_tool_outputs":
                outputs = tuple(ToolOutput(tool_call_id=call.id, output=OUTPUT) for call in calls)
                yield SubmitToolOutputs(at_us=at_us, outputs=outputs)
            case "cancel":
                yield Cancel(at_us=at_us)
            case "modify":
                modified += 1
                yield Modify(at_us=at_us, metadata={**assistant.metadata, "modified": str(modified)})
            case _:
                yield _ending(row.event, details, place, at_us, scenario)


def _create(details: Details, place: int, at_us: int, assistant: Assistant, scenario: Scenario) -> Create:
    return Create(
        at_us=at_us,
        run_id=details.run_id[place].decode(),
        thread_id=details.thread_id[place].decode(),
        assistant_id=assistant.assistant_id,
        model=assistant.model,
        ttl_s=scenario.ttl_s,
        instructions=assistant.instructions,
        tools=tools_of(assistant),
        metadata=dict(assistant.metadata),
        temperature=assistant.temperature,
        top_p=assistant.top_p,
        max_prompt_tokens=assistant.max_prompt_tokens,
        max_completion_tokens=assistant.max_completion_tokens,
    )


def tools_of(assistant: Assistant) -> tuple[Tool, ...]:
    """An assistant's tools as a record has them.

    Args:
        assistant: The assistant.

    Example:
        >>> [tool.type for tool in tools_of(Assistant(assistant_id="a", tools=("code_interpreter", "function:now")))]
        ['code_interpreter', 'function']
    """
    return tuple(
        Tool(type="function", function=FunctionDefinition(name=word.removeprefix(_FUNCTION)))
        if word.startswith(_FUNCTION)
        else Tool(type=word)
        for word in assistant.tools
    )


def _calls(details: Details, entry: int, scenario: Scenario) -> tuple[ToolCall, ...]:
    here = [entry]
    return tuple(
        ToolCall(
            id=details.call_id(here, number)[0].decode(),
            function=FunctionCall(
                name=scenario.tools.functions[int(details.call_function(here, number)[0])], arguments=ARGUMENTS
            ),
        )
        for number in range(int(details.calls[entry]))
    )


def _ending(event: str, details: Details, place: int, at_us: int, scenario: Scenario) -> Event:
    prompt, completion = int(details.prompt_tokens[place]), int(details.completion_tokens[place])
    full = Tokens(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    cut = full if details.counted[place] else Tokens(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    match event:
        case "complete":
            return Complete(at_us=at_us, usage=full)
        case "exhaust_tokens":
            return ExhaustTokens(at_us=at_us, reason=list(scenario.limits)[int(details.limit[place])], usage=full)
        case "fail":
            code = list(scenario.errors)[int(details.error[place])]
            return Fail(at_us=at_us, code=code, message=ERRORS.get(code, code), usage=cut)
        case "finish_cancel":
            return FinishCancel(at_us=at_us, usage=cut)
        case "expire":
            return Expire(at_us=at_us, usage=cut)
    raise AssertionError(f"no payload is known for {event}")
