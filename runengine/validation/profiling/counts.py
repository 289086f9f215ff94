"""What a profile has counted: plain sums, so that the counts of two corpora can be brought together in any grouping.

So can those of two parts of one recording, if no run and no thread has snapshots in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import define, field

from runengine.core.statuses import STATUSES, Status
from runengine.core.table import Policy, Transition
from runengine.validation.profiling.dwell import Stay
from runengine.validation.profiling.quantiles import Histogram
from runengine.validation.profiling.variants import Example, Variants

__all__ = ["EXAMPLES_MAX", "Counts", "EdgeCounts", "Undeclared", "as_dict"]

EXAMPLES_MAX: Final = 3
"""So many example runs are kept of each undeclared edge."""

_WHOLE: Final = 10**12
"""Shares are summed in parts of this, as whole numbers, so that no order of adding them makes a difference."""

Pair = tuple[Status, Status]


@define
class EdgeCounts:
    """What is known of one edge.

    Attributes:
        observed: Times it lay between two snapshots.
        hidden: Times it was taken where no snapshot shows it.
        dwell: Stays before it whose length is known.
        at_least: Shortest lengths of those that are known within bounds.
        at_most: Their longest lengths.

    Example:
        >>> edge = EdgeCounts()
        >>> edge.stay(Stay("queued", "in_progress", 2, 2))
        >>> edge.dwell.n, edge.at_least.n
        (1, 0)
    """

    observed: int = 0
    hidden: int = 0
    dwell: Histogram = field(factory=Histogram)
    at_least: Histogram = field(factory=Histogram)
    at_most: Histogram = field(factory=Histogram)

    def stay(self, stay: Stay) -> None:
        """Count how long a run stayed before it took the edge."""
        if stay.is_known:
            self.dwell.add(stay.at_least_s)
        else:
            self.at_least.add(stay.at_least_s)
            self.at_most.add(stay.at_most_s)

    def take(self, other: EdgeCounts) -> None:
        """Add another's counts."""
        self.observed += other.observed
        self.hidden += other.hidden
        self.dwell.take(other.dwell)
        self.at_least.take(other.at_least)
        self.at_most.take(other.at_most)

    def kept(self) -> list[Any]:
        """The counts, as plain JSON; `taken` reads them."""
        return [self.observed, self.hidden, *(each.kept() for each in (self.dwell, self.at_least, self.at_most))]

    @classmethod
    def taken(cls, kept: list[Any]) -> EdgeCounts:
        """What `kept` wrote."""
        observed, hidden, *stays = kept
        return cls(observed, hidden, *map(Histogram.taken, stays))

    def as_dict(self, event: str) -> dict[str, Any]:
        """The counts as reports carry them."""
        least, most = self.at_least.as_dict(), self.at_most.as_dict()
        bounds = None if least is None or most is None else {"n": least.pop("n"), "at_least": least, "at_most": most}
        if most is not None:
            del most["n"]
        return {
            "event": event,
            "observed": self.observed,
            "hidden": self.hidden,
            "dwell_s": self.dwell.as_dict(),
            "dwell_bounds_s": bounds,
        }


@define
class Undeclared:
    """An edge that the policy does not have, and runs that took it.

    Attributes:
        count: How often it was seen.
        examples: The first steps, as they stand in their recordings.

    Example:
        >>> edge = Undeclared()
        >>> edge.see(Example("run_1", "a.jsonl", 3))
        >>> edge.count
        1
    """

    count: int = 0
    examples: tuple[Example, ...] = ()

    def see(self, example: Example) -> None:
        """Count it once."""
        self.count += 1
        if len(self.examples) < EXAMPLES_MAX:
            self.examples += (example,)

    def take(self, other: Undeclared) -> None:
        """Add another's counts: of the same recordings, or of later ones."""
        self.count += other.count
        both = self.examples + other.examples
        recordings = list(dict.fromkeys(example.path for example in both))
        ordered = sorted(both, key=lambda each: (recordings.index(each.path), each.line, each.run_id or ""))
        self.examples = tuple(ordered[:EXAMPLES_MAX])


