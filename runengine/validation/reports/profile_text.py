"""The profile of a corpus for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from attrs import Factory, frozen
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runengine.rendering.durations import brief
from runengine.validation.profiling.profile import Profile
from runengine.validation.reports.plain import plain

__all__ = ["VARIANTS_SHOWN", "print_profile"]

VARIANTS_SHOWN: Final = 12
"""So many variants are printed; `--format json` has them all."""

_NONE: Final = "–"
_IN_ASCII: Final = str.maketrans({"→": "->", "–": "-", "…": "...", "×": "x", "µ": "u"})
_SOURCES: Final = {"snapshot": "from calls", "stream": "from streams", "history": "from histories"}
_WIDEST: Final = 10_000
_GENERATIONS_SHOWN: Final = 4


def print_profile(console: Console, profile: Profile) -> None:
    """Print a profile as tables.

    Args:
        console: Where to.
        profile: Of recordings that have ended; without a snapshot nothing is printed.

    Example:
        >>> print_profile(Console(), Profile())
    """
    data = profile.as_dict()
    if not data["observations"]:
        return
    _line(console, "profile", "bold")
    _print(console, _overview(data))
    _line(console, "")
    _variants(console, data)
    _line(console, "edges, and how long runs stayed before them", "bold")
    _print(console, _edges(data))
    notes = ["observed: between two snapshots; hidden: where no snapshot shows it; n: stays that are known"]
    if any(edge["dwell_bounds_s"] for edge in data["edges"].values()):
        notes.append("a–b: bounds, from the times of polls")
    _line(console, "; ".join(notes), "dim")
    if data["never_seen"]:
        _line(console, f"never seen: {', '.join(map(_arrow, data['never_seen']))}")
    if data["undeclared"]:
        _print(console, _undeclared(data))
    _line(console, "")


@frozen
class _Sheet:
    """Rows for people, whatever they are printed on."""

    heads: Sequence[str] = ()
    right: Sequence[int] = ()
    is_odd: bool = False
    rows: list[Sequence[str]] = Factory(list)

    def add(self, *cells: str) -> None:
        self.rows.append(cells)


def _overview(data: Mapping[str, Any]) -> _Sheet:
    fitness, span = data["fitness"], data["span_s"]
    runs = data["runs"]
    sheet = _Sheet()
    ended = f"{data['runs_ended']:,} ended; at most {data['runs_per_thread_most']:,} on one thread"
    sheet.add("runs", f"{runs:,}: {ended}")
    sheet.add("snapshots", _counted({_SOURCES[name]: count for name, count in data["sources"].items()}))
    if span is not None:
        sheet.add("time", f"{_moment(span['from'])} to {_moment(span['until'])} UTC")
    if data["generations"]:
        first = dict(list(data["generations"].items())[:_GENERATIONS_SHOWN])
        more = len(data["generations"]) - len(first)
        sheet.add("generations", _counted(first) + (f", {more} more" if more else ""))
    without = round((fitness["runs_without_error"] or 0) * runs)
    sheet.add("runs without an error", f"{_percent(fitness['runs_without_error'])}  ({without:,} of {runs:,})")
    steps = _counted(fitness["steps_judged"]) or "0"
    odd = [
        f"{fitness[name]:,} {word}"
        for name, word in (("steps_undeclared", "undeclared"), ("steps_contradicted", "contradicted by started_at"))
        if fitness[name]
    ]
    said = f"; {', '.join(odd)}" if odd else ""
    sheet.add(
        f"steps that {plain(data['policy'])} explains", f"{_percent(fitness['steps_explained'])}  ({steps}{said})"
    )
    by_run, by_step = fitness["replay_by_run"], fitness["replay_by_step"]
    sheet.add("replay fitness", f"{_digits(by_run)} by run, {_digits(by_step)} by step")
    return sheet


def _variants(console: Console, data: Mapping[str, Any]) -> None:
    shown, others = data["variants"][:VARIANTS_SHOWN], data["variants"][VARIANTS_SHOWN:]
    _line(console, "variants", "bold")
    wide = len(f"{data['runs']:,}")
    for each in shown:
        example = each["example"]
        _line(console, f"{each['runs']:>{wide},}  {_percent(each['share']):>6}  {each['way']}")
        _line(console, f"{'':{wide + 8}}  {plain(example['path'])}:{example['line']}", "dim")
    rest = sum(each["runs"] for each in others) + data["variants_other_runs"]
    if rest:
        more = f"of more than {len(others):,}" if data["variants_other_runs"] else f"of {len(others):,}"
        _line(console, f"{rest:>{wide},}  {_percent(rest / data['runs']):>6}  {more} other variants")
    _line(console, "")


def _edges(data: Mapping[str, Any]) -> _Sheet:
    sheet = _Sheet(heads=("edge", "observed", "hidden", *_STAYS, "n"), right=range(1, 8))
    for name, edge in data["edges"].items():
        if name in data["never_seen"]:
            continue
        known, bounds = edge["dwell_s"], edge["dwell_bounds_s"]
        rows: list[list[str]] = []
        if known is not None:
            rows.append([*(brief(known[key]) for key in _STAYS), f"{known['n']:,}"])
        if bounds is not None:
            least, most = bounds["at_least"], bounds["at_most"]
            rows.append([*(_between(least[key], most[key]) for key in _STAYS), f"{bounds['n']:,}"])
        head = [_arrow(name), f"{edge['observed']:,}", f"{edge['hidden']:,}"]
        for number, row in enumerate(rows or [[_NONE] * 4 + ["0"]]):
            sheet.add(*(head if not number else [""] * 3), *row)
    return sheet


_STAYS: Final = ("p50", "p90", "p99", "max")


def _undeclared(data: Mapping[str, Any]) -> _Sheet:
    sheet = _Sheet(heads=("undeclared edge", "count", "examples"), right=(1,), is_odd=True)
    for name, edge in data["undeclared"].items():
        examples = [
            f"{one['path']}:{one['line']}" + (f" ({one['run_id']})" if one["run_id"] else "")
            for one in edge["examples"]
        ]
        sheet.add(_arrow(name), f"{edge['count']:,}", plain(", ".join(examples)))
    return sheet


def _table(sheet: _Sheet, in_ascii: bool) -> Table:
    plain_box = None if not sheet.heads else box.SIMPLE_HEAD
    table = Table(box=plain_box, pad_edge=False, show_header=bool(sheet.heads))
    for place, head in enumerate(sheet.heads or ("",) * 2):
        side: Literal["left", "right"] = "right" if place in sheet.right else "left"
        style = "red" if sheet.is_odd and not place else ""
        table.add_column(head, justify=side, no_wrap=place == 0, overflow="fold", style=style)
    for row in sheet.rows:
        table.add_row(*(Text(cell.translate(_IN_ASCII) if in_ascii else cell) for cell in row))
    return table


def _print(console: Console, sheet: _Sheet) -> None:
    """A file or a pipe has no width, so that no line is broken there."""
    table = _table(sheet, _in_ascii(console))
    if console.is_terminal:
        console.print(table)
        return
    width = console.width
    console.width = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    try:
        console.print(table)
    finally:
        console.width = width


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(Text(text.translate(_IN_ASCII) if _in_ascii(console) else text), style=style)


def _in_ascii(console: Console) -> bool:
    return not console.encoding.startswith("utf")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _percent(share: float | None) -> str:
    """Rounded towards the middle, so that only all is 100 % and only none is 0 %."""
    if share is None:
        return _NONE
    return f"{share:.0%}" if share in (0, 1) else f"{min(max(share * 100, 0.1), 99.9):.1f}%"


def _digits(share: float | None) -> str:
    return _NONE if share is None else f"{share:.4g}" if share in (0, 1) else f"{min(share, 0.9999):.4f}"


def _between(least_s: float, most_s: float) -> str:
    one, other = brief(least_s), brief(most_s)
    same = one.partition(" ")[2] == other.partition(" ")[2]
    return f"{one.partition(' ')[0] if same else one}–{other}"


def _arrow(name: str) -> str:
    return name.replace("->", " → ")
