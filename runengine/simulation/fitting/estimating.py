"""From what was read to a scenario, and a report of what each of its numbers rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import asdict, define, evolve, frozen

from runengine.core import DOCUMENTED, PERMISSIVE, POLICIES, STATUSES, TERMINAL, Status, Transition
from runengine.core.statuses import EXPIRED, IN_PROGRESS
from runengine.simulation.distributions import Distribution, Exponential
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.fitting.choosing import Choice, median_of, rounded
from runengine.simulation.fitting.details import details_of
from runengine.simulation.fitting.likelihood import sample_of
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.report import Learned, Report
from runengine.simulation.fitting.risks import EXPIRE, Ended, Risk, risks_of
from runengine.simulation.fitting.rounds import Rounds, rounds_of
from runengine.simulation.fitting.tally import Kept
from runengine.simulation.keys import place_of
from runengine.simulation.ready import scenario_named
from runengine.simulation.scenario import Scenario, Step, Tools

__all__ = ["DEFAULT", "FEW_SHARED", "Fit", "default_of", "fitted", "steps_of"]

FEW_SHARED: Final = 30
"""Stays that ended in one status below which its shares are plain counts."""

DEFAULT: Final = "steady"
"""The scenario whose distributions stand where there are few stays."""

_WAYS_ON: Final[dict[Status, str]] = {
    "queued": "start",
    "in_progress": "complete",
    "requires_action": "submit_tool_outputs",
    "cancelling": "finish_cancel",
}
"""The row that is added where runs come and no step leads on."""
_MODIFY: Final = "modify"
_ASKS: Final = "require_action"


@frozen(kw_only=True, eq=False)
class Fit:
    """A scenario that was learned.

    Attributes:
        scenario: It.
        report: What it rests on.

    Example:
        >>> [a.name for a in Fit.__attrs_attrs__]
        ['scenario', 'report']
    """

    scenario: Scenario
    report: Report


@define
class _Notes:
    learned: list[Learned]
    assumed: list[str]
    unknown: list[str]


def fitted(reading: Reading, name: str = "learned") -> Fit:
    """The scenario that recordings tell of.

    Args:
        reading: What was read.
        name: The scenario's name.

    Raises:
        ScenarioInvalid: no run was read.

    Example:
        >>> from runengine.validation.observations import Observation
        >>> reading = Reading()
        >>> stamps = {"created_at": 1700000007, "started_at": 1700000008, "completed_at": 1700000012}
        >>> reading.add([Observation({"id": "r", "status": "completed", "tools": [], **stamps}, 1)])
        >>> sorted(fitted(reading).scenario.steps)
        ['in_progress', 'queued']
    """
    if not reading.counts.runs:
        raise ScenarioInvalid(name, ("nothing to learn from: no run was found",))
    notes = _Notes([], [], [])
    steps = steps_of(reading, notes.learned)
    policy = _policy(steps, notes)
    given = details_of(reading, notes.learned, notes.assumed, notes.unknown)
    tools: Tools = given.pop("tools")
    if _ASKS in steps.get("in_progress", {}):
        limit = rounds_of(reading)
        tools = evolve(tools, rounds_max=limit.most)
        notes.learned.append(_told_of_rounds(limit))
    scenario = _valid({**given, "name": name, "policy": policy, "tools": tools}, steps, notes.assumed)
    _say_what_was_read(reading, notes)
    report = Report(
        read=asdict(reading.counts),
        learned=tuple(notes.learned),
        assumed=tuple(notes.assumed),
        unknown=tuple(notes.unknown),
    )
    return Fit(scenario=scenario, report=report)


def default_of(source: Status, event: str) -> Distribution:
    """The distribution that stands for a row of which little was seen.

    Args:
        source: The row's.
        event: The row's.

    Example:
        >>> default_of("requires_action", "start")
        Exponential(mean=1.0)
    """
    step = scenario_named(DEFAULT).steps.get(source, {}).get(event)
    return step.after_s if step is not None else Exponential(mean=1.0)


def steps_of(reading: Reading, learned: list[Learned] | None = None) -> dict[Status, dict[str, Step]]:
    """The steps of a scenario: for each source its rows, shares and distributions together.

    Args:
        reading: What was read.
        learned: Where to add what each number rests on.

    Example:
        >>> steps_of(Reading())
        {}
    """
    rows = reading.stays.rows
    steps: dict[Status, dict[str, Step]] = {}
    limit = rounds_of(reading)
    for source in STATUSES:
        kept = {event: there for (where, event), there in rows.items() if where == source}
        if not kept or source == EXPIRED:  # what follows an expiry is not simulated
            continue
        ended = {event: Ended(sample=sample_of(one.sample.kept), counts=one.counts) for event, one in kept.items()}
        left, due = reading.stays.left.get(source), reading.stays.due.get(source)
        risks = risks_of(
            ended,
            sample_of(left.kept if left else []),
            sample_of(due.kept if due else []),
            _closed(source, ended, limit.most if limit.shows else None),
            {event: default_of(source, event) for event in kept},
        )
        if source in TERMINAL:
            risks = _probabilities(risks, sum(one.counts.total() for one in kept.values()), reading.facts.ends[source])
        steps[source] = {
            event: Step(share=_rounded(risk.share), after_s=rounded(risk.choice.distribution))
            for event, risk in risks.items()
        }
        if learned is not None:
            for event, risk in risks.items():
                learned += _told(f"steps.{source}.{event}", risk, kept[event])
    return steps


def _closed(source: Status, ended: Mapping[str, Ended], rounds_max: int | None) -> dict[str, frozenset[str]]:
    """For each situation that was met, the events whose rows were closed to runs in it; with few stays, none."""
    if sum(one.count for one in ended.values()) < FEW_SHARED:
        return {}
    rows = [row for row in PERMISSIVE.rows if row.source == source]
    unstarted = frozenset(row.event for row in rows if "started" in row.guards)
    capped = frozenset(row.event for row in rows if "has_tool_calls" in row.guards)
    made: dict[str, frozenset[str]] = {}
    for situation in {word for one in ended.values() for word in one.counts}:
        started, _, rounds = situation.partition(" ")
        shut = unstarted if started == "unstarted" else frozenset()
        made[situation] = shut | (capped if rounds_max is not None and int(rounds) >= rounds_max else frozenset())
    return made


def _told_of_rounds(limit: Rounds) -> Learned:
    seen = f"largest seen: {limit.seen}"
    why = (
        f"{seen}, and none of {limit.after:,} stays after so many led to another: a limit"
        if limit.shows
        else f"{seen}; no limit shows, so room is left"
    )
    basis = "counted" if limit.shows else "default"
    return Learned(place="tools.rounds_max", value=limit.most, basis=basis, exact=limit.after, note=why)


def _probabilities(risks: dict[str, Risk], taken: int, ends: int) -> dict[str, Risk]:
    """In a terminal status a share is a probability: of each time a run comes there, and of each time after it."""
    times = max(ends + taken, 1)
    return {
        event: evolve(
            risk, share=risk.share * taken / times, low=risk.low * taken / times, high=risk.high * taken / times
        )
        for event, risk in risks.items()
    }


def _rounded(share: float) -> float:
    return max(float(f"{share:.5g}"), 1e-9)


def _told(place: str, risk: Risk, kept: Kept) -> list[Learned]:
    cases: dict[str, Any] = {"exact": kept.exact, "within": kept.within, "open": round(risk.open_weight, 1)}
    choice: Choice = risk.choice
    note = _weakness(kept, choice)
    kind = choice.distribution.kind
    made = [
        Learned(
            place=f"{place}.share",
            value=_rounded(risk.share),
            low=risk.low,
            high=risk.high,
            basis="counted",
            note=f"{kept.hidden:,} of them not seen, but follow" if kept.hidden else "",
            **cases,
        )
    ]
    made += [
        Learned(
            place=f"{place}.after_s.{one.name}",
            value=float(f"{one.value:.5g}"),
            low=one.low,
            high=one.high,
            basis=choice.basis,
            off=choice.off,
            note=", ".join(filter(None, (kind, note))),
            **cases,
        )
        for one in choice.parameters
    ]
    if not choice.parameters:
        mean = float(f"{choice.distribution.mean:.5g}")
        made.append(
            Learned(place=f"{place}.after_s.mean", value=mean, basis=choice.basis, off=choice.off, note=kind, **cases)
        )
    return made


def _weakness(kept: Kept, choice: Choice) -> str:
    """What is to be said of a row's lengths: that they are a sample, that they are known too coarsely."""
    notes: list[str] = []
    if kept.sample.seen > len(kept.sample.kept):
        notes.append(f"{len(kept.sample.kept):,} of {kept.sample.seen:,} stays, drawn evenly")
    wide_s = sorted(width for width, _, _ in kept.sample.kept)[len(kept.sample.kept) // 2] if kept.sample.kept else 0.0
    if choice.basis != "default" and wide_s > max(1.0, median_of(choice.distribution)):
        notes.append(f"weak: its beginning is known to {wide_s:.3g} s only")
    return ", ".join(notes)


def _policy(steps: Mapping[Status, Mapping[str, Step]], notes: _Notes) -> str:
    """The narrowest policy that has every row that was seen."""
    rows = {(row.source, row.event): row for row in PERMISSIVE.rows}
    seen: list[Transition] = [rows[source, event] for source, there in steps.items() for event in there]
    for name, policy in POLICIES.items():
        if all((row.source, row.event) in {(r.source, r.event) for r in policy.rows} for row in seen):
            beyond = [str(row) for row in seen if row not in DOCUMENTED.rows]
            note = f"for {', '.join(beyond)}" if beyond else "no step was seen that is not in the published diagram"
            notes.learned.append(Learned(place="policy", value=name, basis="counted", exact=len(seen), note=note))
            return name
    raise AssertionError("the widest policy has every row")


def _valid(given: dict[str, Any], steps: dict[Status, dict[str, Step]], assumed: list[str]) -> Scenario:
    """The scenario; where runs come to a status that nothing leads on from, the row that mostly does is added."""
    for _ in range(2 * len(_WAYS_ON) + 1):
        try:
            return Scenario(**given, steps=steps)
        except ScenarioInvalid as error:
            here = [place_of(ValueError(problem))[0].removeprefix("steps.") for problem in error.problems]
            stuck: list[Status] = [source for source in _WAYS_ON if source in here]
            stuck.append(IN_PROGRESS)
            missing: list[Status] = [source for source in stuck if _WAYS_ON[source] not in steps.get(source, {})]
            if not missing:
                raise
            source = missing[0]
            event = _WAYS_ON[source]
            steps.setdefault(source, {})[event] = Step(share=1.0, after_s=default_of(source, event))
            assumed.append(
                f"steps.{source}.{event}: runs come to {source}, and none was seen to leave it so that it can go on; "
                f"{DEFAULT}'s row was taken"
            )
    raise AssertionError("every status has a way on")


def _say_what_was_read(reading: Reading, notes: _Notes) -> None:
    counts, stays = reading.counts, reading.stays
    said = [
        (
            counts.clashes,
            "moments at which the recorder's clock and a stamp contradict each other: the stamp was taken",
        ),
        (counts.disordered, "snapshots older than the one before them: left out"),
        (counts.unexplained, "changes of status that no policy explains: left out, with the stays beside them"),
        (stays.late, "stays that had begun before the recording did: left out, since the long ones are met more often"),
        (
            sum(one.hidden for one in stays.rows.values()),
            "steps that nobody saw, taken as the fewest that explain what was",
        ),
        (counts.untimed, "snapshots without http_date or observed_at: only their stamps say when"),
        (counts.unreadable, "lines or documents that could not be read"),
        (counts.unusable, "snapshots without id, status or created_at"),
    ]
    notes.assumed += [f"{count:,} {what}" for count, what in said if count]
    ended = {
        source: sum(n.counts.total() for (where, _), n in stays.rows.items() if where == source) for source in STATUSES
    }
    few = [f"{source} {count}" for source, count in ended.items() if 0 < count < FEW_SHARED]
    if few:
        notes.assumed.append(
            f"weak: the shares of statuses with fewer than {FEW_SHARED} ended stays are plain counts: {', '.join(few)}"
        )
    if counts.runs == 1:
        notes.assumed.append("one run only: its course is taken for that of all")
    left = {source: len(kept.kept) for source, kept in stays.left.items()}
    if left:
        words = ", ".join(f"{count:,} {source}" for source, count in left.items())
        notes.assumed.append(f"runs still open at the end of their recording count in part for each row: {words}")
    unseen = [row for row in DOCUMENTED.rows if row.edge and (row.source, row.event) not in stays.rows]
    if unseen:
        notes.unknown.append(f"steps: never seen, so left out: {', '.join(map(str, unseen))}")
    if not counts.histories and any(event == _MODIFY for _, event in stays.rows):
        notes.unknown.append("steps.*.modify: only changes of metadata that were seen; others leave no trace")
    if EXPIRE in {event for _, event in stays.rows}:
        notes.assumed.append("expire: after_s counts from the deadline of the record before")