@define(kw_only=True)
class Counts:
    """Everything counted of recordings that have ended.

    Attributes:
        runs: Runs, each recording a scope of its own.
        runs_ended: Those whose last snapshot is terminal.
        runs_without_error: Those of which no error was reported.
        runs_per_thread_most: The most runs seen on one thread of a recording.
        observations: Snapshots.
        statuses: Snapshots by status.
        unknown_statuses: Snapshots whose status is none of the nine.
        sources: Snapshots by source.
        generations: Runs by the generations that the first snapshot may be of, in words.
        from_s: The earliest time in it, Unix seconds.
        until_s: The latest.
        steps: Steps by how they were judged: complete or polled.
        steps_undeclared: Steps that the policy has no way for.
        steps_contradicted: Steps it has a way for, but started_at contradicts it.
        replayed: Rows replayed, and misfits.
        misfits: Misfits.
        fitness_sum: Sum of the runs' fitness, in parts of 10^12.
        edges: By source and target, the policy's.
        undeclared: By source and target, all others.
        variants: Runs by variant.

    Example:
        >>> counts = Counts()
        >>> counts.take(Counts(runs=2))
        >>> counts.runs
        2
    """

    runs: int = 0
    runs_ended: int = 0
    runs_without_error: int = 0
    runs_per_thread_most: int = 0
    observations: int = 0
    statuses: Counter[str] = field(factory=Counter)
    unknown_statuses: int = 0
    sources: Counter[str] = field(factory=Counter)
    generations: Counter[str] = field(factory=Counter)
    from_s: float | None = None
    until_s: float | None = None
    steps: Counter[str] = field(factory=Counter)
    steps_undeclared: int = 0
    steps_contradicted: int = 0
    replayed: int = 0
    misfits: int = 0
    fitness_sum: int = 0
    edges: dict[Pair, EdgeCounts] = field(factory=dict)
    undeclared: dict[Pair, Undeclared] = field(factory=dict)
    variants: Variants = field(factory=Variants)

    def replay(self, replayed: int, misfits: int) -> None:
        """Count the replay of one run."""
        self.replayed += replayed
        self.misfits += misfits
        self.fitness_sum += _WHOLE - (_WHOLE * misfits // replayed if replayed else 0)

    def replay_fitting(self, runs: int, replayed: int = 0) -> None:
        """Count runs without a misfit, and rows replayed of such runs."""
        self.replayed += replayed
        self.fitness_sum += runs * _WHOLE

    def at(self, moment_s: float) -> None:
        """Take a time into the span."""
        self.from_s = moment_s if self.from_s is None else min(self.from_s, moment_s)
        self.until_s = moment_s if self.until_s is None else max(self.until_s, moment_s)

    def edge(self, pair: Pair) -> EdgeCounts:
        """What is counted of a declared edge."""
        found = self.edges.get(pair)
        if found is None:
            found = self.edges[pair] = EdgeCounts()
        return found

    def take_rows(self, rows: Iterable[Transition], *, hidden: bool, policy: Policy, times: int = 1) -> None:
        """Count the rows that explain a step, those that are edges of the policy.

        Args:
            rows: The rows.
            hidden: No snapshot lies at both ends of each.
            policy: Whose edges count.
            times: How often there was such a step.
        """
        for row in rows:
            if row.edge in policy.edges:
                edge = self.edge(row.edge)
                edge.hidden += times * hidden
                edge.observed += times * (not hidden)

    def kept(self) -> dict[str, Any]:
        """Everything counted, as plain JSON; `taken` reads it.

        Example:
            >>> Counts.taken(Counts(runs=2).kept()).runs
            2
        """
        return {
            **{name: getattr(self, name) for name in (*_SUMS, *_SINGLE)},
            **{name: dict(getattr(self, name)) for name in _COUNTERS},
            "edges": [[*pair, edge.kept()] for pair, edge in self.edges.items()],
            "undeclared": [
                [*pair, each.count, list(map(list, each.examples))] for pair, each in self.undeclared.items()
            ],
            "variants": self.variants.written(),
        }

    @classmethod
    def taken(cls, kept: Mapping[str, Any]) -> Counts:
        """What `kept` wrote.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        made = cls(**{name: kept[name] for name in (*_SUMS, *_SINGLE)}, variants=Variants.taken(kept["variants"]))
        for name in _COUNTERS:
            getattr(made, name).update(kept[name])
        for source, target, edge in kept["edges"]:
            made.edges[source, target] = EdgeCounts.taken(edge)
        for source, target, count, examples in kept["undeclared"]:
            made.undeclared[source, target] = Undeclared(count, tuple(Example(*each) for each in examples))
        return made

    def take(self, other: Counts) -> None:
        """Add the counts of other runs: of the same recordings, or of recordings that come after these."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.runs_per_thread_most = max(self.runs_per_thread_most, other.runs_per_thread_most)
        for moment_s in (other.from_s, other.until_s):
            if moment_s is not None:
                self.at(moment_s)
        for pair, edge in other.edges.items():
            self.edge(pair).take(edge)
        for pair, odd in other.undeclared.items():
            self.undeclared.setdefault(pair, Undeclared()).take(odd)
        self.variants.take(other.variants)


_SUMS: Final = (
    "runs",
    "runs_ended",
    "runs_without_error",
    "observations",
    "unknown_statuses",
    "steps_undeclared",
    "steps_contradicted",
    "replayed",
    "misfits",
    "fitness_sum",
)
_COUNTERS: Final = ("statuses", "sources", "generations", "steps")
_SINGLE: Final = ("runs_per_thread_most", "from_s", "until_s")


def as_dict(counts: Counts, policy: Policy) -> dict[str, Any]:
    """The counts as reports carry them: see `Profile.as_dict`.

    Example:
        >>> from runengine.core.table import DOCUMENTED
        >>> len(as_dict(Counts(), DOCUMENTED)["never_seen"])
        11
    """
    c = counts
    pairs: list[Pair] = [(a, b) for a in STATUSES for b in STATUSES]
    declared = [pair for pair in pairs if pair in policy.edges]
    return {
        "policy": policy.name,
        "runs": c.runs,
        "runs_ended": c.runs_ended,
        "runs_per_thread_most": c.runs_per_thread_most,
        "observations": c.observations,
        "span_s": None if c.from_s is None else {"from": c.from_s, "until": c.until_s},
        "sources": dict(sorted(c.sources.items())),
        "generations": dict(sorted(c.generations.items(), key=lambda item: (-item[1], item[0]))),
        "statuses": {s: c.statuses[s] for s in STATUSES if c.statuses[s]},
        "unknown_statuses": c.unknown_statuses,
        "fitness": _fitness(c),
        "variants": c.variants.as_list(),
        "variants_other_runs": c.variants.other_runs,
        "edges": {_name(pair): c.edges.get(pair, EdgeCounts()).as_dict(policy.edges[pair]) for pair in declared},
        "never_seen": [_name(pair) for pair in declared if pair not in c.edges],
        "undeclared": {
            _name(pair): {
                "count": c.undeclared[pair].count,
                "examples": [example.as_dict() for example in c.undeclared[pair].examples],
            }
            for pair in pairs
            if pair in c.undeclared
        },
    }


def _fitness(counts: Counts) -> dict[str, Any]:
    steps = counts.steps.total()
    unexplained = counts.steps_undeclared + counts.steps_contradicted
    return {
        "runs_without_error": _share(counts.runs_without_error, counts.runs),
        "steps": steps,
        "steps_judged": dict(sorted(counts.steps.items())),
        "steps_undeclared": counts.steps_undeclared,
        "steps_contradicted": counts.steps_contradicted,
        "steps_explained": _share(steps - unexplained, steps),
        "replayed": counts.replayed,
        "replay_by_step": _share(counts.replayed - counts.misfits, counts.replayed),
        "replay_by_run": _share(counts.fitness_sum, counts.runs * _WHOLE),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _name(pair: Pair) -> str:
    return f"{pair[0]}->{pair[1]}"
