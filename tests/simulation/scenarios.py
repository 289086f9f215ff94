"""Hypothesis strategies of scenarios: small worlds, in which every run lives a few steps.

`scenarios()` draws any that is valid: every policy, generation and process, every row with or without a share, texts
from all of Unicode. Runs stay short, so that a test can make some dozens of each.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from runengine.core import POLICIES, TERMINAL, Policy
from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from runengine.core.words import WORDS
from runengine.dialects import DIALECTS
from runengine.simulation import (
    Arrival,
    Assistant,
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
    Pollers,
    Quantiles,
    Scenario,
    Step,
    Threads,
    Tools,
    Usage,
)

__all__ = ["distributions", "scenarios"]

_INCOMPLETE_FIRST: Final = 9
_LEADS_ON: Final = {
    "queued": "start",
    "in_progress": "complete",
    "requires_action": "submit_tool_outputs",
    "cancelling": "finish_cancel",
}


def distributions(most: float = 100.0) -> SearchStrategy[Distribution]:
    """Any distribution whose mean or median is at most that."""
    numbers = _numbers(0, most)
    return st.one_of(
        st.builds(Constant, value=numbers),
        st.builds(Exponential, mean=numbers),
        st.builds(Lognormal, median=numbers, sigma=_numbers(0, 2)),
        st.builds(Gamma, shape=_numbers(0.1, 50), mean=numbers),
        st.builds(Quantiles, values=st.lists(numbers, min_size=2, max_size=6).map(lambda v: tuple(sorted(v)))),
    )


@st.composite
def scenarios(draw: DrawFn) -> Scenario:
    """Any valid scenario, small."""
    generation = draw(st.integers(1, len(GENERATIONS) - 1))
    policy = draw(st.sampled_from(sorted(POLICIES)))
    return Scenario(
        name=draw(_lines(1, 12)),
        title=draw(_lines(0, 20)),
        start=draw(st.sampled_from(("2026-01-05T09:00:00Z", "2024-02-29T23:59:59+05:30", "2023-11-08T00:00:00Z"))),
        policy=policy,
        generation=f"G{generation}",
        dialect=draw(st.sampled_from(sorted(DIALECTS))),
        ttl_s=draw(st.sampled_from((1, 30, 600, 36_000))),
        steps_max=draw(st.integers(4, 40)),
        arrival=draw(_arrivals()),
        threads=draw(st.builds(Threads, runs=_shares(), pause_s=distributions(), contention=_numbers(0, 1))),
        steps=draw(_steps(POLICIES[policy], generation)),
        tools=draw(st.builds(Tools, rounds_max=st.integers(0, 5), calls=_shares(), functions=_functions())),
        usage=draw(st.builds(Usage, prompt_tokens=distributions(5000), partial=_numbers(0, 1))),
        errors=draw(_errors(generation)),
        limits=draw(st.sampled_from(({"max_completion_tokens": 1}, {"max_prompt_tokens": 2.5}))),
        assistants=draw(st.lists(_assistants(generation), min_size=1, max_size=3).map(tuple)),
        pollers=draw(
            st.builds(
                Pollers,
                interval_s=_numbers(0.5, 60),
                jitter=_numbers(0, 1),
                lost=_numbers(0, 0.9),
                skew_s=_numbers(0, 2),
                polls_max=st.integers(1, 50),
            )
        ),
    )


def _numbers(least: float, most: float) -> SearchStrategy[float]:
    """Whole ones too, which TOML writes otherwise."""
    return st.floats(least, most) | st.integers(-int(-least // 1), int(most))


def _shares() -> SearchStrategy[tuple[float, ...]]:
    return st.lists(_numbers(0, 10), max_size=3).map(lambda shares: (1, *shares))


def _texts(least: int, most: int) -> SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=least, max_size=most)


def _lines(least: int, most: int) -> SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=least, max_size=most)


def _functions() -> SearchStrategy[tuple[str, ...]]:
    return st.lists(st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"), min_size=1, max_size=3).map(tuple)


def _arrivals() -> SearchStrategy[Arrival]:
    return st.builds(
        Arrival,
        rate_per_s=_numbers(0.01, 100),
        process=st.sampled_from(("poisson", "regular", "bursts")),
        burst_runs=st.integers(1, 100),
        burst_spread_s=_numbers(0, 60),
        profile=_shares(),
        period_s=st.integers(1, 86_400),
    )


@st.composite
def _steps(draw: DrawFn, machine: Policy, generation: int) -> dict[Any, dict[str, Step]]:
    made: dict[Any, dict[str, Step]] = {}
    for row in machine.rows:
        known = row.event != "exhaust_tokens" or generation >= _INCOMPLETE_FIRST
        leads_on = row.source is not None and _LEADS_ON.get(row.source) == row.event
        if row.source in (None, "expired") or not known or not (leads_on or draw(st.booleans())):
            continue
        least, most = (0.5, 4) if leads_on else (0, 1) if row.source in TERMINAL else (0, 2)
        step = Step(share=draw(_numbers(least, most)), after_s=draw(distributions()))
        made.setdefault(row.source, {})[row.event] = step
    return made


def _errors(generation: int) -> SearchStrategy[dict[str, float]]:
    known = WORDS["last_error.code"].known_in(generation)
    return st.lists(st.sampled_from(known), min_size=1, unique=True).map(lambda codes: dict.fromkeys(codes, 0.5))


@st.composite
def _assistants(draw: DrawFn, generation: int) -> Assistant:
    requests: dict[str, SearchStrategy[Any]] = {
        "temperature": _numbers(0, 2),
        "top_p": _numbers(0, 1),
        "max_prompt_tokens": st.integers(256, 9999),
        "max_completion_tokens": st.integers(256, 9999),
    }
    said = {name: draw(st.none() | some) for name, some in requests.items() if FIELDS[name].declared_in(generation)}
    words = [word for word in WORDS["tools[].type"].known_in(generation) if word != "function"]
    return Assistant(
        assistant_id=draw(_texts(1, 12)),
        share=draw(_numbers(0.1, 5)),
        model=draw(_texts(1, 12)),
        instructions=draw(st.none() | _texts(0, 30)),
        tools=tuple(draw(st.lists(st.sampled_from([*words, "function:look_up"]), max_size=3))),
        metadata=draw(st.dictionaries(_texts(1, 10), _texts(0, 10), max_size=3)),
        **said,
    )
