"""A comparison as pictures: lengths of stays as distribution functions, and shares as bars. PNG and SVG.

What is known of recorded stays within bounds is drawn as a band: whatever their distribution, it lies within.
The same comparison makes the same bytes, with the same matplotlib.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from runengine.core import PERMISSIVE, TERMINAL
from runengine.simulation.errors import MissingExtra
from runengine.simulation.fitting.comparing import Comparison, StayBeside
from runengine.simulation.fitting.empirical import bounds_of, empirical_of

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
except ImportError:
    raise MissingExtra("drawing a comparison", "simulation") from None

__all__ = ["draw", "share_figure", "stay_figure"]

_RECORDED: Final = "#0072B2"
_BAND: Final = "#56B4E9"
_LEARNED: Final = "#D55E00"
_GREY: Final = "#555555"
"""Of Okabe and Ito's palette, which the colour-blind can tell apart; and each line has its own dashes."""

_PANELS_MAX: Final = 12
_STEPS_MAX: Final = 80
_UNDATED: Final[dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
_IDS: Final = re.compile(rb"\b[a-z][0-9a-f]{10}\b")
_DECIMALS: Final = re.compile(rb"(\d\.\d\d)\d+")
"""Of coordinates in points: two decimals are finer than any screen."""
_RECT: Final = (0.012, 0.004, 0.976, 0.992)
"""Of the sheet: words do not touch its edge."""
_POSSIBLE: Final = "recorded: all that is possible"
_MOST_LIKELY: Final = "recorded: most likely"
_ACROSS: Final = 3
_LEAST_S: Final = 0.01
_STYLE: Final[Any] = {
    "svg.hashsalt": "runengine",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "path.simplify_threshold": 0.5,
}


def draw(comparison: Comparison, folder: str | Path, forms: tuple[str, ...] = ("png", "svg")) -> list[Path]:
    """Write `stays` and `shares`, each in every form.

    Args:
        comparison: What to draw.
        folder: Where; it is made if it is not there.
        forms: Of `png` and `svg`.

    Returns:
        The files.

    Raises:
        OSError: a file cannot be written.

    Example:
        >>> import tempfile
        >>> from runengine.simulation.fitting.comparing import compared
        >>> from runengine.simulation.fitting.reading import Reading
        >>> from runengine.simulation.ready import scenario_named
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in draw(compared(Reading(), scenario_named("steady")), folder, ("svg",))]
        ['stays.svg', 'shares.svg']
    """
    here = Path(folder)
    here.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    with _styled():
        for name, figure in (("stays", stay_figure(comparison)), ("shares", share_figure(comparison))):
            for form in forms:
                path = here / f"{name}.{form}"
                kept = BytesIO()
                figure.savefig(kept, format=form, dpi=150, metadata=_UNDATED[form])
                data = kept.getvalue()
                path.write_bytes(_settled(data) if form == "svg" else data)
                made.append(path)
    return made


def _settled(svg: bytes) -> bytes:
    """The same picture with short coordinates, its ids numbered.

    The layout is solved in floating point and differs by a last digit from one time to the next; ids are made of it.
    """
    numbers: dict[bytes, bytes] = {}
    numbered = _IDS.sub(lambda found: numbers.setdefault(found[0], b"i%d" % len(numbers)), svg)
    return _DECIMALS.sub(rb"\1", numbered)


@contextmanager
def _styled() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


def stay_figure(comparison: Comparison) -> Figure:
    """How long stays last, a panel for each of the rows with the most recorded stays.

    Args:
        comparison: What to draw.

    Example:
        >>> from runengine.simulation.fitting.comparing import compared
        >>> from runengine.simulation.fitting.reading import Reading
        >>> from runengine.simulation.ready import scenario_named
        >>> len(stay_figure(compared(Reading(), scenario_named("steady"))).axes) > 5
        True
    """
    most = sorted(comparison.stays, key=lambda stay: (-stay.count, -len(stay.values)))[:_PANELS_MAX]
    chosen = [stay for stay in comparison.stays if stay in most]
    rows = max(1, -(-len(chosen) // _ACROSS))
    figure = _figure(11.0, 2.6 * rows + 1.0)
    panels = figure.subplots(rows, _ACROSS, squeeze=False)
    for axes, stay in zip(panels.flat, chosen, strict=False):
        _stay_panel(axes, stay)
    for axes in list(panels.flat)[len(chosen) :]:
        axes.set_visible(False)
    figure.suptitle("How long runs stay, by what ends the stay", x=0.015, ha="left", fontsize=13, fontweight="bold")
    handles = {
        label: line for axes in panels.flat for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if _POSSIBLE not in handles and _MOST_LIKELY in handles:
        handles = {"recorded" if label == _MOST_LIKELY else label: line for label, line in handles.items()}
    figure.legend(handles.values(), handles.keys(), loc="upper right", ncols=3, frameon=False, fontsize=9)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=_RECT))
    FigureCanvasAgg(figure)
    return figure


def _stay_panel(axes: Axes, stay: StayBeside) -> None:
    target = next(r.target for r in PERMISSIVE.rows if (r.source, r.event) == (stay.source, stay.event))
    axes.set_title(f"{stay.source} → {target}")
    sample, values = stay.sample, stay.values
    edges: list[float] = []
    if len(sample):
        found = empirical_of(sample)
        ends = np.unique(np.concatenate([np.maximum(sample.low - sample.width, 0), sample.low, sample.high, found.at]))
        if len(ends) > _STEPS_MAX:
            ends = np.unique(np.quantile(ends, np.linspace(0, 1, _STEPS_MAX)))
        if not sample.exact.all():
            surely, possibly = bounds_of(sample, ends)
            axes.fill_between(
                np.maximum(ends, _LEAST_S), surely, possibly, step="post", color=_BAND, alpha=0.3, linewidth=0,
                label=_POSSIBLE,
            )  # fmt: skip
        at, below = _thin(found.at, found.below)
        axes.step(
            np.maximum(np.append(_LEAST_S, at), _LEAST_S), np.append(0, below), where="post", color=_RECORDED,
            linewidth=1.6, label=_MOST_LIKELY,
        )  # fmt: skip
        edges += [found.quantile(0.01), found.quantile(0.995)]
    if len(values):
        steps = np.linspace(0, 1, _STEPS_MAX + 1)
        axes.plot(
            np.maximum(np.quantile(values, steps), _LEAST_S), steps, color=_LEARNED, linewidth=1.6,
            linestyle=(0, (4, 1.5)), label="simulated",
        )  # fmt: skip
        edges += [float(np.quantile(values, 0.01)), float(np.quantile(values, 0.995))]
    _in_seconds(axes, edges, "seconds after the deadline" if stay.event == "expire" else "seconds")
    off = "" if stay.off is None else f"\nlargest gap {stay.off:.2f}"
    stays = "no recorded stay" if not stay.count else f"{stay.count:,} stay{'s' * (stay.count != 1)}"
    axes.text(0.97, 0.05, f"{stay.event}\n{stays}{off}", transform=axes.transAxes, ha="right", va="bottom", fontsize=8,
              color=_GREY, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5})  # fmt: skip


def _thin(at: Any, below: Any) -> tuple[Any, Any]:
    """Not more steps than can be seen."""
    if len(at) <= _STEPS_MAX:
        return at, below
    some = np.unique(np.searchsorted(below, np.linspace(below[0], below[-1], _STEPS_MAX)).clip(0, len(at) - 1))
    return at[some], below[some]


def _in_seconds(axes: Axes, edges: list[float], label: str) -> None:
    low = max(min(edges, default=0.1), _LEAST_S)
    high = max(max(edges, default=10.0), low * 10)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.3, high * 1.3)
    axes.set_ylim(0, 1.02)
    decades = float(np.log10(high / low))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 1.7 else (1, 3) if decades < 2.6 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xlabel(label)


