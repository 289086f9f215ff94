"""PM4Py's token-based replay of the same log, on a net made from the project's own table: a peer of `check`.

PM4Py is AGPL: it is in the extra `bench`, and nothing of the package imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

from attrs import frozen

from runengine.core import PRACTICAL, TERMINAL, Policy

__all__ = ["Replay", "net_of", "replayed"]


@frozen(kw_only=True)
class Replay:
    """What a replay came to.

    Attributes:
        rows: Observations.
        runs: Traces.
        fit: Traces that fit.
        seconds: Of the replay alone, the log being in memory.
    """

    rows: int
    runs: int
    fit: int
    seconds: float


def _of_pm4py(module: str) -> Any:
    with redirect_stdout(StringIO()):  # it greets
        return import_module(module)


def net_of(policy: Policy = PRACTICAL) -> tuple[Any, Any, Any]:
    """A Petri net of a policy: a place for each status, a transition for each row, labelled by its event.

    Args:
        policy: Which rows.

    Returns:
        The net, its initial marking and its final one.
    """
    objects = _of_pm4py("pm4py.objects.petri_net.obj")
    add_arc_from_to = _of_pm4py("pm4py.objects.petri_net.utils.petri_utils").add_arc_from_to
    petri_net, marking = objects.PetriNet, objects.Marking
    net = petri_net("run")
    before, after = petri_net.Place("before"), petri_net.Place("after")
    places: dict[str | None, Any] = {None: before}
    net.places.update((before, after))

    def place(status: str | None) -> Any:
        if status not in places:
            places[status] = petri_net.Place(status)
            net.places.add(places[status])
        return places[status]

    def step(name: str, label: str | None, source: Any, target: Any) -> None:
        transition = petri_net.Transition(name, label)
        net.transitions.add(transition)
        add_arc_from_to(source, transition, net)
        add_arc_from_to(transition, target, net)

    for row in policy.rows:
        step(f"{row.source} {row.event} {row.target}", row.event, place(row.source), place(row.target))
    for status in TERMINAL:
        step(f"{status} stays", None, place(status), after)
    return net, marking({before: 1}), marking({after: 1})


def replayed(path: Path, *, progress: Callable[[str], None] = lambda _text: None) -> Replay:
    """Replay a history of the engine, with columns of the lifecycle.

    Args:
        path: The Parquet file.
        progress: Told what is done.

    Raises:
        ImportError: PM4Py is not installed.
    """
    pm4py = _of_pm4py("pm4py")
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["run_id", "event", "observed_at_us"])
    times = table["observed_at_us"].cast(pa.timestamp("us", "UTC"))
    names = ["case:concept:name", "concept:name", "time:timestamp"]
    frame = pa.table([table["run_id"], table["event"], times], names=names).to_pandas()
    net = net_of()
    progress(f"replaying {len(frame):,} rows")
    began_s = perf_counter()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        traces = pm4py.conformance_diagnostics_token_based_replay(frame, *net)
    seconds = perf_counter() - began_s
    fit = sum(bool(trace["trace_is_fit"]) for trace in traces)
    return Replay(rows=len(frame), runs=len(traces), fit=fit, seconds=seconds)
