"""A profile on the lifecycle: how often each edge was taken, how long runs stayed, and edges that are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runengine.rendering import Odd, Weight, WeightedGraph, graph_of, weighted
from runengine.validation.profiling.profile import Profile

__all__ = ["pictured"]


def pictured(profile: Profile, said: str) -> WeightedGraph:
    """The lifecycle under the profile's policy, with what was counted along it.

    Args:
        profile: Of whatever was checked.
        said: What was counted, in words.

    Example:
        >>> pictured(Profile(), "nothing").said
        'nothing'
    """
    data = profile.as_dict()
    edges = {
        pair: Weight(edge["observed"] + edge["hidden"], _median(edge))
        for pair, edge in ((_pair(name), edge) for name, edge in data["edges"].items())
    }
    odd = {
        _pair(name): Odd(edge["count"], tuple(f"{one['path']}:{one['line']}" for one in edge["examples"]))
        for name, edge in data["undeclared"].items()
    }
    return weighted(graph_of(profile.policy), edges, odd, data["statuses"], said)


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