def share_figure(comparison: Comparison) -> Figure:
    """What ends a stay in each status, and how runs end: recorded, with 95 % intervals, beside simulated.

    Args:
        comparison: What to draw.

    Example:
        >>> from runengine.simulation.fitting.comparing import compared
        >>> from runengine.simulation.fitting.reading import Reading
        >>> from runengine.simulation.ready import scenario_named
        >>> len(share_figure(compared(Reading(), scenario_named("steady"))).axes)
        7
    """
    groups: dict[str, list[Any]] = {}
    for one in comparison.shares:
        source, _, event = one.what.partition(" ")
        groups.setdefault(f"{'after' if source in TERMINAL else 'leaving'} {source}", []).append((event, one))
    groups["how runs end"] = [(one.what, one) for one in comparison.ends]
    groups["tool rounds of a run"] = [(one.what, one) for one in comparison.rounds]
    groups = {title: bars for title, bars in groups.items() if bars}
    heights = [len(bars) + 1.2 for bars in groups.values()]
    figure = _figure(8.5, 0.34 * sum(heights) + 1.2)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights, sharex=True)
    for axes, (title, bars) in zip(panels.flat, groups.items(), strict=True):
        _share_panel(axes, title, bars)
    last = panels.flat[len(groups) - 1]
    last.set_xlabel("share")
    last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    figure.suptitle("What happens, and how often", x=0.015, ha="left", fontsize=13, fontweight="bold")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def _share_panel(axes: Axes, title: str, bars: list[Any]) -> None:
    places = np.arange(len(bars))
    recorded = np.array([one.recorded or 0.0 for _, one in bars])
    wide = np.array(
        [[max(0.0, (one.recorded or 0) - one.low), max(0.0, one.high - (one.recorded or 0))] for _, one in bars]
    )
    simulated = [one.simulated for _, one in bars]
    axes.barh(places - 0.2, recorded, 0.38, color=_RECORDED, label="recorded, with 95 % interval")
    axes.errorbar(recorded, places - 0.2, xerr=wide.T, fmt="none", ecolor="#222222", elinewidth=1, capsize=2.5)
    axes.barh(
        places + 0.2, simulated, 0.38, color=_LEARNED, hatch="////", edgecolor="white", linewidth=0, label="simulated"
    )
    for place, (_, one) in zip(places, bars, strict=True):
        told = "–" if one.recorded is None else f"{one.recorded:.1%}"
        beside = axes.get_yaxis_transform()
        axes.text(1.01, float(place), f"{told} | {one.simulated:.1%}", transform=beside, va="center", fontsize=8,
                  color=_GREY)  # fmt: skip
    axes.set_yticks(places, [f"{word}" for word, _ in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_title(f"{title} ({bars[0][1].count:,} recorded)")
    axes.grid(visible=False, axis="y")
