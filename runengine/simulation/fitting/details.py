"""Of a scenario all but its steps: arrivals, threads, tools, tokens, words, assistants, pollers."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from runengine.core import FIELDS, TTL_S
from runengine.core.candidates import INCOMPLETE_FIRST
from runengine.core.generations import GENERATIONS, LATEST
from runengine.core.words import WORDS
from runengine.simulation.distributions import Distribution
from runengine.simulation.fitting.arrivals import ENOUGH, arrived
from runengine.simulation.fitting.choosing import FEW, chosen, rounded
from runengine.simulation.fitting.facts import Asked, Facts
from runengine.simulation.fitting.likelihood import sample_of
from runengine.simulation.fitting.reading import Reading
from runengine.simulation.fitting.report import Learned
from runengine.simulation.ready import scenario_named
from runengine.simulation.scenario import Arrival, Assistant, Pollers, Threads, Tools, Usage

__all__ = ["details_of"]

_DEFAULT: Final = "steady"
_ASSISTANTS_MAX: Final = 8
_THREAD_RUNS_MAX: Final = 20
_RATE: Final = 1.0
_COARSE_S: Final = 5.0
_FIRST: Final = 1
_EARLIEST_S: Final = 366 * 86_400
_NAME: Final = re.compile("[A-Za-z0-9_-]{1,64}")
_PAIRS_MAX: Final = 15
_JITTER_SD: Final = 6**-0.5
"""The standard deviation of a gap between two polls, each off by up to half the jitter either way, in jitters."""


def details_of(reading: Reading, learned: list[Learned], assumed: list[str], unknown: list[str]) -> dict[str, Any]:
    """The arguments of a scenario, but for its name, policy and steps.

    Args:
        reading: What was read.
        learned: Where to add what each number rests on.
        assumed: Where to add what was taken as given.
        unknown: Where to add what the recordings do not tell.

    Example:
        >>> details_of(Reading(), [], [], [])["ttl_s"]
        600
    """
    facts, counts = reading.facts, reading.counts
    incomplete = any(event == "exhaust_tokens" for _, event in reading.stays.rows)
    generation = _generation(facts, incomplete, learned)
    made: dict[str, Any] = {
        "title": f"Learned from {counts.runs:,} run{'s' * (counts.runs != 1)} in {counts.recordings:,} "
        f"recording{'s' * (counts.recordings != 1)}.",
        "generation": generation,
        "dialect": _commonest(facts.dialects, "dialect", "native", learned),
        "ttl_s": int(_commonest(facts.ttl_s, "ttl_s", TTL_S, learned)),
        "threads": _threads(facts, learned, unknown),
        "tools": _tools(facts, learned, unknown),
        "usage": _usage(facts, learned, unknown),
        "errors": _words(facts.errors, "errors", "last_error.code", generation, learned, assumed),
        "limits": _words(facts.limits, "limits", "incomplete_details.reason", generation, learned, assumed),
        "assistants": _assistants(facts, generation, learned, assumed),
        "pollers": _pollers(facts, learned, unknown),
    }
    made["arrival"] = _arrival(facts, made["threads"], learned, unknown)
    moments = [one[0] for one in facts.arrivals]
    if moments and min(moments) > _EARLIEST_S:
        published_s = GENERATIONS[int(generation[1:])].published_s
        if min(moments) < published_s:
            assumed.append(f"start: the day {generation} was published, since the first runs are older than that")
        first = datetime.fromtimestamp(int(max(min(moments), published_s)), UTC).replace(minute=0, second=0)
        made["start"] = first.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {key: value for key, value in made.items() if value is not None}


def _arrival(facts: Facts, threads: Threads, learned: list[Learned], unknown: list[str]) -> Arrival:
    found = arrived(facts.arrivals, threads.mean_runs)
    if found.arrival is None:
        unknown.append(
            f"arrival: no recording has more than {ENOUGH} threads; {_RATE:g} run a second, each for itself, was taken"
        )
        learned.append(Learned(place="arrival.rate_per_s", value=_RATE, basis="default", exact=found.gaps))
        return Arrival(rate_per_s=_RATE)
    said = f"squared variation of gaps {found.variation:.2f}"
    said += f", index of dispersion {found.dispersion:.3g}" if found.dispersion is not None else ""
    said += f" ({found.nearby:.3g} of neighbouring counts)" if found.nearby is not None else ""
    said += "; weak: the rate goes up and down, and is taken as even" if found.changing else ""
    arrival = found.arrival
    learned.append(
        Learned(
            place="arrival.rate_per_s",
            value=arrival.rate_per_s,
            low=found.low,
            high=found.high,
            basis="fitted",
            exact=found.gaps,
        )
    )
    learned.append(Learned(place="arrival.process", value=arrival.process, basis="fitted", exact=found.gaps, note=said))
    if arrival.process == "bursts":
        learned += [
            Learned(place=f"arrival.{key}", value=getattr(arrival, key), basis="fitted", exact=found.gaps)
            for key in ("burst_runs", "burst_spread_s")
        ]
    changes = ", which it is not: counts vary slowly, more than by chance" if found.changing else ""
    unknown.append(f"arrival.profile: not learned; the rate is taken as even{changes}")
    return arrival


def _threads(facts: Facts, learned: list[Learned], unknown: list[str]) -> Threads:
    most = min(max(facts.threads, default=1), _THREAD_RUNS_MAX)
    counts = [facts.threads[number] for number in range(1, most)]
    counts.append(sum(n for number, n in facts.threads.items() if number >= most))
    total = sum(counts)
    shares = tuple(_share(count, total) for count in counts) if total else (1.0,)
    learned.append(
        Learned(
            place="threads.runs",
            value=" ".join(f"{share:g}" for share in shares),
            basis="counted",
            exact=total,
            note="threads by their runs",
        )
    )
    default = scenario_named(_DEFAULT).threads.pause_s
    later = facts.pauses.seen + facts.at_once
    if not later:
        unknown.append("threads.pause_s, threads.contention: no thread had a run after one that ended in sight")
        learned.append(Learned(place="threads.pause_s", value=default.kind, basis="default"))
        return Threads(runs=shares, pause_s=default)
    pause = _distribution("threads.pause_s", facts.pauses.kept, default, learned)
    contention = _share(facts.at_once, later)
    learned.append(
        Learned(
            place="threads.contention",
            value=contention,
            basis="counted",
            exact=later,
            note="runs created in the very moment the one before ended; only histories show that",
        )
    )
    if facts.overlaps:
        unknown.append(
            f"threads: {facts.overlaps:,} runs were created while another of their thread was active: left out"
        )
    return Threads(runs=shares, pause_s=pause, contention=contention)


def _share(count: int, total: int) -> float:
    return float(f"{count / total:.5g}")


def _distribution(place: str, known: list[Any], default: Distribution, learned: list[Learned]) -> Distribution:
    sample = sample_of(known)
    choice = chosen(sample, default)
    cases: dict[str, Any] = {"exact": int(sample.exact @ sample.weight) if len(sample) else 0}
    cases["within"] = round(sample.count) - cases["exact"]
    for one in choice.parameters:
        value = float(f"{one.value:.5g}")
        learned.append(
            Learned(
                place=f"{place}.{one.name}",
                value=value,
                low=one.low,
                high=one.high,
                basis=choice.basis,
                off=choice.off,
                note=choice.distribution.kind,
                **cases,
            )
        )
    if not choice.parameters:
        mean = float(f"{choice.distribution.mean:.5g}")
        learned.append(
            Learned(place=f"{place}.mean", value=mean, basis=choice.basis, note=choice.distribution.kind, **cases)
        )
    return rounded(choice.distribution)


def _tools(facts: Facts, learned: list[Learned], unknown: list[str]) -> Tools:
    total = facts.calls.total()
    if not total:
        unknown.append("tools: no required_action was seen; the defaults were taken")
        return Tools()
    most = min(max(facts.calls), 16)
    counts = [facts.calls[number] for number in range(1, most)]
    counts.append(sum(n for number, n in facts.calls.items() if number >= most))
    shares = tuple(_share(count, total) for count in counts)
    learned.append(
        Learned(
            place="tools.calls",
            value=" ".join(f"{share:g}" for share in shares),
            basis="counted",
            exact=total,
            note="tool rounds by their calls",
        )
    )
    if facts.rounds:
        rounds = facts.rounds.total()
        mean = sum(number * count for number, count in facts.rounds.items()) / rounds
        learned.append(
            Learned(
                place="tools (rounds of a run)",
                value=float(f"{mean:.5g}"),
                basis="counted",
                exact=rounds,
                note="it follows from the shares; not a key of the scenario",
            )
        )
    names = [name for name in sorted(facts.functions) if _NAME.fullmatch(name)][:16] if facts.with_text else []
    count = min(max(len(facts.functions), 1), 16)
    return Tools(calls=shares, functions=tuple(names or (f"function_{number + 1}" for number in range(count))))


def _usage(facts: Facts, learned: list[Learned], unknown: list[str]) -> Usage:
    default = scenario_named(_DEFAULT).usage
    if not facts.prompt.seen:
        unknown.append("usage: no ended run that was seen whole carries tokens; the defaults were taken")
        return default
    cases = [(facts.prompt, "prompt_tokens"), (facts.completion, "completion_tokens")]
    made = [
        _distribution(
            f"usage.{name}",
            [(0.0, max(count - 0.5, 0), count + 0.5) for count in kept.kept],
            getattr(default, name),
            learned,
        )
        for kept, name in cases
    ]
    total = facts.partial.total()
    partial = _share(facts.partial[True], total) if total >= FEW else default.partial
    basis = "counted" if total >= FEW else "default"
    learned.append(Learned(place="usage.partial", value=partial, basis=basis, exact=total))
    return Usage(prompt_tokens=made[0], completion_tokens=made[1], partial=partial)


def _words(
    counted: Counter[str], place: str, path: str, generation: str, learned: list[Learned], assumed: list[str]
) -> dict[str, float] | None:
    """Shares of words, of those alone that the generation knows."""
    known = WORDS[path].known_in(int(generation[1:]))
    foreign = {word: count for word, count in counted.items() if word not in known}
    if foreign:
        said = ", ".join(f"{word} ({count})" for word, count in foreign.items())
        assumed.append(f"{place}: words that {generation} does not know were left out: {said}")
    here = {word: counted[word] for word in known if counted[word]}
    total = sum(here.values())
    if not total:
        learned.append(Learned(place=place, value="the defaults", basis="default"))
        return None
    for word, count in here.items():
        learned.append(Learned(place=f"{place}.{word}", value=_share(count, total), basis="counted", exact=count))
    return {word: _share(count, total) for word, count in here.items()}


def _commonest(counted: Counter[Any], place: str, default: Any, learned: list[Learned]) -> Any:
    if not counted:
        learned.append(Learned(place=place, value=default, basis="default"))
        return default
    (value, count), *others = counted.most_common()
    note = f"also {', '.join(f'{other} ({n:,})' for other, n in others[:3])}" if others else ""
    learned.append(Learned(place=place, value=value, basis="counted", exact=count, note=note))
    return value


def _generation(facts: Facts, incomplete: bool, learned: list[Learned]) -> str:
    """The latest of those that the most runs may be of, and that know the statuses that were seen."""
    counted: Counter[int] = Counter()
    for numbers, count in facts.generations.items():
        for number in numbers:
            counted[number] += count if number >= (INCOMPLETE_FIRST if incomplete else _FIRST) else 0
    if not counted.total():
        value = GENERATIONS[INCOMPLETE_FIRST].name if counted else LATEST.name
        note = "the first that knows the status incomplete, which was seen" if counted else ""
        learned.append(Learned(place="generation", value=value, basis="default", note=note))
        return value
    most = max(counted.values())
    number = max(number for number, count in counted.items() if count == most)
    runs = facts.generations.total()
    note = f"{most:,} of {runs:,} runs may be of it; the latest of those that the most may be of"
    note += ", and that know incomplete, which was seen" if incomplete else ""
    learned.append(Learned(place="generation", value=GENERATIONS[number].name, basis="counted", exact=most, note=note))
    return GENERATIONS[number].name


def _assistants(
    facts: Facts, generation: str, learned: list[Learned], assumed: list[str]
) -> tuple[Assistant, ...] | None:
    said: Counter[Asked] = Counter()
    for asked, count in facts.asked.items():
        said[_sayable(asked, int(generation[1:]))] += count
    kept = said.most_common(_ASSISTANTS_MAX)
    if not kept:
        return None
    changed = sum(count for asked, count in facts.asked.items() if asked not in said)
    if changed:
        assumed.append(f"assistants: of {changed:,} threads, what {generation} cannot say was left out or renamed")
    total = sum(count for _, count in kept)
    if len(said) > len(kept):
        assumed.append(f"assistants: the {len(kept)} commonest of {len(said):,} ways of asking were kept")
    learned += [
        Learned(
            place=f"assistants.{number}.share",
            value=_share(count, total),
            basis="counted",
            exact=count,
            note=asked.model,
        )
        for number, (asked, count) in enumerate(kept, 1)
    ]
    return tuple(
        Assistant(
            assistant_id=f"asst_{number}",
            share=_share(count, total),
            **{**asked._asdict(), "metadata": dict(asked.metadata)},
        )
        for number, (asked, count) in enumerate(kept, 1)
    )


def _sayable(asked: Asked, generation: int) -> Asked:
    """The same as far as a generation can say it, and a scenario."""
    known = WORDS["tools[].type"].known_in(generation)
    search = "file_search" if "file_search" in known else "retrieval"
    tools: list[str] = []
    for word in asked.tools:
        kind, _, name = word.partition(":")
        word = search if word in ("file_search", "retrieval") else word
        if (kind in known or word in known) and (not name or _NAME.fullmatch(name)) and word not in tools:
            tools.append(word)
    declared = {
        name: getattr(asked, name) if FIELDS[name].declared_in(generation) else None
        for name in ("temperature", "top_p", "max_prompt_tokens", "max_completion_tokens")
    }
    pairs = tuple((key[:64], value[:512]) for key, value in asked.metadata)[:_PAIRS_MAX]
    return asked._replace(model=asked.model[:256], tools=tuple(tools), metadata=pairs, **declared)


def _pollers(facts: Facts, learned: list[Learned], unknown: list[str]) -> Pollers:
    gaps = np.array(facts.gaps.kept)
    if len(gaps) < FEW:
        unknown.append(f"pollers: {len(gaps)} gaps between polls of a run, fewer than {FEW}; the defaults were taken")
        return Pollers()
    usual = gaps[gaps <= 1.5 * np.quantile(gaps, 0.2)]
    interval_s = float(np.mean(usual))
    note = ""
    if facts.whole_gaps > 0.5 * facts.gaps.seen and interval_s < _COARSE_S:
        interval_s = float(np.mean(gaps[gaps <= 3 * np.median(gaps)]))
        jitter = lost = 0.0
        note = "dates of whole seconds show no jitter and no lost polls of such an interval"
    else:
        missed = np.rint(gaps / interval_s)
        near = (missed >= 1) & (missed <= 10)
        jitter = min(float((gaps[near & (missed == 1)] / interval_s).std()) / _JITTER_SD, 1.0)
        lost = 1 - float(near.sum() / missed[near].sum())
        note = f"{int((~near).sum()):,} gaps of more than ten polls were left out" if (~near).any() else ""
    pollers = Pollers(
        interval_s=float(f"{min(max(interval_s, 0.001), 86_400):.4g}"),
        jitter=float(f"{jitter:.3g}"),
        lost=float(f"{min(max(lost, 0.0), 0.99):.3g}"),
        skew_s=float(f"{min(max(facts.ahead_s, 0.0), 60.0):.3g}"),
    )
    learned += [
        Learned(place=f"pollers.{key}", value=getattr(pollers, key), basis="counted", exact=len(gaps), note=note)
        for key in ("interval_s", "jitter", "lost")
    ]
    note = "only clocks that are behind show; those ahead cannot be told from slow answers"
    learned.append(Learned(place="pollers.skew_s", value=pollers.skew_s, basis="counted", exact=len(gaps), note=note))
    return pollers
