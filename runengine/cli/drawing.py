"""What is recorded, drawn on the lifecycle: the part of `runengine draw --with` that reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from runengine.cli.progress import reading
from runengine.core.table import Policy
from runengine.dialects.kotlin_sql import masked
from runengine.errors import TraceUnreadable
from runengine.rendering import WeightedGraph
from runengine.validation import Checker, Options
from runengine.validation.profiling.pictured import pictured
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
    said = f"{count_of(data['runs'], 'run')}, {count_of(data['observations'], 'snapshot')}: {names}"
    return pictured(profile, said)
