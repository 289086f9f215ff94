"""The life of one run as text: what happened, when, by whom, and how long it was where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from runengine.core import JSON, SECOND_US, TERMINAL, Status
from runengine.embedding import Answer
from runengine.embedding.explanation import shown_time
from runengine.stores import Entry, Row

__all__ = ["STYLES", "plain", "print_timeline", "shown_span", "stays"]

STYLES: Final[dict[Status, str]] = {
    "queued": "blue",
    "in_progress": "cyan",
    "requires_action": "cyan",
    "cancelling": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "expired": "red",
    "incomplete": "yellow",
}
"""A colour for each status; nothing is said by colour alone."""

_MARKS: Final = {"event": "●", "note": "○", "lost": "✗", "snapshot": "▪"}
_MARK_STYLES: Final = {"event": "", "note": "dim", "lost": "magenta", "snapshot": "dim"}
_UNITS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_CUT: Final = 160
_BAR: Final = 24
_INDENT: Final = " " * 28


def shown_span(span_us: int) -> str:
    """A length of time for people, to three figures or so.

    Example:
        >>> [shown_span(us) for us in (850, 12_345, 1_204_000, 125_000_000, 7_500_000_000, 200_000_000_000)]
        ['850 µs', '12 ms', '1.2 s', '2 min 5 s', '2 h 5 min', '2 d 7 h']
    """
    if span_us < 1000:
        return f"{span_us} µs"
    if span_us < SECOND_US:
        return f"{span_us // 1000} ms"
    seconds = span_us // SECOND_US
    for unit_s, unit, part_s, part in _UNITS:
        if seconds >= unit_s:
            rest = seconds % unit_s // part_s
            return f"{seconds // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{seconds}.{span_us % SECOND_US // 100_000} s"


def plain(text: str) -> str:
    r"""Control characters of foreign text made visible, so that it cannot steer the terminal.

    Example:
        >>> plain("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def stays(entries: Iterable[Entry], until_us: int) -> dict[Status, tuple[int, int]]:
    """How long a run was in each status it has left or is in, microseconds, and how often it came there.

    Args:
        entries: Its history.
        until_us: Now, for the status it is in.

    Example:
        >>> entry = Entry(run_id="r", seq=1, kind="event", name="create", at_us=5, status="queued")
        >>> stays([entry], 12)
        {'queued': (7, 1)}
    """
    found: dict[Status, tuple[int, int]] = {}
    status: Status | None = None
    since_us = 0
    for entry in entries:
        if entry.status != status:
            _leave(found, status, entry.at_us - since_us)
            status, since_us = entry.status, entry.at_us
    if status is not None and status not in TERMINAL:
        _leave(found, status, max(0, until_us - since_us))
    return found


def _leave(found: dict[Status, tuple[int, int]], status: Status | None, span_us: int) -> None:
    if status is not None:
        total_us, visits = found.get(status, (0, 0))
        found[status] = (total_us + span_us, visits + 1)


def print_timeline(
    console: Console,
    row: Row,
    entries: Sequence[Entry],
    now_us: int,
    *,
    refused: Iterable[Answer] = (),
    spans: bool = True,
) -> None:
    """Print a run's life: who it is, a line for each entry with its details below, and how long it was where.

    Args:
        console: Where to.
        row: The run.
        entries: Its history.
        now_us: For how long it has been where it is.
        refused: Answers that refused, which no history keeps, to be shown where they fell.
        spans: Whether to say how long it was where.
    """
    run = row.run
    head = Text.assemble((plain(run.id), "bold"), plain(f" on {run.thread_id} ({run.assistant_id}, {run.model})"))
    console.print(head, soft_wrap=True)
    console.print(_summary(row, entries, now_us), soft_wrap=True)
    last_us: int | None = None
    status: Status | None = None
    moments: list[Entry | Answer] = [*entries, *refused]
    for moment in sorted(moments, key=lambda moment: moment.at_us):  # stable: entries keep their order
        if last_us is not None and _day(last_us) != _day(moment.at_us):
            console.print(f"  {_day(moment.at_us)}, UTC", style="dim")
        since = "" if last_us is None else f"+{shown_span(moment.at_us - last_us)}"
        line, details = _refusal(moment) if isinstance(moment, Answer) else _line(moment, status)
        console.print(Text.assemble(f"  {shown_time(moment.at_us)[11:-1]} {since:>11}  ", line), soft_wrap=True)
        for detail in details:
            console.print(Text(_INDENT + plain(detail), "dim"), soft_wrap=True)
        last_us = moment.at_us
        status = status if isinstance(moment, Answer) else moment.status
    if spans:
        _print_spans(console, stays(entries, now_us))


def _print_spans(console: Console, where: Mapping[Status, tuple[int, int]]) -> None:
    total_us = sum(span_us for span_us, _ in where.values())
    if not total_us:
        return
    console.print()
    for status, (span_us, visits) in where.items():
        times = f" ({visits} times)" if visits > 1 else ""
        bar = "█" * max(1, round(_BAR * span_us / total_us))
        share = f"{100 * span_us / total_us:.0f} %"
        text = Text.assemble(f"  {status:<16} {shown_span(span_us):>10} {share:>6}  ", (bar, STYLES[status]), times)
        console.print(text, soft_wrap=True)


def _summary(row: Row, entries: Sequence[Entry], now_us: int) -> Text:
    status = row.run.status
    born_us = entries[0].at_us if entries and entries[0].name == "create" else row.run.created_at * SECOND_US
    born = f"{_day(born_us)} (UTC)"
    if status in TERMINAL:
        ended = [e.at_us for e in entries if e.status == status]
        span = f"{shown_span(max(0, ended[0] - born_us))} after it was" if ended else "it was"
        said = f"{span} created on {born}"
    else:
        said = f"{shown_span(max(0, now_us - born_us))} after it was created on {born}"
        if row.deadline_us is not None:
            said += f"; next deadline {shown_time(row.deadline_us)}"
    lost = f"; {row.losses} came too late" if row.losses else ""
    return Text.assemble((status, f"bold {STYLES[status]}"), f", {said}{lost}; version {row.version}")


def _day(at_us: int) -> str:
    return shown_time(at_us)[:10]


def _refusal(answer: Answer) -> tuple[Text, Iterable[str]]:
    return Text(f"✗ {answer.event}, refused", "magenta"), (answer.message,)


def _line(entry: Entry, before: Status | None) -> tuple[Text, Iterable[str]]:
    name = f"{entry.name}, lost" if entry.kind == "lost" else entry.name
    status = Text(f"{entry.status:<16}", "dim" if entry.status == before else STYLES[entry.status])
    who = ""
    if entry.worker is not None and entry.kind != "lost":
        who = plain(entry.worker) + (f" (fence {entry.fence})" if entry.fence is not None else "")
    text = Text.assemble((f"{_MARKS[entry.kind]} {plain(name):<24}", _MARK_STYLES[entry.kind]), status, who)
    text.rstrip()
    return text, (d if len(d) <= _CUT else d[: _CUT - 1] + "…" for d in _details(entry))


def _details(entry: Entry) -> Iterator[str]:
    """What is worth knowing of an entry's data, a line each."""
    data = entry.data
    if entry.kind == "lost":
        payload = data.get("payload")
        yield _why_lost(entry)
        data = payload if isinstance(payload, Mapping) else {}
    match entry.name:
        case "create" if isinstance(data.get("waited_us"), int):
            yield f"had waited {shown_span(data['waited_us'])} for the thread's run to end"
        case "require_action":
            yield from (_call(call) for call in data.get("tool_calls") or ())
        case "submit_tool_outputs":
            yield from (f"{o.get('tool_call_id')} = {o.get('output')}" for o in data.get("outputs") or ())
        case "claim":
            yield "taken over"
        case "lease_lost":
            yield f"{data.get('worker')} has let its lease run out; another worker may claim the run"
        case "enqueue" | "withdraw":
            yield f"{data.get('run_id')} {'waits for the end' if entry.name == 'enqueue' else 'waits no more'}"
        case "modify":
            metadata = data.get("metadata") or {}
            yield "metadata: " + (", ".join(f"{k}={v}" for k, v in metadata.items()) or "none")
        case "fail":
            yield f"{data.get('code')}: {data.get('message')}"
        case "cancel" | "exhaust_tokens" if data.get("reason"):
            yield str(data["reason"])
        case "snapshot":
            yield "what was before has been cut by retention"
    usage = data.get("usage")
    if isinstance(usage, Mapping):
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        yield f"{usage.get('total_tokens')} tokens ({read} in, {written} out)"


def _why_lost(entry: Entry) -> str:
    if entry.data.get("reason") == "fenced":
        return f"came with fence {entry.data.get('fence')}, which is not that of the last claim"
    return f"came too late: {entry.data.get('ended_by')} had ended the run"


def _call(call: JSON) -> str:
    function = call.get("function") or {}
    return f"{call.get('id')}: {function.get('name')}({function.get('arguments')})"
