"""What recordings tell beside the stays: who asks and when, what with, what came of it, and who looks.

Instructions, metadata and names of functions may be secrets: they are not kept unless that is asked for. Of a
fine-tuned model the name of its base is kept, and the ids of assistants are numbered anew.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from runengine.core import FIELDS, SECOND_US, TERMINAL
from runengine.core.candidates import candidates_of, era_of
from runengine.dialects.detection import detect
from runengine.simulation.fitting.spans import FAR_US, Span
from runengine.simulation.fitting.stays import Sight
from runengine.simulation.fitting.tally import Reservoir, Triple
from runengine.validation.observations import Observation

__all__ = ["ARRIVALS_MAX", "Asked", "Facts", "asked_with"]

ARRIVALS_MAX: Final = 100_000
"""Arrivals of threads that are kept."""

_THREADS_MAX: Final = 100_000
_RUNS_OF_A_THREAD: Final = 64
_KINDS_MAX: Final = 1000
_DETECTED_MAX: Final = 2000
_POLLS: Final = (None, "poll", "retrieve")
_CUT: Final = ("failed", "cancelled", "expired")


class Asked(NamedTuple):
    """What runs are asked with, as far as it is kept.

    Attributes:
        model: The model; of a fine-tuned one, its base.
        tools: Types of the tools, functions as `function:NAME`.
        temperature: Sampling temperature.
        top_p: Nucleus sampling mass.
        max_prompt_tokens: The limit.
        max_completion_tokens: The limit.
        instructions: The instructions, or None where they are not kept.
        metadata: Pairs, or nothing where they are not kept.

    Example:
        >>> Asked("gpt-4o", (), None, None, None, None, None, ()).model
        'gpt-4o'
    """

    model: str
    tools: tuple[str, ...]
    temperature: float | None
    top_p: float | None
    max_prompt_tokens: int | None
    max_completion_tokens: int | None
    instructions: str | None
    metadata: tuple[tuple[str, str], ...]


def asked_with(record: Mapping[str, Any], with_text: bool) -> Asked:
    """What a run was asked with.

    Args:
        record: A run, with the API's keys.
        with_text: Whether to keep instructions, metadata and the names of functions.

    Example:
        >>> tools = [{"type": "function", "function": {"name": "diagnosis_of"}}]
        >>> asked_with({"model": "ft:gpt-4o-mini:acme::x", "instructions": "Be kind.", "tools": tools}, False)[:2]
        ('ft:gpt-4o-mini', ('function:function_1',))
    """
    model = record.get("model")
    model = model if isinstance(model, str) and model else "gpt-4o"
    if model.startswith("ft:") and not with_text:
        model = ":".join(model.split(":")[:2])
    instructions, metadata = record.get("instructions"), record.get("metadata")
    pairs = metadata.items() if with_text and isinstance(metadata, dict) else ()
    return Asked(
        model=model,
        tools=_tools(record.get("tools"), with_text),
        temperature=_number(record.get("temperature"), 0, 2),
        top_p=_number(record.get("top_p"), 0, 1),
        max_prompt_tokens=_limit(record.get("max_prompt_tokens")),
        max_completion_tokens=_limit(record.get("max_completion_tokens")),
        instructions=instructions if with_text and isinstance(instructions, str) else None,
        metadata=tuple(sorted((str(k), v) for k, v in pairs if isinstance(v, str))),
    )


def _tools(tools: Any, with_text: bool) -> tuple[str, ...]:
    made: list[str] = []
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "function":
            name = (tool.get("function") or {}).get("name") if isinstance(tool.get("function"), dict) else None
            functions = sum(word.startswith("function:") for word in made)
            made.append(
                f"function:{name}" if with_text and isinstance(name, str) else f"function:function_{functions + 1}"
            )
        elif isinstance(kind, str):
            made.append(kind)
    return tuple(made[:16])


def _number(value: Any, least: float, most: float) -> float | None:
    return value if type(value) in (int, float) and least <= value <= most else None


def _limit(value: Any) -> int | None:
    return value if type(value) is int and value >= 256 else None


class _Thread:
    __slots__ = ("asked", "runs")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.runs: dict[str, tuple[Span, Span | None]] = {}


class Facts:
    """All of it.

    Args:
        seed: For the samples.
        with_text: Whether to keep instructions, metadata and the names of functions.

    Attributes:
        arrivals: Of each recording, when threads came, Unix seconds.
        threads: Threads by their number of runs.
        pauses: From the end of a thread's run to the next one's creation.
        at_once: Pauses known to be of no length: the caller was waiting.
        overlaps: Runs created while the one before, on their thread, had not ended.
        asked: What threads ask with.
        ttl_s: Seconds from creation to deadline, counted.
        generations: Generations the runs may be of, counted; each run once.
        dialects: Dialects their records are detected to be of, counted.
        gaps: Seconds between two polls of a run.
        whole_gaps: Gaps of whole seconds among them.
        ahead_s: How far a recorder's clock was behind a stamp it had just read, seconds at most.
        rounds: Ended runs by their tool rounds, of those seen from their creation.
        calls: Tool rounds by their calls.
        functions: Functions called, counted; their names are for counting alone, unless they may be kept.
        with_text: Whether they may.
        prompt: Prompt tokens of a stretch of work.
        completion: Completion tokens of a stretch of work.
        partial: Failed, cancelled and expired runs by whether their tokens were counted.
        errors: Codes of `last_error`, counted.
        limits: Reasons of `incomplete_details`, counted.
        ends: Ended runs by their status.

    Example:
        >>> Facts(1, False).ends
        Counter()
    """

    def __init__(self, seed: int, with_text: bool) -> None:
        self.arrivals: list[list[float]] = []
        self.threads: Counter[int] = Counter()
        self.pauses: Reservoir[Triple] = Reservoir(seed, "pauses")
        self.at_once = 0
        self.overlaps = 0
        self.asked: Counter[Asked] = Counter()
        self.ttl_s: Counter[int] = Counter()
        self.generations: Counter[tuple[int, ...]] = Counter()
        self.dialects: Counter[str] = Counter()
        self.gaps: Reservoir[float] = Reservoir(seed, "gaps")
        self.whole_gaps = 0
        self.ahead_s = 0.0
        self.rounds: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        self.functions: Counter[str] = Counter()
        self.prompt: Reservoir[float] = Reservoir(seed, "prompt")
        self.completion: Reservoir[float] = Reservoir(seed, "completion")
        self.partial: Counter[bool] = Counter()
        self.errors: Counter[str] = Counter()
        self.limits: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.with_text = with_text
        self._threads: OrderedDict[str, _Thread] = OrderedDict()
        self._kinds: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._arrived = 0
        self._came: list[float] = []

    def first(self, item: Observation, raw: Mapping[str, Any], sight: Sight, created: Span) -> None:
        """A run is seen for the first time.

        Args:
            item: How, with the API's keys.
            raw: The record as it was written.
            sight: What it tells.
            created: When it was created.
        """
        record = item.record
        if sight.deadline_s is not None and sight.deadline_s > sight.created_at:
            self.ttl_s[sight.deadline_s - sight.created_at] += 1
        self.generations[self._generations(record, sight)] += 1
        if self.dialects.total() < _DETECTED_MAX:
            self.dialects[detect(dict(raw)).dialect] += 1
        if item.created and item.observed_s is not None and item.source == "snapshot":
            self.ahead_s = max(self.ahead_s, sight.created_at - item.observed_s)
        thread_id = record.get("thread_id")
        thread_id = thread_id if isinstance(thread_id, str) else f"run {record.get('id')}"
        thread = self._threads.get(thread_id)
        if thread is None:
            thread = self._threads[thread_id] = _Thread(asked_with(record, self.with_text))
            if len(self._threads) > _THREADS_MAX:
                self._close(self._threads.popitem(last=False)[1])
        if len(thread.runs) < _RUNS_OF_A_THREAD:
            thread.runs[str(record.get("id"))] = (created, None)

    def _generations(self, record: Mapping[str, Any], sight: Sight) -> tuple[int, ...]:
        keys = tuple(name for name in FIELDS if name in record)
        key = (keys, era_of(sight.created_at), sight.status == "incomplete")
        if key not in self._kinds:
            if len(self._kinds) >= _KINDS_MAX:
                self._kinds.clear()
            self._kinds[key] = candidates_of(sight.status, frozenset(keys), key[1])
        return self._kinds[key]

    def polled(self, kind: Any, before_us: int | None, seen: Span) -> int | None:
        """A run is looked at: the gap since the poll before.

        Args:
            kind: What the envelope says.
            before_us: When it was polled before, or None.
            seen: When it was seen now.

        Returns:
            When it was last polled.
        """
        if kind not in (*_POLLS, "create") or seen.most_us == FAR_US:
            return before_us
        if before_us is not None and seen.least_us > before_us:
            gap_s = (seen.least_us - before_us) / SECOND_US
            self.gaps.add(gap_s)
            self.whole_gaps += gap_s.is_integer()
        return seen.least_us

    def asks(self, record: Mapping[str, Any]) -> None:
        """A run has come to require action.

        Args:
            record: The run.
        """
        action = record.get("required_action")
        calls = (action.get("submit_tool_outputs") or {}).get("tool_calls") if isinstance(action, dict) else None
        if not isinstance(calls, list) or not calls:
            return
        self.calls[len(calls)] += 1
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            name = function.get("name") if isinstance(function, dict) else None
            if isinstance(name, str) and (len(self.functions) < _KINDS_MAX or name in self.functions):
                self.functions[name] += 1

    def ended(self, record: Mapping[str, Any], status: str, since: Span | None, rounds: int | None) -> None:
        """A run has come to its end.

        Args:
            record: The run.
            status: Its status.
            since: When it ended, or None.
            rounds: Its tool rounds, or None where they are not known.
        """
        assert status in TERMINAL
        self.ends[status] += 1
        if rounds is not None:
            self.rounds[rounds] += 1
        thread = self._threads.get(str(record.get("thread_id")))
        run_id = str(record.get("id"))
        if thread is not None and run_id in thread.runs:
            thread.runs[run_id] = (thread.runs[run_id][0], since)
        usage = record.get("usage")
        if isinstance(usage, dict):
            self._used(usage, status, rounds)
        _count(self.errors, record.get("last_error"), "code")
        _count(self.limits, record.get("incomplete_details"), "reason")

    def _used(self, usage: dict[str, Any], status: str, rounds: int | None) -> None:
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if type(prompt) is not int or type(completion) is not int:
            return
        if status in _CUT:
            self.partial[bool(prompt or completion)] += 1
        if rounds is not None and prompt + completion > 0:
            self.prompt.add(prompt / (rounds + 1))
            self.completion.add(completion / (rounds + 1))

    def close(self) -> None:
        """The recording ends."""
        for thread in self._threads.values():
            self._close(thread)
        self._threads.clear()
        if self._came:
            self.arrivals.append(sorted(self._came))
            self._came = []

    def _close(self, thread: _Thread) -> None:
        runs = sorted(thread.runs.values(), key=lambda run: run[0].least_us)
        self.threads[len(runs)] += 1
        if len(self.asked) < _KINDS_MAX or thread.asked in self.asked:
            self.asked[thread.asked] += 1
        if self._arrived < ARRIVALS_MAX:
            self._arrived += 1
            self._came.append((runs[0][0].least_us + runs[0][0].most_us) / 2 / SECOND_US)
        for (_, ended), (created, _) in pairwise(runs):
            if ended is None:
                continue
            if created.most_us < ended.least_us:
                self.overlaps += 1
            elif created.is_exact and ended.is_exact and created.least_us - ended.least_us <= 1:
                self.at_once += 1
            else:
                wide_s = (ended.most_us - ended.least_us) / SECOND_US
                low_s = max(0, created.least_us - ended.least_us) / SECOND_US
                self.pauses.add((wide_s, low_s, max(0, created.most_us - ended.least_us) / SECOND_US))


def _count(counter: Counter[str], inside: Any, key: str) -> None:
    word = inside.get(key) if isinstance(inside, dict) else None
    if isinstance(word, str) and (len(counter) < _KINDS_MAX or word in counter):
        counter[word] += 1
