"""A scenario: what a world of runs is like. Frozen, checked, and all that a simulation needs beside its seed.

Every key is declared once (`runengine.simulation.keys`); TOML, the JSON Schema and the reference are made of it.
Source: DESIGN §6; the ready-made ones by FACTS B2 to B4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import Attribute, frozen

from runengine.core import POLICIES, TTL_S, Policy, Status, policy_named
from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS, LATEST, generation_named
from runengine.core.words import WORDS
from runengine.dialects.documents import DIALECTS
from runengine.simulation.distributions import Distribution, Exponential, Lognormal
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.keys import key
from runengine.simulation.soundness import problems_of

__all__ = [
    "Arrival",
    "Assistant",
    "Pollers",
    "Scenario",
    "Step",
    "Threads",
    "Tools",
    "Usage",
]

_FIRST: Final = 1
"""G0 lived for two days and called its objects otherwise; nothing is simulated of it."""


_SHARE_MOST: Final = 1e9
_TOKENS_MOST: Final = 2**31 - 1
_CALLS_MOST: Final = 128
"""As many as an assistant may have tools (FACTS C15)."""

_METADATA: Final = (15, 64, 512)
"""Pairs, and characters of a key and of a value: the published limits, with room for the pair that a modify adds."""

_NAME: Final = "[A-Za-z0-9_-]{1,64}"


def _metadata(_instance: Any, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    _, key_most, value_most = _METADATA
    for word, text in value.items():
        if len(word) > key_most or len(text) > value_most:
            most = f"a key of at most {key_most} characters and a value of at most {value_most}"
            raise ValueError(f"{attribute.name}.{word[:key_most]}: expected {most}, got {len(word)} and {len(text)}")


@frozen(kw_only=True)
class Arrival:
    """When runs are asked for.

    Example:
        >>> Arrival(rate_per_s=2).process
        'poisson'
    """

    rate_per_s: float = key("Runs asked for in a second, in the long run.", least=1e-6, most=1e9)
    process: str = key(
        "poisson: each for itself; regular: at even steps; bursts: in groups. Of each 4,096 runs as many are asked for "
        "as the rate says: over hours counts vary less than Poisson's.",
        default="poisson",
        one_of=("poisson", "regular", "bursts"),
    )
    burst_runs: int = key("Of bursts: runs in a group.", default=20, least=1, most=4096)
    burst_spread_s: float = key("Of bursts: seconds over which a group is spread.", default=2.0, least=0, most=86_400)
    profile: tuple[float, ...] = key(
        "How the rate goes up and down, as shares of even parts of a period, which begins at start.",
        default=(1.0,),
        least=0,
        most=_SHARE_MOST,
        size=(1, 10_000),
        shares=True,
    )
    period_s: int = key("Seconds in a period of the profile.", default=86_400, least=1, most=31_536_000)


@frozen(kw_only=True)
class Threads:
    """How runs share threads. A thread has one active run at most.

    Example:
        >>> Threads(runs=(3, 1)).mean_runs
        1.25
    """

    runs: tuple[float, ...] = key(
        "Shares of threads with 1, 2, 3, … runs.",
        default=(1.0,),
        least=0,
        most=_SHARE_MOST,
        size=(1, 1000),
        shares=True,
    )
    pause_s: Distribution = key(
        "Seconds from the end of a thread's run until the next is asked for.",
        default=Exponential(mean=30.0),
    )
    contention: float = key(
        "Share of a thread's later runs that are first asked for while the one before is active, refused, and asked "
        "for again as soon as it has ended.",
        default=0.0,
        least=0,
        most=1,
    )

    @property
    def mean_runs(self) -> float:
        """Runs of a thread, on average."""
        return sum(n * share for n, share in enumerate(self.runs, 1)) / sum(self.runs)


@frozen(kw_only=True)
class Step:
    """One row of the table in this world: how often it is taken where its source is, and after how long.

    Example:
        >>> Step(share=1, after_s=Exponential(mean=2)).after_s.mean
        2
    """

    share: float = key(
        "Its share among the rows of its source. Where that is terminal, the probability that it is taken, asked anew "
        "each time: 1 is always, again and again, until the run has taken steps_max steps.",
        least=0,
        most=_SHARE_MOST,
    )
    after_s: Distribution = key("Seconds in the source before it; of expire, seconds after the deadline.")


@frozen(kw_only=True)
class Tools:
    """What a run asks of its caller when it requires action.

    Example:
        >>> Tools().rounds_max
        8
    """

    rounds_max: int = key("How often a run may require action.", default=8, least=0, most=64)
    calls: tuple[float, ...] = key(
        "Shares of rounds with 1, 2, 3, … calls.",
        default=(0.8, 0.15, 0.05),
        least=0,
        most=_SHARE_MOST,
        size=(1, _CALLS_MOST),
        shares=True,
    )
    functions: tuple[str, ...] = key(
        "Names of the functions called, each as often.",
        default=("get_weather", "search", "get_order"),
        pattern=_NAME,
        size=(1, 128),
    )


@frozen(kw_only=True)
class Usage:
    """Tokens an ended run has used.

    Example:
        >>> Usage().prompt_tokens.kind
        'lognormal'
    """

    prompt_tokens: Distribution = key(
        "Prompt tokens of a stretch of work, the same in all of a run.",
        default=Lognormal(median=900.0, sigma=0.8),
    )
    completion_tokens: Distribution = key(
        "Completion tokens of a stretch of work, the same in all of a run.",
        default=Lognormal(median=180.0, sigma=0.7),
    )
    partial: float = key(
        "Share of failed, cancelled and expired runs that counted their tokens; the others carry zeros.",
        default=0.4,
        least=0,
        most=1,
    )


@frozen(kw_only=True)
class Assistant:
    """What runs are asked with.

    Example:
        >>> Assistant(assistant_id="asst_1").model
        'gpt-4o'
    """

    assistant_id: str = key("The assistant's id.", size=(1, 256))
    share: float = key("Its share of the threads.", default=1.0, least=0, most=_SHARE_MOST)
    model: str = key("The model.", default="gpt-4o", size=(1, 256))
    instructions: str | None = key("The instructions.", default=None, size=(0, 256_000))
    tools: tuple[str, ...] = key(
        "The tools: code_interpreter, file_search (retrieval in v1), or function:NAME.",
        default=(),
        pattern=f"code_interpreter|file_search|retrieval|function:{_NAME}",
        size=(0, FIELDS["tools"].items_limit() or 0),
    )
    temperature: float | None = key("Sampling temperature.", default=None, least=0, most=2)
    top_p: float | None = key("Nucleus sampling mass.", default=None, least=0, most=1)
    max_prompt_tokens: int | None = key("Limit on prompt tokens.", default=None, least=256, most=_TOKENS_MOST)
    max_completion_tokens: int | None = key("Limit on completion tokens.", default=None, least=256, most=_TOKENS_MOST)
    metadata: Mapping[str, str] = key(
        f"Metadata of its runs: keys of 1 to {_METADATA[1]} characters, values of at most {_METADATA[2]}; a modify "
        "adds one pair to it.",
        factory=dict,
        size=(0, _METADATA[0]),
        check=_metadata,
    )


@frozen(kw_only=True)
class Pollers:
    """Who looks at the runs: the recordings they make show a run at its create, at each poll, and where they act.

    Example:
        >>> Pollers().interval_s
        1.0
    """

    interval_s: float = key("Seconds between two polls of a run.", default=1.0, least=0.001, most=86_400)
    jitter: float = key("How far an interval is off, as a part of it, either way.", default=0.1, least=0, most=1)
    lost: float = key("Share of polls that get no answer.", default=0.0, least=0, most=0.99)
    skew_s: float = key(
        "How far the poller's clock is off, seconds at most, either way.", default=0.0, least=0, most=60
    )
    polls_max: int = key("After how many polls of a run a poller gives up.", default=2000, least=1, most=1_000_000)


@frozen(kw_only=True)
class Scenario:
    """A world of runs.

    `steps` names rows of the policy's table by their source and event. A share is weighed against the others of its
    source; where the source is terminal (`modify` alone leaves it as it is), it is a probability. Where the deadline
    comes before the step, the run expires instead, if the policy lets it; else the step is taken just before it.

    Raises:
        ValueError: a key is out of range; the message begins with the key.
        ScenarioInvalid: keys do not go together: a step is no row of the policy, a status has no way on, or the
            generation does not know what an assistant or an error says; every such problem is named.

    Example:
        >>> from runengine.simulation.distributions import Constant
        >>> minimal = Scenario(name="minimal", arrival=Arrival(rate_per_s=1), steps={
        ...     "queued": {"start": Step(share=1, after_s=Constant(value=1))},
        ...     "in_progress": {"complete": Step(share=1, after_s=Exponential(mean=5))}})
        >>> minimal.machine.name, minimal.start_s
        ('practical', 1767603600)
    """

    name: str = key("Its name.", size=(1, 100), line=True)
    title: str = key("What it is like, one line.", default="", size=(0, 300), line=True)
    start: str = key("When the first run is asked for at the earliest.", default="2026-01-05T09:00:00Z", moment=True)
    policy: str = key("The policy whose rows may be taken.", default="practical", one_of=tuple(POLICIES))
    generation: str = key(
        "The schema generation of the records.",
        default=LATEST.name,
        one_of=tuple(g.name for g in GENERATIONS if g.number >= _FIRST),
    )
    dialect: str = key("How records are written.", default="native", one_of=tuple(DIALECTS))
    ttl_s: int = key("Whole seconds from a run's creation to its deadline.", default=TTL_S, least=1, most=31_536_000)
    steps_max: int = key("Steps after which a run is led to its end.", default=60, least=4, most=1000)
    arrival: Arrival = key("When runs are asked for.")
    threads: Threads = key("How runs share threads.", default=Threads())
    steps: Mapping[Status, Mapping[str, Step]] = key("For each status, the rows taken from it, by event.")
    tools: Tools = key("Tool rounds.", default=Tools())
    usage: Usage = key("Tokens.", default=Usage())
    errors: Mapping[str, float] = key(
        "Shares of the codes of last_error.",
        factory=lambda: {"server_error": 0.6, "rate_limit_exceeded": 0.4},
        least=0,
        most=_SHARE_MOST,
        size=(1, 100),
        shares=True,
    )
    limits: Mapping[str, float] = key(
        "Shares of the reasons of incomplete_details.",
        factory=lambda: {"max_completion_tokens": 0.7, "max_prompt_tokens": 0.3},
        least=0,
        most=_SHARE_MOST,
        one_of=WORDS["incomplete_details.reason"].known_in(LATEST.number),
        shares=True,
    )
    assistants: tuple[Assistant, ...] = key(
        "What runs are asked with.", default=(Assistant(assistant_id="asst_sim"),), size=(1, 1000)
    )
    pollers: Pollers = key("Who looks at the runs.", default=Pollers())

    @property
    def machine(self) -> Policy:
        """The policy itself."""
        return policy_named(self.policy)

    @property
    def start_s(self) -> int:
        """The start, in Unix seconds."""
        return int(datetime.fromisoformat(self.start).astimezone(UTC).timestamp())

    @property
    def generation_number(self) -> int:
        """The number of the generation."""
        return generation_named(self.generation).number

    def __attrs_post_init__(self) -> None:
        problems = problems_of(self)
        if problems:
            raise ScenarioInvalid(self.name, problems)
