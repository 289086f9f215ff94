"""The report of `runengine fit` as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.table import Table

from runengine.cli.timeline import plain

if TYPE_CHECKING:
    from runengine.simulation.fitting.comparing import Beside, Comparison
    from runengine.simulation.fitting.estimating import Fit
    from runengine.simulation.fitting.report import Learned

__all__ = ["print_comparison", "print_report"]

_STEPS: Final = "steps."
_NONE: Final = "–"


def print_report(console: Console, fit: Fit) -> None:
    """What was read, and each learned number with what it rests on."""
    from runengine.simulation.fitting.report import BASES

    report = fit.report
    read = report.read
    console.print(
        f"read: {_some(read['runs'], 'run')} in {_some(read['recordings'], 'recording')}, "
        f"{_some(read['observations'], 'snapshot')} "
        f"({read['histories']:,} of histories, {read['streamed']:,} of streams); {read['ended']:,} runs ended in sight"
    )
    console.print(_steps_table(report.learned))
    console.print(_others_table(report.learned))
    used = {one.basis for one in report.learned}
    console.print("; ".join(f"{word}: {says}" for word, says in BASES.items() if word in used), style="dim")
    _list(console, "taken as given", report.assumed)
    _list(console, "not learned", report.unknown)


def _some(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _list(console: Console, title: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if not number:
            console.print(f"\n{title}:", style="bold")
        console.print(f"  - {plain(line)}", markup=False)


def _table(title: str, *columns: tuple[str, bool]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name, is_number in columns:
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=False)
    return table


def _steps_table(learned: Iterable[Learned]) -> Table:
    table = _table(
        "steps",
        ("step", False),
        ("share, 95 %", True),
        ("exact", True),
        ("within", True),
        ("open", True),
        ("seconds after", False),
        ("by", False),
        ("off", True),
    )
    rows: dict[str, list[Learned]] = {}
    for one in learned:
        if one.place.startswith(_STEPS):
            rows.setdefault(".".join(one.place.split(".")[1:3]), []).append(one)
    for place, (share, *numbers) in rows.items():
        kind, _, more = numbers[0].note.partition(", ") if numbers else ("", "", "")
        said = ", ".join(f"{one.place.rpartition('.')[2]} {_with_interval(one)}" for one in numbers)
        off = numbers[0].off if numbers else None
        table.add_row(
            place.replace(".", " "),
            _with_interval(share),
            f"{share.exact:,}",
            f"{share.within:,}",
            f"{share.open:,.1f}",
            f"{kind}: {said}" + (f" ({more})" if more else ""),
            numbers[0].basis if numbers else "",
            _NONE if off is None else f"{off:.3f}",
        )
    return table


def _with_interval(one: Learned) -> str:
    if not isinstance(one.value, (int, float)):
        return plain(str(one.value))
    said = f"{one.value:.3g}"
    return said if one.low is None or one.high is None else f"{said} ({one.low:.3g} to {one.high:.3g})"


def _others_table(learned: Iterable[Learned]) -> Table:
    table = _table("the rest", ("key", False), ("value, 95 %", False), ("by", False), ("cases", True), ("", False))
    for one in learned:
        if not one.place.startswith(_STEPS):
            cases = one.exact + one.within
            table.add_row(
                plain(one.place), _with_interval(one), one.basis, f"{cases:,}" if cases else "", plain(one.note)
            )
    return table


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Recorded beside simulated."""
    console.print(
        f"\nrecorded beside {comparison.runs:,} simulated runs of {plain(comparison.name)}, seed {comparison.seed}",
        style="bold",
    )
    console.print(_shares_table("what ended a stay", comparison.shares))
    table = _table(
        "seconds in a status (of expire, after the deadline): p10, p50, p90, p99",
        ("step", False),
        ("stays", True),
        ("recorded", True),
        ("simulated", True),
        ("largest gap", True),
    )
    for stay in comparison.stays:
        table.add_row(
            f"{stay.source} {stay.event}",
            f"{stay.count:,}",
            _figures(stay.recorded),
            _figures(stay.simulated),
            _NONE if stay.off is None else f"{stay.off:.3f}",
        )
    console.print(table)
    console.print(_shares_table("how runs ended", comparison.ends))
    console.print(_shares_table("tool rounds of a run", comparison.rounds))


def _figures(values: Iterable[float | None]) -> str:
    return "  ".join(f"{_NONE if value is None else format(value, '.3g'):>6}" for value in values)


def _shares_table(title: str, shares: Iterable[Beside]) -> Table:
    table = _table(title, ("", False), ("of", True), ("recorded, 95 %", True), ("simulated", True), ("", False))
    for one in shares:
        recorded = _NONE if one.recorded is None else f"{one.recorded:.2%} ({one.low:.2%} to {one.high:.2%})"
        table.add_row(one.what, f"{one.count:,}", recorded, f"{one.simulated:.2%}", "" if one.agrees else "outside")
    return table
