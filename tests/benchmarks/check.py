"""What `check` costs on JSON Lines, beside msgspec decoding the same bytes to plain objects, on one core.

A trace of many runs at once is made by the engine: bare records of 27 fields, with two function tools, instructions
and metadata. Both sides take the same bytes in turn, round by round; the least of the rounds counts. CPU time, pinned
to one core where the system allows it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import msgspec

from runengine.core import (
    Cancel,
    Complete,
    Create,
    Event,
    Fail,
    FinishCancel,
    FunctionCall,
    FunctionDefinition,
    RequireAction,
    RunObject,
    Start,
    SubmitToolOutputs,
    Tool,
    ToolCall,
    ToolOutput,
    TruncationStrategy,
    Usage,
    apply,
)
from runengine.dialects import encode, write_run
from runengine.validation import Checker, Options, check_paths

RUNS = 10_000
ROUNDS = 7
SECOND = 1_000_000
DAY = 86_400 * SECOND
BEGIN = 1_767_225_600 * SECOND

_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city"}},
    "required": ["city"],
}
_TOOLS = tuple(
    Tool(type="function", function=FunctionDefinition(name=name, description=f"Get {name}", parameters=_SCHEMA))
    for name in ("get_weather", "get_time")
)


def events(n: int, draw: random.Random) -> list[Event]:
    """The events of one run: four in ten with a tool round, most completed."""
    now = BEGIN + draw.randrange(DAY)
    made: list[Event] = [
        Create(
            at_us=now,
            run_id=f"run_{n:020d}",
            thread_id=f"thread_{n:020d}",
            assistant_id=f"asst_{n % 7:020d}",
            model="gpt-4o",
            instructions="You are a helpful agent who answers questions about the weather in one short sentence.",
            tools=_TOOLS,
            metadata={"ticket": str(n)},
            temperature=1.0,
            top_p=1.0,
            truncation_strategy=TruncationStrategy(type="auto"),
            tool_choice="auto",
            response_format="auto",
        )
    ]
    made.append(Start(at_us=(now := now + draw.randrange(2 * SECOND))))
    if draw.random() < 0.4:
        call = ToolCall(id=f"call_{n}", function=FunctionCall(name="get_weather", arguments='{"city": "Oslo"}'))
        output = ToolOutput(tool_call_id=call.id, output="rain")
        made.append(RequireAction(at_us=(now := now + draw.randrange(3 * SECOND)), tool_calls=(call,)))
        made.append(SubmitToolOutputs(at_us=(now := now + draw.randrange(3 * SECOND)), outputs=(output,)))
        made.append(Start(at_us=(now := now + draw.randrange(2 * SECOND))))
    now += draw.randrange(5 * SECOND)
    usage = Usage(prompt_tokens=100, completion_tokens=50, total_tokens=150)
    ending = draw.random()
    if ending < 0.8:
        made.append(Complete(at_us=now, usage=usage))
    elif ending < 0.9:
        made.append(Fail(at_us=now, code="server_error", message="Sorry, something went wrong.", usage=usage))
    else:
        made += [Cancel(at_us=now), FinishCancel(at_us=now + SECOND)]
    return made


def write_trace(path: Path, runs: int, polls: int = 2) -> int:
    """Write a trace; a run in progress is seen up to `polls` times more. Returns the number of lines."""
    draw = random.Random(1)
    rows: list[tuple[int, int, bytes]] = []
    for n in range(runs):
        run: RunObject | None = None
        for event in events(n, draw):
            run = apply(run, event)
            seen = 1 + (draw.randrange(polls + 1) if run.status == "in_progress" else 0)
            rows += [(event.at_us + i, n, encode(write_run(run))) for i in range(seen)]
    rows.sort()
    path.write_bytes(b"".join(row[2] + b"\n" for row in rows))
    return len(rows)


def _decode(lines: list[bytes]) -> None:
    decode = msgspec.json.Decoder().decode
    for line in lines:
        decode(line)


def _check(path: Path, options: Options) -> None:
    checker = Checker(options)
    found = list(check_paths([str(path)], checker))
    assert not found, found[0]


def _seconds(work: Callable[[], None]) -> float:
    begin = process_time()
    work()
    return process_time() - begin


def main() -> None:
    """Print the ratio of rates: 100 % would be as fast as decoding alone."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with TemporaryDirectory() as folder:
        for title, polls in (("every snapshot once", 0), ("polled: in_progress up to three times", 2)):
            path = Path(folder) / "trace.jsonl"
            lines = write_trace(path, RUNS, polls)
            split = path.read_bytes().split(b"\n")[:-1]
            size = sum(map(len, split)) / lines
            rounds = [
                (_seconds(lambda s=split: _decode(s)), _seconds(lambda p=path: _check(p, Options())))  # type: ignore[misc]
                for _ in range(ROUNDS)
            ]
            decode_s, check_s = (min(times) for times in zip(*rounds, strict=True))
            print(f"{title}: {lines:,} lines of {size:.0f} bytes")
            print(f"  decode {decode_s / lines * 1e6:6.2f} us a line")
            print(f"  check  {check_s / lines * 1e6:6.2f} us a line, all rules: {decode_s / check_s:.0%} of the rate")
