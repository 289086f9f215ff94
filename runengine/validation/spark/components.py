"""Threads that runs join: what the checker says of one may depend on the other. Source: DESIGN §5 (Volume)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["components"]


def components(runs: Sequence[int], threads: Sequence[Sequence[int]]) -> dict[int, int]:
    """Which component a run or thread is of: those that are joined by runs have the same.

    Args:
        runs: Keys of runs that were seen on several threads.
        threads: Keys of the threads of each; 0 stands for none.

    Returns:
        Component by key of a run and of a thread.

    Example:
        >>> components([1, 2, 3], [[10, 11], [11, 12], [0, 20]])
        {1: 10, 2: 10, 3: 20, 10: 10, 11: 10, 12: 10, 20: 20}
    """
    above: dict[int, int] = {}

    def top(key: int) -> int:
        while above.setdefault(key, key) != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    of_run = {}
    for run, several in zip(runs, threads, strict=True):
        known = sorted(thread for thread in several if thread)
        of_run[run] = known[0] if known else run
        for thread in known:
            one, other = sorted((top(known[0]), top(thread)))
            above[other] = one
    return {run: top(thread) for run, thread in of_run.items()} | {thread: top(thread) for thread in sorted(above)}
