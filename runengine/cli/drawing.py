"""What is recorded, drawn on the lifecycle: the part of `runengine draw --with` that reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from runengine.cli.progress import reading
from runengine.core.table import Policy
from runengine.dialects.kotlin_sql import masked
from runengine.errors import TraceUnreadable
from runengine.rendering import Odd, Weight, WeightedGraph, graph_of, weighted
from runengine.validation import Checker, Options
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers import expand, items_in
from runengine.validation.reports.report import count_of

__all__ = ["recorded"]


def recorded(paths: Sequence[str], policy: Policy) -> WeightedGraph:
    """The lifecycle under a policy, with what recordings show along it.

    Args:
        paths: As `runengine check` takes them.
        policy: Whose edges are drawn.

    Raises:
        TraceUnreadable: a path leads nowhere or cannot be read, or there is no run in any.
    """
    profile = Profile(policy)
    checker = Checker(Options(policy=policy), watches=(profile,))
    for path in expand(paths):
        for _ in checker.check(masked(path), items_in(path, watched=partial(reading, path))):
            pass
    data = profile.as_dict()
    names = ", ".join(map(masked, paths))
    if not data["observations"]:
        raise TraceUnreadable(names, 0, 0, "nothing to draw: no run was found")
    edges = {
        pair: Weight(edge["observed"] + edge["hidden"], _median(edge))
        for pair, edge in ((_pair(name), edge) for name, edge in data["edges"].items())
    }
    odd = {
        _pair(name): Odd(edge["count"], tuple(f"{one['path']}:{one['line']}" for one in edge["examples"]))
        for name, edge in data["undeclared"].items()
    }
    said = f"{count_of(data['runs'], 'run')}, {count_of(data['observations'], 'snapshot')}: {names}"
    return weighted(graph_of(policy), edges, odd, data["statuses"], said)


def _median(edge: Mapping[str, Any]) -> float | None:
    """The median stay, unless most stays are known within bounds only: the few others may be of another kind."""
    known, bounds = edge["dwell_s"], edge["dwell_bounds_s"]
    if known is None or (bounds is not None and bounds["n"] > known["n"]):
        return None
    median: float = known["p50"]
    return median


def _pair(name: str) -> tuple[str, str]:
    source, _, target = name.partition("->")
    return source, target
