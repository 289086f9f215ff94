"""What keys of a scenario must be together: each may be right by itself, and the world still not be one.

Source: the transition table, and the words and fields of the generations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from runengine.core import STATUSES, TERMINAL, Policy, Status, policy_named
from runengine.core.candidates import INCOMPLETE_FIRST
from runengine.core.fields import FIELDS
from runengine.core.shape import ARRIVAL_STAMP
from runengine.core.statuses import EXPIRED
from runengine.core.words import WORDS, Words

if TYPE_CHECKING:
    from runengine.simulation.scenario import Assistant, Scenario, Step

__all__ = ["EXHAUST", "REQUESTED", "nearest", "problems_of", "problems_of_steps"]

EXHAUST: Final = "exhaust_tokens"
"""The step that leads to the status incomplete, which not every generation knows."""

_ROUNDING: Final = 1e-9
REQUESTED: Final = ("temperature", "top_p", "max_prompt_tokens", "max_completion_tokens")
"""What an assistant asks for and not every generation can say."""


def problems_of(scenario: Scenario) -> tuple[str, ...]:
    """What does not go together, each with its place.

    Args:
        scenario: One whose keys are right by themselves.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> problems_of(scenario_named("steady"))
        ()
    """
    steps = tuple(problems_of_steps(scenario.policy, scenario.steps))
    ways = () if steps else tuple(_dead_ends(scenario.machine, scenario.steps))
    return (*steps, *ways, *_problems_of_words(scenario))


def problems_of_steps(policy: str, steps: Mapping[Any, Mapping[str, Any]]) -> Iterator[str]:
    """The steps that are no rows of a policy.

    Args:
        policy: Its name.
        steps: For each status, the rows taken from it, by event; None stands for one that is not known yet.

    Example:
        >>> list(problems_of_steps("documented", {"queued": {"fail": None}}))
        ['steps.queued.fail: documented has no such row; from queued: start, cancel, modify']
    """
    machine = policy_named(policy)
    for source, taken in steps.items():
        if source not in STATUSES:
            yield f"steps.{source}: no such status; {nearest(source, STATUSES)}"
            continue
        legal = machine.allowed(source)
        for event in taken:
            if event not in legal:
                yield f"steps.{source}.{event}: {policy} has no such row; from {source}: {', '.join(legal)}"
        shares = [step.share for step in taken.values() if step is not None]
        if source == EXPIRED and any(shares):
            yield f"steps.{source}: a run is left alone once it has expired; leave this out"
        if source in TERMINAL and sum(shares) > 1 + _ROUNDING:
            yield f"steps.{source}: the shares of a terminal status are probabilities, at most 1 in all"


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant.

    Args:
        word: What was said.
        known: What could have been.

    Example:
        >>> nearest("rate", ("rate_per_s", "process")), nearest("x", ("rate_per_s", "process"))
        ('did you mean rate_per_s?', 'there are rate_per_s, process')
    """
    there = tuple(known)
    near = get_close_matches(word, there, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(there)}"


def _problems_of_words(scenario: Scenario) -> Iterator[str]:
    generation = scenario.generation_number
    if not any(assistant.share for assistant in scenario.assistants):
        yield "assistants: expected one of them to have a share greater than 0"
    for number, assistant in enumerate(scenario.assistants):
        yield from _undeclared(assistant, f"assistants[{number}]", generation)
    yield from _unknown("errors", scenario.errors, WORDS["last_error.code"], generation)
    exhausts = [
        f"steps.{source}.{EXHAUST}.share=0"
        for source, steps in scenario.steps.items()
        if EXHAUST in steps and steps[EXHAUST].share
    ]
    if generation < INCOMPLETE_FIRST and exhausts:
        ways = f"leave out {EXHAUST} ({' '.join(exhausts)}), or take G{INCOMPLETE_FIRST} or later"
        yield f"generation: {scenario.generation} does not know the status incomplete; {ways}"


def _undeclared(assistant: Assistant, place: str, generation: int) -> Iterator[str]:
    """What a record of that generation cannot say."""
    for name in REQUESTED:
        if getattr(assistant, name) is not None and not FIELDS[name].declared_in(generation):
            yield f"{place}.{name}: G{generation} has no such field; it came with G{FIELDS[name].first}"
    words = {word.partition(":")[0] for word in assistant.tools}
    yield from _unknown(f"{place}.tools", words, WORDS["tools[].type"], generation)


def _unknown(place: str, words: Iterable[str], known: Words, generation: int) -> Iterator[str]:
    """Words that another generation knows and this one does not; a word that none knows is a server's own."""
    there = known.known_in(generation)
    for word in sorted(words):
        if word not in there and any(word == other.text for other in known.words):
            yield f"{place}: G{generation} has no {word}; there are {', '.join(there)}"


def _dead_ends(machine: Policy, steps: Mapping[Status, Mapping[str, Step]]) -> Iterator[str]:
    """Every status that is reached leads on, and at last to an end."""
    rows = {(row.source, row.event): row for row in machine.rows}
    reached: list[tuple[Status, bool]] = [(row.target, False) for row in machine.rows if row.source is None]
    onward: dict[tuple[Status, bool], set[tuple[Status, bool]]] = {}
    for here in reached:
        source, started = here
        taken = [rows[source, event] for event, step in steps.get(source, {}).items() if step.share]
        ways = [row for row in taken if row.edge and (started or "started" not in row.guards)]
        onward[here] = {(row.target, started or ARRIVAL_STAMP.get(row.target) == "started_at") for row in ways}
        if not onward[here] and source not in TERMINAL:
            when = "" if started else " where the run has not started"
            yield f"steps.{source}: runs come here{when} and no step with a share leads on"
        reached += [there for there in sorted(onward[here]) if there not in reached]
    ends = {here for here in reached if here[0] in TERMINAL or not onward[here]}
    while more := {here for here in reached if here not in ends and onward[here] & ends}:
        ends |= more
    for source in dict.fromkeys(here[0] for here in reached if here not in ends):
        yield f"steps.{source}: from here no steps with a share lead to an end"
